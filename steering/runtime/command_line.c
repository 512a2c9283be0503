/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/command_line.h"

#include <string.h>

#include "steering/base/suggest.h"

static const struct command_option *find_letter(const struct command_line *line, char letter)
{
    for (size_t i = 0; i < line->count; i++)
        if (line->options[i].letter == letter)
            return &line->options[i];
    return NULL;
}

static const struct command_option *find_name(const struct command_line *line, struct str name)
{
    for (size_t i = 0; i < line->count; i++)
        if (str_eq_text(name, line->options[i].name))
            return &line->options[i];
    return NULL;
}

static void refuse_name(const struct command_line *line, struct str name, struct buf *out_problem)
{
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(name);
    for (size_t i = 0; i < line->count; i++)
        suggest_offer(&suggest, str_from(line->options[i].name));
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

bool command_line_parse(const struct command_line *line, int argc, char *const argv[],
                        struct buf *out_problem)
{
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
        line->on_option(line->owner, option->id, value.ptr);
    }
    return true;
}

void command_line_help(const struct command_line *line, struct buf *out)
{
    size_t widest = 0;
    for (size_t i = 0; i < line->count; i++) {
        const struct command_option *option = &line->options[i];
        size_t width =
            strlen(option->name) + (option->value == NULL ? 0 : 1 + strlen(option->value));
        widest = width > widest ? width : widest;
    }
    for (size_t i = 0; i < line->count; i++) {
        const struct command_option *option = &line->options[i];
        const char *value = option->value == NULL ? "" : option->value;
        const char *space = option->value == NULL ? "" : " ";
        int rest = (int)(widest - strlen(option->name) - strlen(space) - strlen(value));
        buf_append_format(out, "  -%c, --%s%s%s%*s  %s\n", option->letter, option->name, space,
                          value, rest, "", option->about);
    }
}
