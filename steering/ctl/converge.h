/* SPDX-License-Identifier: Apache-2.0 */
/* Have all nodes arrived at a generation? Pure: presences in, verdicts out.
 *
 * Threads:   any.
 * Ownership: a convergence owns its verdicts and borrows nothing.
 */
#pragma once

#include "steering/store/presence.h"

struct converge_target {
    struct str epoch; /* empty: any */
    uint64_t generation;
    struct str digest; /* of exactly that generation; empty: not known */
    bool is_newest;    /* the nodes were read first: what is newer, the store does not have */
};

enum converge_state {
    CONVERGE_DONE,     /* obeys the target or something newer */
    CONVERGE_WAITING,  /* not yet, or out of sight since it was waited for */
    CONVERGE_REJECTED, /* said no; it will not come by itself */
    CONVERGE_DEAD,     /* no process behind it: named, not waited for */
    CONVERGE_STATE_COUNT,
};

enum { CONVERGE_WHY_MAX = 256 };

struct converge_node {
    char id[PRESENCE_ID_MAX + 1];
    char role[32];
    enum converge_state state;
    uint64_t generation;
    uint32_t workers;
    char why[CONVERGE_WHY_MAX]; /* "" for CONVERGE_DONE */
};

struct convergence {
    struct converge_node *nodes; /* as listed */
    size_t node_count;
    size_t counts[CONVERGE_STATE_COUNT];
};

/* Nobody left to wait for. */
bool converge_is_over(const struct convergence *convergence);
/* Over, and nobody said no. */
bool converge_is_reached(const struct convergence *convergence);
/* "done", "waiting", "rejected", "dead". */
const char *converge_state_name(enum converge_state state);

void converge_judge(const struct presences *presences, const struct converge_target *target,
                    struct convergence *out_convergence);
/* A node that was waited for and is not listed any more: nobody can say what it obeys. */
void converge_add_lost(struct convergence *convergence, const struct presence *before);
void converge_fini(struct convergence *convergence);
/* "dns 2/2 (4 workers)  pop 1/3 (2 workers)": the living of each role that are done, of all
 * living ones of it, with the workers of the former. "" without living nodes. */
void converge_format_roles(const struct convergence *convergence, struct buf *out);
/* [{"id","role","state","gen","workers","why"}...] */
json_t *converge_to_json(const struct convergence *convergence);
