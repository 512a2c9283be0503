/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/domain.h"
#include "config/load/topology_load_priv.h"
#include "steering/base/mem.h"

/* ---- identities ----------------------------------------------------------------------------- */

/* Names in certificates have no final dot. */
static void build_identity(struct loader *loader, const struct raw_site *raw, struct site *site)
{
    char text[SCHEMA_NAME_MAX + 16], domain[DOMAIN_TEXT_MAX] = ".";
    struct schema_mark mark = schema_mark_of(&raw->head, "identity");
    snprintf(text, sizeof(text), "%s.%s.steer", site->name, site_kind_name(site->kind));
    const char *problem =
        domain_parse(str_from(raw->identity != NULL ? raw->identity : text), domain);
    if (problem != NULL && raw->identity != NULL)
        diag_error(loader->diag, mark.line, mark.column, "the identity '%s' %s", raw->identity,
                   problem);
    else if (problem != NULL)
        diag_error(loader->diag, mark.line, mark.column,
                   "'%s' cannot be part of a DNS name; write an 'identity' for this %s", site->name,
                   site_kind_name(site->kind));
    site->identity = mem_strndup(domain, strlen(domain) - 1);
}

static void check_identity(struct loader *loader, size_t index)
{
    const struct topology *topology = loader->topology;
    const struct site *site = &topology->sites[index];
    struct schema_mark mark = schema_mark_of(&loader_raw_site(loader, index)->head, "identity");
    for (size_t i = 0; i < index && site->identity[0] != '\0'; i++)
        if (strcmp(topology->sites[i].identity, site->identity) == 0)
            diag_error(loader->diag, mark.line, mark.column, "'%s' is the identity of '%s' already",
                       site->identity, topology->sites[i].name);
}

/* ---- gateways ------------------------------------------------------------------------------- */

/* One gateway of the file, to be sorted. */
struct written {
    struct site_gateway at;
    const struct site *site;
    struct schema_mark mark;
};

static int compare_written(const void *left, const void *right)
{
    const struct written *a = left, *b = right;
    if (a->at.addr.family != b->at.addr.family)
        return a->at.addr.family < b->at.addr.family ? -1 : 1;
    int order = memcmp(a->at.addr.bytes, b->at.addr.bytes, sizeof(a->at.addr.bytes));
    if (order != 0)
        return order;
    if (a->at.port != b->at.port)
        return a->at.port < b->at.port ? -1 : 1;
    if (a->mark.line != b->mark.line)
        return a->mark.line < b->mark.line ? -1 : 1;
    return (a->mark.column > b->mark.column) - (a->mark.column < b->mark.column);
}

/* Entries that were malformed are reported and left out: then only the key can be pointed at. */
static struct schema_mark mark_of_gateway(const struct raw_site *raw, size_t index)
{
    const struct yaml_tree_node *node = yaml_tree_find(raw->head.node, "gateways");
    if (node == NULL || node->kind != YAML_TREE_LIST || node->count != raw->gateways.count)
        return schema_mark_of(&raw->head, "gateways");
    return (struct schema_mark){ node->items[index]->line, node->items[index]->column };
}

static size_t build_gateways(const struct raw_site *raw, struct site *site, struct written *out)
{
    size_t count = raw->gateways.count;
    site->gateways = mem_calloc(count, sizeof(site->gateways[0]));
    for (size_t i = 0; i < count; i++) {
        const struct schema_listen *peer = &raw->gateways.items[i];
        site->gateways[i] = (struct site_gateway){ .addr = peer->addr, .port = peer->port };
        out[i] = (struct written){ .at = site->gateways[i],
                                   .site = site,
                                   .mark = mark_of_gateway(raw, i) };
    }
    site->gateway_count = count;
    return count;
}

static void check_gateways(struct loader *loader, struct written *all, size_t count)
{
    char text[ADDR_TEXT_MAX];
    qsort(all, count, sizeof(all[0]), compare_written);
    for (size_t i = 1; i < count; i++)
        if (all[i].at.port == all[i - 1].at.port && addr_eq(&all[i].at.addr, &all[i - 1].at.addr))
            diag_error(loader->diag, all[i].mark.line, all[i].mark.column,
                       "port %u of %s is a gateway of '%s' already (line %u)", all[i].at.port,
                       addr_format(&all[i].at.addr, text), all[i - 1].site->name,
                       all[i - 1].mark.line);
}

void loader_build_backbone(struct loader *loader)
{
    struct topology *topology = loader->topology;
    struct written *all = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < topology->site_count; i++)
        capacity += loader_raw_site(loader, i)->gateways.count;
    all = mem_calloc(capacity, sizeof(all[0]));
    for (size_t i = 0; i < topology->site_count; i++) {
        const struct raw_site *raw = loader_raw_site(loader, i);
        build_identity(loader, raw, &topology->sites[i]);
        check_identity(loader, i);
        count += build_gateways(raw, &topology->sites[i], all + count);
    }
    check_gateways(loader, all, count);
    free(all);
}
