/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/model/succession.h"
#include "steering/store/dir_priv.h"

/* ---- compare and swap -------------------------------------------------------------------- */

static enum err refuse_damage(struct swap *swap)
{
    const char *folder = swap->dir->folder;
    if (swap_is_rolled_back(swap))
        diag_error(swap->diag, 0, 0,
                   "document.json in '%s' is generation %" PRIu64
                   ", but the log has reached %" PRIi64
                   ": an old copy was put back. 'steer store repair' reinstates the newest",
                   folder, swap->current->generation, json_get_int(swap->tail.last, "gen", 0));
    else if (swap->document_err == ERR_OK || swap_is_fresh(swap))
        return ERR_OK;
    else if (swap->document_err == ERR_NOT_FOUND)
        diag_error(
            swap->diag, 0, 0,
            "document.json in '%s' is gone, but the log knows that there was one; nothing was "
            "written. 'steer store repair' reinstates it",
            folder);
    else if (swap->document_err == ERR_INVALID)
        diag_error(swap->diag, 0, 0,
                   "document.json in '%s' is not for this version of steer (%s); nothing was "
                   "written. Upgrade, or, if it was edited by hand, 'steer store repair'",
                   folder, diag_first(&swap->document_diag));
    else
        diag_error(swap->diag, 0, 0,
                   "document.json in '%s' is damaged (%s); nothing was written. "
                   "'steer store repair' reinstates the last good one",
                   folder, diag_first(&swap->document_diag));
    return ERR_UNREACHABLE;
}

/* Has this very operation been written before? A retry after "outcome unknown" asks. */
static bool find_operation(const struct swap *swap, uint64_t *out_generation)
{
    struct str op_id = swap->audit->op_id;
    struct str lines = buf_str(&swap->tail.text);
    json_t *record;
    if (op_id.len == 0)
        return false;
    if (swap->current != NULL && str_eq(swap->current->op_id, op_id)) {
        *out_generation = swap->current->generation;
        return true;
    }
    if (lines.len == 0 || memmem(lines.ptr, lines.len, op_id.ptr, op_id.len) == NULL)
        return false;
    while (log_pop_record(&lines, &record)) {
        bool is_it = str_eq(json_get_str(record, "op_id"), op_id);
        *out_generation = (uint64_t)json_get_int(record, "gen", 0);
        json_decref(record);
        if (is_it)
            return true;
    }
    return false;
}

static enum err compare(struct swap *swap, const struct store_expected *expected,
                        const struct document *next)
{
    const struct document *current = swap->current;
    uint64_t generation = current != NULL ? current->generation : 0;
    if (generation != expected->generation ||
        (current != NULL && !str_eq(current->epoch, expected->epoch))) {
        if (current == NULL)
            diag_error(swap->diag, 0, 0, "the store is empty, expected generation %" PRIu64,
                       expected->generation);
        else
            diag_error(swap->diag, 0, 0,
                       "the store is at generation %" PRIu64
                       " of epoch %.*s by '%.*s', expected %" PRIu64,
                       generation, STR_ARG(current->epoch), STR_ARG(current->op_who),
                       expected->generation);
        return ERR_CONFLICT;
    }
    if (next->generation > generation && succession_judge(current, next) == SUCCESSION_NEWER)
        return ERR_OK;
    return diag_error(swap->diag, 0, 0,
                      "generation %" PRIu64 " is no successor of %" PRIu64 ", nothing was written",
                      next->generation, generation);
}

static enum err compare_and_commit(struct swap *swap, const struct store_expected *expected,
                                   const struct document *next, struct store_written *written)
{
    enum err err = refuse_damage(swap);
    if (err != ERR_OK)
        return err;
    if (find_operation(swap, &written->generation)) {
        written->is_repeat = true;
        return ERR_OK;
    }
    err = compare(swap, expected, next);
    if (err != ERR_OK)
        return err;
    written->generation = next->generation;
    return swap_commit(swap, next, swap->digest);
}

