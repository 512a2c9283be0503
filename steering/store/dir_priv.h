/* SPDX-License-Identifier: Apache-2.0 */
/* The directory store.
 *
 * Shape:     document.json       the document, canonical text
 *            log.ndjson          one audit record a line; "prev" is the digest of the line before
 *            lock                flock: writers
 *            history/<gen>.json  the last documents, each moved in after its document was; so a
 *                                copy proves that its generation was really reached
 *            nodes/<id>.json     presence;  nodes/<id>.lock  flock: held while the node lives
 *
 * A write, under the lock: document.json.tmp, history/next.tmp, log line, then the rename of the
 * document, which is the moment of truth; then the rename of the copy. Killed before it, the log
 * ends with a record of a generation that never came (or half a line): the next writer cuts it
 * off. Killed after it, only the copy is missing: the next writer makes it.
 */
#pragma once

#include <fcntl.h>

#include "steering/store/store_priv.h"

struct dir_store {
    struct store base;
    char *folder, *nodes_folder, *history_folder;
    char *document_path, *temporary_path, *log_path, *lock_path, *copy_temporary_path;
    long lock_wait_ms;
    /* The presence announced through this handle; NULL and -1: none. */
    char *node_id, *node_path, *node_lock_path;
    int node_lock_fd;
    bool has_joined; /* the folder was there once */
};

struct store *dir_open(const char *folder);
struct dir_store *dir_of(struct store *store);

/* ---- steps: what a test can interrupt ---------------------------------------------------- */

/* Called in front of every effect on the disk with its name; a returned errno makes that effect
 * fail. NULL, as in all programs: nothing. With a hook, writes are cut in pieces. */
extern int (*dir_step_hook)(const char *step);
/* False, with errno set, when the hook wants the next effect to fail. */
bool dir_step(const char *step);
/* Writes all of `text` at `offset`; false with errno set. */
bool dir_write_at(int fd, struct str text, uint64_t offset, const char *step);
/* Creates `path` anew and writes `text`; false with errno set. */
bool dir_write_file(const char *path, struct str text, bool is_durable, const char *step);

/* ---- lock -------------------------------------------------------------------------------- */

/* How locks are opened: reading is enough, for they may be used by several users; and what is a
 * pipe must not hold up anybody. */
enum { DIR_LOCK_FLAGS = O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };

/* Waits up to lock_wait_ms, ten seconds. `operation` is LOCK_EX or LOCK_SH. ERR_UNREACHABLE. */
MUST_USE enum err dir_lock(struct dir_store *dir, int operation, struct diag *diag, int *out_fd);
/* True when `fd` is still the file at `path`, and not one that was removed since. */
bool dir_is_same_file(int fd, const char *path);

/* ---- log --------------------------------------------------------------------------------- */

/* The end of the log. */
struct log_tail {
    struct buf text; /* the last whole lines */
    uint64_t size;   /* of the file */
    uint64_t end;    /* behind the last whole line; what follows is torn */
    uint64_t last_start;
    json_t *last;                      /* the last record; NULL: there is none, or it is not JSON */
    char last_digest[DIGEST_TEXT_MAX]; /* of the last line; "" when there is none */
};

void log_tail_init(struct log_tail *tail);
void log_tail_fini(struct log_tail *tail);
/* ERR_IO, or ERR_CORRUPT for a line beyond STORE_RECORD_MAX_BYTES. */
MUST_USE enum err log_tail_read(struct log_tail *tail, int fd);
/* Records of `text` from the newest to the oldest: `*text` shrinks by the line returned. False:
 * no more lines. `*out_record` is NULL for a line that is no record; owned by the caller. */
bool log_pop_record(struct str *text, json_t **out_record);
/* The line of a record, with line break. */
void log_format_record(const struct store_audit *audit, const struct document *next,
                       const char *before, const char *prev, struct buf *out);
enum err dir_history(struct store *store, size_t max_count, struct diag *diag,
                     struct store_history *out_history);

/* ---- swap -------------------------------------------------------------------------------- */

/* Everything known and open while the lock is held. */
struct swap {
    struct dir_store *dir;
    const struct store_audit *audit;
    struct diag *diag;
    int lock_fd, log_fd;
    struct buf text;              /* of document.json */
    enum err document_err;        /* ERR_OK, ERR_NOT_FOUND, ERR_CORRUPT, ERR_INVALID */
    struct document *current;     /* NULL unless document_err is ERR_OK */
    char digest[DIGEST_TEXT_MAX]; /* of `current`, or "" */
    struct diag document_diag;    /* why document_err */
    struct log_tail tail;
};

/* Takes the lock, reads, and heals what a killed writer left. swap_end in any case. */
MUST_USE enum err swap_begin(struct swap *swap, struct dir_store *dir,
                             const struct store_audit *audit, struct diag *diag);
void swap_end(struct swap *swap);
/* True when the document is older than what the log says was reached. */
bool swap_is_rolled_back(const struct swap *swap);
/* True when nothing was ever committed here. */
bool swap_is_fresh(const struct swap *swap);
/* Writes; `before` is the digest that the record names. Errors as store_cas. */
MUST_USE enum err swap_commit(struct swap *swap, const struct document *next, const char *before);

/* The kept copy of a generation, parsed. ERR_NOT_FOUND, ERR_CORRUPT... */
MUST_USE enum err dir_read_copy(const struct dir_store *dir, uint64_t generation,
                                struct document **out_document);
char *dir_copy_path(const struct dir_store *dir, uint64_t generation);
/* True when the copy of `generation` is there and has this digest: it was reached. */
bool dir_has_copy(const struct dir_store *dir, uint64_t generation, const char *digest);
/* The same, but what cannot be read is not taken for missing: ERR_OK, ERR_NOT_FOUND, or why nobody
 * can tell, with errno. */
MUST_USE enum err dir_find_copy(const struct dir_store *dir, uint64_t generation,
                                const char *digest);
/* ERR_OK when `record` announces a document that never replaced the one with digest `present`,
 * ERR_NOT_FOUND when it does not; else nobody can tell, with errno. */
MUST_USE enum err dir_find_unborn(const struct dir_store *dir, const json_t *record,
                                  const char *present);
struct dir_copies {
    size_t count;
    uint64_t lowest, highest; /* 0: none */
    bool is_unreadable;       /* there may be more */
};
/* The copies of generations strictly between the two. */
struct dir_copies dir_scan_copies(const struct dir_store *dir, uint64_t above, uint64_t below);
/* True when it is certain that there is none. */
bool dir_has_no_copies(const struct dir_store *dir);
/* Leaves the last STORE_KEPT_DOCUMENTS before and with `newest`. */
void dir_prune_copies(const struct dir_store *dir, uint64_t newest);

enum err dir_cas(struct store *store, const struct store_expected *expected,
                 const struct document *next, const struct store_audit *audit, struct diag *diag,
                 struct store_written *out_written);
enum err dir_repair(struct store *store, const struct document *from,
                    const struct store_audit *audit, struct diag *diag,
                    struct store_written *out_written);

/* ---- presence ---------------------------------------------------------------------------- */

enum err dir_announce(struct store *store, const char *node_id, struct str text, struct diag *diag);
void dir_withdraw(struct store *store);
bool dir_is_announced(struct store *store);
enum err dir_list(struct store *store, struct diag *diag, struct presences *out_presences);
/* Lets go of the node's lock without removing what was announced. */
void dir_abandon(struct dir_store *dir);
