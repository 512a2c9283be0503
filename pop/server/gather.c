/* SPDX-License-Identifier: Apache-2.0 */
/* Asks every worker what it knows, and answers when the last has told. */
#include <stdlib.h>

#include "pop/server/server_priv.h"
#include "steering/base/mem.h"

struct gather {
    struct admin_request *request;
    json_t *value; /* the answer so far */
    json_t *workers;
    size_t pending;
};

static void finish(struct gather *gather)
{
    json_object_set_new(gather->value, "threads", gather->workers);
    admin_reply_json(gather->request, 200, gather->value);
    free(gather);
}

static void on_status(void *owner, json_t *value)
{
    struct gather *gather = owner;
    json_array_append_new(gather->workers, value);
    if (--gather->pending == 0)
        finish(gather);
}

void gather_status(struct server *server, struct admin_request *request)
{
    struct gather *gather = mem_calloc(1, sizeof(*gather));
    *gather = (struct gather){ .request = request,
                               .value = status_value(server),
                               .workers = json_array() };
    for (size_t i = 0; i < server->worker_count; i++) {
        if (server->threads[i] == NULL)
            continue;
        gather->pending++;
        worker_thread_status(server->threads[i], on_status, gather);
    }
    if (gather->pending == 0)
        finish(gather);
}
