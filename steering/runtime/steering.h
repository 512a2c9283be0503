/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon's bond with the store: which document it obeys, and telling the store so.
 *
 * Shape:     open      last-known-good, then the store, else nobody's orders ("base")
 *            start     watches store and break-glass file; on_change when the daemon must compile
 *                      a new snapshot and hand it to its workers
 *            settled   the daemon says: all workers obey the present snapshot. Only now the
 *                      presence says so, too; `steer evacuate` waits for that
 *
 *                 store ──look──> document ──on_change──> steering_snapshot ──> workers
 *                   ^                                                             │
 *                   └── presence <── steering_settled <── all have left the old ──┘
 *
 * Threads:   the main loop's own. Reads and writes small files on it.
 * Ownership: steering_close frees; the memory is gone when the loop has run again.
 */
#pragma once

#include <uv.h>

#include "steering/base/diag.h"
#include "steering/base/json.h"
#include "steering/model/snapshot.h"

struct steering;

enum steering_source { STEERING_BY_STORE, STEERING_BY_LAST_GOOD, STEERING_BY_BASE };
const char *steering_source_name(enum steering_source source); /* "store", "lkg", "base" */

struct steering_settings {
    const char *store;            /* as store_open takes it */
    const char *last_good_folder; /* of this node alone */
    const char *break_glass_path; /* NULL: none */
    const char *node_id;          /* as presence_write takes it */
    const char *role;             /* "dns" */
    /* Other orders or another document: steering_snapshot, hand out, then steering_settled. */
    void (*on_change)(void *owner);
    /* Adds what the daemon knows to its presence: workers, listen, admin. */
    void (*on_presence)(void *owner, json_t *presence);
    /* Would on_presence add something else by now? Asked every other second. NULL: never. */
    bool (*has_news)(void *owner);
    void *owner;
};

/* Takes a reference to `world`. Everything that is wrong with document and break-glass file is
 * logged and never fatal: the daemon serves with what there is. */
MUST_USE enum err steering_open(const struct steering_settings *settings, struct world *world,
                                struct diag *diag, struct steering **out_steering);
/* Announces the node; call it when the workers run. ERR_EXISTS: another living process has this
 * node's id. Other troubles with the store are logged and tried again. */
MUST_USE enum err steering_start(struct steering *steering, uv_loop_t *loop, struct diag *diag);
/* Takes the presence back, so that nobody waits for a node that is about to end, but goes on
 * obeying the store: a proxy serves for a while longer. */
void steering_leave(struct steering *steering);
/* Takes the presence back. Accepts NULL. */
void steering_close(struct steering *steering);

/* After a reload: names of sites are looked up in this topology from now on. */
void steering_set_world(struct steering *steering, struct world *world);
/* What came of the latest reload, for the presence that is written next, a second from now; "": it
 * is in force. */
void steering_note_reload(struct steering *steering, const char *problem);
/* The present document and orders over the present world; owned by the caller. */
struct snapshot *steering_snapshot(const struct steering *steering);
void steering_settled(struct steering *steering);

/* For metrics and status; texts are borrowed until the loop runs on. */
struct steering_report {
    enum steering_source source;
    uint64_t generation;
    struct str epoch;
    struct digest digest;
    int64_t changed_at_ms; /* wall clock: when the present document was taken; 0: at start */
    int64_t settled_at_ms; /* wall clock: when all workers obeyed it; 0: not yet */
    uint64_t settled_generation;
    uint64_t stale_seconds; /* since the store last confirmed what we have */
    const char *store_where;
    const char *store_reason;  /* a stable word; "fine" */
    const char *store_problem; /* "": none */
    const char *break_glass_problem;
    size_t break_glass_orders;
    const char *last_good_problem;
    const char *presence_problem;
    uint64_t rejected_generation; /* 0: none */
    const char *rejected_why;
    uint64_t change_count, refusal_count;
};
struct steering_report steering_report(const struct steering *steering);
