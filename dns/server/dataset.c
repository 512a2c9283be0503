/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"

/* A site without any address is answered by its name. */
static bool answers_cname(const struct topology *topology, struct site_id id)
{
    const struct site *site = &topology->sites[id.n];
    return site->cname != NULL && site->address_count == 0;
}

static bool any_cname(const struct topology *topology, const struct site_id *ids, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (answers_cname(topology, ids[i]))
            return true;
    return false;
}

static bool map_may_answer_cname(const struct topology *topology, const struct map *map)
{
    for (size_t i = 0; i < map->rule_count; i++)
        if (any_cname(topology, map->rules[i].sites, map->rules[i].site_count))
            return true;
    return any_cname(topology, map->pool, map->pool_count) ||
           any_cname(topology, map->all_down_sites, map->all_down_site_count);
}

static enum err bind_zones(struct dataset *dataset, struct diag *diag)
{
    const struct topology *topology = dataset->world->topology;
    struct zone_steered *names = mem_calloc(topology->name_count, sizeof(*names));
    for (size_t i = 0; i < topology->name_count; i++) {
        const struct steered_name *name = &topology->names[i];
        names[i] = (struct zone_steered){
            .name = name->name,
            .may_answer_cname = map_may_answer_cname(topology, &topology->maps[name->map.n]),
            .has_https = name->https_alpn != NULL,
        };
    }
    diag_set_file(diag, dataset->node->common.topology);
    enum err err = zone_set_bind(dataset->zones, names, topology->name_count, diag);
    diag_set_file(diag, NULL);
    free(names);
    return err;
}

static enum err load_zones(struct dataset *dataset, struct diag *diag)
{
    const struct node *node = dataset->node;
    struct zone_source *sources = mem_calloc(node->zone_count, sizeof(*sources));
    for (size_t i = 0; i < node->zone_count; i++)
        sources[i] =
            (struct zone_source){ .origin = node->zones[i].origin, .file = node->zones[i].file };
    enum err err = zone_set_load(sources, node->zone_count, diag, &dataset->zones);
    diag_set_file(diag, NULL);
    free(sources);
    return err;
}

static void fill_settings(struct dataset *dataset)
{
    const struct node_dns *dns = &dataset->node->dns;
    struct answer_settings *settings = &dataset->settings;
    *settings = (struct answer_settings){
        .edns_payload_bytes = (uint16_t)dns->edns_size,
        .answers_chaos = dns->has_chaos,
        .answers_debug_txt = dns->has_debug_txt,
        .uses_ecs = dns->uses_ecs,
        .ecs_trusted = dns->ecs_trusted.items,
        .ecs_trusted_count = dns->ecs_trusted.count,
        .tcp_idle_ms = dns->tcp.idle_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)dns->tcp.idle_ms,
    };
    snprintf(settings->identity, sizeof(settings->identity), "%s",
             dns->identity == NULL ? "" : dns->identity);
    snprintf(settings->version, sizeof(settings->version), "%s",
             dns->version == NULL ? "" : dns->version);
}

enum err dataset_load(const char *node_path, struct diag *diag, struct dataset **out_dataset)
{
    uint64_t began_ns = clock_monotonic_ns();
    struct dataset *dataset = mem_calloc(1, sizeof(*dataset));
    dataset->refs = 1;
    enum err err = node_load(node_path, diag, &dataset->node);
    if (err != ERR_OK)
        goto out;
    /* Both are looked at even if the first is wrong: all problems in one run. */
    err = world_load(dataset->node->common.topology, &dataset->node->common.geo, diag,
                     &dataset->info, &dataset->world);
    enum err zones_err = load_zones(dataset, diag);
    if (err == ERR_OK)
        err = zones_err;
    if (err == ERR_OK)
        err = bind_zones(dataset, diag);
    if (err != ERR_OK)
        goto out;
    fill_settings(dataset);
    dataset->loaded_unix_s = clock_unix_s();
    dataset->load_ns = clock_monotonic_ns() - began_ns;
    *out_dataset = dataset;
    dataset = NULL;
out:
    diag_set_file(diag, NULL);
    dataset_unref(dataset);
    return err;
}

struct dataset *dataset_ref(struct dataset *dataset)
{
    dataset->refs++;
    return dataset;
}

void dataset_unref(struct dataset *dataset)
{
    if (dataset == NULL || --dataset->refs > 0)
        return;
    if (dataset->on_retire != NULL)
        dataset->on_retire(dataset->owner, dataset);
    zone_set_unref(dataset->zones);
    world_unref(dataset->world);
    if (dataset->info.database_count > 0)
        world_info_fini(&dataset->info);
    node_free(dataset->node);
    site_counts_fini(&dataset->counts);
    free(dataset);
}

/* ---- what a reload cannot change ----------------------------------------------------------- */

static bool tcp_eq(const struct node_tcp *a, const struct node_tcp *b)
{
    return a->connections == b->connections && a->per_client == b->per_client &&
           a->idle_ms == b->idle_ms && a->write_ms == b->write_ms && a->pipeline == b->pipeline;
}

void dataset_warn_restart(const struct node *started, const struct node *now, struct diag *diag)
{
    const struct node_setting settings[] = {
        { "dns.listen", node_listens_eq(&started->dns.listen, &now->dns.listen) },
        { "dns.workers", started->dns.workers == now->dns.workers },
        { "dns.user", node_text_eq(started->dns.user, now->dns.user) },
        { "dns.tcp", tcp_eq(&started->dns.tcp, &now->dns.tcp) },
    };
    node_common_warn_restart(&started->common, &now->common, diag);
    node_settings_warn_restart(settings, ARRAY_SIZE(settings), diag);
}
