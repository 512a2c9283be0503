/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of `steer`: one constant each, one file each, listed in command.c.
 *
 * Shape:     standard output carries the result, standard error the talk. With --json the result
 *            is one object; a command that fails without an answer gets {"ok":false,"error"...}.
 * Threads:   one.
 */
#pragma once

#include "steering/base/json.h"
#include "steering/ctl/args.h"

#define COMMAND_DEFAULT_STORE "/var/lib/steer/store"

struct store;

/* One run of the program. */
struct ctl {
    struct args args;
    int argc;
    char **argv;
    struct diag diag;    /* what to tell at the end */
    struct store *store; /* NULL until ctl_open_store */
    bool has_terminal;   /* standard input is one */
    bool has_colour;
    bool has_answered; /* ctl_answer was called */
    char outcome[64];  /* what became of the document; "": it was not this command's business */
};

struct command {
    const char *name;
    const char *words; /* "REGION"; for usage */
    size_t min_words, max_words;
    unsigned options;                    /* beyond the global ones; enum args_option */
    const char *from_value, *from_about; /* what ARGS_FROM is here */
    const char *summary;
    const char *about;    /* paragraphs for --help */
    const char *examples; /* lines */
    enum err (*run)(struct ctl *ctl);
    bool is_hidden;
};

/* All commands; ends with NULL. */
extern const struct command *const command_table[];
/* The help text of one command. */
void command_format_help(const struct command *command, struct buf *out);

extern const struct command cmd_status, cmd_evacuate, cmd_restore, cmd_drain, cmd_undrain,
    cmd_history, cmd_wait, cmd_explain, cmd_check, cmd_explain_config, cmd_store, cmd_version,
    cmd_help, cmd_complete;

/* ---- talking ------------------------------------------------------------------------------ */

/* To standard output, unless --json. */
void ctl_print(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);
/* To standard error. */
void ctl_note(const struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);
/* The result as JSON, if --json; takes ownership. */
void ctl_answer(struct ctl *ctl, json_t *answer);
/* {"v":1,"ok":is_ok} to fill. */
json_t *ctl_new_answer(bool is_ok);
/* For commands that write the document: their exit code tells what became of it, also when nobody
 * reads standard output any more. */
void ctl_survive_pipe(void);
/* What became of the document: "gen 5 is committed". */
void ctl_set_outcome(struct ctl *ctl, const char *format, ...) PRINTF_LIKE(2, 3);
/* Tells what `diag` holds, and with --json an error object unless there was an answer. Returns
 * the exit code; that of an outcome does not depend on whether it could be told. */
int ctl_finish(struct ctl *ctl, enum err err);

/* ---- the store ---------------------------------------------------------------------------- */

struct document;
struct presences;

/* Opens args.store; closed by main. */
MUST_USE enum err ctl_open_store(struct ctl *ctl);
/* The present document. ERR_NOT_FOUND when there is none; all other troubles are
 * ERR_UNREACHABLE, with the way out in `diag`. */
MUST_USE enum err ctl_read_document(struct ctl *ctl, struct document **out_document);
/* The nodes; trouble is ERR_UNREACHABLE. */
MUST_USE enum err ctl_list_nodes(struct ctl *ctl, struct presences *out_presences);
/* What became of an error of the store's readers: "store unreachable" for the exit code. */
enum err ctl_reader_err(enum err err);
