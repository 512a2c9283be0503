/* SPDX-License-Identifier: Apache-2.0 */
/* zone_set_find against a twin that does RFC 1034 section 4.3.2 step by step over a list of
 * records, on random small zones: several of them nested, with cuts, wildcards, DNAMEs and empty
 * non-terminals. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/base/rng.h"
#include "tests/unit/dns/zone/temp_zone.h"

enum { ZONES_MAX = 4, RECORDS_MAX = 24, ROUNDS = 400, QUERIES = 400, DEPTH_MAX = 5 };

/* A name as labels from the root inwards: "com", "example", "www". */
struct path {
    const char *labels[DEPTH_MAX * 2];
    size_t count;
};

struct twin_record {
    struct path owner;
    const char *type;
};

struct twin_zone {
    struct path origin;
    struct twin_record records[RECORDS_MAX];
    size_t count;
};

struct twin {
    struct twin_zone zones[ZONES_MAX];
    size_t count;
};

static bool is_prefix(const struct path *above, const struct path *name, size_t len)
{
    if (len > name->count)
        return false;
    for (size_t i = 0; i < len; i++)
        if (strcmp(above->labels[i], name->labels[i]) != 0)
            return false;
    return true;
}

static bool is_at_or_below(const struct path *name, const struct path *above)
{
    return is_prefix(above, name, above->count);
}

static bool is_same(const struct path *a, const struct path *b)
{
    return a->count == b->count && is_prefix(a, b, a->count);
}

static struct path cut_to(const struct path *name, size_t count)
{
    struct path above = *name;
    above.count = count;
    return above;
}

static bool has(const struct twin_zone *zone, const struct path *name, const char *type)
{
    for (size_t i = 0; i < zone->count; i++)
        if (is_same(&zone->records[i].owner, name) && strcmp(zone->records[i].type, type) == 0)
            return true;
    return false;
}

/* The longest zone that encloses the name; -1 for none. `skip`: not this one. */
static int enclosing(const struct twin *twin, const struct path *name, int skip)
{
    int best = -1;
    for (size_t i = 0; i < twin->count; i++) {
        if ((int)i == skip || !is_at_or_below(name, &twin->zones[i].origin))
            continue;
        if (best < 0 || twin->zones[i].origin.count > twin->zones[best].origin.count)
            best = (int)i;
    }
    return best;
}

/* A name exists in a zone when it owns a record, or something below it does: a record, or the apex
 * of another of our zones. */
static bool exists(const struct twin *twin, const struct twin_zone *zone, const struct path *name)
{
    for (size_t i = 0; i < zone->count; i++)
        if (is_at_or_below(&zone->records[i].owner, name))
            return true;
    for (size_t i = 0; i < twin->count; i++) {
        const struct path *origin = &twin->zones[i].origin;
        if (is_at_or_below(origin, &zone->origin) && is_at_or_below(origin, name))
            return true;
    }
    return false;
}

/* The number of labels of the topmost delegation at or above the name, 0 for none. */
static size_t cut_above(const struct twin_zone *zone, const struct path *name)
{
    for (size_t i = zone->origin.count + 1; i <= name->count; i++) {
        struct path above = cut_to(name, i);
        if (has(zone, &above, "NS"))
            return i;
    }
    return 0;
}

/* DS at the apex of a zone is for the zone above it, when we serve that and it is the parent. */
static int zone_for(const struct twin *twin, const struct path *name, bool is_ds)
{
    int own = enclosing(twin, name, -1);
    if (own < 0 || !is_ds || !is_same(name, &twin->zones[own].origin))
        return own;
    int above = enclosing(twin, name, own);
    if (above < 0)
        return own;
    size_t cut = cut_above(&twin->zones[above], name);
    return cut > 0 && cut < name->count ? own : above;
}

