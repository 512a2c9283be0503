/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/world_load.h"

#include <stdlib.h>
#include <string.h>

#include "config/load/geo_embedded.h"
#include "config/load/topology_load.h"
#include "steering/base/mem.h"

enum { MAX_RADIUS_DEFAULT_KM = 500 };

void geo_settings_init(struct geo_settings *settings)
{
    *settings = (struct geo_settings){ .city = mem_calloc(1, sizeof(settings->city[0])),
                                       .city_count = 1,
                                       .max_radius_km = MAX_RADIUS_DEFAULT_KM };
    settings->city[0] = mem_strdup(GEO_EMBEDDED);
}

void geo_settings_fini(struct geo_settings *settings)
{
    for (size_t i = 0; i < settings->city_count; i++)
        free(settings->city[i]);
    free(settings->city);
    free(settings->asn);
    *settings = (struct geo_settings){ .city = NULL };
}

void world_info_fini(struct world_info *info)
{
    for (size_t i = 0; i < info->database_count; i++)
        free(info->databases[i].path);
    *info = (struct world_info){ .database_count = 0 };
}

json_t *world_info_value(const struct world_info *info)
{
    json_t *value = json_object();
    json_t *list = json_array();
    for (size_t i = 0; i < info->database_count; i++) {
        const struct world_database *database = &info->databases[i];
        json_t *row = json_object();
        json_set_text(row, "path", database->path);
        json_set_text(row, "type", database->info.type);
        json_set_count(row, "built", database->info.build_epoch);
        json_set_count(row, "prefixes", database->info.prefix_count);
        json_array_append_new(list, row);
    }
    json_object_set_new(value, "databases", list);
    json_set_count(value, "classes", info->geo.class_count);
    json_set_count(value, "leaves", info->geo.leaf_count);
    json_set_count(value, "bytes", info->geo.memory_bytes);
    return value;
}

static uint32_t number_location(void *builder, const struct location *location)
{
    return geo_builder_number_location(builder, location);
}

static void add_location(void *builder, const struct cidr *net, uint32_t number)
{
    geo_builder_add_numbered(builder, net, number);
}

static void add_asn(void *builder, const struct cidr *net, uint32_t asn)
{
    geo_builder_add_asn(builder, net, asn);
}

static enum err load_database(const char *path, bool is_asn, uint32_t max_radius_km,
                              struct geo_builder *builder, struct diag *diag,
                              struct world_info *info)
{
    struct mmdb_sink sink = { .context = builder,
                              .number_location = number_location,
                              .add_location = add_location,
                              .add_asn = add_asn };
    struct mmdb_source source = { .path = path };
    struct world_database *database = &info->databases[info->database_count];
    if (!is_asn && strcmp(path, GEO_EMBEDDED) == 0) {
        source.path = "(embedded geolocation data)";
        source.bytes = geo_embedded_start;
        source.len = (size_t)(geo_embedded_end - geo_embedded_start);
    }
    enum err err = is_asn
                       ? mmdb_load_asns(&source, &sink, diag, &database->info)
                       : mmdb_load_locations(&source, max_radius_km, &sink, diag, &database->info);
    if (err != ERR_OK)
        return err;
    database->path = mem_strdup(path);
    database->is_asn = is_asn;
    info->database_count++;
    return ERR_OK;
}

/* All of them, so that every bad file is reported; the first failure counts. */
static enum err load_databases(const struct geo_settings *geo, struct geo_builder *builder,
                               struct diag *diag, struct world_info *info)
{
    enum err first = ERR_OK;
    if (geo->city_count > GEO_CITY_MAX)
        return diag_error(diag, 0, 0, "more than %d geolocation databases", GEO_CITY_MAX);
    for (size_t i = 0; i < geo->city_count; i++) {
        enum err err = load_database(geo->city[i], false, geo->max_radius_km, builder, diag, info);
        first = first != ERR_OK ? first : err;
    }
    if (geo->asn != NULL) {
        enum err err = load_database(geo->asn, true, 0, builder, diag, info);
        first = first != ERR_OK ? first : err;
    }
    return first;
}

static bool uses_asns(const struct topology *topology)
{
    for (size_t i = 0; i < topology->network_count; i++)
        if (topology->networks[i].asn_count > 0)
            return true;
    for (size_t i = 0; i < topology->area_count; i++)
        for (size_t j = 0; j < topology->areas[i].term_count; j++)
            if (topology->areas[i].terms[j].kind == AREA_ASN)
                return true;
    return false;
}

enum err world_load(const char *topology_path, const struct geo_settings *geo, struct diag *diag,
                    struct world_info *out_info, struct world **out_world)
{
    struct geo_builder *builder = geo_builder_new();
    struct topology *topology = NULL;
    struct geo *trie = NULL;
    struct world_info info = { .database_count = 0 };
    enum err err = topology_load(topology_path, diag, &topology);
    enum err geo_err = load_databases(geo, builder, diag, &info);
    err = err != ERR_OK ? err : geo_err;
    if (err == ERR_OK)
        err = geo_compile(topology, builder, diag, &trie);
    geo_builder_free(builder);
    if (err != ERR_OK) {
        topology_free(topology);
        world_info_fini(&info);
        return err;
    }
    if (geo->asn == NULL && uses_asns(topology))
        diag_warning(diag, 0, 0,
                     "the topology uses AS numbers, but geo.asn names no database for them");
    info.geo = geo_stats(trie);
    *out_world = world_new(topology, trie);
    if (out_info != NULL)
        *out_info = info;
    else
        world_info_fini(&info);
    return ERR_OK;
}
