/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/store/presence.h"

#include <stdlib.h>

#include "steering/base/mem.h"
#include "steering/store/store_priv.h"

static bool is_id_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

bool presence_is_id(struct str text)
{
    if (text.len == 0 || text.len > PRESENCE_ID_MAX || text.ptr[0] == '.')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!is_id_char(text.ptr[i]))
            return false;
    return true;
}

enum err presence_write(struct store *store, const char *node_id, const json_t *value,
                        struct diag *diag)
{
    struct buf text;
    if (!presence_is_id(str_from(node_id)))
        return diag_error(diag, 0, 0,
                          "'%s' cannot name a node: expected 1 to %d letters, digits, '.', '-', "
                          "'_', not beginning with '.'",
                          node_id, PRESENCE_ID_MAX);
    buf_init(&text, PRESENCE_MAX_BYTES);
    json_format(value, &text);
    enum err err = ERR_TOO_LARGE;
    if (text.is_overflown)
        diag_error(diag, 0, 0, "the presence of '%s' would exceed %d bytes", node_id,
                   PRESENCE_MAX_BYTES);
    else
        err = store->ops->announce(store, node_id, buf_str(&text), diag);
    buf_fini(&text);
    return err;
}

bool presence_is_written(struct store *store)
{
    return store->ops->is_announced(store);
}

void presence_remove(struct store *store)
{
    store->ops->withdraw(store);
}

static uint64_t get_count(const json_t *object, const char *key, uint64_t max)
{
    int64_t number = json_get_int(object, key, 0);
    if (number < 0)
        return 0;
    return (uint64_t)number < max ? (uint64_t)number : max;
}

struct presence presence_make(const char *id, bool is_alive, json_t *value)
{
    if (!json_is_object(value)) {
        json_decref(value);
        value = NULL;
    }
    const json_t *rejected = json_object_get(value, "rejected");
    return (struct presence){
        .id = mem_strdup(id),
        .is_alive = is_alive,
        .value = value,
        .role = json_get_str(value, "role"),
        .site = json_get_str(value, "site"),
        .host = json_get_str(value, "host"),
        .version = json_get_str(value, "version"),
        .epoch = json_get_str(value, "epoch"),
        .digest = json_get_str(value, "digest"),
        .source = json_get_str(value, "source"),
        .topology = json_get_str(value, "topology"),
        .admin = json_get_str(value, "admin"),
        .note = json_get_str(value, "note"),
        .generation = get_count(value, "gen", INT64_MAX),
        .applied_at_ms = json_get_int(value, "applied_at_ms", 0),
        .workers = (uint32_t)get_count(value, "workers", UINT32_MAX),
        .has_rejected = json_is_object(rejected),
        .has_strays = json_is_integer(json_object_get(value, "strays")),
        .strays = get_count(value, "strays", INT64_MAX),
        .strays_per_s = get_count(value, "strays_per_s", INT64_MAX),
        .rejected_generation = get_count(rejected, "gen", INT64_MAX),
        .rejected_why = json_get_str(rejected, "why"),
    };
}

void presence_fini(struct presence *presence)
{
    free(presence->id);
    json_decref(presence->value);
    *presence = (struct presence){ .id = NULL };
}

enum err presence_list(struct store *store, struct diag *diag, struct presences *out_presences)
{
    return store->ops->list(store, diag, out_presences);
}

void presences_fini(struct presences *presences)
{
    for (size_t i = 0; i < presences->count; i++)
        presence_fini(&presences->items[i]);
    free(presences->items);
    *presences = (struct presences){ .items = NULL };
}
