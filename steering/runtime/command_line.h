/* SPDX-License-Identifier: Apache-2.0 */
/* The options of a daemon: `-c FILE`, `-cFILE`, `--config FILE`, `--config=FILE`, by table.
 * Threads:   any (pure).
 */
#pragma once

#include "steering/base/buf.h"

struct command_option {
    int id;
    char letter;
    const char *name;
    const char *value; /* what it takes: "FILE"; NULL: nothing */
    const char *about;
};

struct command_line {
    const struct command_option *options;
    size_t count;
    void (*on_option)(void *owner, int id, const char *value); /* `value` NULL: takes none */
    void *owner;
};

/* Calls on_option for each one, in order. False: `out_problem` says what is wrong, on one line. */
bool command_line_parse(const struct command_line *line, int argc, char *const argv[],
                        struct buf *out_problem);
/* One line for each option, for --help. */
void command_line_help(const struct command_line *line, struct buf *out);
