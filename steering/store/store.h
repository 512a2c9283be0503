/* SPDX-License-Identifier: Apache-2.0 */
/* The home of the document: one interface, one kind of store today (a directory).
 *
 * Shape:     get      the current document
 *            cas      compare-and-swap of the document together with its audit record
 *            watch    a descriptor that becomes readable when something changed
 *            presence who lives on this store (presence.h)
 *            history  the audit records, with their hash chain verified
 * Threads:   a handle belongs to one thread at a time; any number of processes and handles may
 *            work on one store.
 * Ownership: store_close frees the handle; a presence written through it counts as dead from
 *            then on.
 * Limits:    DOCUMENT_MAX_BYTES for the document, STORE_RECORD_MAX_BYTES for an audit record.
 *            All calls but store_watch_drain may block on the disk; never from a worker.
 */
#pragma once

#include "steering/base/diag.h"
#include "steering/base/json.h"
#include "steering/model/document.h"

enum { STORE_RECORD_MAX_BYTES = 65536, STORE_KEPT_DOCUMENTS = 20 };

struct store;

/* `where` is a folder, or "dir:FOLDER". Nothing is created, the folder need not exist yet.
 * ERR_INVALID: a scheme that this program does not know. */
MUST_USE enum err store_open(const char *where, struct diag *diag, struct store **out_store);
void store_close(struct store *store);              /* accepts NULL */
const char *store_where(const struct store *store); /* for messages */

/* The text of the document, whatever it is; `out_text` is cleared first and holds at most its
 * own ceiling. ERR_NOT_FOUND: no document (or no folder). ERR_DENIED, ERR_IO, ERR_TOO_LARGE:
 * unreadable. `diag` says which file and why. */
MUST_USE enum err store_get_text(struct store *store, struct diag *diag, struct buf *out_text);
/* The document, parsed; owned by the caller. As store_get_text, and ERR_CORRUPT: empty or
 * garbage; ERR_INVALID: sound, but nothing that this program could carry out. */
MUST_USE enum err store_get(struct store *store, struct diag *diag, struct document **out_document);

/* Who does what; everything is borrowed. */
struct store_audit {
    struct str op_id, who, host, why, verb, site, version;
    const struct str *argv;
    size_t argc;
    const struct str *overrides; /* names of the rules overridden */
    size_t override_count;
    int64_t at_unix_s;
};

/* The document that the next one was made from; generation 0 and any epoch: none yet. */
struct store_expected {
    struct str epoch;
    uint64_t generation;
};

struct store_written {
    uint64_t generation; /* that carries the operation */
    bool is_repeat;      /* the same op_id was written before: nothing was done now */
};

/* Swaps in `next` and appends the audit record, both or neither, if the store still holds what
 * was expected.
 *   ERR_CONFLICT         it holds something else; `diag` says what
 *   ERR_INVALID          `next` is no successor of it, or ERR_TOO_LARGE; nothing written
 *   ERR_UNREACHABLE      nothing written: no folder, read-only, disk full, lock not to be had;
 *                        or the present document is damaged and must be repaired first
 *   ERR_OUTCOME_UNKNOWN  swapped, but the disk then failed: it may not survive a power cut */
MUST_USE enum err store_cas(struct store *store, const struct store_expected *expected,
                            const struct document *next, const struct store_audit *audit,
                            struct diag *diag, struct store_written *out_written);

enum store_watch { STORE_WATCH_DOCUMENT, STORE_WATCH_NODES };
/* `*out_fd` becomes readable when the document (or a presence) may have changed. A hint: it can
 * miss changes (network file systems, a replaced folder), so look yourself once a second, too.
 * Close it with close(2). ERR_NOT_FOUND: the folder does not exist yet; ERR_IO. */
MUST_USE enum err store_watch(struct store *store, enum store_watch what, struct diag *diag,
                              int *out_fd);
/* Empties the descriptor without blocking; true when it is worth looking again. After
 * `*out_is_lost` is set, the descriptor will never report again: close it and watch anew. */
bool store_watch_drain(struct store *store, enum store_watch what, int fd, bool *out_is_lost);

/* The audit log, newest record first.
 * Shape of a record: {"v":1,"gen","epoch","op_id","at","who","host","argv":[…],"why","verb",
 *   "site","before","after" (digests of the documents),"overrides":[…],"version",
 *   "prev" (digest of the record before)} */
struct store_history {
    json_t *records; /* array */
    uint64_t total_count;
    uint64_t problem_line; /* 0: every record is intact and follows from the one before */
    char *problem;         /* NULL: no problem */
};
/* At most `max_count` records; the chain is verified over all of them. ERR_NOT_FOUND: no log. */
MUST_USE enum err store_history(struct store *store, size_t max_count, struct diag *diag,
                                struct store_history *out_history);
void store_history_fini(struct store_history *history);

/* Makes the store's folders and its first document (generation 1, everything active, a new
 * epoch). With a sound document there already: ERR_OK and `is_repeat`. Errors as store_cas. */
MUST_USE enum err store_init(struct store *store, const struct store_audit *audit,
                             struct diag *diag, struct store_written *out_written);
/* Brings a missing, empty, garbled or rolled back document back: the newest one that the log
 * vouches for (or `from`, when not NULL) becomes a newer generation than any before. With
 * nothing to repair: ERR_OK and `is_repeat`. ERR_NOT_FOUND: no copy left. Else as store_cas. */
MUST_USE enum err store_repair(struct store *store, const struct document *from,
                               const struct store_audit *audit, struct diag *diag,
                               struct store_written *out_written);
