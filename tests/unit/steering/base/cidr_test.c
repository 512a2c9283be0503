/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/cidr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/base/rng.h"

static void test_cidr_parse_rows(void **state)
{
    static const struct {
        const char *text;
        enum cidr_problem problem;
        const char *formatted; /* NULL: untouched */
    } rows[] = {
        { "203.0.113.0/24", CIDR_FINE, "203.0.113.0/24" },
        { "0.0.0.0/0", CIDR_FINE, "0.0.0.0/0" },
        { "::/0", CIDR_FINE, "::/0" },
        { "1.2.3.4", CIDR_FINE, "1.2.3.4/32" },
        { "1.2.3.4/32", CIDR_FINE, "1.2.3.4/32" },
        { "2001:db8::1", CIDR_FINE, "2001:db8::1/128" },
        { "2001:db8::/32", CIDR_FINE, "2001:db8::/32" },
        { "203.0.113.9/24", CIDR_HOST_BITS, "203.0.113.0/24" },
        { "2001:db8::1/127", CIDR_HOST_BITS, "2001:db8::/127" },
        { "128.0.0.0/0", CIDR_HOST_BITS, "0.0.0.0/0" },
        { "1.2.3.4/33", CIDR_SYNTAX, NULL },
        { "2001:db8::/129", CIDR_SYNTAX, NULL },
        { "1.2.3.4/", CIDR_SYNTAX, NULL },
        { "/8", CIDR_SYNTAX, NULL },
        { "1.2.3.4/-1", CIDR_SYNTAX, NULL },
        { "1.2.3.4/+8", CIDR_SYNTAX, NULL },
        { "1.0.0.0/08", CIDR_SYNTAX, NULL },
        { "1.2.3.4/8/8", CIDR_SYNTAX, NULL },
        { "1.2.3/24", CIDR_SYNTAX, NULL },
        { "10.0.0.0 /8", CIDR_SYNTAX, NULL },
        { "", CIDR_SYNTAX, NULL },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cidr cidr = { .bits = 200 };
        char text[CIDR_TEXT_MAX];
        assert_int_equal(cidr_parse(str_from(rows[i].text), &cidr), rows[i].problem);
        if (rows[i].formatted == NULL)
            assert_int_equal(cidr.bits, 200);
        else
            assert_string_equal(cidr_format(&cidr, text), rows[i].formatted);
    }
}

static struct addr random_addr(struct rng *rng, uint8_t family)
{
    struct addr addr = { .family = family };
    for (unsigned i = 0; i < (family == ADDR_V4 ? 4 : 16); i++)
        addr.bytes[i] = (uint8_t)rng_next(rng);
    return addr;
}

static bool has_twin(const struct cidr *cidr, const struct addr *addr)
{
    if (cidr->addr.family != addr->family)
        return false;
    for (unsigned at = 0; at < cidr->bits; at++)
        if (addr_bit(&cidr->addr, at) != addr_bit(addr, at))
            return false;
    return true;
}

/* An address that agrees with `addr` in its first `shared` bits, and not in the next. */
static struct addr flipped(const struct addr *addr, unsigned shared)
{
    struct addr other = *addr;
    if (shared < addr_max_bits(addr))
        other.bytes[shared / 8] ^= (uint8_t)(0x80u >> shared % 8);
    return other;
}

static void test_cidr_make_and_has_bit_by_bit(void **state)
{
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (unsigned round = 0; round < 200; round++) {
        struct addr addr = random_addr(&rng, (uint8_t)(round % 2));
        unsigned most = addr_max_bits(&addr);
        for (unsigned bits = 0; bits <= most; bits++) {
            struct cidr cidr = cidr_make(&addr, bits);
            assert_int_equal(cidr.bits, bits);
            for (unsigned at = 0; at < most; at++)
                assert_int_equal(addr_bit(&cidr.addr, at), at < bits ? addr_bit(&addr, at) : 0);
            unsigned shared = (unsigned)rng_below(&rng, most + 1);
            struct addr other = flipped(&addr, shared);
            assert_true(cidr_has(&cidr, &addr));
            assert_int_equal(cidr_has(&cidr, &other), has_twin(&cidr, &other));
            assert_int_equal(cidr_has(&cidr, &other), shared >= bits);
        }
    }
}

static void test_cidr_make_cuts_bits(void **state)
{
    struct addr v4 = { .family = ADDR_V4, .bytes = { 1, 2, 3, 4 } };
    (void)state;
    assert_int_equal(cidr_make(&v4, 128).bits, 32);
}

static void test_cidr_has_and_eq_tell_families_apart(void **state)
{
    struct cidr v4 = { .addr.family = ADDR_V4 }, v6 = { .addr.family = ADDR_V6 };
    (void)state;
    assert_false(cidr_has(&v4, &v6.addr));
    assert_false(cidr_has(&v6, &v4.addr));
    assert_false(cidr_eq(&v4, &v6));
    assert_true(cidr_eq(&v4, &v4));
    struct cidr longer = v4;
    longer.bits = 1;
    assert_false(cidr_eq(&v4, &longer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cidr_parse_rows),
        cmocka_unit_test(test_cidr_make_and_has_bit_by_bit),
        cmocka_unit_test(test_cidr_make_cuts_bits),
        cmocka_unit_test(test_cidr_has_and_eq_tell_families_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
