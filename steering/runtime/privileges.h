/* SPDX-License-Identifier: Apache-2.0 */
/* From root, or from a user with a few capabilities, down to nothing.
 *
 * Shape:     bind ports -> privileges_prepare -> privileges_own (each path) -> privileges_drop
 * Threads:   before any other thread exists: capabilities belong to threads, and a thread
 *            started earlier would keep its own.
 * Source:    capabilities(7), setuid(2)
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "steering/base/diag.h"

struct privileges {
    bool is_root;   /* we were started by root */
    bool keeps_uid; /* `user: root`, or not started by root */
    uid_t uid;
    gid_t gid;
    char *user;
};

/* Looks `user` up when started by root (or with "root" asks to stay). Otherwise the user that
 * started us remains, and `user` is not looked at.
 * ERR_UNKNOWN: no such user; `diag` says what to do. */
MUST_USE enum err privileges_prepare(const char *user, struct diag *diag,
                                     struct privileges *out_privileges);
void privileges_fini(struct privileges *privileges);

/* Makes the folder (with its parents) if it is missing and gives it to the future user, so that
 * it can be written after the drop. A symbolic link at its end is refused. */
MUST_USE enum err privileges_own_folder(const struct privileges *privileges, const char *path,
                                        struct diag *diag);
/* Gives a file or socket to the future user. */
MUST_USE enum err privileges_own_file(const struct privileges *privileges, const char *path,
                                      struct diag *diag);

/* Groups, gid and uid of the user; every capability set empty; no way to get anything back by
 * exec. Checks that root is really gone. After an error the process must end. */
MUST_USE enum err privileges_drop(const struct privileges *privileges, struct diag *diag);
