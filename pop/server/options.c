/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/options.h"

#include "steering/base/mem.h"
#include "steering/runtime/command_line.h"

enum option_id {
    OPTION_CONFIG,
    OPTION_CHECK,
    OPTION_EXPLAIN_CONFIG,
    OPTION_NEW_TICKET_KEY,
    OPTION_VERSION,
    OPTION_HELP,
};

static const struct command_option rows[] = {
    { OPTION_CONFIG, 'c', "config", "FILE", "the node file" },
    { OPTION_CHECK, 'k', "check", NULL, "check the node file and all that it names, then exit" },
    { OPTION_EXPLAIN_CONFIG, 'e', "explain-config", NULL, "print every key of the node file" },
    { OPTION_NEW_TICKET_KEY, 't', "new-ticket-key", NULL,
      "print a line for the file of session ticket keys" },
    { OPTION_VERSION, 'V', "version", NULL, "print the version" },
    { OPTION_HELP, 'h', "help", NULL, "print this" },
};

static void on_option(void *owner, int id, const char *value)
{
    struct options *options = owner;
    switch ((enum option_id)id) {
    case OPTION_CONFIG:
        options->config = value;
        break;
    case OPTION_CHECK:
        if (options->action == OPTIONS_RUN)
            options->action = OPTIONS_CHECK;
        break;
    case OPTION_EXPLAIN_CONFIG:
        options->action = OPTIONS_EXPLAIN_CONFIG;
        break;
    case OPTION_NEW_TICKET_KEY:
        options->action = OPTIONS_NEW_TICKET_KEY;
        break;
    case OPTION_VERSION:
        options->action = OPTIONS_VERSION;
        break;
    case OPTION_HELP:
        options->action = OPTIONS_HELP;
        break;
    }
}

bool options_parse(int argc, char *const argv[], struct options *out_options,
                   struct buf *out_problem)
{
    struct options options = { .action = OPTIONS_RUN };
    const struct command_line line = {
        .options = rows, .count = ARRAY_SIZE(rows), .on_option = on_option, .owner = &options
    };
    if (!command_line_parse(&line, argc, argv, out_problem))
        return false;
    bool needs_config = options.action == OPTIONS_RUN || options.action == OPTIONS_CHECK;
    if (needs_config && options.config == NULL) {
        buf_append_text(out_problem, "which node file? Name it with -c FILE");
        return false;
    }
    *out_options = options;
    return true;
}

void options_help(struct buf *out)
{
    const struct command_line line = { .options = rows, .count = ARRAY_SIZE(rows) };
    buf_append_text(out,
                    "steer-pop: a TLS and HTTP proxy: a PoP near the clients, or the gateway of a "
                    "region\n\nusage: steer-pop -c FILE\n       steer-pop --check -c FILE\n\n");
    command_line_help(&line, out);
    buf_append_text(out,
                    "\nexamples:\n"
                    "  steer-pop -c /etc/steer/pop.yaml            run in the foreground\n"
                    "  steer-pop --check -c /etc/steer/pop.yaml    find mistakes before a reload\n"
                    "  steer-pop --new-ticket-key > tickets.keys   for all nodes of a fleet\n"
                    "  kill -HUP $(pidof steer-pop)                reload routes and certificates\n"
                    "\nSIGTERM finishes what is in flight and stops, a second one stops at once;\n"
                    "SIGHUP reloads. See steer-pop(8) and steer(1).\n");
}
