/* SPDX-License-Identifier: Apache-2.0 */
/* Waits until the nodes of a store have arrived at a generation.
 *
 * Shape:     waiting_open before the change is written, so that no presence is missed;
 *            waiting_run after it. A node that was seen alive and has not arrived is waited for
 *            also when it is not listed any more: whoever empties the folder of the nodes does not
 *            thereby acknowledge anything.
 * Threads:   one.
 */
#pragma once

#include "steering/ctl/command.h"
#include "steering/ctl/converge.h"

struct waiting {
    struct store *store;
    int fd;                  /* -1: nothing to watch, only to poll */
    struct presences missed; /* nodes seen alive that have not arrived yet */
};

/* `nodes` are those that were there before the change; NULL: none. */
void waiting_open(struct waiting *waiting, struct store *store, const struct presences *nodes);
void waiting_close(struct waiting *waiting);
/* Returns with the last verdicts when it is over, or when `timeout_ms` have passed (0: looks once).
 * What the store says may fail: ERR_UNREACHABLE. */
MUST_USE enum err waiting_run(struct waiting *waiting, const struct converge_target *target,
                              uint64_t timeout_ms, struct diag *diag,
                              struct convergence *out_convergence);

/* Tells how it ended: "applied   dns 2/2 (4 workers)  38 ms" and the names of the dead; or, with
 * ERR_TIMEOUT, who is missing and why. `took_ns` is left out when 0. */
MUST_USE enum err waiting_tell(struct ctl *ctl, const struct convergence *convergence,
                               const struct converge_target *target, uint64_t took_ns);
