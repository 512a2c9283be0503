/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/explain.h"

#include <string.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"

/* What the query path would find out, in the order in which it does. */
struct finding {
    const struct steered_name *name; /* NULL: a map was asked for */
    struct map_id map_id;
    const struct map *map;
    struct cidr client; /* the prefix that decided */
    bool is_from_ecs;
    bool is_special;    /* the ECS prefix, or without one the resolver, tells no place */
    uint8_t scope_bits; /* of the address that was asked for first */
    struct cell_id cell_id;
    const struct cell *cell;
    struct decision decision;
};

static void refuse_name(const struct topology *topology, struct str name, struct diag *diag)
{
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(name);
    for (size_t i = 0; i < topology->name_count; i++)
        suggest_offer(&suggest, str_from(topology->names[i].name));
    for (size_t i = 0; i < topology->map_count; i++)
        suggest_offer(&suggest, str_from(topology->maps[i].name));
    diag_error(diag, 0, 0, "'%.*s' is neither a steered name nor a map%s", STR_ARG(name),
               suggest_format(&suggest, hint, sizeof(hint)));
}

/* False when `text` is neither. */
static bool find_map(const struct topology *topology, struct str text, struct finding *finding)
{
    long name = topology_find_name(topology, text);
    long map = name >= 0 ? topology->names[name].map.n : topology_find_map(topology, text);
    if (map < 0)
        return false;
    finding->name = name >= 0 ? &topology->names[name] : NULL;
    finding->map_id = (struct map_id){ (uint16_t)map };
    finding->map = &topology->maps[map];
    return true;
}

/* RFC 7871: an ECS prefix of no bits keeps the client to itself; one that tells nothing of a
 * place does so too. Then the resolver decides. */
static void locate(const struct geo *geo, const struct explain_query *query,
                   struct finding *finding)
{
    finding->is_from_ecs =
        query->has_ecs && query->ecs.bits > 0 && (finding->name == NULL || finding->name->uses_ecs);
    struct geo_match match =
        geo_lookup(geo, finding->is_from_ecs ? &query->ecs.addr : &query->resolver);
    finding->is_special = match.is_special;
    if (!geo_is_uniform(geo, finding->map_id))
        finding->scope_bits = match.scope_bits;
    if (finding->is_from_ecs && match.is_special) {
        finding->is_from_ecs = false;
        match = geo_lookup(geo, &query->resolver);
    }
    finding->client = finding->is_from_ecs
                          ? query->ecs
                          : cidr_make(&query->resolver, addr_max_bits(&query->resolver));
    finding->cell_id = geo_cell(geo, match.class_id, finding->map_id);
    finding->cell = geo_cell_at(geo, finding->map_id, finding->cell_id);
}

/* The prefix whose hash is the key: the ECS prefix as used, else /24 or /56 of the resolver. */
static struct cidr key_prefix(const struct finding *finding)
{
    unsigned bits = finding->client.addr.family == ADDR_V4 ? 24 : 56;
    return finding->is_from_ecs ? finding->client : cidr_make(&finding->client.addr, bits);
}

/* ---- telling it ------------------------------------------------------------------------------ */

static const char *source_name(enum mode_source source)
{
    switch (source) {
    case MODE_BY_BREAK_GLASS:
        return "break-glass";
    case MODE_BY_DOCUMENT:
        return "document";
    case MODE_BY_DEFAULT:
        return "default";
    }
    return "unknown";
}

static json_t *names_of(const struct topology *topology, const struct site_id *sites, size_t count)
{
    json_t *names = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(names, json_string(topology->sites[sites[i].n].name));
    return names;
}

static bool is_chosen(const struct finding *finding, struct site_id site)
{
    for (size_t i = 0; i < finding->decision.count && i < finding->map->answers; i++)
        if (site_id_eq(finding->decision.sites[i], site))
            return true;
    return false;
}

