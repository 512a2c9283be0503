/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "steering/base/mem.h"

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)

static struct link make(const struct link_settings *settings)
{
    struct link link;
    link_init(&link, settings, 7);
    return link;
}

static void test_offer_adds_the_delay(void **state)
{
    struct link_settings settings = link_settings_default();
    uint64_t exit_ns = 0;
    (void)state;
    settings.delay_ns = 15 * MS_NS;
    struct link link = make(&settings);
    assert_int_equal(link_offer(&link, 100, 5, &exit_ns), LINK_PASSES);
    assert_int_equal(exit_ns, 15 * MS_NS + 5);
    assert_int_equal(link.fate_count[LINK_PASSES], 1);
    assert_int_equal(link.byte_count, 100);
}

static void test_offer_sends_at_the_rate(void **state)
{
    struct link_settings settings = link_settings_default();
    uint64_t exit_ns = 0;
    (void)state;
    settings.rate_bit_s = 8000000; /* a byte per microsecond */
    settings.queue_bytes = 3000;
    settings.delay_ns = MS_NS;
    struct link link = make(&settings);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(link_offer(&link, 1000, 0, &exit_ns), LINK_PASSES);
        assert_int_equal(exit_ns, i * MS_NS + MS_NS);
    }
    assert_int_equal(link_queued_bytes(&link, 0), 3000);
    assert_int_equal(link_offer(&link, 1, 0, &exit_ns), LINK_DROPS_QUEUE);
    assert_int_equal(link_queued_bytes(&link, MS_NS), 2000);
    assert_int_equal(link_offer(&link, 1000, MS_NS, &exit_ns), LINK_PASSES);
    assert_int_equal(exit_ns, 5 * MS_NS);
    assert_int_equal(link_queued_bytes(&link, SECOND_NS), 0);
}

static void test_offer_drops_by_mtu_and_blackhole(void **state)
{
    struct link_settings settings = link_settings_default();
    uint64_t exit_ns = 77;
    (void)state;
    struct link link = make(&settings);
    assert_int_equal(link_offer(&link, 1501, 0, &exit_ns), LINK_DROPS_MTU);
    assert_int_equal(link_offer(&link, 1500, 0, &exit_ns), LINK_PASSES);
    settings.is_blackhole = 1;
    link_change(&link, &settings, 1);
    exit_ns = 77;
    assert_int_equal(link_offer(&link, 100, 2, &exit_ns), LINK_DROPS_BLACKHOLE);
    assert_int_equal(exit_ns, 77);
    settings.is_blackhole = 0;
    link_change(&link, &settings, 3);
    assert_int_equal(link_offer(&link, 100, 4, &exit_ns), LINK_PASSES);
}

static void test_change_of_the_rate_keeps_the_queue(void **state)
{
    struct link_settings settings = link_settings_default();
    uint64_t exit_ns = 0;
    (void)state;
    settings.rate_bit_s = 8000000;
    struct link link = make(&settings);
    assert_int_equal(link_offer(&link, 1000, 0, &exit_ns), LINK_PASSES);
    settings.rate_bit_s = 4000000;
    link_change(&link, &settings, MS_NS / 2);
    assert_int_equal(link_queued_bytes(&link, MS_NS / 2), 500);
    assert_int_equal(link.free_ns, MS_NS / 2 + MS_NS);
}

/* A shorter delay must not let later packets overtake. */
static void test_change_of_the_delay_keeps_the_order(void **state)
{
    struct link_settings settings = link_settings_default();
    uint64_t first_ns = 0, second_ns = 0;
    (void)state;
    settings.delay_ns = 50 * MS_NS;
    struct link link = make(&settings);
    assert_int_equal(link_offer(&link, 100, 0, &first_ns), LINK_PASSES);
    settings.delay_ns = MS_NS;
    link_change(&link, &settings, 1);
    assert_int_equal(link_offer(&link, 100, 2, &second_ns), LINK_PASSES);
    assert_true(second_ns >= first_ns);
    assert_int_equal(link_offer(&link, 100, 60 * MS_NS, &second_ns), LINK_PASSES);
    assert_int_equal(second_ns, 61 * MS_NS);
}

/* ---- statistics ----------------------------------------------------------------------------- */

