/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "steering/base/suggest.h"
#include "steering/ctl/command.h"

static void format_overview(struct buf *out)
{
    buf_append_text(out, "usage: steer COMMAND [options]\n\n"
                         "Moves the world's clients to the right place, and away from it again.\n\n"
                         "commands:\n");
    for (size_t i = 0; command_table[i] != NULL; i++) {
        const struct command *command = command_table[i];
        struct buf left;
        if (command->is_hidden)
            continue;
        buf_init(&left, 256);
        buf_append_format(&left, "%s %s", command->name, command->words);
        buf_append_format(out, "  %-26s %s\n", buf_text(&left), command->summary);
        buf_fini(&left);
    }
    buf_append_text(out,
                    "\n'steer help COMMAND' tells more. Example:\n"
                    "  steer evacuate us-east --reason INC-4411\n\n"
                    "exit codes: 0 done or already so, 2 usage or unknown name, 3 blocked by a "
                    "safety rule,\n4 someone else was faster, 5 store unreachable and nothing "
                    "written, 6 outcome unknown,\n7 not converged in time, 8 declined, 1 "
                    "anything else\n");
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; command_table[i] != NULL; i++)
        if (strcmp(command_table[i]->name, name) == 0)
            return command_table[i];
    return NULL;
}

static enum err refuse_unknown(struct ctl *ctl, const char *name)
{
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(str_from(name));
    for (size_t i = 0; command_table[i] != NULL; i++)
        if (!command_table[i]->is_hidden)
            suggest_offer(&suggest, str_from(command_table[i]->name));
    diag_error(&ctl->diag, 0, 0, "unknown command '%s'%s", name,
               suggest_format(&suggest, hint, sizeof(hint)));
    return ERR_UNKNOWN;
}

static void tell(struct ctl *ctl, struct buf *text)
{
    ctl_print(ctl, "%s", buf_text(text));
    json_t *answer = ctl_new_answer(true);
    json_set_str(answer, "help", buf_str(text));
    ctl_answer(ctl, answer);
}

static enum err run_help(struct ctl *ctl)
{
    struct buf text;
    const struct command *command = NULL;
    if (ctl->args.word_count > 0) {
        command = find(ctl->args.words[0]);
        if (command == NULL)
            return refuse_unknown(ctl, ctl->args.words[0]);
    }
    buf_init(&text, 1 << 16);
    if (command != NULL)
        command_format_help(command, &text);
    else
        format_overview(&text);
    tell(ctl, &text);
    buf_fini(&text);
    return ERR_OK;
}

static enum err run_version(struct ctl *ctl)
{
    ctl_print(ctl, "steer %s\n", STEER_VERSION);
    json_t *answer = ctl_new_answer(true);
    json_set_str(answer, "version", STR(STEER_VERSION));
    ctl_answer(ctl, answer);
    return ERR_OK;
}

const struct command cmd_help = {
    .name = "help",
    .words = "[COMMAND]",
    .max_words = 1,
    .summary = "this text, or that of one command",
    .about = "Lists the commands, or tells what one of them does.",
    .examples = "  steer help evacuate",
    .run = run_help,
};
const struct command cmd_version = {
    .name = "version",
    .words = "",
    .summary = "print the version",
    .about = "Prints the version.",
    .examples = "  steer version",
    .run = run_version,
};
