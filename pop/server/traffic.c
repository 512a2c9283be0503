/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/traffic.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/runtime/counter.h"

enum {
    SLOTS_MIN = LIMIT(256, 2), /* a power of two */
    WORLDS_MAX = 4,            /* whose ids are still counted by; older ones are totals by name */
};

enum row_kind { ROW_EMPTY, ROW_SERVED, ROW_STRAY, ROW_FALLBACK };

/* What is counted apart. */
struct row_key {
    uint8_t kind;
    bool is_other; /* any cell of the map: the table is full */
    uint16_t map, cell, site, source;
};

struct row {
    struct row_key key;
    struct counter requests, bytes_in, bytes_out;
};

/* Open addressing; the rows of one world, whose ids the keys hold. */
struct table {
    struct world *world; /* one reference */
    struct row *rows;
    size_t capacity, count;
    uint64_t used_at; /* the table's age, by events */
};

struct traffic {
    pthread_mutex_t lock; /* shape of tables, and `totals`; counts need none */
    struct table tables[WORLDS_MAX];
    size_t table_count;
    size_t latest;   /* the worker's: index of the table it used last */
    uint64_t events; /* the worker's */
    json_t *totals;  /* of tables that are gone, as traffic_value shows them */
};

/* ---- telling --------------------------------------------------------------------------------- */

static const char *site_name(const struct topology *topology, uint16_t site)
{
    return site < topology->site_count ? topology->sites[site].name : "none";
}

static void add_number(json_t *object, const char *key, uint64_t amount)
{
    json_set_int(object, key, json_get_int(object, key, 0) + (int64_t)amount);
}

static void add_counts(json_t *object, const struct row *row)
{
    add_number(object, "requests", counter_read(&row->requests));
    add_number(object, "bytes_in", counter_read(&row->bytes_in));
    add_number(object, "bytes_out", counter_read(&row->bytes_out));
}

static json_t *child(json_t *object, const char *key)
{
    json_t *found = json_object_get(object, key);
    if (found == NULL) {
        found = json_object();
        json_object_set_new_nocheck(object, key, found); /* cannot fail, unlike with the check */
    }
    return found;
}

/* The cell's rule and candidates: what it is called when ids have changed. */
static void name_cell(const struct world *world, const struct row_key *key, struct buf *out)
{
    const struct topology *topology = world->topology;
    const struct map *map = &topology->maps[key->map];
    const struct map_id id = { key->map };
    if (key->is_other) {
        buf_append_text(out, "other");
        return;
    }
    const struct cell *cell = geo_cell_at(world->geo, id, (struct cell_id){ key->cell });
    buf_append_format(out, "%s/", map->rules[cell->rule].label);
    for (size_t i = 0; i < cell->candidate_count; i++)
        buf_append_format(out, "%s%s", i > 0 ? "," : "",
                          topology->sites[cell->candidates[i].n].name);
}

enum { CELL_NAME_MAX = 64 << 10 };

/* maps -> MAP -> cells -> NAME -> {"rule","candidates","sites"} */
static json_t *tell_cell(json_t *maps, const struct world *world, const struct row_key *key)
{
    const struct map *map = &world->topology->maps[key->map];
    struct buf name;
    buf_init(&name, CELL_NAME_MAX);
    name_cell(world, key, &name);
    json_t *cells = child(child(maps, map->name), "cells");
    json_t *cell = child(cells, buf_text(&name));
    buf_fini(&name);
    if (key->is_other || json_object_get(cell, "rule") != NULL)
        return cell;
    const struct cell *found =
        geo_cell_at(world->geo, (struct map_id){ key->map }, (struct cell_id){ key->cell });
    json_t *candidates = json_array();
    for (size_t i = 0; i < found->candidate_count; i++)
        json_array_append_new(candidates,
                              json_string(site_name(world->topology, found->candidates[i].n)));
    json_set_str(cell, "rule", str_from(map->rules[found->rule].label));
    json_object_set_new(cell, "candidates", candidates);
    return cell;
}

/* strays or fallbacks -> FROM -> TO */
static json_t *tell_crossing(json_t *totals, const struct topology *topology,
                             const struct row_key *key)
{
    json_t *list = child(totals, key->kind == ROW_STRAY ? "strays" : "fallbacks");
    return child(child(list, site_name(topology, key->source)), site_name(topology, key->site));
}

