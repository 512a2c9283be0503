/* SPDX-License-Identifier: Apache-2.0 */
/* Zone files of any octets: no crash, and what loads can be searched and bound.
 *
 * Input: up to three zone files with a 0x1E octet between them, for example., sub.example. and
 * the root. */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dns/zone/zone_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ZONES = 3, PATH_BYTES = 64, SEPARATOR = 0x1E };

static int write_memory_file(const uint8_t *data, size_t size, char path[PATH_BYTES])
{
    int fd = memfd_create("zone", 0);
    assert(fd >= 0);
    while (size > 0) {
        ssize_t put = write(fd, data, size);
        assert(put > 0);
        data += put;
        size -= (size_t)put;
    }
    snprintf(path, PATH_BYTES, "/proc/self/fd/%d", fd);
    return fd;
}

/* Every answer must be a node that fits the name; sets must be what their encoded form says. */
static void check_node(const struct zone_node *node)
{
    assert(node->zone != NULL && name_length(node->name, node->name_len) == node->name_len);
    for (size_t i = 0; i < node->rrset_count; i++) {
        const struct rrset *rrset = &node->rrsets[i];
        size_t total = 0;
        for (size_t k = 0; k < rrset->count; k++)
            total += 12u + rrset->rdata[k].len;
        assert(rrset->count > 0 && (rrset->encoded == NULL || rrset->encoded_len == total));
        assert(zone_node_rrset(node, rrset->type) == rrset);
    }
}

static void search(const struct zone_set *zones, const uint8_t *data, size_t size)
{
    uint8_t lower[NAME_MAX_BYTES];
    for (size_t at = 0; at < size && at < 64; at++) {
        const struct zone_node *node = NULL;
        size_t len = name_length(data + at, size - at);
        if (len == 0)
            continue;
        name_lower(data + at, len, lower);
        for (int is_ds = 0; is_ds < 2; is_ds++)
            if (zone_set_find(zones, lower, len, is_ds != 0, &node) != ZONE_MATCH_NONE)
                check_node(node);
        zone_set_find_glue(zones, lower, len);
    }
}

static void use(struct zone_set *zones, const uint8_t *data, size_t size)
{
    static const char *const NAMES[] = { "www.example.", "*.a.example.", "sub.example.",
                                         "a.b.c.example.", "com." };
    struct diag diag;
    diag_init(&diag);
    search(zones, data, size);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        uint8_t wire[NAME_MAX_BYTES];
        const struct zone_node *node;
        struct zone_steered steered = { .name = NAMES[i], .may_answer_cname = i % 2 == 0 };
        size_t len = name_parse(str_from(NAMES[i]), wire);
        if (zone_set_bind(zones, &steered, 1, &diag) != ERR_OK)
            continue;
        enum zone_match match = zone_set_find(zones, wire, len, false, &node);
        assert(match == ZONE_MATCH_EXACT && node->steered == 0);
        break;
    }
    search(zones, data, size);
    diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ORIGINS[ZONES] = { "example", "sub.example", "." };
    struct zone_source sources[ZONES];
    char paths[ZONES][PATH_BYTES];
    int fds[ZONES];
    size_t count = 0;
    const uint8_t *at = data, *end = data + size;
    while (count < ZONES) {
        const uint8_t *stop = at < end ? memchr(at, SEPARATOR, (size_t)(end - at)) : NULL;
        size_t len = (size_t)((stop != NULL && count + 1 < ZONES ? stop : end) - at);
        fds[count] = write_memory_file(at, len, paths[count]);
        sources[count] = (struct zone_source){ ORIGINS[count], paths[count] };
        count++;
        if (at + len == end)
            break;
        at += len + 1;
    }
    struct diag diag;
    diag_init(&diag);
    struct zone_set *zones = NULL;
    enum err err = zone_set_load(sources, count, &diag, &zones);
    assert((err == ERR_OK) == !diag_has_errors(&diag));
    if (err == ERR_OK)
        use(zones, data, size);
    zone_set_unref(zones);
    diag_fini(&diag);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    return 0;
}
