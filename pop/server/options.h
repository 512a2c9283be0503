/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of steer-pop.
 * Threads:   any (pure).
 */
#pragma once

#include <stdbool.h>

#include "steering/base/buf.h"

enum options_action {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_EXPLAIN_CONFIG,
    OPTIONS_NEW_TICKET_KEY,
    OPTIONS_VERSION,
    OPTIONS_HELP,
};

struct options {
    enum options_action action;
    const char *config; /* borrowed from argv */
};

/* False: `out_problem` says what is wrong, on one line. */
bool options_parse(int argc, char *const argv[], struct options *out_options,
                   struct buf *out_problem);
/* What --help prints. */
void options_help(struct buf *out);
