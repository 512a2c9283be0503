/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pop/route/route_table.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

static const struct {
    const char *host, *path;
} specs[] = {
    { "www.example.com", "/" },           /* 0 */
    { "www.example.com", "/api" },        /* 1 */
    { "www.example.com", "/api/v2/" },    /* 2 */
    { "www.example.com", "/api-old" },    /* 3 */
    { "*.example.com", "/" },             /* 4 */
    { "*.eu.example.com", "/only" },      /* 5 */
    { "*", "/health" },                   /* 6 */
    { "API.example.org.", "/" },          /* 7 */
    { "[2001:db8::1]", "/" },             /* 8 */
    { "192.0.2.7", "/" },                 /* 9 */
    { "www.example.com", "/api/" },       /* 10: the same as 1 */
    { "www.example.com", "/api/v2/x!y" }, /* 11 */
};

static struct route_table *table_of_specs(void)
{
    struct route_spec list[ARRAY_SIZE(specs)];
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
        list[i] = (struct route_spec){ str_from(specs[i].host), str_from(specs[i].path) };
    return route_table_new(list, ARRAY_SIZE(specs));
}

static void test_find_follows_table(void **state)
{
    (void)state;
    static const struct {
        const char *authority, *path;
        long expected;
    } rows[] = {
        { "www.example.com", "/", 0 },
        { "www.example.com", "/x", 0 },
        { "www.example.com", "/api", 1 },
        { "www.example.com", "/api/", 1 },
        { "www.example.com", "/api?x=/v2", 1 },
        { "www.example.com", "/api/v1", 1 },
        { "www.example.com", "/api/v2", 2 },
        { "www.example.com", "/api/v2/y", 2 },
        { "www.example.com", "/api/v2/x!y/z", 11 },
        { "www.example.com", "/api/v2/x!yz", 2 },
        { "www.example.com", "/api/v20", 1 },
        { "www.example.com", "/api-old/1", 3 },
        { "www.example.com", "/api-older", 0 },
        { "www.example.com", "/apix", 0 },
        { "www.example.com", "/API", 0 },
        { "www.example.com", "/api%2Fv2", 0 },
        { "www.example.com", "//api", 0 },
        { "www.example.com", "*", 0 },
        { "WWW.Example.COM:8443", "/api", 1 },
        { "www.example.com.", "/api", 1 },
        { "www.example.com.:443", "/api", 1 },
        { "example.com", "/", -1 },
        { "a.example.com", "/", 4 },
        { "a.b.example.com", "/", 4 },
        { ".example.com", "/", -1 },
        { "x.eu.example.com", "/only/1", 5 },
        { "x.eu.example.com", "/other", 4 },
        { "x.eu.example.com", "/health", 4 },
        { "unknown", "/health", 6 },
        { "unknown", "/", -1 },
        { "", "/health", 6 },
        { "api.example.org", "/", 7 },
        { "[2001:DB8::1]:443", "/", 8 },
        { "[2001:db8::1]", "/", 8 },
        { "192.0.2.7:80", "/", 9 },
        { "*.example.com", "/", 4 },
        { "*", "/", -1 },
    };
    struct route_table *table = table_of_specs();
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        long found = route_table_find(table, str_from(rows[i].authority), str_from(rows[i].path));
        if (found != rows[i].expected)
            fail_msg("%s %s: %ld, not %ld", rows[i].authority, rows[i].path, found,
                     rows[i].expected);
    }
    route_table_free(table);
}

static void test_find_in_empty_table(void **state)
{
    (void)state;
    struct route_table *table = route_table_new(NULL, 0);
    assert_int_equal(route_table_find(table, STR("a"), STR("/")), -1);
    route_table_free(table);
    route_table_free(NULL);
}

static void test_find_host_longer_than_any(void **state)
{
    (void)state;
    char host[2000];
    memset(host, 'a', sizeof(host));
    for (size_t i = 1; i < sizeof(host); i += 2)
        host[i] = '.';
    memcpy(host + sizeof(host) - 12, ".example.com", 12);
    struct route_table *table = table_of_specs();
    struct str text = { host, sizeof(host) };
    assert_int_equal(route_table_find(table, text, STR("/health")), 6);
    assert_int_equal(route_table_find(table, text, STR("/")), -1);
    route_table_free(table);
}