static json_t *tell_site(const struct snapshot *snapshot, const struct finding *finding,
                         struct site_id id)
{
    const struct site *site = &snapshot->world->topology->sites[id.n];
    const struct site_state *state = &snapshot->states[id.n];
    const struct document_site *listed =
        document_find_site(snapshot->document, site->kind, str_from(site->name));
    json_t *value = json_object();
    json_t *addresses = json_array();
    char text[ADDR_TEXT_MAX];
    json_set_str(value, "name", str_from(site->name));
    json_set_str(value, "kind", str_from(site_kind_name(site->kind)));
    json_set_str(value, "mode", str_from(mode_name(state->mode)));
    json_set_str(value, "source", str_from(source_name(state->source)));
    json_object_set_new(value, "chosen", json_boolean(is_chosen(finding, id)));
    for (size_t i = 0; i < site->address_count; i++)
        json_array_append_new(addresses, json_string(addr_format(&site->addresses[i], text)));
    json_object_set_new(value, "addresses", addresses);
    if (site->cname != NULL)
        json_set_str(value, "cname", str_from(site->cname));
    if (state->source == MODE_BY_DOCUMENT && listed->who.len > 0)
        json_set_str(value, "who", listed->who);
    if (state->source == MODE_BY_DOCUMENT && listed->why.len > 0)
        json_set_str(value, "why", listed->why);
    return value;
}

static json_t *tell_sites(const struct snapshot *snapshot, const struct finding *finding)
{
    const struct cell *cell = finding->cell;
    const struct decision *decision = &finding->decision;
    json_t *sites = json_array();
    for (size_t i = 0; i < cell->candidate_count; i++)
        json_array_append_new(sites, tell_site(snapshot, finding, cell->candidates[i]));
    for (size_t i = 0; decision->level == DECISION_SPARE && i < decision->count; i++)
        json_array_append_new(sites, tell_site(snapshot, finding, decision->sites[i]));
    return sites;
}

static json_t *tell_rule(const struct finding *finding)
{
    const struct rule *rule = &finding->map->rules[finding->cell->rule];
    json_t *value = json_object();
    json_set_int(value, "index", finding->cell->rule);
    json_set_str(value, "from", str_from(rule->label));
    json_set_int(value, "line", rule->line);
    return value;
}

static json_t *tell(const struct snapshot *snapshot, const struct finding *finding)
{
    const struct topology *topology = snapshot->world->topology;
    const struct steered_name *name = finding->name;
    const struct decision *decision = &finding->decision;
    json_t *value = json_object();
    json_t *cell = json_object();
    char text[CIDR_TEXT_MAX];
    if (name != NULL)
        json_set_str(value, "name", str_from(name->name));
    json_set_str(value, "map", str_from(finding->map->name));
    json_set_str(value, "client", str_from(cidr_format(&finding->client, text)));
    json_set_str(value, "client_from", str_from(finding->is_from_ecs ? "ecs" : "resolver"));
    json_set_int(value, "scope", finding->scope_bits);
    json_object_set_new(value, "special", json_boolean(finding->is_special));
    json_object_set_new(value, "rule", tell_rule(finding));
    json_set_int(cell, "id", finding->cell_id.n);
    json_object_set_new(
        cell, "candidates",
        names_of(topology, finding->cell->candidates, finding->cell->candidate_count));
    json_object_set_new(value, "cell", cell);
    json_object_set_new(value, "sites", tell_sites(snapshot, finding));
    json_object_set_new(value, "answer",
                        names_of(topology, decision->sites,
                                 decision->count < finding->map->answers ? decision->count
                                                                         : finding->map->answers));
    json_set_str(value, "level", str_from(decision_level_name(decision->level)));
    json_object_set_new(value, "moving", json_boolean(decision->is_moving));
    if (name != NULL)
        json_set_int(value, "ttl", decision->is_moving ? name->ttl_moving_s : name->ttl_s);
    json_set_int(value, "gen", (int64_t)snapshot->document->generation);
    json_set_str(value, "epoch", snapshot->document->epoch);
    return value;
}

enum err explain(const struct snapshot *snapshot, const struct explain_query *query,
                 struct diag *diag, json_t **out_json)
{
    const struct world *world = snapshot->world;
    struct finding finding = { .name = NULL };
    if (!find_map(world->topology, query->name, &finding)) {
        refuse_name(world->topology, query->name, diag);
        return ERR_UNKNOWN;
    }
    locate(world->geo, query, &finding);
    struct cidr key = key_prefix(&finding);
    finding.decision = decide(snapshot, finding.map_id, finding.cell_id, decide_key(&key));
    *out_json = tell(snapshot, &finding);
    return ERR_OK;
}

