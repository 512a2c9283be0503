/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/topology_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/domain.h"
#include "config/load/topology_load_priv.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

/* ---- shared by the parts ------------------------------------------------------------------- */

void loader_unknown(struct loader *loader, const struct schema_text *text, const char *what,
                    const struct suggest *suggest)
{
    char hint[SUGGEST_TEXT_MAX];
    diag_error(loader->diag, text->mark.line, text->mark.column, "'%s' is not %s%s", text->text,
               what, suggest_format(suggest, hint, sizeof(hint)));
}

struct site_id loader_find_site(struct loader *loader, const struct schema_text *text,
                                const char *const *also)
{
    const struct topology *topology = loader->topology;
    struct str name = str_from(text->text);
    struct suggest suggest = suggest_init(name);
    for (size_t i = 0; i < topology->site_count; i++) {
        if (str_eq_text(name, topology->sites[i].name))
            return (struct site_id){ (uint16_t)i };
        suggest_offer(&suggest, str_from(topology->sites[i].name));
    }
    for (; also != NULL && *also != NULL; also++)
        suggest_offer(&suggest, str_from(*also));
    if (!loader->has_lost_sites)
        loader_unknown(loader, text, "a region or PoP", &suggest);
    return SITE_NONE;
}

long loader_find_network(const struct loader *loader, struct str name)
{
    for (size_t i = 0; i < loader->raw->networks.count; i++)
        if (str_eq(raw_network_at(loader->raw, i)->head.name, name))
            return (long)i;
    return -1;
}

long loader_find_raw_area(const struct loader *loader, struct str name)
{
    for (size_t i = 0; i < loader->raw->areas.count; i++)
        if (str_eq(raw_area_at(loader->raw, i)->terms.head.name, name))
            return (long)i;
    return -1;
}

const struct raw_site *loader_raw_site(const struct loader *loader, size_t site)
{
    size_t regions = loader->topology->region_count;
    return site < regions ? raw_site_at(&loader->raw->regions, site)
                          : raw_site_at(&loader->raw->pops, site - regions);
}

static char *copy_text(const char *text)
{
    return text != NULL ? mem_strdup(text) : NULL;
}

/* Words with a meaning of their own where the name of a site, area or network could stand. */
static void check_not_reserved(struct loader *loader, const struct schema_head *head)
{
    static const char *const words[] = {
        "all", "any", "base", "nearest", "none", "pops", "regions"
    };
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (str_eq_text(head->name, words[i]))
            diag_error(loader->diag, head->mark.line, head->mark.column,
                       "'%s' has a meaning of its own and cannot be a name", words[i]);
}

/* ---- sites --------------------------------------------------------------------------------- */

static void build_cname(struct loader *loader, const struct raw_site *raw, struct site *site)
{
    char cname[DOMAIN_TEXT_MAX];
    if (raw->cname == NULL)
        return;
    const char *problem = domain_parse(str_from(raw->cname), cname);
    struct schema_mark mark = schema_mark_of(&raw->head, "cname");
    if (problem == NULL)
        site->cname = mem_strdup(cname);
    else
        diag_error(loader->diag, mark.line, mark.column, "the cname '%s' %s", raw->cname, problem);
}

static void build_site(struct loader *loader, const struct raw_site *raw, enum site_kind kind)
{
    struct topology *topology = loader->topology;
    struct site *site = &topology->sites[topology->site_count];
    check_not_reserved(loader, &raw->head);
    if (!site_is_none(topology_find_site(topology, raw->head.name)))
        diag_error(loader->diag, raw->head.mark.line, raw->head.mark.column,
                   "'%.*s' is the name of a region already", STR_ARG(raw->head.name));
    *site = (struct site){
        .name = mem_strndup(raw->head.name.ptr, raw->head.name.len),
        .kind = kind,
        .lat_deg = raw->at.lat_deg,
        .lon_deg = raw->at.lon_deg,
        .capacity = raw->capacity,
        .group = copy_text(raw->group),
        .addresses =
            mem_dup(raw->addresses.items, raw->addresses.count * sizeof(raw->addresses.items[0])),
        .address_count = raw->addresses.count,
    };
    topology->site_count++;
    build_cname(loader, raw, site);
}

