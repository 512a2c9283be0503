/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/args.h"

#include <string.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"
#include "steering/ctl/command.h"

enum kind { FLAG, TEXT, DURATION, NUMBER, RULES };

struct row {
    const char *name;
    enum args_option option;
    enum kind kind;
    size_t offset;     /* into struct args */
    const char *value; /* how help texts call it */
    const char *about;
    bool is_global;
    char letter; /* 0: none */
};

static const struct row rows[] = {
    { "store", ARGS_STORE, TEXT, offsetof(struct args, store), "DIR",
      "the store's folder (default: $STEER_STORE, else " COMMAND_DEFAULT_STORE ")", true, 0 },
    { "json", ARGS_JSON, FLAG, offsetof(struct args, is_json), NULL,
      "one JSON object on standard output", true, 0 },
    { "reason", ARGS_REASON, TEXT, offsetof(struct args, reason), "TEXT",
      "why; needed when standard input is no terminal", true, 0 },
    { "yes", ARGS_YES, FLAG, offsetof(struct args, is_yes), NULL, "do not ask", true, 'y' },
    { "override", ARGS_OVERRIDE, RULES, 0, "RULE[,RULE]",
      "insist although this safety rule says no: min-regions, epoch", true, 0 },
    { "timeout", ARGS_TIMEOUT, DURATION, offsetof(struct args, timeout_ms), "DURATION",
      "how long to wait for the nodes (default 30s)", true, 0 },
    { "no-wait", ARGS_NO_WAIT, FLAG, offsetof(struct args, has_no_wait), NULL,
      "return when the change is committed", true, 0 },
    { "no-color", ARGS_NO_COLOR, FLAG, offsetof(struct args, has_no_color), NULL,
      "plain text, also on a terminal", true, 0 },
    { "help", ARGS_HELP, FLAG, offsetof(struct args, wants_help), NULL, "this text", true, 'h' },
    { "version", ARGS_VERSION, FLAG, offsetof(struct args, wants_version), NULL,
      "print the version", true, 'V' },
    { "stray", ARGS_STRAY, TEXT, offsetof(struct args, stray), "proxy|serve|refuse",
      "what becomes of requests that still arrive there (default proxy)", false, 0 },
    { "topology", ARGS_TOPOLOGY, TEXT, offsetof(struct args, topology), "FILE",
      "take the sites' names from this file, not from the nodes", false, 0 },
    { "gen", ARGS_GENERATION, NUMBER, offsetof(struct args, generation), "N",
      "this generation, not the store's present one", false, 0 },
    { "count", ARGS_COUNT, NUMBER, offsetof(struct args, count), "N",
      "at most that many (default 20)", false, 'n' },
    { "from", ARGS_FROM, TEXT, offsetof(struct args, from), "VALUE", NULL, false, 0 },
    { "ecs", ARGS_ECS, TEXT, offsetof(struct args, ecs), "CIDR",
      "the client subnet that the resolver sends along", false, 0 },
    { "node", ARGS_NODE, TEXT, offsetof(struct args, node), "ID",
      "ask this node (default: the first one alive)", false, 0 },
    { "config", ARGS_CONFIG, TEXT, offsetof(struct args, config), "FILE",
      "ask no node: compute from this node file and its store", false, 0 },
};

unsigned args_global_options(void)
{
    unsigned mask = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        mask |= rows[i].is_global ? rows[i].option : 0u;
    return mask;
}

void args_format_options(unsigned mask, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        char left[64];
        if ((mask & row->option) == 0 || row->about == NULL)
            continue;
        snprintf(left, sizeof(left), "%c%c%s --%s%s%s", row->letter != 0 ? '-' : ' ',
                 row->letter != 0 ? row->letter : ' ', row->letter != 0 ? "," : " ", row->name,
                 row->value != NULL ? " " : "", row->value != NULL ? row->value : "");
        buf_append_format(out, "  %-32s %s\n", left, row->about);
    }
}

void args_format_names(unsigned mask, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if ((mask & rows[i].option) != 0)
            buf_append_format(out, "--%s\n", rows[i].name);
}

/* ---- values ------------------------------------------------------------------------------- */

