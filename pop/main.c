/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "config/load/pop_node.h"
#include "pop/server/options.h"
#include "pop/server/server.h"
#include "pop/tls/ticket_keys.h"
#include "pop/tls/tls.h"
#include "steering/base/file.h"

enum { TEXT_MAX_BYTES = 65536, EXIT_USAGE = 2 };

static void new_ticket_key(struct buf *out)
{
    struct ticket_keys keys;
    ticket_keys_random(&keys);
    ticket_key_format(&keys.items[0], out);
    ticket_keys_wipe(&keys);
}

static int run(const struct options *options)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    int exit_code = 0;
    switch (options->action) {
    case OPTIONS_RUN:
        exit_code = server_run(options->config);
        break;
    case OPTIONS_CHECK:
        exit_code = server_check(options->config);
        break;
    case OPTIONS_EXPLAIN_CONFIG:
        pop_node_explain_config(&text);
        break;
    case OPTIONS_NEW_TICKET_KEY:
        new_ticket_key(&text);
        break;
    case OPTIONS_VERSION:
        buf_append_text(&text, "steer-pop " STEER_VERSION "\n");
        break;
    case OPTIONS_HELP:
        options_help(&text);
        break;
    }
    fputs(buf_text(&text), stdout);
    buf_fini(&text);
    return exit_code;
}

int main(int argc, char *argv[])
{
    struct options options;
    struct buf problem;
    int exit_code = EXIT_USAGE;
    file_reserve_standard();
    buf_init(&problem, TEXT_MAX_BYTES);
    tls_start();
    if (options_parse(argc, argv, &options, &problem))
        exit_code = run(&options);
    else
        fprintf(stderr, "steer-pop: %s\ntry: steer-pop --help\n", buf_text(&problem));
    buf_fini(&problem);
    return exit_code;
}
