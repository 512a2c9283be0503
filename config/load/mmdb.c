/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/mmdb.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/mmdb_file.h"
#include "config/load/mmdb_record.h"
#include "steering/base/hash.h"
#include "steering/base/limits.h"
#include "steering/base/mem.h"

/* What a subtree says: nothing, one and the same value everywhere, or several. Values are AS
 * numbers, or 1 + the index of a location. */
enum { NOTHING = 0 };
#define SEVERAL UINT32_MAX

/* Open addressing, at most half full; key 0 marks a free slot, so callers add 1 to offsets, which
 * MMDB_MAX_BYTES keeps well below 2^32. */
struct memo {
    struct memo_slot {
        uint32_t key;
        uint32_t value;
    } * slots;
    size_t count, capacity;
};

struct walk;
/* Decodes the record at `offset`; false when it is damaged. */
typedef bool (*resolve_fn)(struct walk *walk, size_t offset, uint32_t *out_value);

struct walk {
    struct mmdb_file file;
    struct mmdb_reader reader;
    uint64_t visits_left;
    const char *damage; /* not NULL: stop */
    size_t prefix_count;
    resolve_fn resolve;
    struct memo by_offset;   /* record -> value: each is decoded once */
    struct memo by_location; /* hash of a location -> value: records may repeat each other */
    struct location *locations;
    size_t location_count, location_capacity;
    mmdb_location_fn on_location;
    mmdb_asn_fn on_asn;
    void *context;
};

/* Where in the address space the walk stands: the first `depth` bits of `addr`. */
struct place_in_tree {
    struct addr addr;
    unsigned depth;
};

/* ---- memo ---------------------------------------------------------------------------------- */

static struct memo_slot *memo_slot(const struct memo *memo, uint32_t key)
{
    size_t at = (size_t)hash_mix(key) & (memo->capacity - 1);
    while (memo->slots[at].key != 0 && memo->slots[at].key != key)
        at = (at + 1) & (memo->capacity - 1);
    return &memo->slots[at];
}

/* The slot of `key`, fresh (value NOTHING, key set) or known. Valid until the next call. */
static struct memo_slot *memo_get(struct memo *memo, uint32_t key, bool *out_is_fresh)
{
    if (memo->count * 2 >= memo->capacity) {
        struct memo bigger = { .count = memo->count,
                               .capacity =
                                   memo->capacity > 0 ? memo->capacity * 2 : LIMIT(1024, 2) };
        bigger.slots = mem_calloc(bigger.capacity, sizeof(bigger.slots[0]));
        for (size_t i = 0; i < memo->capacity; i++)
            if (memo->slots[i].key != 0)
                *memo_slot(&bigger, memo->slots[i].key) = memo->slots[i];
        free(memo->slots);
        *memo = bigger;
    }
    struct memo_slot *slot = memo_slot(memo, key);
    *out_is_fresh = slot->key == 0;
    if (*out_is_fresh) {
        slot->key = key;
        memo->count++;
    }
    return slot;
}

/* ---- values -------------------------------------------------------------------------------- */

/* Two locations of one hash only cost a duplicate: the later one gets a number of its own. */
static uint32_t intern(struct walk *walk, const struct location *location)
{
    bool is_fresh = false;
    struct memo_slot *slot =
        memo_get(&walk->by_location, (uint32_t)location_hash(location) | 1, &is_fresh);
    if (!is_fresh && location_eq(&walk->locations[slot->value - 1], location))
        return slot->value;
    walk->locations = mem_grow(walk->locations, walk->location_count, &walk->location_capacity,
                               sizeof(walk->locations[0]));
    walk->locations[walk->location_count++] = *location;
    slot->value = (uint32_t)walk->location_count;
    return slot->value;
}

static bool resolve_location(struct walk *walk, size_t offset, uint32_t *out_value)
{
    static const struct location unknown = { .has_coordinates = false };
    struct location location;
    if (!mmdb_record_location(&walk->reader, offset, &location))
        return false;
    *out_value = location_eq(&location, &unknown) ? NOTHING : intern(walk, &location);
    return true;
}

static bool resolve_asn(struct walk *walk, size_t offset, uint32_t *out_value)
{
    return mmdb_record_asn(&walk->reader, offset, out_value);
}

