/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/ctl/command.h"
#include "steering/ctl/converge.h"
#include "steering/ctl/sites.h"
#include "steering/ctl/table.h"
#include "steering/ctl/text.h"
#include "steering/store/store.h"

enum { DIGEST_SHORT = 12 };

/* Everything that is shown. */
struct view {
    struct ctl *ctl;
    struct document *document; /* NULL: none that could be read */
    struct presences nodes;
    struct sites sites;
    struct convergence convergence; /* about the document */
    bool has_proxies;               /* nodes that are at a site: PoPs and gateways */
    bool has_strays;                /* nodes that count them: gateways */
    int64_t now_unix_s;
};

static const char *mode_colour(enum mode mode)
{
    switch (mode) {
    case MODE_ACTIVE:
        return "32";
    case MODE_EVACUATED:
    case MODE_OFFLINE:
        return "31";
    case MODE_DRAINING:
    case MODE_RESTORING:
        return "33";
    }
    return NULL;
}

static const char *state_colour(enum converge_state state)
{
    return state == CONVERGE_DONE ? "32" : state == CONVERGE_WAITING ? "33" : "31";
}

static void add_age(const struct view *view, int64_t since_unix_s, struct table *table)
{
    char age[CLOCK_TEXT_MAX] = "";
    if (since_unix_s > 0)
        clock_format_age(view->now_unix_s - since_unix_s, age);
    table_add_text(table, age);
}

/* ---- for people ------------------------------------------------------------------------------ */

static void print_clean(const struct view *view, struct buf *text)
{
    struct buf clean;
    buf_init(&clean, 1 << 16);
    text_append_clean(&clean, buf_str(text));
    ctl_print(view->ctl, "%s\n", buf_text(&clean));
    buf_fini(&clean);
    buf_fini(text);
}

static void print_heading(const struct view *view)
{
    const struct document *document = view->document;
    char age[CLOCK_TEXT_MAX];
    struct buf text;
    buf_init(&text, 1 << 16);
    if (document == NULL) {
        buf_append_format(&text, "no document  store %s", store_where(view->ctl->store));
        print_clean(view, &text);
        return;
    }
    buf_append_format(&text, "generation %" PRIu64 "  epoch %.*s  store %s", document->generation,
                      STR_ARG(document->epoch), store_where(view->ctl->store));
    print_clean(view, &text);
    buf_init(&text, 1 << 16);
    buf_append_format(&text, "last change by %.*s, %s ago%s%.*s", STR_ARG(document->op_who),
                      clock_format_age(view->now_unix_s - document->op_at_unix_s, age),
                      document->op_why.len > 0 ? ": " : "", STR_ARG(document->op_why));
    print_clean(view, &text);
}

static size_t living_at(const struct view *view, enum site_kind kind, const char *site)
{
    size_t count = 0;
    for (size_t i = 0; i < view->nodes.count; i++) {
        const struct presence *node = &view->nodes.items[i];
        bool is_gateway = str_eq_text(node->role, "gateway");
        count +=
            node->is_alive && str_eq_text(node->site, site) && is_gateway == (kind == SITE_REGION);
    }
    return count;
}

static void add_site(const struct view *view, enum site_kind kind, const char *name,
                     struct table *table)
{
    const struct document_site *site =
        view->document != NULL ? document_find_site(view->document, kind, str_from(name)) : NULL;
    enum mode mode = site != NULL ? site->mode : MODE_ACTIVE;
    table_add_text(table, name);
    table_add_text(table, site_kind_name(kind));
    table_add_text(table, mode_name(mode));
    table_colour(table, mode_colour(mode));
    if (view->has_proxies)
        table_add_number(table, living_at(view, kind, name));
    add_age(view, site != NULL ? site->since_unix_s : 0, table);
    table_add(table, site != NULL ? site->who : STR(""));
    table_add(table, site != NULL ? site->why : STR(""));
}

static void print_table(const struct view *view, struct table *table)
{
    struct buf text;
    buf_init(&text, 16 << 20);
    table_format(table, view->ctl->has_colour, &text);
    ctl_print(view->ctl, "\n%s", buf_text(&text));
    buf_fini(&text);
    table_fini(table);
}

