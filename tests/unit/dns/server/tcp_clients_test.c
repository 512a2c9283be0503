/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dns/server/tcp_clients.h"
#include "steering/base/rng.h"

enum { MEMBERS = 60, STEPS = 20000, ADDRESSES = 7 };

/* The twin: the same facts in a plain array. */
struct twin {
    bool is_in;
    struct addr addr;
    uint64_t active_ms;
};

static struct addr address(uint64_t number)
{
    struct addr addr = addr_from_v4_u32(0x0a000000 + (uint32_t)number);
    if (number % 2 == 1) { /* the same /64 for 1 and 3, another for 5 */
        addr = (struct addr){ .family = ADDR_V6, .bytes = { 0x20, 0x01, [15] = (uint8_t)number } };
        addr.bytes[7] = number > 4;
    }
    return addr;
}

static bool is_same_client(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, a->family == ADDR_V4 ? 4 : 8) == 0;
}

static void check(const struct tcp_clients *clients, const struct twin *twins,
                  const struct tcp_member *members)
{
    uint64_t oldest_ms = UINT64_MAX;
    size_t count = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        count += twins[i].is_in;
        if (twins[i].is_in && twins[i].active_ms < oldest_ms)
            oldest_ms = twins[i].active_ms;
    }
    assert_int_equal(clients->count, count);
    assert_int_equal(clients->oldest == NULL, count == 0);
    if (count > 0)
        assert_int_equal(clients->oldest->active_ms, oldest_ms);
    for (uint64_t number = 0; number < ADDRESSES; number++) {
        struct addr addr = address(number);
        struct tcp_member *oldest;
        size_t expected = 0, best = 0;
        uint64_t least = UINT64_MAX;
        for (size_t i = 0; i < MEMBERS; i++) {
            if (!twins[i].is_in || !is_same_client(&twins[i].addr, &addr))
                continue;
            expected++;
            if (twins[i].active_ms < least) {
                least = twins[i].active_ms;
                best = i;
            }
        }
        assert_int_equal(tcp_clients_of(clients, &addr, &oldest), expected);
        assert_ptr_equal(oldest, expected == 0 ? NULL : &members[best]);
    }
}

static void test_random_steps_agree_with_the_twin(void **state)
{
    (void)state;
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    struct twin twins[MEMBERS] = { 0 };
    struct tcp_member members[MEMBERS];
    struct tcp_clients clients;
    print_message("seed %llu\n", (unsigned long long)seed);
    tcp_clients_init(&clients, 4, rng_next(&rng)); /* few buckets: long chains */
    for (uint64_t now_ms = 1; now_ms < STEPS; now_ms++) {
        size_t at = rng_below(&rng, MEMBERS);
        if (!twins[at].is_in) {
            twins[at] = (struct twin){ true, address(rng_below(&rng, ADDRESSES)), now_ms };
            tcp_clients_add(&clients, &members[at], &twins[at].addr, now_ms);
        } else if (rng_below(&rng, 2) == 0) {
            twins[at].active_ms = now_ms;
            tcp_clients_touch(&clients, &members[at], now_ms);
        } else {
            twins[at].is_in = false;
            tcp_clients_remove(&clients, &members[at]);
        }
        if (now_ms % 50 == 0)
            check(&clients, twins, members);
    }
    tcp_clients_fini(&clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_steps_agree_with_the_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