static void test_offer_loses_the_share(void **state)
{
    static const uint64_t shares_ppm[] = { 0, 10000, 250000, 1000000 };
    enum { COUNT = 100000 };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(shares_ppm); i++) {
        struct link_settings settings = link_settings_default();
        uint64_t exit_ns = 0;
        settings.loss_ppm = shares_ppm[i];
        struct link link = make(&settings);
        for (unsigned k = 0; k < COUNT; k++)
            (void)link_offer(&link, 100, k, &exit_ns);
        /* Six standard deviations of 25 %: 820. The seed is fixed, so this holds or does not. */
        double wanted = (double)shares_ppm[i] * COUNT / 1e6;
        double lost = (double)link.fate_count[LINK_DROPS_LOSS];
        assert_true(lost > wanted - 821 && lost < wanted + 821);
        assert_int_equal(lost == 0, shares_ppm[i] == 0);
        assert_int_equal(lost == COUNT, shares_ppm[i] == 1000000);
    }
}

static void test_offer_repeats_itself_by_seed(void **state)
{
    struct link_settings settings = link_settings_default();
    (void)state;
    settings.delay_ns = 20 * MS_NS;
    settings.jitter_ns = 5 * MS_NS;
    settings.loss_ppm = 100000;
    settings.reorder_ppm = 100000;
    struct link one = make(&settings), two = make(&settings), other;
    link_init(&other, &settings, 8);
    unsigned differences = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t exits_ns[3] = { 0, 0, 0 };
        enum link_fate fate = link_offer(&one, 100, i * MS_NS, &exits_ns[0]);
        assert_int_equal(link_offer(&two, 100, i * MS_NS, &exits_ns[1]), fate);
        assert_int_equal(exits_ns[0], exits_ns[1]);
        (void)link_offer(&other, 100, i * MS_NS, &exits_ns[2]);
        differences += exits_ns[2] != exits_ns[0];
    }
    assert_true(differences > 900);
}

static void test_jitter_stays_in_its_bounds_and_uses_them(void **state)
{
    struct link_settings settings = link_settings_default();
    int64_t least_ns = 0, most_ns = 0;
    double sum_ns = 0;
    enum { COUNT = 100000 };
    (void)state;
    settings.delay_ns = 20 * MS_NS;
    settings.jitter_ns = 5 * MS_NS;
    struct link link = make(&settings);
    int64_t before_ns = 0;
    for (unsigned i = 0; i < COUNT; i++) {
        int64_t jitter_ns = link_jitter_ns(&link, i * MS_NS);
        /* At most half of the time that has passed: packets need not be told to keep in order. */
        if (i > 0)
            assert_true(llabs(jitter_ns - before_ns) <= (int64_t)(MS_NS / 2) + 1);
        before_ns = jitter_ns;
        least_ns = jitter_ns < least_ns ? jitter_ns : least_ns;
        most_ns = jitter_ns > most_ns ? jitter_ns : most_ns;
        sum_ns += (double)jitter_ns;
    }
    assert_true(least_ns >= -(int64_t)(5 * MS_NS) && most_ns <= (int64_t)(5 * MS_NS));
    assert_true(least_ns < -(int64_t)(4 * MS_NS) && most_ns > (int64_t)(4 * MS_NS));
    assert_true(sum_ns / COUNT > -0.5e6 && sum_ns / COUNT < 0.5e6);
}

static void test_jitter_keeps_the_order_and_reordering_does_not(void **state)
{
    (void)state;
    for (unsigned share_ppm = 0; share_ppm <= 50000; share_ppm += 50000) {
        struct link_settings settings = link_settings_default();
        uint64_t highest_ns = 0;
        unsigned overtaken = 0;
        settings.delay_ns = 20 * MS_NS;
        settings.jitter_ns = 20 * MS_NS;
        settings.reorder_ppm = share_ppm;
        struct link link = make(&settings);
        for (unsigned i = 0; i < 100000; i++) {
            uint64_t exit_ns = 0;
            assert_int_equal(link_offer(&link, 100, i * 100000u, &exit_ns), LINK_PASSES);
            overtaken += exit_ns < highest_ns;
            highest_ns = exit_ns > highest_ns ? exit_ns : highest_ns;
        }
        assert_int_equal(overtaken > 0, share_ppm > 0);
        assert_int_equal(link.reordered_count > 0, share_ppm > 0);
    }
}