/* ---- for people ------------------------------------------------------------------------------ */

/* What operators wrote must not reach into the terminal of those who read it. */
static void append_plain(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        buf_append_format(out, "%c", (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static void format_texts(const json_t *texts, const char *separator, struct buf *out)
{
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        buf_append_format(out, "%s%s", i > 0 ? separator : "", text != NULL ? text : "");
    }
}

static void format_site(const json_t *site, struct buf *out)
{
    bool is_default = strcmp(text_of(site, "source"), "default") == 0;
    buf_append_format(out, "  %s %-16s %s", json_get_bool(site, "chosen", false) ? "->" : "  ",
                      text_of(site, "name"), text_of(site, "mode"));
    if (!is_default)
        buf_append_format(out, " (by %s", text_of(site, "source"));
    if (!is_default && text_of(site, "who")[0] != '\0') {
        buf_append_text(out, ", ");
        append_plain(out, text_of(site, "who"));
    }
    if (!is_default && text_of(site, "why")[0] != '\0') {
        buf_append_text(out, ": ");
        append_plain(out, text_of(site, "why"));
    }
    buf_append_text(out, is_default ? "  " : ")  ");
    format_texts(json_object_get(site, "addresses"), " ", out);
    if (text_of(site, "cname")[0] != '\0')
        buf_append_format(out, " %s", text_of(site, "cname"));
    buf_append_text(out, "\n");
}

static const char *level_sentence(const char *level)
{
    static const struct {
        const char *level, *sentence;
    } sentences[] = {
        { "base", "the rule's own order; steering changes nothing here" },
        { "steered", "sites that are out of use are left out" },
        { "spare", "all candidates are out of use: the map's sites for that case" },
        { "nothing-left", "NOTHING USABLE IS LEFT: the rule's own order, as if nothing were out" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(sentences); i++)
        if (strcmp(sentences[i].level, level) == 0)
            return sentences[i].sentence;
    return level;
}

void explain_format(const json_t *explanation, struct buf *out)
{
    const json_t *rule = json_object_get(explanation, "rule");
    const json_t *cell = json_object_get(explanation, "cell");
    const json_t *sites = json_object_get(explanation, "sites");
    const json_t *ttl = json_object_get(explanation, "ttl");
    bool is_moving = json_get_bool(explanation, "moving", false);
    if (text_of(explanation, "name")[0] != '\0')
        buf_append_format(out, "name    %s\n", text_of(explanation, "name"));
    buf_append_format(
        out, "client  %s (from the %s), scope /%lld%s\n", text_of(explanation, "client"),
        strcmp(text_of(explanation, "client_from"), "ecs") == 0 ? "ECS option" : "resolver",
        (long long)json_get_int(explanation, "scope", 0),
        json_get_bool(explanation, "special", false)
            ? ", special-purpose address that tells no place"
            : "");
    buf_append_format(out, "map     %s, rule %lld from %s (line %lld)\n",
                      text_of(explanation, "map"), (long long)json_get_int(rule, "index", 0) + 1,
                      text_of(rule, "from"), (long long)json_get_int(rule, "line", 0));
    buf_append_format(out, "cell    %lld: ", (long long)json_get_int(cell, "id", 0));
    format_texts(json_object_get(cell, "candidates"), ", ", out);
    buf_append_text(out, "\nsites\n");
    for (size_t i = 0; i < json_array_size(sites); i++)
        format_site(json_array_get(sites, i), out);
    buf_append_format(out, "answer  ");
    format_texts(json_object_get(explanation, "answer"), ", ", out);
    if (ttl != NULL)
        buf_append_format(out, ", ttl %lld s%s", (long long)json_integer_value(ttl),
                          is_moving ? " (moving)" : "");
    buf_append_format(out, "\nwhy     %s\n", level_sentence(text_of(explanation, "level")));
    buf_append_format(out, "state   generation %lld, epoch %s\n",
                      (long long)json_get_int(explanation, "gen", 0),
                      text_of(explanation, "epoch"));
}
