/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/base/rng.h"

static struct addr parsed(const char *text)
{
    struct addr addr;
    assert_true(addr_parse(str_from(text), &addr));
    return addr;
}

static void test_addr_parse_and_format(void **state)
{
    static const struct {
        const char *text, *formatted;
        enum addr_family family;
    } rows[] = {
        { "0.0.0.0", "0.0.0.0", ADDR_V4 },
        { "203.0.113.9", "203.0.113.9", ADDR_V4 },
        { "255.255.255.255", "255.255.255.255", ADDR_V4 },
        { "::", "::", ADDR_V6 },
        { "2001:DB8:0:0:0:0:0:1", "2001:db8::1", ADDR_V6 },
        { "::ffff:192.0.2.1", "::ffff:192.0.2.1", ADDR_V6 },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          ADDR_V6 },
        { "2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", ADDR_V6 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[ADDR_TEXT_MAX];
        struct addr addr = parsed(rows[i].text);
        assert_int_equal(addr.family, rows[i].family);
        assert_string_equal(addr_format(&addr, text), rows[i].formatted);
    }
}

static void test_addr_parse_rejects(void **state)
{
    static const char *const rows[] = {
        "",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "01.2.3.4",
        " 1.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4/8",
        "::1%eth0",
        ":::",
        "1::2::3",
        "12345::",
        "g::",
        "localhost",
        "1:2:3:4:5:6:7:8:9",
        "aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa:aaaa",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct addr addr = { .family = 77 };
        assert_false(addr_parse(str_from(rows[i]), &addr));
        assert_int_equal(addr.family, 77);
    }
    struct addr addr;
    assert_false(addr_parse(STR("1.2.3.4\0"), &addr));
    assert_false(addr_parse((struct str){ NULL, 0 }, &addr));
}

static void test_addr_parse_stops_at_the_view_end(void **state)
{
    struct addr addr;
    char text[ADDR_TEXT_MAX];
    (void)state;
    assert_true(addr_parse((struct str){ "10.0.0.123", 8 }, &addr));
    assert_string_equal(addr_format(&addr, text), "10.0.0.1");
}

static void test_addr_format_parse_random(void **state)
{
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 5000; i++) {
        struct addr addr = { .family = (uint8_t)rng_below(&rng, 2) };
        for (unsigned j = 0; j < (addr.family == ADDR_V4 ? 4 : 16); j++)
            addr.bytes[j] = rng_below(&rng, 2) == 0 ? 0 : (uint8_t)rng_next(&rng);
        char text[ADDR_TEXT_MAX];
        struct addr again = parsed(addr_format(&addr, text));
        assert_true(addr_eq(&addr, &again));
    }
}

static void test_addr_bit_counts_from_the_left(void **state)
{
    struct addr v4 = parsed("128.0.0.1"), v6 = parsed("4000::8");
    (void)state;
    assert_int_equal(addr_max_bits(&v4), 32);
    assert_int_equal(addr_max_bits(&v6), 128);
    for (unsigned at = 0; at < 32; at++)
        assert_int_equal(addr_bit(&v4, at), at == 0 || at == 31);
    for (unsigned at = 0; at < 128; at++)
        assert_int_equal(addr_bit(&v6, at), at == 1 || at == 124);
}

static void test_addr_v4_u32_is_host_order(void **state)
{
    struct addr addr = parsed("1.2.3.4");
    struct addr again = addr_from_v4_u32(0x01020304);
    (void)state;
    assert_int_equal(addr_v4_u32(&addr), 0x01020304);
    assert_true(addr_eq(&addr, &again));
}

static void test_addr_eq_tells_families_apart(void **state)
{
    struct addr v4 = parsed("0.0.0.0"), v6 = parsed("::");
    (void)state;
    assert_false(addr_eq(&v4, &v6));
}

static void test_addr_sockaddr_round_trip(void **state)
{
    static const char *const rows[] = { "192.0.2.77", "2001:db8::77", "::ffff:1.2.3.4" };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct addr addr = parsed(rows[i]), again;
        struct sockaddr_storage storage;
        socklen_t len = addr_to_sockaddr(&addr, 5353, &storage);
        assert_int_equal(len, addr.family == ADDR_V4 ? sizeof(struct sockaddr_in)
                                                     : sizeof(struct sockaddr_in6));
        assert_int_equal(addr_port((struct sockaddr *)&storage), 5353);
        assert_true(addr_from_sockaddr((struct sockaddr *)&storage, &again));
        assert_true(addr_eq(&addr, &again));
    }
    struct sockaddr local = { .sa_family = AF_UNIX };
    struct addr addr;
    assert_false(addr_from_sockaddr(&local, &addr));
}

static void test_addr_fold_each_form(void **state)
{
    static const struct {
        const char *v6, *v4; /* v4 NULL: not folded */
        unsigned lead;
    } rows[] = {
        { "::ffff:192.0.2.1", "192.0.2.1", 96 },
        { "64:ff9b::192.0.2.1", "192.0.2.1", 96 },
        { "2002:c000:0201::1", "192.0.2.1", 16 },
        { "2002:c000:0201:ffff:ffff::", "192.0.2.1", 16 },
        { "2001:0:4136:e378:8000:63bf:3fff:fdfe", "192.0.2.1", 96 },
        { "::192.0.2.1", NULL, 0 }, /* IPv4-compatible: long deprecated */
        { "::fffe:192.0.2.1", NULL, 0 },
        { "64:ff9b:1::1", NULL, 0 }, /* RFC 8215: local, its layout is not known */
        { "2001:1::1", NULL, 0 },
        { "2003::1", NULL, 0 },
        { "2001:db8::1", NULL, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct addr addr = parsed(rows[i].v6), v4 = { .family = 77 };
        assert_int_equal(addr_fold(&addr, &v4), rows[i].lead);
        if (rows[i].v4 == NULL) {
            assert_int_equal(v4.family, 77);
            continue;
        }
        struct addr expected = parsed(rows[i].v4);
        assert_true(addr_eq(&v4, &expected));
    }
    struct addr plain = parsed("192.0.2.1"), v4;
    assert_int_equal(addr_fold(&plain, &v4), 0);
}

static void test_addr_unmap_only_mapped(void **state)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        { "::ffff:192.0.2.1", "192.0.2.1" },
        { "192.0.2.1", "192.0.2.1" },
        { "2001:db8::1", "2001:db8::1" },
        { "64:ff9b::192.0.2.1", "64:ff9b::192.0.2.1" },
        { "2001:0:4136:e378:8000:ffbf:3fff:fdfe", "2001:0:4136:e378:8000:ffbf:3fff:fdfe" },
        { "::fffe:192.0.2.1", "::fffe:192.0.2.1" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct addr from = parsed(rows[i].from), to = parsed(rows[i].to);
        struct addr got = addr_unmap(&from);
        assert_true(addr_eq(&got, &to));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addr_parse_and_format),
        cmocka_unit_test(test_addr_parse_rejects),
        cmocka_unit_test(test_addr_parse_stops_at_the_view_end),
        cmocka_unit_test(test_addr_format_parse_random),
        cmocka_unit_test(test_addr_bit_counts_from_the_left),
        cmocka_unit_test(test_addr_v4_u32_is_host_order),
        cmocka_unit_test(test_addr_eq_tells_families_apart),
        cmocka_unit_test(test_addr_sockaddr_round_trip),
        cmocka_unit_test(test_addr_fold_each_form),
        cmocka_unit_test(test_addr_unmap_only_mapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