static enum err add_rules(struct str list, struct diag *diag, struct args *args)
{
    struct str rest = list, rule;
    while (rest.len > 0) {
        str_split(rest, ',', &rule, &rest);
        if (rule.len == 0)
            continue;
        if (args->rule_count == ARGS_RULE_MAX)
            return diag_error(diag, 0, 0, "--override: more than %d rules", ARGS_RULE_MAX);
        args->rules[args->rule_count++] = rule;
    }
    if (args->rule_count == 0)
        return diag_error(diag, 0, 0, "--override: expected the name of a rule");
    return ERR_OK;
}

static enum err set_value(const struct row *row, const char *value, struct diag *diag,
                          struct args *args)
{
    void *field = (char *)args + row->offset;
    args->given |= row->option;
    switch (row->kind) {
    case FLAG:
        *(bool *)field = true;
        return ERR_OK;
    case TEXT:
        *(const char **)field = value;
        return ERR_OK;
    case DURATION:
        if (clock_parse_duration(str_from(value), field))
            return ERR_OK;
        return diag_error(diag, 0, 0, "--%s '%s': expected a duration such as 30s or 500ms",
                          row->name, value);
    case NUMBER:
        if (str_parse_u64(str_from(value), INT64_MAX, field))
            return ERR_OK;
        return diag_error(diag, 0, 0, "--%s '%s': expected a whole number", row->name, value);
    case RULES:
        return add_rules(str_from(value), diag, args);
    }
    return ERR_INTERNAL;
}

/* ---- the line ------------------------------------------------------------------------------ */

/* What is left of argv. */
struct line {
    char **at, **end;
};

static const struct row *find_long(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (str_eq_text(name, rows[i].name))
            return &rows[i];
    return NULL;
}

static enum err refuse_unknown_option(struct str name, struct diag *diag)
{
    struct suggest suggest = suggest_init(name);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        suggest_offer(&suggest, str_from(rows[i].name));
    if (!suggest_has(&suggest))
        diag_error(diag, 0, 0, "unknown option '--%.*s'", STR_ARG(name));
    else
        diag_error(diag, 0, 0, "unknown option '--%.*s'; did you mean '--%.*s'?", STR_ARG(name),
                   STR_ARG(suggest.best));
    return ERR_UNKNOWN;
}

static enum err take_value(const struct row *row, const char *attached, struct line *line,
                           struct diag *diag, struct args *args)
{
    if (row->kind == FLAG) {
        if (attached == NULL)
            return set_value(row, NULL, diag, args);
        return diag_error(diag, 0, 0, "--%s takes no value", row->name);
    }
    if (attached == NULL && line->at == line->end)
        return diag_error(diag, 0, 0, "--%s needs a value: %s", row->name, row->value);
    return set_value(row, attached != NULL ? attached : *line->at++, diag, args);
}

static enum err take_long(const char *text, struct line *line, struct diag *diag, struct args *args)
{
    struct str name, value;
    bool has_value = str_split(str_from(text), '=', &name, &value);
    const struct row *row = find_long(name);
    if (row == NULL)
        return refuse_unknown_option(name, diag);
    return take_value(row, has_value ? value.ptr : NULL, line, diag, args);
}

static enum err take_short(const char *text, struct line *line, struct diag *diag,
                           struct args *args)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].letter == 0 || rows[i].letter != text[0])
            continue;
        if (rows[i].kind == FLAG && text[1] != '\0')
            return diag_error(diag, 0, 0, "'-%s': write options apart, '-%c'", text, text[0]);
        return take_value(&rows[i], text[1] != '\0' ? text + 1 : NULL, line, diag, args);
    }
    diag_error(diag, 0, 0, "unknown option '-%s'", text);
    return ERR_UNKNOWN;
}

