/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/options.h"

#include "steering/base/mem.h"
#include "steering/runtime/command_line.h"

enum option_id { OPTION_CONFIG, OPTION_CHECK, OPTION_VERSION, OPTION_HELP };

static const struct command_option rows[] = {
    { OPTION_CONFIG, 'c', "config", "FILE", "the node file" },
    { OPTION_CHECK, 'k', "check", NULL, "check the node file and all that it names, then exit" },
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
    buf_append_text(out, "steer-dns: an authoritative DNS server that sends each client to the "
                         "right place\n\nusage: steer-dns -c FILE\n       steer-dns --check -c "
                         "FILE\n\n");
    command_line_help(&line, out);
    buf_append_text(out,
                    "\nexamples:\n"
                    "  steer-dns -c /etc/steer/dns.yaml           run in the foreground\n"
                    "  steer-dns --check -c /etc/steer/dns.yaml   find mistakes before a reload\n"
                    "  kill -HUP $(pidof steer-dns)               reload zones and topology\n"
                    "  steer explain-config                       every key of the files\n"
                    "\nSIGTERM stops, SIGHUP reloads. See steer-dns(8) and steer(1).\n");
}