static enum zone_match twin_find(const struct twin *twin, const struct path *name, bool is_ds,
                                 struct path *out_node)
{
    int index = zone_for(twin, name, is_ds);
    if (index < 0)
        return ZONE_MATCH_NONE;
    const struct twin_zone *zone = &twin->zones[index];
    /* Label by label down from the apex. */
    for (size_t i = zone->origin.count;; i++) {
        struct path at = cut_to(name, i), next = cut_to(name, i + 1);
        *out_node = at;
        if (i > zone->origin.count && has(zone, &at, "NS") && !(is_ds && i == name->count))
            return ZONE_MATCH_CUT;
        if (i == name->count)
            return ZONE_MATCH_EXACT;
        if (has(zone, &at, "DNAME"))
            return ZONE_MATCH_DNAME;
        if (exists(twin, zone, &next))
            continue;
        next.labels[i] = "*";
        if (!exists(twin, zone, &next))
            return ZONE_MATCH_NXDOMAIN;
        *out_node = next;
        return ZONE_MATCH_WILDCARD;
    }
}

/* ---- random zones ---------------------------------------------------------------------------- */

static const char *const LABELS[] = { "a", "b", "c", "*", "a\\.b", "\\000" };

static struct path random_path(struct rng *rng, const struct path *below, size_t depth_max)
{
    struct path path = *below;
    size_t depth = rng_below(rng, depth_max + 1);
    for (size_t i = 0; i < depth; i++) {
        /* Mostly few labels, so that names meet. */
        size_t choice = rng_below(rng, 8);
        path.labels[path.count++] = LABELS[choice < ARRAY_SIZE(LABELS) ? choice : choice - 6];
    }
    return path;
}

static const char *path_text(const struct path *path, char out_text[256])
{
    size_t len = 0;
    out_text[0] = '\0';
    for (size_t i = path->count; i-- > 0;)
        len += (size_t)snprintf(out_text + len, 256 - len, "%s.", path->labels[i]);
    if (len == 0)
        snprintf(out_text, 256, ".");
    return out_text;
}

static bool is_wildcard(const struct path *path)
{
    return path->count > 0 && strcmp(path->labels[path->count - 1], "*") == 0;
}

/* Whether the loader would take the record beside those there are: the rules that are errors. */
static bool is_legal(const struct twin_zone *zone, const struct twin_record *record)
{
    bool is_dname = strcmp(record->type, "DNAME") == 0;
    bool is_ns = strcmp(record->type, "NS") == 0;
    if ((is_dname || is_ns) && is_wildcard(&record->owner))
        return false;
    for (size_t i = 0; i < zone->count; i++) {
        const struct twin_record *other = &zone->records[i];
        bool is_other_dname = strcmp(other->type, "DNAME") == 0;
        if (is_same(&other->owner, &record->owner)) {
            if (strcmp(other->type, record->type) == 0)
                return false;
            if ((is_dname && strcmp(other->type, "NS") == 0) || (is_ns && is_other_dname))
                return false;
            continue;
        }
        if ((is_other_dname && is_at_or_below(&record->owner, &other->owner)) ||
            (is_dname && is_at_or_below(&other->owner, &record->owner)))
            return false;
    }
    return true;
}

static void random_zone(struct rng *rng, struct twin_zone *zone)
{
    static const char *const TYPES[] = { "TXT", "TXT", "TXT", "NS", "DNAME", "A" };
    size_t wanted = rng_below(rng, RECORDS_MAX);
    zone->count = 0;
    zone->records[zone->count++] = (struct twin_record){ zone->origin, "SOA" };
    zone->records[zone->count++] = (struct twin_record){ zone->origin, "NS" };
    while (zone->count < wanted) {
        struct twin_record record = {
            .owner = random_path(rng, &zone->origin, 3),
            .type = TYPES[rng_below(rng, ARRAY_SIZE(TYPES))],
        };
        if (is_legal(zone, &record))
            zone->records[zone->count++] = record;
        else
            wanted--;
    }
}

static void write_zone(const struct twin_zone *zone, const char *file)
{
    struct buf text;
    char owner[256];
    buf_init(&text, 1 << 16);
    buf_append_text(&text, "$TTL 60\n");
    for (size_t i = 0; i < zone->count; i++) {
        const char *type = zone->records[i].type;
        buf_append_format(&text, "%s %s %s\n", path_text(&zone->records[i].owner, owner), type,
                          strcmp(type, "SOA") == 0   ? ". . 1 2 3 4 5"
                          : strcmp(type, "A") == 0   ? "192.0.2.1"
                          : strcmp(type, "TXT") == 0 ? "x"
                                                     : "ns.elsewhere.");
    }
    temp_zone_write(file, buf_text(&text), text.len);
    buf_fini(&text);
}