/* ---- the twin: a queue with real packets ------------------------------------------------------
 */

enum { TWIN_MAX = 4096 };

struct twin {
    uint64_t left[TWIN_MAX]; /* of each packet, in bits times nanoseconds per second */
    size_t first, last;
    uint64_t at_ns;
};

/* Sends what the rate sends until `now_ns`. */
static void twin_advance(struct twin *twin, uint64_t rate_bit_s, uint64_t now_ns)
{
    uint64_t can = (now_ns - twin->at_ns) * rate_bit_s;
    twin->at_ns = now_ns;
    while (twin->first < twin->last && can > 0) {
        uint64_t *head = &twin->left[twin->first % TWIN_MAX];
        uint64_t sent = can < *head ? can : *head;
        *head -= sent;
        can -= sent;
        if (*head == 0)
            twin->first++;
    }
}

static uint64_t twin_left(const struct twin *twin)
{
    uint64_t left = 0;
    for (size_t i = twin->first; i < twin->last; i++)
        left += twin->left[i % TWIN_MAX];
    return left;
}

/* Whether the packet fits; `*out_sent_ns`: when its last bit has been sent. */
static bool twin_offer(struct twin *twin, const struct link_settings *settings, size_t size_bytes,
                       uint64_t now_ns, uint64_t *out_sent_ns)
{
    uint64_t unit = 8 * SECOND_NS;
    twin_advance(twin, settings->rate_bit_s, now_ns);
    if ((twin_left(twin) + unit - 1) / unit + size_bytes > settings->queue_bytes)
        return false;
    twin->left[twin->last++ % TWIN_MAX] = size_bytes * unit;
    *out_sent_ns = now_ns + twin_left(twin) / settings->rate_bit_s;
    return true;
}

static void compare_with_twin(struct rng *rng)
{
    /* Rates at which a byte takes a whole number of nanoseconds: then both are exact. */
    static const uint64_t rates[] = { 1000, 1000000, 8000000, 10000000, 100000000, 1000000000 };
    struct link_settings settings = link_settings_default();
    static struct twin twin;
    uint64_t now_ns = 0;
    settings.rate_bit_s = rates[rng_below(rng, ARRAY_SIZE(rates))];
    settings.queue_bytes = 1500 + rng_below(rng, 20000);
    settings.delay_ns = rng_below(rng, 100 * MS_NS);
    struct link link = make(&settings);
    twin = (struct twin){ .at_ns = 0 };
    for (unsigned i = 0; i < 2000; i++) {
        size_t size_bytes = 20 + rng_below(rng, 1481);
        uint64_t exit_ns = 0, sent_ns = 0;
        /* On average, the gap sends a packet. */
        now_ns += rng_below(rng, 2 * 760 * 8 * SECOND_NS / settings.rate_bit_s);
        bool fits = twin_offer(&twin, &settings, size_bytes, now_ns, &sent_ns);
        enum link_fate fate = link_offer(&link, size_bytes, now_ns, &exit_ns);
        assert_int_equal(fate, fits ? LINK_PASSES : LINK_DROPS_QUEUE);
        if (fits)
            assert_int_equal(exit_ns, sent_ns + settings.delay_ns);
    }
}

static void test_offer_agrees_with_twin(void **state)
{
    uint64_t seed = rng_seed();
    struct rng rng = rng_init(seed);
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    for (unsigned i = 0; i < 100; i++)
        compare_with_twin(&rng);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offer_adds_the_delay),
        cmocka_unit_test(test_offer_sends_at_the_rate),
        cmocka_unit_test(test_offer_drops_by_mtu_and_blackhole),
        cmocka_unit_test(test_change_of_the_rate_keeps_the_queue),
        cmocka_unit_test(test_change_of_the_delay_keeps_the_order),
        cmocka_unit_test(test_offer_loses_the_share),
        cmocka_unit_test(test_offer_repeats_itself_by_seed),
        cmocka_unit_test(test_jitter_stays_in_its_bounds_and_uses_them),
        cmocka_unit_test(test_jitter_keeps_the_order_and_reordering_does_not),
        cmocka_unit_test(test_offer_agrees_with_twin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
