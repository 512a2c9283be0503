/* SPDX-License-Identifier: Apache-2.0 */
/* Who lives on a store, and what each node has applied.
 *
 * Shape:     {"v":1,"id","role":"dns|pop|gateway","site" (of a pop or gateway),"pid",
 *             "host","version","started":unix,"gen","epoch",
 *             "digest":"sha256:…","applied_at_ms":unix ms,"workers":2,
 *             "source":"store|lkg|base","rejected":{"gen":418,"why":"…"} or null,
 *             "note":"what else an operator should know; mostly empty",
 *             "topology":"sha256:…","regions":[…],"pops":[…],"admin":"/path/admin.sock",
 *             "listen":["127.0.0.1:5353"],"stale_seconds",
 *             "strays":9000,"strays_per_s":12 (of a gateway: requests that came while its region
 *             was out, since its start and of late)}
 *            A node writes it after every worker has left the old snapshot: "gen" is what no
 *            query is answered without any more. An advisory lock that the node holds while it
 *            lives tells the living from the dead, also after kill -9.
 * Threads:   as store.h.
 * Limits:    PRESENCE_ID_MAX characters; PRESENCE_MAX_BYTES of text; a folder with more than
 *            PRESENCE_MAX nodes is refused.
 */
#pragma once

#include "steering/store/store.h"

enum { PRESENCE_ID_MAX = 64, PRESENCE_MAX_BYTES = 1 << 20, PRESENCE_MAX = 10000 };

/* Letters, digits, '.', '-', '_'; not starting with a dot. */
bool presence_is_id(struct str text);

/* Announces `node_id`, or replaces what it had said. The first call takes the node's lock, which
 * `store` holds until presence_remove or store_close: one node per handle.
 * ERR_EXISTS: another living process has this id. ERR_INVALID: not an id. Missing folders are
 * made at the first call; ERR_NOT_FOUND: the store's has gone since. ERR_DENIED, ERR_NO_SPACE,
 * ERR_IO: what was announced before stands. */
MUST_USE enum err presence_write(struct store *store, const char *node_id, const json_t *value,
                                 struct diag *diag);
/* False when nothing was announced through `store`, or when it was removed since. */
bool presence_is_written(struct store *store);
/* The clean goodbye; nothing happens when nothing had been announced. */
void presence_remove(struct store *store);

struct presence {
    char *id;
    json_t *value; /* the whole object; NULL: unreadable, and the fields below are empty */
    /* Borrowed from `value`. */
    struct str role, site, host, version, epoch, digest, source, topology, admin, note;
    uint64_t generation;
    int64_t applied_at_ms;
    uint64_t rejected_generation;
    struct str rejected_why;
    uint64_t strays, strays_per_s; /* of gateways: has_strays */
    uint32_t workers;
    bool has_rejected, has_strays;
    bool is_alive;
};

struct presences {
    struct presence *items; /* by id */
    size_t count;
};

/* Reads the fields of one presence; takes ownership of `value` (may be NULL). */
struct presence presence_make(const char *id, bool is_alive, json_t *value);
void presence_fini(struct presence *presence);
/* Everyone who is there, the dead included. A store without nodes gives an empty list. */
MUST_USE enum err presence_list(struct store *store, struct diag *diag,
                                struct presences *out_presences);
void presences_fini(struct presences *presences);
