/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a topology file: refused with a message, or a topology that keeps what the model
 * promises to everybody who uses it. */
#include <assert.h>
#include <string.h>

#include "config/load/topology_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sites(const struct topology *topology, const struct site_id *sites, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert(sites[i].n < topology->site_count);
        const struct site *site = &topology->sites[sites[i].n];
        assert(site->address_count > 0 || site->cname != NULL);
    }
}

static void check_areas(const struct topology *topology)
{
    for (size_t i = 0; i < topology->area_count; i++) {
        const struct area *area = &topology->areas[i];
        assert(area->term_count > 0);
        for (size_t j = 0; j < area->term_count; j++) {
            const struct area_term *term = &area->terms[j];
            assert(term->kind != AREA_AREA || term->index < i);
            assert(term->kind != AREA_NETWORK || term->index < topology->network_count);
        }
    }
}

static void check_map(const struct topology *topology, const struct map *map)
{
    assert(map->rule_count > 0 && map->answers >= 1 && map->answers <= ANSWER_SITES_MAX);
    for (size_t i = 0; i < map->rule_count; i++) {
        const struct rule *rule = &map->rules[i];
        assert(rule->area < topology->area_count && rule->site_count > 0 && rule->label != NULL);
        assert(rule->is_nearest || rule->site_count <= CANDIDATE_MAX);
        check_sites(topology, rule->sites, rule->site_count);
    }
    check_sites(topology, map->all_down_sites, map->all_down_site_count);
    const struct area *last = &topology->areas[map->rules[map->rule_count - 1].area];
    assert(last->term_count == 1 && last->terms[0].kind == AREA_ANY);
}

static void check_backbone(const struct topology *topology)
{
    for (size_t i = 0; i < topology->site_count; i++) {
        const struct site *site = &topology->sites[i];
        size_t len = strlen(site->identity);
        assert(len > 0 && site->identity[len - 1] != '.');
        assert(site->gateway_count <= SITE_GATEWAY_MAX);
        assert(site->kind == SITE_REGION || site->gateway_count == 0);
        for (size_t j = 0; j < i; j++)
            assert(strcmp(site->identity, topology->sites[j].identity) != 0);
        for (size_t j = 0; j < site->gateway_count; j++)
            assert(site->gateways[j].port > 0);
    }
}

static void check_topology(const struct topology *topology)
{
    assert(topology->site_count > 0 && topology->region_count <= topology->site_count);
    check_backbone(topology);
    check_areas(topology);
    for (size_t i = 0; i < topology->map_count; i++)
        check_map(topology, &topology->maps[i]);
    for (size_t i = 0; i < topology->name_count; i++) {
        const struct steered_name *name = &topology->names[i];
        assert(name->map.n < topology->map_count && name->ttl_moving_s <= name->ttl_s);
        assert(name->name[strlen(name->name) - 1] == '.');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag diag;
    struct topology *topology = NULL;
    /* Not the files of the machine that runs this: a pipe or a device would block. */
    if (size > 0 && memmem(data, size, "files", 5) != NULL)
        return 0;
    diag_init(&diag);
    struct str text = { (const char *)data, size };
    enum err err = topology_load_text(text, "fuzz.yaml", &diag, &topology);
    assert((err == ERR_OK) == (topology != NULL) && (err == ERR_OK) == !diag_has_errors(&diag));
    for (size_t i = 0; i < diag.count; i++)
        assert(diag.entries[i].text[0] != '\0');
    if (topology != NULL)
        check_topology(topology);
    topology_free(topology);
    diag_fini(&diag);
    return 0;
}