static void print_sites(const struct view *view)
{
    static const char *const headings[] = { "SITE", "KIND", "MODE", "SINCE", "WHO", "WHY" };
    static const char *const with_nodes[] = {
        "SITE", "KIND", "MODE", "NODES", "SINCE", "WHO", "WHY"
    };
    struct table table;
    if (view->sites.count[SITE_REGION] + view->sites.count[SITE_POP] == 0)
        return;
    if (view->has_proxies)
        table_init(&table, with_nodes, ARRAY_SIZE(with_nodes));
    else
        table_init(&table, headings, ARRAY_SIZE(headings));
    for (int kind = SITE_REGION; kind <= SITE_POP; kind++)
        for (size_t i = 0; i < view->sites.count[kind]; i++)
            add_site(view, (enum site_kind)kind, view->sites.names[kind][i], &table);
    print_table(view, &table);
}

static void add_strays(const struct presence *node, struct table *table)
{
    char text[64] = "";
    if (node->has_strays)
        snprintf(text, sizeof(text), "%" PRIu64 " (%" PRIu64 "/s)", node->strays,
                 node->strays_per_s);
    table_add_text(table, text);
}

/* What the store tells of a node, and what a living node says of itself. */
static void add_note(const struct presence *node, const char *why, struct table *table)
{
    struct buf text;
    struct str own = node->is_alive ? node->note : STR("");
    buf_init(&text, PRESENCE_MAX_BYTES);
    buf_append_format(&text, "%s%s%.*s", why, why[0] != '\0' && own.len > 0 ? "; " : "",
                      STR_ARG(own));
    table_add(table, buf_str(&text));
    buf_fini(&text);
}

/* Enough of a digest to tell one from another. */
static void add_topology(const struct presence *node, struct table *table)
{
    struct str digest = node->topology;
    if (str_starts_with(digest, STR("sha256:"))) {
        digest.ptr += 7;
        digest.len -= 7;
    }
    digest.len = digest.len < DIGEST_SHORT ? digest.len : DIGEST_SHORT;
    table_add(table, digest);
}

static void add_node(const struct view *view, size_t index, struct table *table)
{
    const struct presence *node = &view->nodes.items[index];
    const struct converge_node *verdict = &view->convergence.nodes[index];
    bool is_known = view->document != NULL || verdict->state == CONVERGE_DEAD;
    table_add_text(table, node->id);
    table_add(table, node->role);
    if (view->has_proxies)
        table_add(table, node->site);
    table_add_text(table, is_known ? converge_state_name(verdict->state) : "alive");
    table_colour(table, is_known ? state_colour(verdict->state) : NULL);
    table_add_number(table, node->generation);
    add_age(view, node->applied_at_ms / 1000, table);
    table_add(table, node->source);
    table_add_number(table, node->workers);
    if (view->has_strays)
        add_strays(node, table);
    table_add(table, node->host);
    table_add(table, node->version);
    if (view->sites.has_several_topologies)
        add_topology(node, table);
    add_note(node, is_known ? verdict->why : "", table);
}

