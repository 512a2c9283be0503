/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/command.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "steering/ctl/text.h"
#include "steering/store/presence.h"
#include "steering/store/store.h"

const struct command *const command_table[] = {
    &cmd_status, &cmd_evacuate, &cmd_restore, &cmd_drain,    &cmd_undrain,
    &cmd_wait,   &cmd_history,  &cmd_explain, &cmd_check,    &cmd_explain_config,
    &cmd_store,  &cmd_help,     &cmd_version, &cmd_complete, NULL,
};

void command_format_help(const struct command *command, struct buf *out)
{
    buf_append_format(out, "usage: steer %s%s%s [options]\n\n%s\n\n", command->name,
                      command->words[0] != '\0' ? " " : "", command->words, command->about);
    if (command->options != 0) {
        buf_append_text(out, "options:\n");
        args_format_options(command->options, out);
        if (command->from_about != NULL)
            buf_append_format(out, "      --from %-21s %s\n", command->from_value,
                              command->from_about);
        buf_append_text(out, "\n");
    }
    buf_append_text(out, "options of every command:\n");
    args_format_options(args_global_options(), out);
    buf_append_format(out, "\nexample:\n%s\n", command->examples);
}

/* ---- talking ------------------------------------------------------------------------------ */

void ctl_print(const struct ctl *ctl, const char *format, ...)
{
    va_list list;
    if (ctl->args.is_json)
        return;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
}

void ctl_note(const struct ctl *ctl, const char *format, ...)
{
    va_list list;
    (void)ctl;
    fflush(stdout); /* on a terminal both come in the order they were said */
    va_start(list, format);
    vfprintf(stderr, format, list);
    va_end(list);
}

json_t *ctl_new_answer(bool is_ok)
{
    json_t *answer = json_object();
    json_set_int(answer, "v", 1);
    json_object_set_new(answer, "ok", json_boolean(is_ok));
    return answer;
}

void ctl_answer(struct ctl *ctl, json_t *answer)
{
    struct buf text;
    if (ctl->args.is_json && !ctl->has_answered) {
        buf_init(&text, SIZE_MAX / 2);
        json_format(answer, &text);
        printf("%s\n", buf_text(&text));
        buf_fini(&text);
        ctl->has_answered = true;
    }
    json_decref(answer);
}

static void tell_lines(struct str text)
{
    struct str line;
    struct buf clean;
    buf_init(&clean, 1 << 16);
    while (text.len > 0) {
        str_split(text, '\n', &line, &text);
        text_append_clean(&clean, line);
        buf_append_text(&clean, "\n");
    }
    fputs(buf_text(&clean), stderr);
    buf_fini(&clean);
}

static void tell_diag(const struct diag *diag)
{
    for (size_t i = 0; i < diag->count; i++) {
        const struct diag_entry *entry = &diag->entries[i];
        fprintf(stderr, "steer: %s", entry->severity == DIAG_WARNING ? "warning: " : "");
        if (entry->file != NULL)
            fprintf(stderr, "%s: ", entry->file);
        if (entry->line > 0)
            fprintf(stderr, "line %u: ", entry->line);
        tell_lines(str_from(entry->text));
    }
}

void ctl_survive_pipe(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL);
}

void ctl_set_outcome(struct ctl *ctl, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(ctl->outcome, sizeof(ctl->outcome), format, list);
    va_end(list);
}

static enum err tell_unwritable(const struct ctl *ctl, enum err err)
{
    fprintf(stderr, "steer: cannot write to standard output%s%s\n",
            ctl->outcome[0] != '\0' ? "; " : "", ctl->outcome);
    return err == ERR_OK && ctl->outcome[0] == '\0' ? ERR_IO : err;
}

int ctl_finish(struct ctl *ctl, enum err err)
{
    fflush(stdout);
    tell_diag(&ctl->diag);
    if (err != ERR_OK && !diag_has_errors(&ctl->diag) && !ctl->has_answered)
        fprintf(stderr, "steer: %s\n", err_text(err));
    if (err != ERR_OK && ctl->args.is_json && !ctl->has_answered) {
        json_t *answer = ctl_new_answer(false), *error = json_object();
        const char *text = diag_first(&ctl->diag);
        json_set_str(error, "code", str_from(err_name(err)));
        json_set_str(error, "text", str_from(text[0] != '\0' ? text : err_text(err)));
        json_object_set_new(answer, "error", error);
        json_set_int(answer, "exit", err_exit_code(err));
        ctl_answer(ctl, answer);
    }
    if (fflush(stdout) != 0 || ferror(stdout))
        err = tell_unwritable(ctl, err);
    return err_exit_code(err);
}

/* ---- the store ---------------------------------------------------------------------------- */

enum err ctl_open_store(struct ctl *ctl)
{
    return store_open(ctl->args.store, &ctl->diag, &ctl->store);
}

enum err ctl_reader_err(enum err err)
{
    return err == ERR_OK ? ERR_OK : ERR_UNREACHABLE;
}

enum err ctl_read_document(struct ctl *ctl, struct document **out_document)
{
    enum err err = store_get(ctl->store, &ctl->diag, out_document);
    if (err == ERR_CORRUPT)
        diag_error(&ctl->diag, 0, 0,
                   "the document in '%s' is damaged; the nodes keep their last good one. 'steer "
                   "store repair' reinstates it",
                   store_where(ctl->store));
    if (err == ERR_INVALID)
        diag_error(
            &ctl->diag, 0, 0,
            "the document in '%s' asks for what this version cannot do; upgrade steer or, if "
            "it was edited by hand, 'steer store repair'",
            store_where(ctl->store));
    return err == ERR_NOT_FOUND ? err : ctl_reader_err(err);
}

enum err ctl_list_nodes(struct ctl *ctl, struct presences *out_presences)
{
    return ctl_reader_err(presence_list(ctl->store, &ctl->diag, out_presences));
}
