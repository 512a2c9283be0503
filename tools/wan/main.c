/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "tools/wan/matrix.h"
#include "tools/wan/options.h"
#include "tools/wan/remote.h"
#include "tools/wan/session.h"

enum { TEXT_MAX_BYTES = 1 << 20, EXIT_USAGE = 2 };

/* What concerns a file begins with its name; the rest with ours, among a command's own output. */
static int finish(enum err err, struct diag *diag)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    diag_format(diag, &text);
    if (diag->count > 0 && diag->entries[0].file == NULL)
        fputs("wan: ", stderr);
    fputs(buf_text(&text), stderr);
    buf_fini(&text);
    diag_fini(diag);
    return err_exit_code(err);
}

static int run(const struct options *options)
{
    struct matrix *matrix = NULL;
    struct diag diag;
    diag_init(&diag);
    enum err err = matrix_load(options->matrix, &diag, &matrix);
    if (err != ERR_OK || options->action == OPTIONS_CHECK) {
        if (err == ERR_OK)
            printf("%s: %zu sites, %zu links\n", options->matrix, matrix->site_count,
                   matrix->link_count);
        matrix_free(matrix);
        return finish(err, &diag);
    }
    diag_fini(&diag);
    int status = session_run(options, matrix);
    matrix_free(matrix);
    return status;
}

static int ask(const struct options *options)
{
    struct buf line;
    struct diag diag;
    buf_init(&line, TEXT_MAX_BYTES);
    diag_init(&diag);
    buf_append_text(&line, options->action == OPTIONS_SET ? "set" : "status");
    if (options->is_json)
        buf_append_text(&line, " json");
    for (size_t i = 0; i < options->word_count; i++)
        buf_append_format(&line, " %s", options->words[i]);
    enum err err = remote_ask(options->socket, buf_str(&line), &diag);
    buf_fini(&line);
    return finish(err, &diag);
}

static int enter(const struct options *options)
{
    struct diag diag;
    int status = 0;
    diag_init(&diag);
    enum err err = remote_exec(options->socket, options->site, options->words, &diag, &status);
    int failure = finish(err, &diag);
    return failure != 0 ? failure : status;
}

static int help(void)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    options_help(&text);
    fputs(buf_text(&text), stdout);
    buf_fini(&text);
    return 0;
}

static int act(const struct options *options)
{
    switch (options->action) {
    case OPTIONS_RUN:
    case OPTIONS_CHECK:
        return run(options);
    case OPTIONS_EXEC:
        return enter(options);
    case OPTIONS_SET:
    case OPTIONS_STATUS:
        return ask(options);
    case OPTIONS_HELP:
        break;
    }
    return help();
}

int main(int argc, char *argv[])
{
    struct options options;
    struct buf problem;
    int status = EXIT_USAGE;
    buf_init(&problem, TEXT_MAX_BYTES);
    if (options_parse(argc, argv, &options, &problem))
        status = act(&options);
    else
        fprintf(stderr, "wan: %s\ntry: wan --help\n", buf_text(&problem));
    buf_fini(&problem);
    return status;
}
