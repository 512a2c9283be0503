/* SPDX-License-Identifier: Apache-2.0 */
/* What a kind of store has to offer, and what all kinds share. */
#pragma once

#include "steering/store/presence.h"
#include "steering/store/store.h"

struct store_ops {
    enum err (*get)(struct store *store, struct diag *diag, struct buf *out_text);
    enum err (*cas)(struct store *store, const struct store_expected *expected,
                    const struct document *next, const struct store_audit *audit, struct diag *diag,
                    struct store_written *out_written);
    enum err (*watch)(struct store *store, enum store_watch what, struct diag *diag, int *out_fd);
    bool (*drain)(enum store_watch what, int fd, bool *out_is_lost);
    enum err (*announce)(struct store *store, const char *node_id, struct str text,
                         struct diag *diag);
    void (*withdraw)(struct store *store);
    bool (*is_announced)(struct store *store);
    enum err (*list)(struct store *store, struct diag *diag, struct presences *out_presences);
    enum err (*history)(struct store *store, size_t max_count, struct diag *diag,
                        struct store_history *out_history);
    enum err (*prepare)(struct store *store, struct diag *diag); /* makes room for a new store */
    enum err (*repair)(struct store *store, const struct document *from,
                       const struct store_audit *audit, struct diag *diag,
                       struct store_written *out_written);
    void (*close)(struct store *store);
};

/* The first member of every kind of store. */
struct store {
    const struct store_ops *ops;
    char *where;
    const char *document; /* where that is; borrowed from the kind of store */
};

/* document_parse with the two ways of failing told apart: ERR_CORRUPT for what is no document at
 * all, ERR_INVALID for one that only this program cannot carry out. */
MUST_USE enum err store_parse(struct str text, struct diag *diag, struct document **out_document);
/* The "gen" of a JSON text that looks like a document, else 0. */
uint64_t store_peek_generation(struct str text);
/* A copy of `base` as generation `generation`, made by the operation of `audit`. */
MUST_USE enum err store_succeed(const struct document *base, uint64_t generation,
                                const struct store_audit *audit, struct diag *diag,
                                struct document **out_document);
