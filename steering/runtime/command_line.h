/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a daemon: what every one of them takes, and what one takes besides.
 *
 * Shape:     -c FILE, -cFILE, --config FILE, --config=FILE     the node file; the last one counts
 *            -k, --check                                       looks at it and ends
 *            -V, --version   -h, --help   and the daemon's own options: print and end; the last one
 *                                                              counts, and beats --check
 * Threads:   before any other thread exists.
 */
#pragma once

#include "steering/base/buf.h"

struct command_line;

struct command_option {
    char letter;
    const char *name;
    const char *value; /* what it takes: "FILE"; NULL: nothing */
    const char *about;
    void (*print)(const struct command_line *line, struct buf *out); /* what goes to stdout */
};

struct command_line {
    const char *program;
    const char *purpose;                 /* what --help begins with */
    const char *examples;                /* what it ends with */
    const struct command_option *prints; /* the daemon's own options; they print and take nothing */
    size_t print_count;
    /* Each is given the node file and returns the exit code. */
    int (*run)(const char *config);
    int (*check)(const char *config);
};

/* What was asked for. */
struct command {
    const char *config;                 /* borrowed from argv; never NULL when `print` is */
    const struct command_option *print; /* NULL: run, or check */
    bool is_check;
};

/* False: `out_problem` says what is wrong, on one line. */
bool command_line_parse(const struct command_line *line, int argc, char *const argv[],
                        struct command *out_command, struct buf *out_problem);
/* What --help prints. */
void command_line_help(const struct command_line *line, struct buf *out);
/* Does what was asked for. Returns the exit code: 2 when that cannot be understood. */
int command_line_run(const struct command_line *line, int argc, char *const argv[]);