static uint32_t value_at(struct walk *walk, size_t offset)
{
    bool is_fresh = false;
    struct memo_slot *slot = memo_get(&walk->by_offset, (uint32_t)offset + 1, &is_fresh);
    if (is_fresh && !walk->resolve(walk, offset, &slot->value)) {
        walk->damage = walk->reader.data.budget == 0 ? "its data is entangled beyond reason"
                                                     : "a data record is damaged";
        return NOTHING;
    }
    return slot->value;
}

static void emit(struct walk *walk, const struct place_in_tree *place, uint32_t value)
{
    if (value == NOTHING || value == SEVERAL || walk->damage != NULL)
        return;
    struct cidr net = { .addr = place->addr, .bits = (uint8_t)place->depth };
    walk->prefix_count++;
    if (walk->on_asn != NULL)
        walk->on_asn(walk->context, &net, value);
    else
        walk->on_location(walk->context, &net, &walk->locations[value - 1]);
}

/* ---- tree ---------------------------------------------------------------------------------- */

/* Prefixes that lead writers link to the IPv4 subtree once more. The geo trie folds them. */
static bool is_alias(const struct place_in_tree *place)
{
    static const struct {
        uint8_t depth, bytes[12];
    } aliases[] = {
        { 16, { 0x20, 0x02 } },
        { 32, { 0x20, 0x01, 0x00, 0x00 } },
        { 96, { [10] = 0xff, [11] = 0xff } },
        { 96, { 0x00, 0x64, 0xff, 0x9b } },
    };
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
        if (place->depth == aliases[i].depth &&
            memcmp(place->addr.bytes, aliases[i].bytes, aliases[i].depth / 8) == 0)
            return true;
    return false;
}

static const struct place_in_tree v4_root = { .addr = { .family = ADDR_V4 } };

static bool covers_v4(const struct place_in_tree *place)
{
    static const uint8_t zeros[12];
    return place->addr.family == ADDR_V6 && place->depth <= 96 &&
           memcmp(place->addr.bytes, zeros, sizeof(zeros)) == 0;
}

static uint32_t visit_node(struct walk *walk, uint64_t number, struct place_in_tree *place);

/* One record of a node: leads on, or to data, or nowhere. */
static uint32_t visit_record(struct walk *walk, uint64_t record, uint8_t type,
                             struct place_in_tree *place)
{
    bool is_v6 = place->addr.family == ADDR_V6;
    if (walk->damage != NULL || type == MMDB_RECORD_TYPE_EMPTY || (is_v6 && is_alias(place)))
        return NOTHING;
    if (is_v6 && place->depth == 96 && covers_v4(place)) {
        struct place_in_tree v4 = v4_root;
        emit(walk, &v4_root, visit_record(walk, record, type, &v4));
        return NOTHING;
    }
    if (type == MMDB_RECORD_TYPE_SEARCH_NODE)
        return visit_node(walk, record, place);
    uint64_t data_at = (uint64_t)walk->file.node_count + 16;
    if (type != MMDB_RECORD_TYPE_DATA || record < data_at ||
        record - data_at >= walk->file.data.len) {
        walk->damage = "its search tree points outside of the file";
        return NOTHING;
    }
    uint32_t value = value_at(walk, (size_t)(record - data_at));
    if (covers_v4(place))
        emit(walk, &v4_root, value);
    return value;
}

/* Depth first. A subtree that says one thing is handed up instead of out, so that neighbours can
 * join; the recursion is as deep as an address has bits. */
static uint32_t visit_node(struct walk *walk, uint64_t number, struct place_in_tree *place)
{
    MMDB_search_node_s node;
    uint32_t values[2] = { NOTHING, NOTHING };
    if (place->depth == addr_max_bits(&place->addr)) {
        walk->damage = "its search tree is deeper than an address";
        return NOTHING;
    }
    if (walk->visits_left-- == 0) {
        walk->visits_left = 0;
        walk->damage = "its search tree runs in circles";
        return NOTHING;
    }
    /* libmaxminddb would read one node beyond the last. */
    if (number >= walk->file.node_count ||
        MMDB_read_node(&walk->file.mmdb, (uint32_t)number, &node) != MMDB_SUCCESS) {
        walk->damage = "its search tree points outside of itself";
        return NOTHING;
    }
    unsigned bit = place->depth++;
    uint8_t mask = (uint8_t)(0x80u >> bit % 8);
    values[0] = visit_record(walk, node.left_record, node.left_record_type, place);
    place->addr.bytes[bit / 8] |= mask;
    values[1] = visit_record(walk, node.right_record, node.right_record_type, place);
    if (values[0] != values[1])
        emit(walk, place, values[1]);
    place->addr.bytes[bit / 8] &= (uint8_t)~mask;
    if (values[0] != values[1])
        emit(walk, place, values[0]);
    place->depth = bit;
    return values[0] == values[1] ? values[0] : SEVERAL;
}