static void build_sites(struct loader *loader)
{
    const struct raw_topology *raw = loader->raw;
    struct topology *topology = loader->topology;
    size_t count = raw->regions.count + raw->pops.count;
    if (count > SITE_MAX) {
        diag_error(loader->diag, 0, 0, "%zu regions and PoPs; at most %d are allowed", count,
                   SITE_MAX);
        count = 0;
    }
    topology->sites = mem_calloc(count, sizeof(topology->sites[0]));
    for (size_t i = 0; count > 0 && i < raw->regions.count; i++)
        build_site(loader, raw_site_at(&raw->regions, i), SITE_REGION);
    topology->region_count = topology->site_count;
    for (size_t i = 0; count > 0 && i < raw->pops.count; i++)
        build_site(loader, raw_site_at(&raw->pops, i), SITE_POP);
    loader_build_backbone(loader);
}

/* ---- names --------------------------------------------------------------------------------- */

static void check_reserved_names(struct loader *loader)
{
    for (size_t i = 0; i < loader->raw->networks.count; i++)
        check_not_reserved(loader, &raw_network_at(loader->raw, i)->head);
    for (size_t i = 0; i < loader->raw->areas.count; i++) {
        const struct schema_head *head = &raw_area_at(loader->raw, i)->terms.head;
        check_not_reserved(loader, head);
        if (loader_find_network(loader, head->name) >= 0)
            diag_error(loader->diag, head->mark.line, head->mark.column,
                       "'%.*s' is the name of a network already", STR_ARG(head->name));
    }
}

static void find_map(struct loader *loader, const struct raw_name *raw, struct steered_name *name)
{
    if (raw->map == NULL) /* reported as missing or malformed */
        return;
    struct suggest suggest = suggest_init(str_from(raw->map));
    for (size_t i = 0; i < loader->raw->maps.count; i++) {
        struct str map = raw_map_at(loader->raw, i)->head.name;
        if (str_eq_text(map, raw->map)) {
            name->map = (struct map_id){ (uint16_t)i };
            return;
        }
        suggest_offer(&suggest, map);
    }
    struct schema_text text = { .text = raw->map, .mark = schema_mark_of(&raw->head, "map") };
    if (!loader->has_lost_maps)
        loader_unknown(loader, &text, "a map", &suggest);
}

static void build_ttls(struct loader *loader, const struct raw_name *raw, struct steered_name *name)
{
    name->ttl_s = raw->ttl_s;
    name->ttl_moving_s = raw->ttl_moving_s;
    if (!schema_has(&raw->head, "ttl_moving")) {
        name->ttl_moving_s = raw->ttl_s < TTL_MOVING_DEFAULT_S ? raw->ttl_s : TTL_MOVING_DEFAULT_S;
        return;
    }
    struct schema_mark mark = schema_mark_of(&raw->head, "ttl_moving");
    if (raw->ttl_moving_s > raw->ttl_s)
        diag_error(loader->diag, mark.line, mark.column,
                   "'ttl_moving' (%u) must not be longer than 'ttl' (%u)", raw->ttl_moving_s,
                   raw->ttl_s);
}

/* Protocol identifiers joined with commas; commas, backslashes and quotes inside one would need
 * the escapes of RFC 9460 appendix A.1, which no registered protocol does. */
