/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/score.h"

#include <stddef.h>

enum {
    REWARD = 2,
    ALLOWANCE_AT_FIRST = 200, /* setting up a connection: SETTINGS, windows, a priority tree */
    ALLOWANCE_MAX = 1000,
    ALLOWANCE_PER_CALL = 2,
    ALLOWANCE_PER_FRAME = 3, /* WINDOW_UPDATE for stream and connection, and one to spare */
};

static const struct price {
    uint32_t points;
    bool is_control;
    const char *word;
} prices[] = {
#define X(name, points, is_control, word) { points, is_control, word },
    SCORE_LIST(X)
#undef X
};

void score_init(struct score *score, uint32_t max)
{
    *score = (struct score){ .max = max, .allowance = ALLOWANCE_AT_FIRST };
}

static enum score_verdict verdict(const struct score *score)
{
    if (score->points >= score->max)
        return SCORE_CLOSE;
    return score->points >= score->max - score->max / 4 ? SCORE_DRAIN : SCORE_GOOD;
}

enum score_verdict score_charge(struct score *score, enum score_act act)
{
    const struct price *price = &prices[act];
    if (price->is_control && score->allowance >= price->points) {
        score->allowance -= price->points;
        return verdict(score);
    }
    enum score_verdict before = verdict(score);
    uint32_t room = score->max - score->points;
    score->points += price->points < room ? price->points : room;
    enum score_verdict after = verdict(score);
    if (after > before)
        score->reason = price->word;
    return after;
}

void score_reward(struct score *score)
{
    score->points -= score->points < REWARD ? score->points : REWARD;
}

void score_allow(struct score *score, uint32_t frames)
{
    uint64_t allowance =
        (uint64_t)score->allowance + ALLOWANCE_PER_CALL + (uint64_t)frames * ALLOWANCE_PER_FRAME;
    score->allowance = allowance < ALLOWANCE_MAX ? (uint32_t)allowance : ALLOWANCE_MAX;
}
