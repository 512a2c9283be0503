/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/retry_budget.h"

enum { MILLI = 1000, CEILING_S = 10 };

struct retry_budget retry_budget_init(uint32_t percent, uint32_t min_per_s, uint64_t now_ms)
{
    /* With a share of traffic but no minimum there must be room for that share, too. */
    uint64_t ceiling = (uint64_t)min_per_s * CEILING_S;
    if (ceiling == 0 && percent > 0)
        ceiling = CEILING_S;
    return (struct retry_budget){
        .milli_tokens = ceiling * MILLI,
        .max_milli_tokens = ceiling * MILLI,
        .percent = percent,
        .min_per_s = min_per_s,
        .filled_at_ms = now_ms,
    };
}

static void add(struct retry_budget *budget, uint64_t milli_tokens)
{
    uint64_t room = budget->max_milli_tokens - budget->milli_tokens;
    budget->milli_tokens += milli_tokens < room ? milli_tokens : room;
}

void retry_budget_feed(struct retry_budget *budget)
{
    add(budget, (uint64_t)budget->percent * MILLI / 100);
}

/* min_per_s a second is as many thousandths a millisecond. */
static void fill(struct retry_budget *budget, uint64_t now_ms)
{
    if (now_ms <= budget->filled_at_ms)
        return;
    uint64_t elapsed_ms = now_ms - budget->filled_at_ms;
    if (elapsed_ms > CEILING_S * MILLI)
        elapsed_ms = CEILING_S * MILLI;
    budget->filled_at_ms = now_ms;
    add(budget, elapsed_ms * budget->min_per_s);
}

bool retry_budget_take(struct retry_budget *budget, uint64_t now_ms)
{
    fill(budget, now_ms);
    if (budget->milli_tokens < MILLI)
        return false;
    budget->milli_tokens -= MILLI;
    return true;
}

bool retry_budget_has(struct retry_budget *budget, uint64_t now_ms)
{
    fill(budget, now_ms);
    return budget->milli_tokens >= MILLI;
}

uint64_t retry_budget_tokens(const struct retry_budget *budget)
{
    return budget->milli_tokens / MILLI;
}