static void build_https(struct loader *loader, const struct raw_https *raw,
                        struct steered_name *name)
{
    struct buf alpn;
    if (raw->head.node == NULL)
        return;
    buf_init(&alpn, 4096);
    for (size_t i = 0; i < raw->alpn.count; i++) {
        const struct schema_text *text = &raw->alpn.items[i];
        size_t len = strlen(text->text);
        if (len == 0 || len > 255 ||
            strspn(text->text, "abcdefghijklmnopqrstuvwxyz"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789./_-+") != len)
            diag_error(loader->diag, text->mark.line, text->mark.column,
                       "'%.40s' is not a protocol name such as h2 or http/1.1", text->text);
        buf_append_format(&alpn, "%s%s", i > 0 ? "," : "", text->text);
    }
    name->https_alpn = mem_strdup(buf_text(&alpn));
    name->https_port = (uint16_t)raw->port;
    buf_fini(&alpn);
}

static bool build_name(struct loader *loader, const struct raw_name *raw, struct steered_name *name)
{
    char domain[DOMAIN_TEXT_MAX];
    const struct schema_head *head = &raw->head;
    const char *problem = domain_parse_owner(head->name, domain);
    if (problem != NULL) {
        diag_error(loader->diag, head->mark.line, head->mark.column, "the name '%.*s' %s",
                   (int)(head->name.len < 80 ? head->name.len : 80), head->name.ptr, problem);
        return false;
    }
    name->name = mem_strdup(domain);
    name->uses_ecs = raw->uses_ecs;
    find_map(loader, raw, name);
    build_ttls(loader, raw, name);
    build_https(loader, &raw->https, name);
    return true;
}

struct sorted_name {
    const char *name;
    struct schema_mark mark;
};

static int compare_names(const void *left, const void *right)
{
    const struct sorted_name *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    if (order != 0)
        return order;
    return (a->mark.line > b->mark.line) - (a->mark.line < b->mark.line);
}

/* The tree has refused equal keys; names may still be equal but for case and the final dot. */
static void build_names(struct loader *loader)
{
    struct topology *topology = loader->topology;
    size_t count = loader->raw->names.count;
    struct sorted_name *sorted = mem_calloc(count, sizeof(sorted[0]));
    topology->names = mem_calloc(count, sizeof(topology->names[0]));
    for (size_t i = 0; i < count; i++) {
        const struct raw_name *raw = raw_name_at(loader->raw, i);
        struct steered_name *name = &topology->names[topology->name_count];
        if (!build_name(loader, raw, name))
            continue;
        sorted[topology->name_count++] =
            (struct sorted_name){ .name = name->name, .mark = raw->head.mark };
    }
    qsort(sorted, topology->name_count, sizeof(sorted[0]), compare_names);
    for (size_t i = 1; i < topology->name_count; i++)
        if (strcmp(sorted[i].name, sorted[i - 1].name) == 0)
            diag_error(loader->diag, sorted[i].mark.line, sorted[i].mark.column,
                       "'%s' stands on line %u already", sorted[i].name, sorted[i - 1].mark.line);
    free(sorted);
}

/* ---- whole --------------------------------------------------------------------------------- */

/* `count` entries of the section were read. */
static bool is_lost(const struct yaml_tree_node *root, const char *section, size_t count)
{
    const struct yaml_tree_node *node = yaml_tree_find(root, section);
    if (root->kind != YAML_TREE_MAP)
        return true;
    if (node == NULL)
        return schema_is_misspelt(&topology_schema, root, section);
    return count == 0 && !yaml_tree_is_null(node) &&
           (node->kind != YAML_TREE_MAP || node->count > 0);
}

static void find_lost_sections(struct loader *loader, const struct yaml_tree_node *root)
{
    const struct raw_topology *raw = loader->raw;
    loader->has_lost_sites = raw->regions.count == 0 || is_lost(root, "pops", raw->pops.count);
    loader->has_lost_areas =
        is_lost(root, "areas", raw->areas.count) || is_lost(root, "networks", raw->networks.count);
    loader->has_lost_maps = is_lost(root, "maps", raw->maps.count);
}

/* A file without files of prefixes has the digest that sha256sum prints. */
static void build(struct loader *loader, struct str text, uint32_t errors_before)
{
    loader->digest = digest_start();
    digest_update(loader->digest, text.ptr, text.len);
    build_sites(loader);
    check_reserved_names(loader);
    loader_build_networks(loader);
    loader_build_areas(loader);
    loader_build_maps(loader);
    build_names(loader);
    loader->topology->digest = digest_finish(loader->digest);
    if (loader->diag->error_count == errors_before)
        topology_lint(loader);
    free(loader->area_index);
}

enum err topology_load_text(struct str text, const char *path, struct diag *diag,
                            struct topology **out_topology)
{
    struct raw_topology raw = { .regions = { .items = NULL } };
    struct loader loader = { .path = path, .diag = diag, .raw = &raw };
    struct yaml_tree *tree = NULL;
    uint32_t errors_before = diag->error_count;
    diag_set_file(diag, path);
    enum err err = yaml_tree_parse(text, diag, &tree);
    if (err != ERR_OK)
        goto out;
    /* What is malformed stays zero; the rest is checked nevertheless, for one complete report. */
    err = schema_parse(&topology_schema, tree->root, diag, &raw);
    loader.topology = topology_new();
    find_lost_sections(&loader, tree->root);
    build(&loader, text, errors_before);
    if (err == ERR_OK && diag->error_count > errors_before)
        err = ERR_INVALID;
    if (err != ERR_OK)
        goto out;
    *out_topology = loader.topology;
    loader.topology = NULL; /* moved to the caller */
out:
    topology_free(loader.topology);
    schema_fini(&topology_schema, &raw);
    yaml_tree_free(tree);
    diag_set_file(diag, NULL);
    return err;
}

enum err topology_load(const char *path, struct diag *diag, struct topology **out_topology)
{
    struct buf text;
    buf_init(&text, YAML_TREE_MAX_BYTES);
    enum err err = file_read(path, &text);
    if (err == ERR_OK) {
        err = topology_load_text(buf_str(&text), path, diag, out_topology);
    } else {
        diag_set_file(diag, path);
        err = diag_errno(diag, errno, "cannot read the topology");
        diag_set_file(diag, NULL);
    }
    buf_fini(&text);
    return err;
}