static bool is_origin_free(const struct twin *twin, const struct path *origin)
{
    for (size_t i = 0; i < twin->count; i++)
        if (is_same(&twin->zones[i].origin, origin))
            return false;
    return !is_wildcard(origin);
}

static struct zone_set *random_zones(struct rng *rng, struct twin *twin)
{
    static const char *const FILES[ZONES_MAX] = { "z0", "z1", "z2", "z3" };
    char origins[ZONES_MAX][256], problems[16384];
    struct zone_source sources[ZONES_MAX];
    struct path root = { .count = 0 };
    size_t wanted = 1 + rng_below(rng, ZONES_MAX);
    twin->count = 0;
    for (size_t tries = 0; tries < 20 && twin->count < wanted; tries++) {
        struct twin_zone *zone = &twin->zones[twin->count];
        zone->origin = random_path(rng, &root, 4);
        if (!is_origin_free(twin, &zone->origin))
            continue;
        random_zone(rng, zone);
        twin->count++;
    }
    for (size_t i = 0; i < twin->count; i++) {
        write_zone(&twin->zones[i], FILES[i]);
        sources[i] =
            (struct zone_source){ path_text(&twin->zones[i].origin, origins[i]), FILES[i] };
    }
    struct zone_set *zones = temp_zone_load(sources, twin->count, problems, sizeof(problems));
    if (zones == NULL)
        fail_msg("%s", problems);
    return zones;
}

static void compare(const struct twin *twin, const struct zone_set *zones, const struct path *name,
                    bool is_ds, uint64_t seed)
{
    char text[256], expected[256] = "", got[NAME_TEXT_MAX] = "", wire_text[NAME_TEXT_MAX] = "";
    uint8_t wire[NAME_MAX_BYTES];
    struct path at;
    const struct zone_node *node = NULL;
    enum zone_match wanted = twin_find(twin, name, is_ds, &at);
    enum zone_match match = temp_zone_find(zones, path_text(name, text), is_ds, &node);
    if (wanted != ZONE_MATCH_NONE) {
        name_parse(str_from(path_text(&at, expected)), wire);
        name_format(wire, wire_text);
    }
    if (node != NULL)
        name_format(node->name, got);
    if (match != wanted || strcmp(got, wire_text) != 0)
        fail_msg("seed %llu: %s%s: %d at '%s', twin says %d at '%s'", (unsigned long long)seed,
                 text, is_ds ? " DS" : "", (int)match, got, (int)wanted, wire_text);
}

/* No query may be answered with records that the zone does not have at that name. */
static void check_records(const struct twin *twin, const struct zone_set *zones)
{
    size_t kept = 0;
    for (size_t i = 0; i < twin->count; i++)
        kept += twin->zones[i].count;
    assert_true(zone_set_record_count(zones) <= kept);
}

static void test_find_agrees_with_its_twin(void **state)
{
    (void)state;
    uint64_t first_seed = rng_seed();
    print_message("first seed: %llu\n", (unsigned long long)first_seed);
    struct twin *twin = mem_calloc(1, sizeof(*twin));
    size_t seen[ZONE_MATCH_NXDOMAIN + 1] = { 0 };
    for (uint64_t round = 0; round < ROUNDS; round++) {
        struct rng rng = rng_init(first_seed + round);
        struct path root = { .count = 0 };
        struct zone_set *zones = random_zones(&rng, twin);
        check_records(twin, zones);
        for (size_t i = 0; i < QUERIES; i++) {
            const struct path *below =
                rng_below(&rng, 8) == 0 ? &root : &twin->zones[rng_below(&rng, twin->count)].origin;
            struct path at, name = random_path(&rng, below, 4);
            bool is_ds = rng_below(&rng, 4) == 0;
            compare(twin, zones, &name, is_ds, first_seed + round);
            seen[twin_find(twin, &name, is_ds, &at)]++;
        }
        zone_set_unref(zones);
    }
    /* A comparison that never meets a case proves nothing about it. */
    for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
        assert_true(seen[i] > 100);
    free(twin);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_agrees_with_its_twin),
    };
    return cmocka_run_group_tests(tests, temp_zone_setup, temp_zone_teardown);
}
