/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/base/ulid.h"
#include "steering/store/dir_priv.h"
#include "steering/store/store_priv.h"

/* Beyond the ceiling of a document, so that one too large is told from one that just fits. */
enum { TEXT_MAX_BYTES = DOCUMENT_MAX_BYTES + 4096 };

enum err store_open(const char *where, struct diag *diag, struct store **out_store)
{
    const char *scheme_end = strstr(where, "://");
    if (where[0] == '\0')
        return diag_error(diag, 0, 0, "the store's folder is empty text");
    if (scheme_end != NULL)
        return diag_error(diag, 0, 0, "store '%s': unknown kind '%.*s'; expected a folder", where,
                          (int)(scheme_end - where), where);
    if (strncmp(where, "dir:", 4) == 0)
        where += 4;
    *out_store = dir_open(where);
    return ERR_OK;
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->ops->close(store);
}

const char *store_where(const struct store *store)
{
    return store->where;
}

enum err store_get_text(struct store *store, struct diag *diag, struct buf *out_text)
{
    return store->ops->get(store, diag, out_text);
}

static bool looks_like_document(const json_t *value)
{
    return json_is_integer(json_object_get(value, "v")) &&
           json_is_integer(json_object_get(value, "gen")) &&
           json_is_string(json_object_get(value, "epoch"));
}

enum err store_parse(struct str text, struct diag *diag, struct document **out_document)
{
    json_t *value = NULL;
    enum err err = document_parse(text, diag, out_document);
    if (err == ERR_OK)
        return err;
    struct diag ignored;
    diag_init(&ignored);
    bool is_one = err == ERR_INVALID && json_parse(text, &ignored, &value) == ERR_OK &&
                  looks_like_document(value);
    json_decref(value);
    diag_fini(&ignored);
    return is_one ? ERR_INVALID : ERR_CORRUPT;
}

uint64_t store_peek_generation(struct str text)
{
    json_t *value = NULL;
    struct diag ignored;
    int64_t generation = 0;
    diag_init(&ignored);
    if (json_parse(text, &ignored, &value) == ERR_OK)
        generation = json_get_int(value, "gen", 0);
    json_decref(value);
    diag_fini(&ignored);
    return generation > 0 ? (uint64_t)generation : 0;
}

enum err store_get(struct store *store, struct diag *diag, struct document **out_document)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    enum err err = store_get_text(store, diag, &text);
    if (err == ERR_OK) {
        diag_set_file(diag, store->document);
        err = store_parse(buf_str(&text), diag, out_document);
        diag_set_file(diag, NULL);
    }
    buf_fini(&text);
    return err;
}

enum err store_cas(struct store *store, const struct store_expected *expected,
                   const struct document *next, const struct store_audit *audit, struct diag *diag,
                   struct store_written *out_written)
{
    return store->ops->cas(store, expected, next, audit, diag, out_written);
}

enum err store_watch(struct store *store, enum store_watch what, struct diag *diag, int *out_fd)
{
    return store->ops->watch(store, what, diag, out_fd);
}

bool store_watch_drain(struct store *store, enum store_watch what, int fd, bool *out_is_lost)
{
    return store->ops->drain(what, fd, out_is_lost);
}

enum err store_history(struct store *store, size_t max_count, struct diag *diag,
                       struct store_history *out_history)
{
    return store->ops->history(store, max_count, diag, out_history);
}

void store_history_fini(struct store_history *history)
{
    json_decref(history->records);
    free(history->problem);
    *history = (struct store_history){ .records = NULL };
}

enum err store_succeed(const struct document *base, uint64_t generation,
                       const struct store_audit *audit, struct diag *diag,
                       struct document **out_document)
{
    json_t *value = json_deep_copy(base->value);
    json_t *op = json_object();
    json_set_str(op, "id", audit->op_id);
    json_set_str(op, "who", audit->who);
    json_set_str(op, "why", audit->why);
    json_set_int(op, "at", audit->at_unix_s);
    json_object_set_new(value, "op", op);
    json_set_int(value, "gen", (int64_t)generation);
    return document_from_value(value, diag, out_document);
}

static enum err write_first(struct store *store, const struct store_audit *audit, struct diag *diag,
                            struct store_written *out_written)
{
    char epoch[ULID_TEXT_MAX];
    struct document *empty = document_new(ulid_new(epoch));
    struct document *first = NULL;
    struct store_expected expected = { .epoch = empty->epoch, .generation = 0 };
    enum err err = store->ops->prepare(store, diag);
    if (err == ERR_OK)
        err = store_succeed(empty, 1, audit, diag, &first);
    if (err == ERR_OK)
        err = store_cas(store, &expected, first, audit, diag, out_written);
    document_free(first);
    document_free(empty);
    return err;
}

enum err store_init(struct store *store, const struct store_audit *audit, struct diag *diag,
                    struct store_written *out_written)
{
    struct document *present = NULL;
    struct diag ignored;
    diag_init(&ignored);
    enum err err = store_get(store, &ignored, &present);
    diag_fini(&ignored);
    if (err == ERR_OK)
        *out_written =
            (struct store_written){ .generation = present->generation, .is_repeat = true };
    else
        err = write_first(store, audit, diag, out_written);
    document_free(present);
    return err;
}

enum err store_repair(struct store *store, const struct document *from,
                      const struct store_audit *audit, struct diag *diag,
                      struct store_written *out_written)
{
    return store->ops->repair(store, from, audit, diag, out_written);
}
