/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"
#include "steering/model/snapshot.h"

static const struct word {
    const char *text;
    enum mode mode;
} words[] = {
    { "evacuate", MODE_EVACUATED },
    { "drain", MODE_DRAINING },
    { "serve", MODE_ACTIVE },
};

struct parser {
    struct diag *diag;
    const struct topology *topology;
    struct break_glass orders;
    size_t capacity;
    uint32_t line;
    const char *line_start;
    uint32_t none_line; /* where "none" stands; 0: nowhere */
};

enum { SHOWN_MAX = 64 };

/* A piece of a hand-written file for a message: what is no printable ASCII could upset the
 * terminal of somebody who has trouble enough. */
static const char *shown(struct str text, char out_text[SHOWN_MAX])
{
    size_t len = text.len < SHOWN_MAX - 1 ? text.len : SHOWN_MAX - 1;
    for (size_t i = 0; i < len; i++)
        out_text[i] = text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?';
    out_text[len] = '\0';
    return out_text;
}

static uint32_t column_of(const struct parser *parser, struct str text)
{
    return (uint32_t)(text.ptr - parser->line_start) + 1;
}

static struct str next_word(struct str *rest)
{
    struct str text = str_trim(*rest);
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ' ' && text.ptr[len] != '\t')
        len++;
    *rest = (struct str){ .ptr = text.ptr + len, .len = text.len - len };
    return (struct str){ .ptr = text.ptr, .len = len };
}

static const struct word *find_word(struct str text)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (str_eq_text(text, words[i].text))
            return &words[i];
    return NULL;
}

static void refuse_word(struct parser *parser, struct str text)
{
    char hint[SUGGEST_TEXT_MAX], raw[SHOWN_MAX];
    struct suggest suggest = suggest_init(text);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        suggest_offer(&suggest, str_from(words[i].text));
    suggest_offer(&suggest, STR("none"));
    diag_error(parser->diag, parser->line, column_of(parser, text),
               "'%s' is not an order; expected evacuate SITE, drain SITE, serve SITE or none%s",
               shown(text, raw), suggest_format(&suggest, hint, sizeof(hint)));
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f)
            return false;
    return true;
}

static bool site_is_fine(struct parser *parser, struct str site)
{
    char hint[SUGGEST_TEXT_MAX], raw[SHOWN_MAX];
    const struct topology *topology = parser->topology;
    if (!is_printable(site)) {
        diag_error(parser->diag, parser->line, column_of(parser, site),
                   "'%s' cannot be a site: not printable ASCII", shown(site, raw));
        return false;
    }
    for (size_t i = 0; i < parser->orders.count; i++) {
        if (!str_eq_text(site, parser->orders.orders[i].site))
            continue;
        diag_error(parser->diag, parser->line, column_of(parser, site),
                   "there is an order for '%s' already", shown(site, raw));
        return false;
    }
    if (topology == NULL || !site_is_none(topology_find_site(topology, site)))
        return true;
    struct suggest suggest = suggest_init(site);
    for (size_t i = 0; i < topology->site_count; i++)
        suggest_offer(&suggest, str_from(topology->sites[i].name));
    diag_error(parser->diag, parser->line, column_of(parser, site), "no site is called '%s'%s",
               shown(site, raw), suggest_format(&suggest, hint, sizeof(hint)));
    return false;
}

static void add_order(struct parser *parser, enum mode mode, struct str site)
{
    struct break_glass *orders = &parser->orders;
    if (orders->count == SITE_MAX) {
        diag_error(parser->diag, parser->line, 1, "more than %d orders", SITE_MAX);
        return;
    }
    orders->orders =
        mem_grow(orders->orders, orders->count, &parser->capacity, sizeof(orders->orders[0]));
    orders->orders[orders->count++] =
        (struct break_glass_order){ .site = mem_strndup(site.ptr, site.len), .mode = mode };
}

static void parse_line(struct parser *parser, struct str line)
{
    struct str rest, comment;
    char raw[SHOWN_MAX];
    str_split(line, '#', &rest, &comment);
    struct str first = next_word(&rest);
    struct str site = next_word(&rest);
    struct str extra = next_word(&rest);
    const struct word *word = find_word(first);
    if (first.len == 0)
        return;
    if (str_eq_text(first, "none")) {
        parser->none_line = parser->line;
        extra = site;
    } else if (word == NULL) {
        refuse_word(parser, first);
        return;
    } else if (site.len == 0) {
        diag_error(parser->diag, parser->line, column_of(parser, first), "%s: which site?",
                   word->text);
        return;
    }
    if (extra.len > 0)
        diag_error(parser->diag, parser->line, column_of(parser, extra),
                   "unexpected '%s'; one order a line", shown(extra, raw));
    else if (word != NULL && site_is_fine(parser, site))
        add_order(parser, word->mode, site);
}

static void check_whole(struct parser *parser)
{
    if (parser->none_line != 0 && parser->orders.count > 0)
        diag_error(parser->diag, parser->none_line, 1, "'none' stands beside orders");
    if (parser->none_line == 0 && parser->orders.count == 0)
        diag_error(parser->diag, 0, 0,
                   "no orders; an intended absence of orders is written as the word 'none'");
}

enum err break_glass_parse(struct str text, const struct topology *topology, struct diag *diag,
                           struct break_glass *out_orders)
{
    struct parser parser = { .diag = diag, .topology = topology };
    uint32_t errors_before = diag->error_count;
    while (text.len > 0 && diag->error_count < errors_before + DIAG_MAX) {
        struct str line;
        struct str rest;
        str_split(text, '\n', &line, &rest);
        parser.line++;
        parser.line_start = line.ptr;
        parse_line(&parser, line);
        text = rest;
    }
    if (diag->error_count == errors_before)
        check_whole(&parser);
    if (diag->error_count > errors_before) {
        break_glass_fini(&parser.orders);
        return ERR_INVALID;
    }
    *out_orders = parser.orders;
    return ERR_OK;
}

void break_glass_fini(struct break_glass *orders)
{
    for (size_t i = 0; i < orders->count; i++)
        free(orders->orders[i].site);
    free(orders->orders);
    *orders = (struct break_glass){ .orders = NULL };
}