/* What other programs call it; nothing that a typing error away from a command of ours. */
static const char *meant_by(const char *name)
{
    static const struct {
        const char *word, *meant;
    } others[] = {
        { "audit", "'history'" },
        { "disable", "'evacuate' or 'drain'" },
        { "down", "'evacuate' or 'drain'" },
        { "enable", "'restore' or 'undrain'" },
        { "failback", "'restore'" },
        { "failover", "'evacuate'" },
        { "init", "'store init'" },
        { "lint", "'check'" },
        { "list", "'status'" },
        { "log", "'history'" },
        { "repair", "'store repair'" },
        { "revert", "'restore' or 'undrain'" },
        { "rollback", "'restore' or 'undrain'" },
        { "show", "'status'" },
        { "undo", "'restore' or 'undrain'" },
        { "up", "'restore' or 'undrain'" },
        { "validate", "'check'" },
        { "why", "'explain'" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        if (strcmp(others[i].word, name) == 0)
            return others[i].meant;
    return NULL;
}

static enum err find_command(const char *name, const struct command *const *commands,
                             struct diag *diag, struct args *args)
{
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(str_from(name));
    for (size_t i = 0; commands[i] != NULL; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            args->command = commands[i];
            return ERR_OK;
        }
        if (!commands[i]->is_hidden)
            suggest_offer(&suggest, str_from(commands[i]->name));
    }
    suggest_format(&suggest, hint, sizeof(hint));
    if (meant_by(name) != NULL)
        snprintf(hint, sizeof(hint), "; did you mean %s?", meant_by(name));
    diag_error(diag, 0, 0, "unknown command '%s'%s ('steer help' lists them)", name, hint);
    return ERR_UNKNOWN;
}

static enum err take_word(const char *word, const struct command *const *commands,
                          struct diag *diag, struct args *args)
{
    if (args->command == NULL)
        return find_command(word, commands, diag, args);
    if (args->word_count == ARGS_WORD_MAX)
        return diag_error(diag, 0, 0, "more than %d words", ARGS_WORD_MAX);
    args->words[args->word_count++] = word;
    return ERR_OK;
}

/* ---- does it fit the command? --------------------------------------------------------------- */

static enum err check_options(const struct args *args, struct diag *diag)
{
    unsigned allowed = args->command->options | args_global_options();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if ((args->given & rows[i].option & ~allowed) != 0)
            return diag_error(diag, 0, 0, "'steer %s' does not take --%s", args->command->name,
                              rows[i].name);
    return ERR_OK;
}

static enum err check_words(const struct args *args, struct diag *diag)
{
    const struct command *command = args->command;
    if (args->word_count < command->min_words)
        return diag_error(diag, 0, 0, "'steer %s' needs %s", command->name, command->words);
    if (args->word_count > command->max_words)
        return diag_error(diag, 0, 0, "'%s': unexpected; 'steer %s' takes %s",
                          args->words[command->max_words], command->name,
                          command->words[0] != '\0' ? command->words : "no words");
    return ERR_OK;
}

static enum err check_reason(const struct args *args, struct diag *diag)
{
    if (args->reason == NULL)
        return ERR_OK;
    struct str reason = str_trim(str_from(args->reason));
    if (reason.len == 0)
        return diag_error(diag, 0, 0, "--reason: is empty; say why");
    if (reason.len > ARGS_REASON_MAX_BYTES)
        return diag_error(diag, 0, 0, "--reason: %zu bytes, the limit is %d", reason.len,
                          ARGS_REASON_MAX_BYTES);
    return ERR_OK;
}

static enum err take_all(struct line *line, const struct command *const *commands,
                         struct diag *diag, struct args *args)
{
    bool has_options = true;
    enum err err = ERR_OK;
    while (err == ERR_OK && line->at < line->end) {
        const char *text = *line->at++;
        if (has_options && strcmp(text, "--") == 0)
            has_options = false;
        else if (has_options && text[0] == '-' && text[1] == '-')
            err = take_long(text + 2, line, diag, args);
        else if (has_options && text[0] == '-' && text[1] != '\0')
            err = take_short(text + 1, line, diag, args);
        else
            err = take_word(text, commands, diag, args);
    }
    return err;
}

enum err args_parse(int argc, char **argv, const struct command *const *commands,
                    const char *default_store, struct diag *diag, struct args *out_args)
{
    struct line line = { argv + (argc > 0 ? 1 : 0), argv + argc };
    *out_args = (struct args){ .store = default_store, .timeout_ms = 30000, .count = 20 };
    enum err err = take_all(&line, commands, diag, out_args);
    while (err != ERR_OK && line.at < line.end) /* the error, too, is told as they want it */
        out_args->is_json |= strcmp(*line.at++, "--json") == 0;
    if (err != ERR_OK || out_args->command == NULL || out_args->wants_help)
        return err;
    err = check_options(out_args, diag);
    if (err == ERR_OK)
        err = check_words(out_args, diag);
    return err == ERR_OK ? check_reason(out_args, diag) : err;
}
