/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/options.h"

#include <string.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"

enum option_id { OPTION_CONFIG, OPTION_CHECK, OPTION_VERSION, OPTION_HELP };

static const struct row {
    enum option_id id;
    char letter;
    const char *name;
    const char *value; /* NULL: takes none */
    const char *about;
} rows[] = {
    { OPTION_CONFIG, 'c', "config", "FILE", "the node file" },
    { OPTION_CHECK, 'k', "check", NULL, "check the node file and all that it names, then exit" },
    { OPTION_VERSION, 'V', "version", NULL, "print the version" },
    { OPTION_HELP, 'h', "help", NULL, "print this" },
};

static const struct row *find_letter(char letter)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].letter == letter)
            return &rows[i];
    return NULL;
}

static const struct row *find_name(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (str_eq_text(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static void refuse_name(struct str name, struct buf *out_problem)
{
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(name);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        suggest_offer(&suggest, str_from(rows[i].name));
    buf_append_format(out_problem, "unknown option '--%.*s'%s", STR_ARG(name),
                      suggest_format(&suggest, hint, sizeof(hint)));
}

/* The row of argv[*at]; `out_value` is what stands behind '=' or the letter, or empty. */
static const struct row *find_row(const char *word, struct str *out_value, struct buf *out_problem)
{
    *out_value = (struct str){ .ptr = NULL };
    if (word[0] != '-' || word[1] == '\0') {
        buf_append_format(out_problem, "unexpected '%s'; the node file goes behind -c", word);
        return NULL;
    }
    if (word[1] != '-') {
        const struct row *row = find_letter(word[1]);
        if (word[2] != '\0')
            *out_value = str_from(word + 2);
        if (row == NULL)
            buf_append_format(out_problem, "unknown option '%s'", word);
        return row;
    }
    struct str name, value;
    if (str_split(str_from(word + 2), '=', &name, &value))
        *out_value = value;
    const struct row *row = find_name(name);
    if (row == NULL)
        refuse_name(name, out_problem);
    return row;
}

static void apply(struct options *options, const struct row *row, const char *value)
{
    switch (row->id) {
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
    for (int i = 1; i < argc; i++) {
        struct str value;
        const struct row *row = find_row(argv[i], &value, out_problem);
        if (row == NULL)
            return false;
        if (row->value == NULL && value.ptr != NULL) {
            buf_append_format(out_problem, "--%s takes no value", row->name);
            return false;
        }
        if (row->value != NULL && value.ptr == NULL) {
            if (i + 1 == argc) {
                buf_append_format(out_problem, "--%s needs a %s", row->name, row->value);
                return false;
            }
            value = str_from(argv[++i]);
        }
        apply(&options, row, value.ptr);
    }
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
    buf_append_text(out, "steer-dns: an authoritative DNS server that sends each client to the "
                         "right place\n\nusage: steer-dns -c FILE\n       steer-dns --check -c "
                         "FILE\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        buf_append_format(out, "  -%c, --%s%s%-*s %s\n", rows[i].letter, rows[i].name,
                          rows[i].value == NULL ? "" : " ",
                          (int)(14 - strlen(rows[i].name) - (rows[i].value == NULL ? 0 : 1)),
                          rows[i].value == NULL ? "" : rows[i].value, rows[i].about);
    buf_append_text(out,
                    "\nexamples:\n"
                    "  steer-dns -c /etc/steer/dns.yaml           run in the foreground\n"
                    "  steer-dns --check -c /etc/steer/dns.yaml   find mistakes before a reload\n"
                    "  kill -HUP $(pidof steer-dns)               reload zones and topology\n"
                    "  steer explain-config                       every key of the files\n"
                    "\nSIGTERM stops, SIGHUP reloads. See steer-dns(8) and steer(1).\n");
}