static void tell_row(json_t *totals, const struct world *world, const struct row *row)
{
    const struct row_key *key = &row->key;
    if (key->kind == ROW_SERVED) {
        json_t *cell = tell_cell(child(totals, "maps"), world, key);
        add_counts(child(child(cell, "sites"), site_name(world->topology, key->site)), row);
    } else {
        add_counts(tell_crossing(totals, world->topology, key), row);
    }
}

static void tell_table(json_t *totals, const struct table *table)
{
    for (size_t i = 0; i < table->capacity; i++)
        if (table->rows[i].key.kind != ROW_EMPTY)
            tell_row(totals, table->world, &table->rows[i]);
}

/* Adds the numbers of `from` to those of `into`, all the way down. */
static void add_up(json_t *into, json_t *from)
{
    const char *key;
    json_t *value;
    json_object_foreach(from, key, value)
    {
        json_t *mine = json_object_get(into, key);
        if (mine == NULL)
            json_object_set_new_nocheck(into, key, json_deep_copy(value));
        else if (json_is_object(value))
            add_up(mine, value);
        else if (json_is_integer(value))
            json_integer_set(mine, json_integer_value(mine) + json_integer_value(value));
    }
}

/* ---- counting -------------------------------------------------------------------------------- */

static size_t hash_of(const struct row_key *key)
{
    uint64_t bits = (uint64_t)key->map << 48 ^ (uint64_t)key->cell << 32 ^
                    (uint64_t)key->site << 16 ^ key->source;
    bits ^= (uint64_t)key->kind << 60 ^ (uint64_t)key->is_other << 59;
    bits *= 0x9e3779b97f4a7c15u;
    return (size_t)(bits >> 32);
}

static bool key_eq(const struct row_key *a, const struct row_key *b)
{
    return a->kind == b->kind && a->is_other == b->is_other && a->map == b->map &&
           a->cell == b->cell && a->site == b->site && a->source == b->source;
}

/* The row, or the empty one where it belongs. */
static struct row *find_row(struct row *rows, size_t capacity, const struct row_key *key)
{
    size_t at = hash_of(key) & (capacity - 1);
    while (rows[at].key.kind != ROW_EMPTY && !key_eq(&rows[at].key, key))
        at = (at + 1) & (capacity - 1);
    return &rows[at];
}

static void grow(struct table *table)
{
    size_t capacity = 2 * table->capacity;
    struct row *rows = mem_calloc(capacity, sizeof(*rows));
    for (size_t i = 0; i < table->capacity; i++)
        if (table->rows[i].key.kind != ROW_EMPTY)
            *find_row(rows, capacity, &table->rows[i].key) = table->rows[i];
    free(table->rows);
    table->rows = rows;
    table->capacity = capacity;
}

static struct row *add_row(struct traffic *traffic, struct table *table, const struct row_key *key)
{
    pthread_mutex_lock(&traffic->lock);
    if (2 * (table->count + 1) > table->capacity)
        grow(table);
    struct row *row = find_row(table->rows, table->capacity, key);
    row->key = *key;
    table->count++;
    pthread_mutex_unlock(&traffic->lock);
    return row;
}

static struct row *get_row(struct traffic *traffic, struct table *table, struct row_key key)
{
    struct row *row = find_row(table->rows, table->capacity, &key);
    if (row->key.kind != ROW_EMPTY)
        return row;
    if (table->count >= TRAFFIC_CELLS_MAX && key.kind == ROW_SERVED) {
        /* Maps and sites are few: their "other" rows always have room. */
        key.is_other = true;
        key.cell = 0;
        row = find_row(table->rows, table->capacity, &key);
        if (row->key.kind != ROW_EMPTY)
            return row;
    }
    return add_row(traffic, table, &key);
}

static void retire(struct traffic *traffic, struct table *table)
{
    tell_table(traffic->totals, table);
    world_unref(table->world);
    free(table->rows);
}

static struct table *add_table(struct traffic *traffic, struct world *world)
{
    pthread_mutex_lock(&traffic->lock);
    size_t at = traffic->table_count;
    if (at < WORLDS_MAX) {
        traffic->table_count++;
    } else {
        at = 0;
        for (size_t i = 1; i < WORLDS_MAX; i++)
            if (traffic->tables[i].used_at < traffic->tables[at].used_at)
                at = i;
        retire(traffic, &traffic->tables[at]);
    }
    struct table *table = &traffic->tables[at];
    *table = (struct table){ .world = world_ref(world), .capacity = SLOTS_MIN };
    table->rows = mem_calloc(SLOTS_MIN, sizeof(*table->rows));
    traffic->latest = at;
    pthread_mutex_unlock(&traffic->lock);
    return table;
}