static void walk_tree(struct walk *walk)
{
    struct place_in_tree root = { .addr = { .family = ADDR_V4 } };
    if (walk->file.ip_version == 6)
        root.addr.family = ADDR_V6;
    emit(walk, &root, visit_node(walk, 0, &root));
}

/* ---- whole --------------------------------------------------------------------------------- */

static void fill_info(const struct walk *walk, struct mmdb_info *info)
{
    const MMDB_metadata_s *metadata = &walk->file.mmdb.metadata;
    const char *type = metadata->database_type != NULL ? metadata->database_type : "";
    *info = (struct mmdb_info){
        .build_epoch = metadata->build_epoch,
        .ip_version = walk->file.ip_version,
        .prefix_count = walk->prefix_count,
        .record_count = walk->by_offset.count,
        .unusable_count = walk->reader.unusable_count,
    };
    /* Printable ASCII: it goes to terminals and into metrics. */
    for (size_t i = 0; i + 1 < sizeof(info->type) && type[i] != '\0'; i++)
        info->type[i] = type[i] >= ' ' && type[i] <= '~' ? type[i] : '?';
}

static enum err finish(struct walk *walk, struct diag *diag, struct mmdb_info *out_info)
{
    if (walk->damage != NULL) {
        diag_error(diag, 0, 0, "not a usable MaxMind DB file: %s", walk->damage);
        return ERR_CORRUPT;
    }
    if (walk->reader.unusable_count > 0)
        diag_warning(diag, 0, 0,
                     "ignored %zu values of an unexpected kind, the first under '%s' in the record "
                     "at offset %zu of the data",
                     walk->reader.unusable_count, walk->reader.unusable_key,
                     walk->reader.unusable_at);
    if (walk->prefix_count == 0)
        diag_warning(diag, 0, 0, "the database holds no %s",
                     walk->on_asn != NULL ? "AS numbers" : "locations");
    fill_info(walk, out_info);
    return ERR_OK;
}

static enum err load(const struct mmdb_source *source, struct walk *walk, struct diag *diag,
                     struct mmdb_info *out_info)
{
    diag_set_file(diag, source->path);
    enum err err = mmdb_file_open(source, diag, &walk->file);
    if (err == ERR_OK) {
        /* A tree visits each node once; the rest is for links to the IPv4 subtree that is_alias
         * does not know. A record costs a few steps per byte, more only when many records share
         * large maps. */
        walk->visits_left = 4 * (uint64_t)walk->file.node_count + 1024;
        walk->reader.data = walk->file.data;
        walk->reader.data.budget = 16 * (uint64_t)walk->file.data.len + 65536;
        walk_tree(walk);
        err = finish(walk, diag, out_info);
        mmdb_file_close(&walk->file);
    }
    free(walk->by_offset.slots);
    free(walk->by_location.slots);
    free(walk->locations);
    diag_set_file(diag, NULL);
    return err;
}

enum err mmdb_load_locations(const struct mmdb_source *source, uint32_t max_radius_km,
                             mmdb_location_fn on_location, void *context, struct diag *diag,
                             struct mmdb_info *out_info)
{
    struct walk walk = { .resolve = resolve_location,
                         .reader = { .max_radius_km = max_radius_km },
                         .on_location = on_location,
                         .context = context };
    return load(source, &walk, diag, out_info);
}

enum err mmdb_load_asns(const struct mmdb_source *source, mmdb_asn_fn on_asn, void *context,
                        struct diag *diag, struct mmdb_info *out_info)
{
    struct walk walk = { .resolve = resolve_asn, .on_asn = on_asn, .context = context };
    return load(source, &walk, diag, out_info);
}
