/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/command_line.h"

#include <stdio.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"

enum { TEXT_MAX_BYTES = 65536, EXIT_USAGE = 2 };

/* ---- what every daemon takes --------------------------------------------------------------- */

static void print_version(const struct command_line *line, struct buf *out)
{
    buf_append_format(out, "%s %s\n", line->program, STEER_VERSION);
}

static void print_help(const struct command_line *line, struct buf *out)
{
    command_line_help(line, out);
}

/* The daemon's own options stand between these two. */
static const struct command_option first[] = {
    { 'c', "config", "FILE", "the node file", NULL },
    { 'k', "check", NULL, "check the node file and all that it names, then exit", NULL },
};
static const struct command_option last[] = {
    { 'V', "version", NULL, "print the version", print_version },
    { 'h', "help", NULL, "print this", print_help },
};

/* NULL: there are no more. */
static const struct command_option *option_at(const struct command_line *line, size_t index)
{
    if (index < ARRAY_SIZE(first))
        return &first[index];
    index -= ARRAY_SIZE(first);
    if (index < line->print_count)
        return &line->prints[index];
    index -= line->print_count;
    return index < ARRAY_SIZE(last) ? &last[index] : NULL;
}

/* ---- words --------------------------------------------------------------------------------- */

static const struct command_option *find_letter(const struct command_line *line, char letter)
{
    const struct command_option *option;
    for (size_t i = 0; (option = option_at(line, i)) != NULL; i++)
        if (option->letter == letter)
            return option;
    return NULL;
}

static const struct command_option *find_name(const struct command_line *line, struct str name)
{
    const struct command_option *option;
    for (size_t i = 0; (option = option_at(line, i)) != NULL; i++)
        if (str_eq_text(name, option->name))
            return option;
    return NULL;
}

static void refuse_name(const struct command_line *line, struct str name, struct buf *out_problem)
{
    char hint[SUGGEST_TEXT_MAX];
    const struct command_option *option;
    struct suggest suggest = suggest_init(name);
    for (size_t i = 0; (option = option_at(line, i)) != NULL; i++)
        suggest_offer(&suggest, str_from(option->name));
    buf_append_format(out_problem, "unknown option '--%.*s'%s", STR_ARG(name),
                      suggest_format(&suggest, hint, sizeof(hint)));
}

/* `out_value` is what stands behind '=' or the letter, or empty. */
static const struct command_option *find(const struct command_line *line, const char *word,
                                         struct str *out_value, struct buf *out_problem)
{
    *out_value = (struct str){ .ptr = NULL };
    if (word[0] != '-' || word[1] == '\0') {
        buf_append_format(out_problem, "unexpected '%s'; the node file goes behind -c", word);
        return NULL;
    }
    if (word[1] != '-') {
        const struct command_option *option = find_letter(line, word[1]);
        if (word[2] != '\0')
            *out_value = str_from(word + 2);
        if (option == NULL)
            buf_append_format(out_problem, "unknown option '%s'", word);
        return option;
    }
    struct str name, value;
    if (str_split(str_from(word + 2), '=', &name, &value))
        *out_value = value;
    const struct command_option *option = find_name(line, name);
    if (option == NULL)
        refuse_name(line, name, out_problem);
    return option;
}

static void take(const struct command_option *option, const char *value, struct command *command)
{
    if (option->print != NULL)
        command->print = option;
    else if (option->value != NULL)
        command->config = value;
    else
        command->is_check = true;
}

bool command_line_parse(const struct command_line *line, int argc, char *const argv[],
                        struct command *out_command, struct buf *out_problem)
{
    struct command command = { .config = NULL };
    for (int i = 1; i < argc; i++) {
        struct str value;
        const struct command_option *option = find(line, argv[i], &value, out_problem);
        if (option == NULL)
            return false;
        if (option->value == NULL && value.ptr != NULL) {
            buf_append_format(out_problem, "--%s takes no value", option->name);
            return false;
        }
        if (option->value != NULL && value.ptr == NULL) {
            if (i + 1 == argc) {
                buf_append_format(out_problem, "--%s needs a %s", option->name, option->value);
                return false;
            }
            value = str_from(argv[++i]);
        }
        take(option, value.ptr, &command);
    }
    if (command.print == NULL && command.config == NULL) {
        buf_append_text(out_problem, "which node file? Name it with -c FILE");
        return false;
    }
    *out_command = command;
    return true;
}

/* ---- what comes of it ---------------------------------------------------------------------- */

static void write_options(const struct command_line *line, struct buf *out)
{
    const struct command_option *option;
    size_t widest = 0;
    for (size_t i = 0; (option = option_at(line, i)) != NULL; i++) {
        size_t width =
            strlen(option->name) + (option->value == NULL ? 0 : 1 + strlen(option->value));
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; (option = option_at(line, i)) != NULL; i++) {
        const char *value = option->value == NULL ? "" : option->value;
        const char *space = option->value == NULL ? "" : " ";
        int rest = (int)(widest - strlen(option->name) - strlen(space) - strlen(value));
        buf_append_format(out, "  -%c, --%s%s%s%*s  %s\n", option->letter, option->name, space,
                          value, rest, "", option->about);
    }
}

void command_line_help(const struct command_line *line, struct buf *out)
{
    buf_append_format(out, "%s: %s\n\nusage: %s -c FILE\n       %s --check -c FILE\n\n",
                      line->program, line->purpose, line->program, line->program);
    write_options(line, out);
    buf_append_format(out, "\nexamples:\n%s", line->examples);
}

int command_line_run(const struct command_line *line, int argc, char *const argv[])
{
    struct command command;
    struct buf text;
    int exit_code = 0;
    buf_init(&text, TEXT_MAX_BYTES);
    if (!command_line_parse(line, argc, argv, &command, &text)) {
        fprintf(stderr, "%s: %s\ntry: %s --help\n", line->program, buf_text(&text), line->program);
        exit_code = EXIT_USAGE;
    } else if (command.print != NULL) {
        command.print->print(line, &text);
        fputs(buf_text(&text), stdout);
    } else {
        exit_code = command.is_check ? line->check(command.config) : line->run(command.config);
    }
    buf_fini(&text);
    return exit_code;
}
