/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/route_table.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/hash.h"
#include "steering/base/limits.h"
#include "steering/base/mem.h"

/* Hosts stand in a hash table under "www.example.com", ".example.com" (the wildcard) or "" (any).
 * The paths of a host are sorted with '/' as the lowest character: then all paths below a prefix
 * follow it without a gap, and the longest prefix of a path is the greatest entry that is not
 * above it, or one of that entry's ancestors. */

enum { HOST_MAX_BYTES = 255 };
#define NO_PARENT UINT32_MAX

struct path {
    struct str prefix; /* without final '/': "" is every path */
    long index;
    uint32_t parent; /* the longest entry of the same host that is a prefix; NO_PARENT: none */
};

struct host {
    struct str name;
    uint32_t first, count; /* into paths */
};

struct route_table {
    struct path *paths;
    struct host *hosts;
    uint32_t *slots; /* index into hosts + 1; 0: free */
    size_t path_count, host_count, slot_mask;
    size_t wildcard_min, wildcard_max; /* lengths of names, to skip what cannot be there */
    char *text;
};

/* What is being sorted. */
struct entry {
    struct str host, path;
    size_t index;
};

/* As str_compare, but '/' comes before every other character. */
static int compare_paths(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < common; i++) {
        if (a.ptr[i] == b.ptr[i])
            continue;
        if (a.ptr[i] == '/' || b.ptr[i] == '/')
            return a.ptr[i] == '/' ? -1 : 1;
        return (uint8_t)a.ptr[i] < (uint8_t)b.ptr[i] ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int compare_entries(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    int order = str_compare(a->host, b->host);
    if (order == 0)
        order = compare_paths(a->path, b->path);
    if (order == 0)
        order = (a->index > b->index) - (a->index < b->index);
    return order;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Appends to `*at`, which has room; the name under which a host is found. */
static struct str copy_host(struct str host, char **at)
{
    if (str_eq(host, STR("*")))
        host = STR("");
    else if (str_starts_with(host, STR("*.")))
        host = (struct str){ .ptr = host.ptr + 1, .len = host.len - 1 };
    if (host.len > 1 && host.ptr[host.len - 1] == '.')
        host.len--;
    char *copy = *at;
    for (size_t i = 0; i < host.len; i++)
        copy[i] = lower(host.ptr[i]);
    *at += host.len;
    return (struct str){ .ptr = copy, .len = host.len };
}

static struct str copy_path(struct str path, char **at)
{
    while (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    char *copy = *at;
    if (path.len > 0)
        memcpy(copy, path.ptr, path.len);
    *at += path.len;
    return (struct str){ .ptr = copy, .len = path.len };
}

static struct entry *sorted_entries(struct route_table *table, const struct route_spec *specs,
                                    size_t count)
{
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++)
        bytes += specs[i].host.len + specs[i].path.len;
    table->text = mem_calloc(bytes, 1);
    char *at = table->text;
    struct entry *entries = mem_calloc(count + 1, sizeof(*entries));
    for (size_t i = 0; i < count; i++) {
        entries[i].index = i;
        entries[i].host = copy_host(specs[i].host, &at);
        entries[i].path = copy_path(specs[i].path, &at);
    }
    qsort(entries, count, sizeof(*entries), compare_entries);
    return entries;
}

/* Is `prefix` all of `path`, or all of its first segments? */
static bool is_prefix(struct str prefix, struct str path)
{
    return str_starts_with(path, prefix) &&
           (path.len == prefix.len || prefix.len == 0 || path.ptr[prefix.len] == '/');
}

static void add_path(struct route_table *table, struct host *host, const struct entry *entry)
{
    uint32_t parent = host->count > 0 ? host->first + host->count - 1 : NO_PARENT;
    while (parent != NO_PARENT && !is_prefix(table->paths[parent].prefix, entry->path))
        parent = table->paths[parent].parent;
    /* The same host and path twice: the first of the list wins. */
    if (parent != NO_PARENT && table->paths[parent].prefix.len == entry->path.len)
        return;
    table->paths[table->path_count++] = (struct path){
        .prefix = entry->path,
        .index = (long)entry->index,
        .parent = parent,
    };
    host->count++;
}

static uint32_t *find_slot(const struct route_table *table, struct str name)
{
    size_t at = hash_bytes(name.ptr, name.len, 0) & table->slot_mask;
    while (table->slots[at] != 0 && !str_eq(table->hosts[table->slots[at] - 1].name, name))
        at = (at + 1) & table->slot_mask;
    return &table->slots[at];
}

static struct host *add_host(struct route_table *table, struct str name)
{
    struct host *host = &table->hosts[table->host_count++];
    *host = (struct host){ .name = name, .first = (uint32_t)table->path_count };
    *find_slot(table, name) = (uint32_t)table->host_count;
    if (name.len > 0 && name.ptr[0] == '.') {
        table->wildcard_min = name.len < table->wildcard_min ? name.len : table->wildcard_min;
        table->wildcard_max = name.len > table->wildcard_max ? name.len : table->wildcard_max;
    }
    return host;
}

struct route_table *route_table_new(const struct route_spec *specs, size_t count)
{
    struct route_table *table = mem_calloc(1, sizeof(*table));
    struct entry *entries = sorted_entries(table, specs, count);
    size_t slots = LIMIT(16, 2);
    while (slots < 2 * count + 1)
        slots *= 2;
    table->slot_mask = slots - 1;
    table->slots = mem_calloc(slots, sizeof(*table->slots));
    table->paths = mem_calloc(count + 1, sizeof(*table->paths));
    table->hosts = mem_calloc(count + 1, sizeof(*table->hosts));
    table->wildcard_min = SIZE_MAX;
    struct host *host = NULL;
    for (size_t i = 0; i < count; i++) {
        if (host == NULL || !str_eq(host->name, entries[i].host))
            host = add_host(table, entries[i].host);
        add_path(table, host, &entries[i]);
    }
    free(entries);
    return table;
}

void route_table_free(struct route_table *table)
{
    if (table == NULL)
        return;
    free(table->paths);
    free(table->hosts);
    free(table->slots);
    free(table->text);
    free(table);
}

/* Without port and final dot. */
static struct str host_of(struct str authority)
{
    for (size_t i = authority.len; i > 0 && authority.ptr[i - 1] != ']'; i--) {
        if (authority.ptr[i - 1] == ':') {
            authority.len = i - 1;
            break;
        }
    }
    if (authority.len > 1 && authority.ptr[authority.len - 1] == '.')
        authority.len--;
    return authority;
}

/* As it is written, up to the query. */
static struct str path_of(struct str path)
{
    const char *query = path.len > 0 ? memchr(path.ptr, '?', path.len) : NULL;
    if (query != NULL)
        path.len = (size_t)(query - path.ptr);
    return path;
}

static long find_path(const struct route_table *table, const struct host *host, struct str path)
{
    uint32_t low = host->first;
    uint32_t high = host->first + host->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_paths(table->paths[middle].prefix, path) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    uint32_t at = low > host->first ? low - 1 : NO_PARENT;
    while (at != NO_PARENT && !is_prefix(table->paths[at].prefix, path))
        at = table->paths[at].parent;
    return at != NO_PARENT ? table->paths[at].index : -1;
}

static long find_in_host(const struct route_table *table, struct str name, struct str path)
{
    uint32_t slot = *find_slot(table, name);
    return slot != 0 ? find_path(table, &table->hosts[slot - 1], path) : -1;
}

long route_table_find(const struct route_table *table, struct str authority, struct str path)
{
    struct str host = host_of(authority);
    path = path_of(path);
    char text[HOST_MAX_BYTES];
    /* Longer than a name can be: only "*" is for it. */
    if (host.len > sizeof(text))
        host.len = 0;
    for (size_t i = 0; i < host.len; i++)
        text[i] = lower(host.ptr[i]);
    /* A host that begins with a dot would be found as a wildcard. */
    long found = -1;
    if (host.len > 0 && text[0] != '.')
        found = find_in_host(table, (struct str){ .ptr = text, .len = host.len }, path);
    for (size_t i = 1; i < host.len && found < 0; i++) {
        size_t len = host.len - i;
        if (text[i] == '.' && len >= table->wildcard_min && len <= table->wildcard_max)
            found = find_in_host(table, (struct str){ .ptr = text + i, .len = len }, path);
    }
    return found >= 0 ? found : find_in_host(table, STR(""), path);
}