static void print_nodes(const struct view *view)
{
    static const struct column {
        const char *heading;
        bool is_of_sites, is_of_strays, is_of_topologies; /* only where they tell something */
    } columns[] = {
        { .heading = "NODE" },
        { .heading = "ROLE" },
        { .heading = "SITE", .is_of_sites = true },
        { .heading = "STATE" },
        { .heading = "GEN" },
        { .heading = "APPLIED" },
        { .heading = "SOURCE" },
        { .heading = "WORKERS" },
        { .heading = "STRAYS", .is_of_strays = true },
        { .heading = "HOST" },
        { .heading = "VERSION" },
        { .heading = "TOPOLOGY", .is_of_topologies = true },
        { .heading = "NOTE" },
    };
    const char *headings[ARRAY_SIZE(columns)];
    size_t count = 0;
    struct table table;
    if (view->nodes.count == 0) {
        ctl_print(view->ctl, "\nno nodes on this store\n");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        if ((view->has_proxies || !columns[i].is_of_sites) &&
            (view->has_strays || !columns[i].is_of_strays) &&
            (view->sites.has_several_topologies || !columns[i].is_of_topologies))
            headings[count++] = columns[i].heading;
    table_init(&table, headings, count);
    for (size_t i = 0; i < view->nodes.count; i++)
        add_node(view, i, &table);
    print_table(view, &table);
    if (view->sites.has_several_topologies)
        ctl_print(view->ctl, "\nthe nodes do not share one topology: see TOPOLOGY\n");
}

/* ---- for programs ---------------------------------------------------------------------------- */

static json_t *sites_to_json(const struct view *view, enum site_kind kind)
{
    json_t *all = json_object();
    for (size_t i = 0; i < view->sites.count[kind]; i++) {
        const char *name = view->sites.names[kind][i];
        const struct document_site *site =
            view->document != NULL ? document_find_site(view->document, kind, str_from(name))
                                   : NULL;
        json_t *entry = json_object();
        json_set_str(entry, "mode", str_from(mode_name(site != NULL ? site->mode : MODE_ACTIVE)));
        if (site != NULL) {
            json_set_int(entry, "since", site->since_unix_s);
            json_set_str(entry, "who", site->who);
            json_set_str(entry, "why", site->why);
            json_set_str(entry, "stray", site->stray);
        }
        json_object_set_new(all, name, entry);
    }
    return all;
}

static json_t *nodes_to_json(const struct view *view)
{
    json_t *nodes = converge_to_json(&view->convergence);
    for (size_t i = 0; i < view->nodes.count; i++) {
        const struct presence *node = &view->nodes.items[i];
        json_t *entry = json_array_get(nodes, i);
        json_object_set_new(entry, "alive", json_boolean(node->is_alive));
        if (node->site.len > 0)
            json_set_str(entry, "site", node->site);
        if (node->has_strays) {
            json_set_int(entry, "strays", (int64_t)node->strays);
            json_set_int(entry, "strays_per_s", (int64_t)node->strays_per_s);
        }
        json_object_set(entry, "presence", node->value != NULL ? node->value : json_null());
    }
    return nodes;
}

static void answer(const struct view *view)
{
    const struct document *document = view->document;
    json_t *answer = ctl_new_answer(document != NULL);
    json_set_str(answer, "store", str_from(store_where(view->ctl->store)));
    if (document != NULL) {
        json_set_int(answer, "gen", (int64_t)document->generation);
        json_set_str(answer, "epoch", document->epoch);
        json_object_set(answer, "op", json_object_get(document->value, "op"));
    }
    json_object_set_new(answer, "regions", sites_to_json(view, SITE_REGION));
    json_object_set_new(answer, "pops", sites_to_json(view, SITE_POP));
    json_object_set_new(answer, "nodes", nodes_to_json(view));
    ctl_answer(view->ctl, answer);
}

/* ---- the command ------------------------------------------------------------------------------
 */

static void judge_nodes(struct view *view)
{
    char text[DIGEST_TEXT_MAX] = "";
    struct converge_target target = { .generation = 0 };
    if (view->document != NULL) {
        struct digest digest = document_digest(view->document);
        target = (struct converge_target){ .epoch = view->document->epoch,
                                           .generation = view->document->generation,
                                           .is_newest = true,
                                           .digest = str_from(digest_format(&digest, text)) };
    }
    converge_judge(&view->nodes, &target, &view->convergence);
}

/* The nodes are shown also when the document is not to be had: that is when they matter most. */
static enum err run(struct ctl *ctl)
{
    struct view view = { .ctl = ctl, .now_unix_s = clock_unix_s() };
    enum err err = ctl_open_store(ctl);
    if (err != ERR_OK)
        return err;
    /* The nodes first: one that obeys something newer than what is read then was set back. */
    err = ctl_list_nodes(ctl, &view.nodes);
    enum err document_err = ctl_read_document(ctl, &view.document);
    if (err == ERR_OK) {
        sites_collect(&view.nodes, view.document, &view.sites);
        judge_nodes(&view);
        for (size_t i = 0; i < view.nodes.count; i++) {
            view.has_proxies = view.has_proxies || view.nodes.items[i].site.len > 0;
            view.has_strays = view.has_strays || view.nodes.items[i].has_strays;
        }
        print_heading(&view);
        print_sites(&view);
        print_nodes(&view);
        answer(&view);
    }
    converge_fini(&view.convergence);
    sites_fini(&view.sites);
    presences_fini(&view.nodes);
    document_free(view.document);
    return err == ERR_OK ? ctl_reader_err(document_err) : err;
}

const struct command cmd_status = {
    .name = "status",
    .words = "",
    .summary = "what is steered where, and which node obeys what",
    .about =
        "Shows the generation, the mode of every site with since when, who and why, and the\n"
        "nodes: DNS servers, PoPs and gateways with their site. NODE states: done (obeys the\n"
        "present generation), waiting, rejected, dead. NOTE: why not, and what the node says of\n"
        "itself: break-glass orders, a reload that failed. STRAYS: requests that came to a "
        "gateway\n"
        "while its region was out, since it started and each second of late.",
    .examples = "  steer status\n  steer status --json",
    .run = run,
};
