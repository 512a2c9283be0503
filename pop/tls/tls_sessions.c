/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/tls_priv.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

void tls_sessions_fini(struct tls_sessions *sessions)
{
    for (size_t i = 0; i < sessions->count; i++) {
        free(sessions->items[i].name);
        SSL_SESSION_free(sessions->items[i].session);
    }
    free(sessions->items);
    *sessions = (struct tls_sessions){ .items = NULL };
}

static struct tls_session *find(struct tls_sessions *sessions, const char *name)
{
    for (size_t i = 0; i < sessions->count; i++)
        if (strcmp(sessions->items[i].name, name) == 0)
            return &sessions->items[i];
    return NULL;
}

static struct tls_session *oldest(struct tls_sessions *sessions)
{
    struct tls_session *found = &sessions->items[0];
    for (size_t i = 1; i < sessions->count; i++)
        if (sessions->items[i].used < found->used)
            found = &sessions->items[i];
    return found;
}

void tls_sessions_put(struct tls_sessions *sessions, const char *name, SSL_SESSION *session)
{
    struct tls_session *item = find(sessions, name);
    if (sessions->items == NULL)
        sessions->items = mem_calloc(TLS_SESSIONS_MAX, sizeof(*sessions->items));
    if (item == NULL && sessions->count < TLS_SESSIONS_MAX)
        item = &sessions->items[sessions->count++];
    else if (item == NULL)
        item = oldest(sessions);
    if (item->name == NULL || strcmp(item->name, name) != 0) {
        free(item->name);
        item->name = mem_strdup(name);
    }
    SSL_SESSION_free(item->session);
    item->session = session;
    item->used = ++sessions->clock;
}

SSL_SESSION *tls_sessions_find(struct tls_sessions *sessions, const char *name)
{
    struct tls_session *item = find(sessions, name);
    if (item == NULL || SSL_SESSION_is_resumable(item->session) != 1)
        return NULL;
    item->used = ++sessions->clock;
    return item->session;
}
