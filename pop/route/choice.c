/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/choice.h"

#include <math.h>

/* Of a new sample in the moving average; how much worse may look the same; from where on load
 * counts; how much worse a peer on probation looks at first. */
static const double sample_weight = 0.2;
static const double same_ratio = 1.25;
static const double free_load_percent = 50;
static const double load_steepness = 6;
static const double probation_penalty = 3;
static const double error_penalty = 2;

void choice_init(struct choice_stats *stats, bool is_on_probation, uint64_t now_ms)
{
    *stats = (struct choice_stats){
        .load_percent = CHOICE_NO_LOAD,
        .is_on_probation = is_on_probation,
        .probation_since_ms = now_ms,
    };
}

void choice_start_probation(struct choice_stats *stats, uint64_t now_ms)
{
    stats->is_on_probation = true;
    stats->probation_since_ms = now_ms;
    /* What was measured before it went away says little about what came back. */
    stats->latency_us = 0;
    stats->errors = 0;
    stats->load_percent = CHOICE_NO_LOAD;
}

void choice_begun(struct choice_stats *stats)
{
    stats->in_flight++;
}

static double decayed(double value, uint64_t since_ms, uint64_t now_ms, double half_life_ms)
{
    if (value <= 0 || now_ms <= since_ms)
        return value;
    return value * exp2(-(double)(now_ms - since_ms) / half_life_ms);
}

void choice_ended(struct choice_stats *stats, const struct choice_outcome *outcome, uint64_t now_ms)
{
    if (stats->in_flight > 0)
        stats->in_flight--;
    if (outcome->is_failure) {
        stats->errors =
            decayed(stats->errors, stats->errors_at_ms, now_ms, CHOICE_ERROR_HALF_LIFE_MS) + 1;
        stats->errors_at_ms = now_ms;
    } else if (outcome->first_byte_us > 0) {
        /* Failures are often fast, and would make a broken peer look good. */
        double sample = (double)outcome->first_byte_us;
        stats->latency_us +=
            stats->latency_us > 0 ? sample_weight * (sample - stats->latency_us) : sample;
        stats->latency_at_ms = now_ms;
    }
    if (outcome->load_percent != CHOICE_NO_LOAD) {
        stats->load_percent = outcome->load_percent;
        stats->load_at_ms = now_ms;
    }
}

static double load_factor(const struct choice_stats *stats, uint64_t now_ms)
{
    bool is_valid =
        stats->load_percent != CHOICE_NO_LOAD && now_ms < stats->load_at_ms + CHOICE_LOAD_VALID_MS;
    if (!is_valid || stats->load_percent <= free_load_percent)
        return 1;
    /* 2.5 times at 75 %, 7 times at 100 %, 25 times at 150 %. */
    double above = ((double)stats->load_percent - free_load_percent) / free_load_percent;
    return 1 + load_steepness * above * above;
}

static double probation_factor(const struct choice_stats *stats, uint64_t now_ms)
{
    if (!stats->is_on_probation || now_ms >= stats->probation_since_ms + CHOICE_PROBATION_MS)
        return 1;
    uint64_t since_ms = now_ms > stats->probation_since_ms ? now_ms - stats->probation_since_ms : 0;
    return 1 + probation_penalty * (1 - (double)since_ms / CHOICE_PROBATION_MS);
}

double choice_score(const struct choice_stats *stats, double latency_us, uint64_t now_ms)
{
    if (stats->latency_us > 0)
        latency_us = decayed(stats->latency_us, stats->latency_at_ms, now_ms, CHOICE_FORGET_MS);
    if (latency_us < 1)
        latency_us = 1;
    double errors = decayed(stats->errors, stats->errors_at_ms, now_ms, CHOICE_ERROR_HALF_LIFE_MS);
    return ((double)stats->in_flight + 1) * latency_us * load_factor(stats, now_ms) *
           (1 + error_penalty * errors) * probation_factor(stats, now_ms);
}

/* Is the first of the two better? */
static bool is_better(const struct choice_stats *a, const struct choice_stats *b, uint64_t now_ms,
                      struct rng *rng)
{
    /* Who was never measured is taken to be like the other. */
    double score_a = choice_score(a, b->latency_us, now_ms);
    double score_b = choice_score(b, a->latency_us, now_ms);
    if (score_a < score_b * same_ratio && score_b < score_a * same_ratio)
        return rng_below(rng, 2) == 0;
    return score_a < score_b;
}

/* The index of usable peer number `nth`. */
static size_t nth_usable(const struct choice_peer *peers, size_t count, size_t nth)
{
    for (size_t i = 0; i < count; i++)
        if (peers[i].is_usable && nth-- == 0)
            return i;
    return CHOICE_NONE;
}

size_t choice_pick(const struct choice_peer *peers, size_t count, uint64_t now_ms, struct rng *rng)
{
    size_t usable = 0;
    for (size_t i = 0; i < count; i++)
        usable += peers[i].is_usable;
    if (usable < 2)
        return nth_usable(peers, count, 0);
    size_t first = rng_below(rng, usable);
    size_t second = rng_below(rng, usable - 1);
    second += second >= first;
    first = nth_usable(peers, count, first);
    second = nth_usable(peers, count, second);
    return is_better(peers[first].stats, peers[second].stats, now_ms, rng) ? first : second;
}
