/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "dns/server/options.h"
#include "dns/server/server.h"
#include "steering/base/file.h"

enum { TEXT_MAX_BYTES = 65536, EXIT_USAGE = 2 };

static int run(const struct options *options)
{
    switch (options->action) {
    case OPTIONS_RUN:
        return server_run(options->config);
    case OPTIONS_CHECK:
        return server_check(options->config);
    case OPTIONS_VERSION:
        puts("steer-dns " STEER_VERSION);
        return 0;
    case OPTIONS_HELP:
        break;
    }
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    options_help(&text);
    fputs(buf_text(&text), stdout);
    buf_fini(&text);
    return 0;
}

int main(int argc, char *argv[])
{
    struct options options;
    struct buf problem;
    int exit_code = EXIT_USAGE;
    file_reserve_standard();
    buf_init(&problem, TEXT_MAX_BYTES);
    if (options_parse(argc, argv, &options, &problem))
        exit_code = run(&options);
    else
        fprintf(stderr, "steer-dns: %s\ntry: steer-dns --help\n", buf_text(&problem));
    buf_fini(&problem);
    return exit_code;
}
