/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, taken apart by two tables: the options and the commands.
 *
 * Shape:     steer [OPTION...] COMMAND [WORD...] with options anywhere, "--name value" or
 *            "--name=value"; "--" ends them.
 * Threads:   any (plain value).
 * Ownership: borrows argv.
 */
#pragma once

#include "steering/base/diag.h"

enum { ARGS_WORD_MAX = 64, ARGS_RULE_MAX = 8, ARGS_REASON_MAX_BYTES = 1000 };

/* One bit each, for struct command. */
enum args_option {
    ARGS_STORE = 1 << 0,
    ARGS_JSON = 1 << 1,
    ARGS_REASON = 1 << 2,
    ARGS_YES = 1 << 3,
    ARGS_OVERRIDE = 1 << 4,
    ARGS_TIMEOUT = 1 << 5,
    ARGS_NO_WAIT = 1 << 6,
    ARGS_NO_COLOR = 1 << 7,
    ARGS_HELP = 1 << 8,
    ARGS_STRAY = 1 << 9,
    ARGS_TOPOLOGY = 1 << 10,
    ARGS_GENERATION = 1 << 11,
    ARGS_COUNT = 1 << 12,
    ARGS_FROM = 1 << 13,
    ARGS_ECS = 1 << 14,
    ARGS_NODE = 1 << 15,
    ARGS_CONFIG = 1 << 16,
    ARGS_VERSION = 1 << 17,
};

struct command;

struct args {
    const struct command *command; /* NULL: only --help or --version was asked for, or nothing */
    unsigned given;                /* enum args_option, or-ed */
    bool is_json, is_yes, has_no_wait, has_no_color, wants_help, wants_version;
    const char *store, *reason, *stray, *topology, *from, *ecs, *node, *config; /* NULL: absent */
    uint64_t timeout_ms, generation, count;
    struct str rules[ARGS_RULE_MAX]; /* of --override */
    size_t rule_count;
    const char *words[ARGS_WORD_MAX]; /* behind the command */
    size_t word_count;
};

/* `commands` ends with NULL. Defaults are filled in, `store` from `default_store`. ERR_INVALID or
 * ERR_UNKNOWN with the reason and, where there is one, the word that was probably meant;
 * `*out_args` is then filled as far as the line was understood. */
MUST_USE enum err args_parse(int argc, char **argv, const struct command *const *commands,
                             const char *default_store, struct diag *diag, struct args *out_args);
/* The options of `mask`, one a line, for help texts. */
void args_format_options(unsigned mask, struct buf *out);
/* Their long names, one a line, for completion. */
void args_format_names(unsigned mask, struct buf *out);
/* Those that every command takes. */
unsigned args_global_options(void);
