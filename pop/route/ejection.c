/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/route/ejection.h"

enum { TIMES_MAX = 16 };

static bool is_failing_status(uint16_t status)
{
    return status == 502 || status == 503 || status == 504;
}

static enum ejection_verdict judge_error(enum http_error error)
{
    switch (error) {
    case HTTP_ERROR_CANCELLED:
    case HTTP_ERROR_REFUSED: /* busy or leaving, and honest about it */
    case HTTP_ERROR_GOAWAY:
    case HTTP_ERROR_ENHANCE_YOUR_CALM: /* about what we did */
    case HTTP_ERROR_TOO_LARGE:         /* about one response */
        return EJECTION_NEUTRAL;
    case HTTP_ERROR_NONE:
    case HTTP_ERROR_PROTOCOL:
    case HTTP_ERROR_RESET:
    case HTTP_ERROR_CLOSED:
    case HTTP_ERROR_TIMEOUT:
    case HTTP_ERROR_INTERNAL:
        break;
    }
    return EJECTION_FAILURE;
}

enum ejection_verdict ejection_judge(const struct ejection_evidence *evidence)
{
    if (evidence->is_connect_failure)
        return EJECTION_FAILURE;
    if (evidence->is_client_fault || evidence->is_not_processed)
        return EJECTION_NEUTRAL;
    if (evidence->error != HTTP_ERROR_NONE)
        return judge_error(evidence->error);
    if (evidence->status == 0)
        return EJECTION_NEUTRAL;
    return is_failing_status(evidence->status) ? EJECTION_FAILURE : EJECTION_SUCCESS;
}

bool ejection_is_out(const struct ejection *ejection, uint64_t now_ms)
{
    return ejection->until_ms != 0 && now_ms < ejection->until_ms;
}

bool ejection_poll(struct ejection *ejection, uint64_t now_ms)
{
    if (ejection->until_ms == 0 || now_ms < ejection->until_ms)
        return false;
    ejection->back_at_ms = now_ms;
    ejection->until_ms = 0;
    ejection->failures = 0;
    ejection->is_on_probation = true;
    return true;
}

void ejection_pardon(struct ejection *ejection, uint64_t now_ms)
{
    if (!ejection_is_out(ejection, now_ms))
        return;
    ejection->until_ms = now_ms;
    ejection_poll(ejection, now_ms);
}

/* `eject_ms` x 2^(times - 1), and up to a quarter more, so that peers that went together do not
 * come back together. */
static uint64_t duration_ms(const struct ejection *ejection,
                            const struct ejection_settings *settings, struct rng *rng)
{
    uint64_t duration = settings->eject_ms;
    for (uint32_t i = 1; i < ejection->times && duration < EJECTION_MAX_MS; i++)
        duration *= 2;
    if (duration > EJECTION_MAX_MS)
        duration = EJECTION_MAX_MS;
    return duration + rng_below(rng, duration / 4 + 1);
}

static void observe_success(struct ejection *ejection, uint64_t now_ms)
{
    ejection->failures = 0;
    ejection->is_on_probation = false;
    /* In for as long as it was out: what was before does not count any more. */
    if (ejection->until_ms == 0 && now_ms >= ejection->back_at_ms + ejection->duration_ms)
        ejection->times = 0;
}

bool ejection_observe(struct ejection *ejection, const struct ejection_settings *settings,
                      enum ejection_verdict verdict, struct ejection_pool pool, uint64_t now_ms,
                      struct rng *rng)
{
    /* What still comes from requests of the time before says nothing new. */
    if (ejection_is_out(ejection, now_ms) || verdict == EJECTION_NEUTRAL)
        return false;
    ejection_poll(ejection, now_ms);
    if (verdict == EJECTION_SUCCESS) {
        observe_success(ejection, now_ms);
        return false;
    }
    if (ejection->failures < UINT32_MAX)
        ejection->failures++;
    bool is_due = ejection->is_on_probation || ejection->failures >= settings->failures;
    bool may_go = settings->failures > 0 && 2 * (pool.out + 1) <= pool.peers;
    if (!is_due || !may_go)
        return false;
    if (ejection->times < TIMES_MAX)
        ejection->times++;
    ejection->duration_ms = duration_ms(ejection, settings, rng);
    ejection->until_ms = now_ms + ejection->duration_ms;
    return true;
}