/* ---- a twin that looks at every route -------------------------------------------------------- */

enum { ROUNDS = 400, ROUTES = 60, PROBES = 400, TEXT_MAX = 48 };

struct route {
    char host[TEXT_MAX], path[TEXT_MAX];
};

/* Few letters, so that much is nested; '-' and '.' stand on both sides of '/'. */
static void some_path(struct rng *rng, char *out)
{
    static const char letters[] = "/-a!/b~";
    size_t len = 0;
    out[len++] = '/';
    for (uint64_t more = rng_below(rng, 8); more > 0; more--)
        out[len++] = letters[rng_below(rng, sizeof(letters) - 1)];
    out[len] = '\0';
}

static void some_host(struct rng *rng, char *out, bool may_be_wild)
{
    static const char *const hosts[] = { "a", "b.a", "c.b.a", "d.c.b.a", "b.b.a", "ab.a" };
    if (may_be_wild && rng_below(rng, 8) == 0) {
        snprintf(out, TEXT_MAX, "*");
        return;
    }
    const char *wild = may_be_wild && rng_below(rng, 3) == 0 ? "*." : "";
    snprintf(out, TEXT_MAX, "%s%s", wild, hosts[rng_below(rng, ARRAY_SIZE(hosts))]);
}

/* How well: -1 not at all; else more is more specific. */
static int twin_host_rank(const char *pattern, const char *host)
{
    if (strcmp(pattern, host) == 0)
        return 1000;
    if (strcmp(pattern, "*") == 0)
        return 0;
    if (pattern[0] != '*')
        return -1;
    size_t len = strlen(pattern) - 1; /* ".b.a" */
    size_t host_len = strlen(host);
    bool ends = host_len > len && strcmp(host + host_len - len, pattern + 1) == 0;
    return ends ? (int)len : -1;
}

static int twin_path_rank(const char *pattern, const char *path)
{
    size_t len = strlen(pattern);
    while (len > 0 && pattern[len - 1] == '/')
        len--;
    bool fits =
        strncmp(pattern, path, len) == 0 && (len == 0 || path[len] == '\0' || path[len] == '/');
    return fits ? (int)len : -1;
}

static long twin_find(const struct route *routes, size_t count, const char *host, const char *path)
{
    long best = -1;
    int best_host = -1;
    int best_path = -1;
    for (size_t i = 0; i < count; i++) {
        int host_rank = twin_host_rank(routes[i].host, host);
        int path_rank = twin_path_rank(routes[i].path, path);
        if (host_rank < 0 || path_rank < 0 || host_rank < best_host ||
            (host_rank == best_host && path_rank <= best_path))
            continue;
        best = (long)i;
        best_host = host_rank;
        best_path = path_rank;
    }
    return best;
}

static void compare_once(struct rng *rng)
{
    struct route routes[ROUTES];
    struct route_spec list[ROUTES];
    size_t count = rng_below(rng, ROUTES + 1);
    for (size_t i = 0; i < count; i++) {
        some_host(rng, routes[i].host, true);
        some_path(rng, routes[i].path);
        list[i] = (struct route_spec){ str_from(routes[i].host), str_from(routes[i].path) };
    }
    struct route_table *table = route_table_new(list, count);
    for (size_t i = 0; i < PROBES; i++) {
        char host[TEXT_MAX];
        char path[TEXT_MAX];
        some_host(rng, host, false);
        some_path(rng, path);
        long found = route_table_find(table, str_from(host), str_from(path));
        long expected = twin_find(routes, count, host, path);
        if (found != expected)
            fail_msg("%s %s: %ld, not %ld", host, path, found, expected);
    }
    route_table_free(table);
}

static void test_find_equals_twin(void **state)
{
    (void)state;
    const char *wanted = getenv("STEER_SEED");
    uint64_t seed = wanted != NULL ? strtoull(wanted, NULL, 10) : rng_seed() >> 16;
    print_message("STEER_SEED=%llu\n", (unsigned long long)seed);
    struct rng rng = rng_init(seed);
    for (size_t i = 0; i < ROUNDS; i++)
        compare_once(&rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_follows_table),
        cmocka_unit_test(test_find_in_empty_table),
        cmocka_unit_test(test_find_host_longer_than_any),
        cmocka_unit_test(test_find_equals_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