enum err dir_cas(struct store *store, const struct store_expected *expected,
                 const struct document *next, const struct store_audit *audit, struct diag *diag,
                 struct store_written *out_written)
{
    struct swap swap;
    struct store_written written = { .generation = 0 };
    enum err err = swap_begin(&swap, dir_of(store), audit, diag);
    if (err == ERR_OK)
        err = compare_and_commit(&swap, expected, next, &written);
    swap_end(&swap);
    if (err == ERR_OK || err == ERR_OUTCOME_UNKNOWN)
        *out_written = written;
    return err;
}

/* ---- repair ------------------------------------------------------------------------------ */

/* The newest copy that the log vouches for: same generation, same digest. */
static struct document *find_vouched(const struct swap *swap)
{
    struct str lines = buf_str(&swap->tail.text);
    struct document *found = NULL;
    json_t *record;
    while (found == NULL && log_pop_record(&lines, &record)) {
        uint64_t generation = (uint64_t)json_get_int(record, "gen", 0);
        struct str after = json_get_str(record, "after");
        if (generation > 0 && dir_has_copy(swap->dir, generation, after.ptr) &&
            dir_read_copy(swap->dir, generation, &found) != ERR_OK)
            found = NULL;
        json_decref(record);
    }
    return found;
}

/* Without a log, the newest copy that parses has to do. */
static struct document *find_any(const struct swap *swap)
{
    struct document *found = NULL;
    uint64_t below = UINT64_MAX;
    do {
        below = dir_scan_copies(swap->dir, 0, below).highest;
    } while (below > 0 && dir_read_copy(swap->dir, below, &found) != ERR_OK);
    return found;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Greater than anything that a server may have seen from this store. */
static uint64_t choose_generation(const struct swap *swap, const struct document *base)
{
    uint64_t highest = base->generation;
    highest = max_u64(highest, (uint64_t)json_get_int(swap->tail.last, "gen", 0));
    highest = max_u64(highest, dir_scan_copies(swap->dir, 0, DOCUMENT_GENERATION_MAX).highest);
    return highest + 1;
}

/* Written by a newer steer, not spoilt by hand: the log vouches for the very text. */
static bool is_from_newer_version(const struct swap *swap)
{
    char text[DIGEST_TEXT_MAX];
    if (swap->document_err != ERR_INVALID)
        return false;
    struct digest digest = digest_of(swap->text.bytes, swap->text.len);
    return str_eq_text(json_get_str(swap->tail.last, "after"), digest_format(&digest, text));
}

static enum err reinstate(struct swap *swap, const struct document *from,
                          struct store_written *written)
{
    struct document *found = NULL, *next = NULL;
    if (from == NULL)
        found = swap->tail.end > 0 ? find_vouched(swap) : find_any(swap);
    if (from == NULL && found == NULL) {
        diag_error(swap->diag, 0, 0,
                   "no sound copy of a document is left in '%s'; take a server's last good one: "
                   "'steer store repair --from FILE'",
                   swap->dir->history_folder);
        return ERR_NOT_FOUND;
    }
    const struct document *base = from != NULL ? from : found;
    /* The log's own last word, so that the chain of digests closes over the accident. */
    struct str before = json_get_str(swap->tail.last, "after");
    enum err err =
        store_succeed(base, choose_generation(swap, base), swap->audit, swap->diag, &next);
    if (err == ERR_OK) {
        written->generation = next->generation;
        err = swap_commit(swap, next, before.ptr);
    }
    document_free(next);
    document_free(found);
    return err;
}

enum err dir_repair(struct store *store, const struct document *from,
                    const struct store_audit *audit, struct diag *diag,
                    struct store_written *out_written)
{
    struct swap swap;
    struct store_written written = { .generation = 0 };
    enum err err = swap_begin(&swap, dir_of(store), audit, diag);
    if (err == ERR_OK && swap.document_err == ERR_OK && !swap_is_rolled_back(&swap))
        written = (struct store_written){ swap.current->generation, true };
    else if (err == ERR_OK && is_from_newer_version(&swap)) {
        diag_error(diag, 0, 0, "document.json in '%s' was written by a newer steer; upgrade (%s)",
                   swap.dir->folder, diag_first(&swap.document_diag));
        err = ERR_UNREACHABLE;
    } else if (err == ERR_OK)
        err = reinstate(&swap, from, &written);
    swap_end(&swap);
    if (err == ERR_OK || err == ERR_OUTCOME_UNKNOWN)
        *out_written = written;
    return err;
}
