/* SPDX-License-Identifier: Apache-2.0 */
/* The person at the keyboard, for the audit log.
 * Threads:   any.
 */
#pragma once

#include "steering/base/ulid.h"
#include "steering/ctl/command.h"
#include "steering/store/store.h"

enum { ACTOR_NAME_MAX = 128 };

/* Who runs this operation; what store_audit borrows. */
struct actor {
    char who[ACTOR_NAME_MAX]; /* the user behind sudo, else the user, else "uid N" */
    char host[ACTOR_NAME_MAX];
    char op_id[ULID_TEXT_MAX]; /* new for every actor_init */
    struct str *argv;
    size_t argc;
    int64_t at_unix_s;
};

void actor_init(struct actor *actor, const struct ctl *ctl);
void actor_fini(struct actor *actor);
/* `why` is the --reason, or "". Borrows from both. */
struct store_audit actor_audit(const struct actor *actor, const struct ctl *ctl, struct str verb,
                               struct str site);
/* The --reason without white space around it, or "". */
struct str actor_reason(const struct ctl *ctl);
