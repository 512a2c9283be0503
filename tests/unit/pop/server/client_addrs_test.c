/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "pop/server/client_addrs.h"
#include "steering/base/mem.h"
#include "steering/base/rng.h"

static struct addr addr_of(const char *text)
{
    struct addr addr = { .family = ADDR_V4 };
    assert_true(addr_parse(str_from(text), &addr));
    return addr;
}

static void test_count_sees_a_v6_client_as_its_64(void **state)
{
    (void)state;
    static const char *const texts[] = { "203.0.113.1", "203.0.113.2", "2001:db8::1",
                                         "2001:db8::ffff:1", "2001:db8:0:1::1" };
    static const size_t counts[] = { 1, 1, 2, 2, 1 };
    struct client_addrs addrs;
    struct client_member members[ARRAY_SIZE(texts)] = { { .next = NULL } };
    client_addrs_init(&addrs, 1, 7);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct addr addr = addr_of(texts[i]);
        client_addrs_add(&addrs, &members[i], &addr);
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct addr addr = addr_of(texts[i]);
        assert_int_equal(client_addrs_count(&addrs, &addr, 10), counts[i]);
        assert_int_equal(client_addrs_count(&addrs, &addr, 1), 1);
    }
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        client_addrs_remove(&addrs, &members[i]);
    client_addrs_remove(&addrs, &members[0]); /* who is not in it is left alone */
    client_addrs_fini(&addrs);
}

/* Against plain counters, over random comings and goings. */
static void test_count_agrees_with_a_list(void **state)
{
    (void)state;
    enum { MEMBERS = 64, ADDRS = 9, ROUNDS = 5000 };
    uint64_t seed = rng_seed();
    print_message("seed %llu\n", (unsigned long long)seed);
    struct rng rng = rng_init(seed);
    struct client_addrs addrs;
    struct client_member members[MEMBERS] = { { .next = NULL } };
    size_t at[MEMBERS], counts[ADDRS] = { 0 };
    client_addrs_init(&addrs, 4, rng_next(&rng));
    for (int round = 0; round < ROUNDS; round++) {
        size_t i = rng_below(&rng, MEMBERS);
        if (members[i].link != NULL) {
            client_addrs_remove(&addrs, &members[i]);
            counts[at[i]]--;
        } else {
            at[i] = rng_below(&rng, ADDRS);
            struct addr addr = addr_from_v4_u32(0xCB007100u + (uint32_t)at[i]);
            client_addrs_add(&addrs, &members[i], &addr);
            counts[at[i]]++;
        }
        size_t asked = rng_below(&rng, ADDRS);
        struct addr addr = addr_from_v4_u32(0xCB007100u + (uint32_t)asked);
        assert_int_equal(client_addrs_count(&addrs, &addr, MEMBERS), counts[asked]);
    }
    for (size_t i = 0; i < MEMBERS; i++)
        client_addrs_remove(&addrs, &members[i]);
    client_addrs_fini(&addrs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_sees_a_v6_client_as_its_64),
        cmocka_unit_test(test_count_agrees_with_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
