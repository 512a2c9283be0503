/* SPDX-License-Identifier: Apache-2.0 */
/* steer: the operator's command. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/ctl/command.h"
#include "steering/store/store.h"

/* A file-size limit shall be an error to report, not the end of the process. */
static void survive_file_limits(void)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGXFSZ, &ignore, NULL);
}

static enum err run(struct ctl *ctl)
{
    const char *store = getenv("STEER_STORE");
    if (store == NULL || store[0] == '\0')
        store = COMMAND_DEFAULT_STORE;
    enum err err = args_parse(ctl->argc, ctl->argv, command_table, store, &ctl->diag, &ctl->args);
    if (err != ERR_OK)
        return err;
    const struct command *command = ctl->args.command;
    ctl->has_colour =
        isatty(STDOUT_FILENO) == 1 && !ctl->args.has_no_color && getenv("NO_COLOR") == NULL;
    if (ctl->args.wants_version)
        return cmd_version.run(ctl);
    if (ctl->args.wants_help && command != NULL) {
        ctl->args.words[0] = command->name;
        ctl->args.word_count = 1;
    }
    if (command == NULL && !ctl->args.wants_help)
        return diag_error(&ctl->diag, 0, 0, "no command given; 'steer help' lists them");
    return ctl->args.wants_help ? cmd_help.run(ctl) : command->run(ctl);
}

int main(int argc, char **argv)
{
    file_reserve_standard(); /* before anything is opened */
    struct ctl ctl = {
        .argc = argc,
        .argv = argv,
        .has_terminal = isatty(STDIN_FILENO) == 1,
    };
    survive_file_limits();
    diag_init(&ctl.diag);
    enum err err = run(&ctl);
    int code = ctl_finish(&ctl, err);
    store_close(ctl.store);
    diag_fini(&ctl.diag);
    return code;
}
