/* SPDX-License-Identifier: Apache-2.0 */
/* How long a large zone takes to load, what a record costs in memory, and what a search costs.
 *
 * Usage: zone_load_bench [RECORDS [SEARCHES]]; under callgrind, two runs with different SEARCHES
 * give instructions per search as a difference. */
#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "dns/zone/zone_set.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

enum { NAMES = 1 << 16 };

struct name {
    uint8_t wire[64];
    size_t len;
};

/* Of this process alone: other load on the machine does not count. */
static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static long peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

/* A mix as in a hoster's zone: half addresses, some of everything else, a tenth delegations. */
static void write_record(FILE *file, size_t i)
{
    switch (i % 10) {
    case 0:
        fprintf(file, "d%zu NS ns1.example.net.\n", i);
        break;
    case 1:
        fprintf(file, "h%zu MX 10 mail\n", i);
        break;
    case 2:
        fprintf(file, "  TXT \"v=spf1 include:example.net -all\"\n");
        break;
    case 3:
        fprintf(file, "w%zu CNAME h%zu\n", i, i + 1);
        break;
    case 4:
        fprintf(file, "h%zu 60 IN AAAA 2001:db8::%zx\n", i, i & 0xFFFF);
        break;
    default:
        fprintf(file, "h%zu A 192.0.2.%zu\n", i, i % 250 + 1);
        break;
    }
}

static void write_zone(const char *path, size_t count)
{
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    fputs("$TTL 3600\n@ SOA ns1 host 1 7200 900 604800 300\n NS ns1\nns1 A 192.0.2.1\n"
          "mail A 192.0.2.2\n",
          file);
    for (size_t i = 0; i < count; i++)
        write_record(file, i);
    assert(fclose(file) == 0);
}

static struct zone_set *load(const char *path, size_t count)
{
    struct diag diag;
    struct zone_set *zones = NULL;
    const struct zone_source source = { .origin = "example.com", .file = path };
    diag_init(&diag);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    double start = cpu_s();
    enum err err = zone_set_load(&source, 1, &diag, &zones);
    double seconds = cpu_s() - start;
    if (err != ERR_OK) {
        fprintf(stderr, "%s\n", diag_first(&diag));
        exit(1);
    }
    size_t used = mallinfo2().uordblks + mallinfo2().hblkhd - before;
    printf("load: %zu records in %.2f s of CPU (%.0f ns each), %.0f bytes each, peak %ld MiB\n",
           count, seconds, seconds * 1e9 / (double)count, (double)used / (double)count, peak_mib());
    diag_fini(&diag);
    return zones;
}

static struct name *make_names(size_t count, const char *prefix)
{
    struct name *names = mem_calloc(NAMES, sizeof(*names));
    struct rng rng = rng_init(3);
    for (size_t i = 0; i < NAMES; i++) {
        char text[64];
        uint8_t wire[NAME_MAX_BYTES];
        snprintf(text, sizeof(text), "%s%lu.example.com", prefix,
                 (unsigned long)rng_below(&rng, count) / 10 * 10 + 5);
        names[i].len = name_parse(str_from(text), wire);
        memcpy(names[i].wire, wire, names[i].len);
    }
    return names;
}

static void search(const struct zone_set *zones, const struct name *names, size_t count,
                   const char *what)
{
    size_t exact = 0;
    double start = cpu_s();
    for (size_t i = 0; i < count; i++) {
        const struct zone_node *node = NULL;
        const struct name *name = &names[i % NAMES];
        exact +=
            zone_set_find(zones, name->wire, name->len, false, &node) == ZONE_MATCH_EXACT ? 1 : 0;
    }
    double seconds = cpu_s() - start;
    printf("%s: %zu searches, %.0f ns each, %zu exact\n", what, count,
           seconds * 1e9 / (double)count, exact);
}

int main(int argc, char **argv)
{
    char path[] = "/tmp/steer-zone-bench-XXXXXX";
    size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    size_t searches = argc > 2 ? strtoull(argv[2], NULL, 10) : 5000000;
    int fd = mkstemp(path);
    assert(fd >= 0);
    close(fd);
    write_zone(path, count);
    struct zone_set *zones = load(path, count);
    unlink(path);
    struct name *hits = make_names(count, "h");
    struct name *misses = make_names(count, "x");
    struct name *deep = make_names(count, "a.b.c.d.e.f.g.x");
    search(zones, hits, searches, "hit");
    search(zones, misses, searches, "miss");
    search(zones, deep, searches, "deep miss");
    free(hits);
    free(misses);
    free(deep);
    zone_set_unref(zones);
    return 0;
}