static struct table *get_table(struct traffic *traffic, struct world *world)
{
    struct table *table = &traffic->tables[traffic->latest];
    if (table->world == world)
        return table;
    for (size_t i = 0; i < traffic->table_count; i++) {
        if (traffic->tables[i].world == world) {
            traffic->latest = i;
            return &traffic->tables[i];
        }
    }
    return add_table(traffic, world);
}

static void count_in(struct row *row, const struct traffic_event *event)
{
    counter_add(&row->requests, 1);
    counter_add(&row->bytes_in, event->bytes_in);
    counter_add(&row->bytes_out, event->bytes_out);
}

void traffic_count(struct traffic *traffic, struct world *world, const struct traffic_event *event)
{
    struct table *table = get_table(traffic, world);
    table->used_at = ++traffic->events;
    const struct row_key served = {
        .kind = ROW_SERVED, .map = event->map.n, .cell = event->cell.n, .site = event->site.n
    };
    count_in(get_row(traffic, table, served), event);
    struct row_key crossing = { .site = event->site.n, .source = event->source.n };
    if (event->is_stray) {
        crossing.kind = ROW_STRAY;
        count_in(get_row(traffic, table, crossing), event);
    }
    if (event->is_fallback) {
        crossing.kind = ROW_FALLBACK;
        count_in(get_row(traffic, table, crossing), event);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

struct traffic *traffic_new(void)
{
    struct traffic *traffic = mem_calloc(1, sizeof(*traffic));
    pthread_mutex_init(&traffic->lock, NULL);
    traffic->totals = json_object();
    return traffic;
}

void traffic_free(struct traffic *traffic)
{
    if (traffic == NULL)
        return;
    for (size_t i = 0; i < traffic->table_count; i++) {
        world_unref(traffic->tables[i].world);
        free(traffic->tables[i].rows);
    }
    json_decref(traffic->totals);
    pthread_mutex_destroy(&traffic->lock);
    free(traffic);
}

/* ---- the whole ------------------------------------------------------------------------------- */

/* {"us-east":{…}} -> [{KEY:"us-east",…}] */
static json_t *as_list(json_t *object, const char *key_name)
{
    const char *key;
    json_t *value, *list = json_array();
    json_object_foreach(object, key, value)
    {
        json_t *item = json_copy(value);
        json_set_str(item, key_name, str_from(key));
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *crossings_value(json_t *by_source)
{
    const char *from, *to;
    json_t *targets, *counts, *list = json_array();
    json_object_foreach(by_source, from, targets)
    {
        json_object_foreach(targets, to, counts)
        {
            json_t *item = json_copy(counts);
            json_set_str(item, "from", str_from(from));
            json_set_str(item, "to", str_from(to));
            json_array_append_new(list, item);
        }
    }
    return list;
}

static json_t *maps_value(json_t *maps)
{
    const char *name;
    json_t *map, *value = json_object();
    json_object_foreach(maps, name, map)
    {
        json_t *cells = json_object();
        json_object_set_new(cells, "cells", as_list(json_object_get(map, "cells"), "cell"));
        json_object_set_new(value, name, cells);
    }
    return value;
}

json_t *traffic_value(struct traffic *const *workers, size_t count)
{
    json_t *totals = json_object();
    for (size_t i = 0; i < count; i++) {
        struct traffic *traffic = workers[i];
        pthread_mutex_lock(&traffic->lock);
        add_up(totals, traffic->totals);
        for (size_t j = 0; j < traffic->table_count; j++)
            tell_table(totals, &traffic->tables[j]);
        pthread_mutex_unlock(&traffic->lock);
    }
    json_t *value = json_object();
    json_set_int(value, "v", 1);
    json_object_set_new(value, "maps", maps_value(json_object_get(totals, "maps")));
    json_object_set_new(value, "strays", crossings_value(json_object_get(totals, "strays")));
    json_object_set_new(value, "fallbacks", crossings_value(json_object_get(totals, "fallbacks")));
    json_decref(totals);
    return value;
}
