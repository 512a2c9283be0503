/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/mmdb.h"

#include <stdlib.h>
#include <string.h>

#include "config/load/mmdb_file.h"
#include "config/load/mmdb_record.h"
#include "steering/base/hash.h"
#include "steering/base/limits.h"
#include "steering/base/mem.h"

/* What a record says: nothing of use, or 1 + the number of its location, or its AS number. */
enum { NOTHING = 0 };

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
    struct memo by_offset; /* record -> value: each is decoded once */
    const struct mmdb_sink *sink;
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

static bool resolve_location(struct walk *walk, size_t offset, uint32_t *out_value)
{
    static const struct location unknown = { .has_coordinates = false };
    struct location location;
    if (!mmdb_record_location(&walk->reader, offset, &location))
        return false;
    *out_value = NOTHING;
    if (!location_eq(&location, &unknown))
        *out_value = 1 + walk->sink->number_location(walk->sink->context, &location);
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
    const struct mmdb_sink *sink = walk->sink;
    struct cidr net = { .addr = place->addr, .bits = (uint8_t)place->depth };
    if (value == NOTHING)
        return;
    walk->prefix_count++;
    if (walk->resolve == resolve_asn)
        sink->add_asn(sink->context, &net, value);
    else
        sink->add_location(sink->context, &net, value - 1);
}

/* ---- tree ---------------------------------------------------------------------------------- */

/* Prefixes that writers link to the IPv4 subtree once more. The geo trie folds them. */
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

static void visit_node(struct walk *walk, uint64_t number, struct place_in_tree *place);

/* One record of a node: leads on, or to data, or nowhere. */
static void visit_record(struct walk *walk, uint64_t record, uint8_t type,
                         struct place_in_tree *place)
{
    bool is_v6 = place->addr.family == ADDR_V6;
    if (walk->damage != NULL || type == MMDB_RECORD_TYPE_EMPTY || (is_v6 && is_alias(place)))
        return;
    if (place->depth == 96 && covers_v4(place)) {
        struct place_in_tree v4 = v4_root;
        visit_record(walk, record, type, &v4);
        return;
    }
    if (type == MMDB_RECORD_TYPE_SEARCH_NODE) {
        visit_node(walk, record, place);
        return;
    }
    if (record == 0) { /* libmaxminddb calls a link to the root invalid, nothing else */
        walk->damage = "its search tree runs in circles";
        return;
    }
    uint64_t data_at = (uint64_t)walk->file.node_count + 16;
    if (type != MMDB_RECORD_TYPE_DATA || record < data_at ||
        record - data_at >= walk->file.data.len) {
        walk->damage = "its search tree points outside of the file";
        return;
    }
    uint32_t value = value_at(walk, (size_t)(record - data_at));
    if (covers_v4(place)) /* ::/0 .. ::/95 say something about IPv4 as a whole */
        emit(walk, &v4_root, value);
    emit(walk, place, value);
}

/* Depth first; the recursion is as deep as an address has bits. */
static void visit_node(struct walk *walk, uint64_t number, struct place_in_tree *place)
{
    MMDB_search_node_s node;
    if (place->depth == addr_max_bits(&place->addr)) {
        walk->damage = "its search tree is deeper than an address";
        return;
    }
    if (walk->visits_left == 0) {
        walk->damage = "its search tree runs in circles";
        return;
    }
    walk->visits_left--;
    /* libmaxminddb would read one node beyond the last. */
    if (number >= walk->file.node_count ||
        MMDB_read_node(&walk->file.mmdb, (uint32_t)number, &node) != MMDB_SUCCESS) {
        walk->damage = "its search tree points outside of itself";
        return;
    }
    unsigned bit = place->depth++;
    uint8_t mask = (uint8_t)(0x80u >> bit % 8);
    visit_record(walk, node.left_record, node.left_record_type, place);
    place->addr.bytes[bit / 8] |= mask;
    visit_record(walk, node.right_record, node.right_record_type, place);
    place->addr.bytes[bit / 8] &= (uint8_t)~mask;
    place->depth = bit;
}

static void walk_tree(struct walk *walk)
{
    struct place_in_tree root = { .addr = { .family = ADDR_V4 } };
    if (walk->file.ip_version == 6)
        root.addr.family = ADDR_V6;
    visit_node(walk, 0, &root);
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
                     walk->resolve == resolve_asn ? "AS numbers" : "locations");
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
    diag_set_file(diag, NULL);
    return err;
}

enum err mmdb_load_locations(const struct mmdb_source *source, uint32_t max_radius_km,
                             const struct mmdb_sink *sink, struct diag *diag,
                             struct mmdb_info *out_info)
{
    struct walk walk = { .resolve = resolve_location,
                         .reader = { .max_radius_km = max_radius_km },
                         .sink = sink };
    return load(source, &walk, diag, out_info);
}

enum err mmdb_load_asns(const struct mmdb_source *source, const struct mmdb_sink *sink,
                        struct diag *diag, struct mmdb_info *out_info)
{
    struct walk walk = { .resolve = resolve_asn, .sink = sink };
    return load(source, &walk, diag, out_info);
}
