/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of wan.
 *
 * Threads:   owner only.
 * Ownership: everything in `struct options` is borrowed from argv.
 */
#pragma once

#include "steering/base/buf.h"

enum options_action {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_EXEC,
    OPTIONS_SET,
    OPTIONS_STATUS,
    OPTIONS_HELP,
};

struct options {
    enum options_action action;
    const char *matrix;
    const char *socket; /* NULL: one of its own, or the one that is there */
    const char *site;   /* RUN: of the command, NULL: outside; EXEC: where to */
    char *const *words; /* RUN, EXEC: the command; SET: what to change; NULL-terminated */
    size_t word_count;  /* 0 in RUN: no command */
    bool is_shell, is_measured, is_json, is_quiet;
    bool has_seed;
    uint32_t seed;
    uint32_t probes_per_second;
    uint64_t spin_ns;
};

/* False with a sentence in `out_problem`. */
bool options_parse(int argc, char *const argv[], struct options *out_options,
                   struct buf *out_problem);
void options_help(struct buf *out);
