/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/link.h"

#include <assert.h>

#include "steering/base/hash.h"

#define SECOND_NS 1000000000u
#define PPM 1000000u
/* From one random jitter to the next. It is longer where the jitter is large, so that the delay
 * never shrinks by more than half a second per second: packets stay in order. */
#define JITTER_STEP_NS 10000000u

void link_init(struct link *link, const struct link_settings *settings, uint64_t seed)
{
    *link = (struct link){ .settings = *settings, .seed = seed, .rng = rng_init(seed) };
}

/* Bits times a second stay below 2^64 because of the ceiling of the queue: 1 GiB. */
static uint64_t transmit_ns(uint64_t size_bytes, uint64_t rate_bit_s)
{
    return rate_bit_s == 0 ? 0 : (size_bytes * 8 * SECOND_NS + rate_bit_s - 1) / rate_bit_s;
}

uint64_t link_queued_bytes(const struct link *link, uint64_t now_ns)
{
    if (link->free_ns <= now_ns || link->settings.rate_bit_s == 0)
        return 0;
    /* Rounded up: a started byte is still in the queue. */
    uint64_t bit_ns = (link->free_ns - now_ns) * link->settings.rate_bit_s;
    return (bit_ns + 8ull * SECOND_NS - 1) / (8ull * SECOND_NS);
}

void link_change(struct link *link, const struct link_settings *settings, uint64_t now_ns)
{
    uint64_t queued = link_queued_bytes(link, now_ns);
    link->settings = *settings;
    link->free_ns = now_ns + transmit_ns(queued, settings->rate_bit_s);
}

/* The random value at the start of step `step`. */
static int64_t jitter_at(const struct link *link, uint64_t step)
{
    uint64_t width = 2 * link->settings.jitter_ns + 1;
    return (int64_t)(hash_mix(link->seed ^ hash_mix(step)) % width) -
           (int64_t)link->settings.jitter_ns;
}

int64_t link_jitter_ns(const struct link *link, uint64_t now_ns)
{
    uint64_t jitter = link->settings.jitter_ns;
    if (jitter == 0)
        return 0;
    uint64_t step_ns = 4 * jitter > JITTER_STEP_NS ? 4 * jitter : JITTER_STEP_NS;
    double part = (double)(now_ns % step_ns) / (double)step_ns;
    double from = (double)jitter_at(link, now_ns / step_ns);
    double to = (double)jitter_at(link, now_ns / step_ns + 1);
    return (int64_t)(from + (to - from) * part);
}

/* Whether something happens that has `share_ppm` of happening. */
static bool happens(struct link *link, uint64_t share_ppm)
{
    return share_ppm > 0 && rng_below(&link->rng, PPM) < share_ppm;
}

static enum link_fate decide(struct link *link, size_t size_bytes, uint64_t now_ns)
{
    const struct link_settings *settings = &link->settings;
    if (settings->is_blackhole != 0)
        return LINK_DROPS_BLACKHOLE;
    if (size_bytes > settings->mtu_bytes)
        return LINK_DROPS_MTU;
    if (settings->rate_bit_s > 0) {
        if (link_queued_bytes(link, now_ns) + size_bytes > settings->queue_bytes)
            return LINK_DROPS_QUEUE;
        uint64_t start_ns = link->free_ns > now_ns ? link->free_ns : now_ns;
        link->free_ns = start_ns + transmit_ns(size_bytes, settings->rate_bit_s);
    } else {
        link->free_ns = now_ns;
    }
    /* On the wire: a lost packet has taken its share of the rate. */
    return happens(link, settings->loss_ppm) ? LINK_DROPS_LOSS : LINK_PASSES;
}

enum link_fate link_offer(struct link *link, size_t size_bytes, uint64_t now_ns,
                          uint64_t *out_exit_ns)
{
    enum link_fate fate = decide(link, size_bytes, now_ns);
    link->fate_count[fate]++;
    if (fate != LINK_PASSES)
        return fate;
    uint64_t exit_ns = link->free_ns + link->settings.delay_ns;
    exit_ns = (uint64_t)((int64_t)exit_ns + link_jitter_ns(link, link->free_ns));
    if (happens(link, link->settings.reorder_ppm)) {
        link->reordered_count++;
        exit_ns += link->settings.hold_ns;
    } else {
        /* Settings that change under way must not reorder either. */
        if (exit_ns < link->last_exit_ns)
            exit_ns = link->last_exit_ns;
        link->last_exit_ns = exit_ns;
    }
    link->byte_count += size_bytes;
    *out_exit_ns = exit_ns;
    return LINK_PASSES;
}

const char *link_fate_name(enum link_fate fate)
{
    static const char *const names[LINK_FATE_COUNT] = { "passed", "blackhole", "mtu", "queue",
                                                        "loss" };
    assert(fate < LINK_FATE_COUNT);
    return names[fate];
}
