/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "steering/base/mem.h"
#include "tests/bench/latency/course.h"

/* WAITING --> FETCHING --> ASKING <--> PAUSING --> DONE
 *     `-----------------------^  (no ticket wanted) */
enum phase { WAITING = 1, FETCHING, ASKING, PAUSING, DONE };

struct sample {
    enum phase phase;
    uint64_t due_ns; /* WAITING, PAUSING */
    unsigned round;
    struct pool pool;
};

struct samples {
    const struct client_options *options;
    size_t count, done_count;
    struct sample *all;
};

struct samples *samples_new(const struct pool *model)
{
    struct samples *samples = mem_calloc(1, sizeof(*samples));
    samples->options = model->options;
    samples->count = (size_t)model->options->samples;
    samples->all = mem_calloc(samples->count, sizeof(*samples->all));
    for (size_t i = 0; i < samples->count; i++) {
        struct sample *sample = &samples->all[i];
        pool_init(&sample->pool, model, (unsigned)i);
        sample->phase = WAITING;
        sample->due_ns = model->epoch_ns + i * model->options->every_ms * NS_PER_MS;
    }
    return samples;
}

void samples_free(struct samples *samples)
{
    if (samples == NULL)
        return;
    for (size_t i = 0; i < samples->count; i++)
        pool_fini(&samples->all[i].pool);
    free(samples->all);
    free(samples);
}

static void ask(struct sample *sample)
{
    const struct client_options *options = sample->pool.options;
    sample->phase = ASKING;
    for (unsigned lane = 0; lane < options->parallel; lane++)
        pool_request(&sample->pool, sample->round, lane, false);
    pool_flush(&sample->pool);
}

/* All its requests fail, for it has no ticket to resume with. */
static void give_up(struct sample *sample)
{
    const struct client_options *options = sample->pool.options;
    const char *error = sample->pool.hidden_error[0] != '\0' ? sample->pool.hidden_error
                                                             : "the server gave no ticket";
    for (unsigned round = 0; round < options->requests; round++)
        for (unsigned lane = 0; lane < options->parallel; lane++)
            pool_report_unsent(&sample->pool, round, lane, error);
    sample->phase = DONE;
}

static void step_fetching(struct sample *sample, uint64_t now_ns)
{
    struct pool *pool = &sample->pool;
    if (pool->under_way_count > 0)
        return;
    /* A ticket of TLS 1.3 may come behind the response. */
    bool is_hopeless = pool->hidden_error[0] != '\0' || TAILQ_EMPTY(&pool->connections);
    if (pool->ticket == NULL && !is_hopeless && now_ns < sample->due_ns)
        return;
    pool_close_all(pool);
    if (pool->ticket == NULL)
        give_up(sample);
    else
        ask(sample);
}

static void step(struct sample *sample, uint64_t now_ns)
{
    const struct client_options *options = sample->pool.options;
    if (sample->phase == WAITING && sample->due_ns <= now_ns) {
        if (options->is_resumed) {
            sample->phase = FETCHING;
            sample->due_ns = now_ns + options->timeout_ms * NS_PER_MS;
            pool_request(&sample->pool, 0, 0, true);
        } else {
            ask(sample);
        }
    }
    if (sample->phase == FETCHING)
        step_fetching(sample, now_ns);
    if (sample->phase == ASKING && sample->pool.under_way_count == 0) {
        sample->round++;
        sample->phase = sample->round < options->requests ? PAUSING : DONE;
        sample->due_ns = now_ns + options->pause_ms * NS_PER_MS;
        if (sample->phase == DONE)
            pool_close_all(&sample->pool);
    }
    if (sample->phase == PAUSING && sample->due_ns <= now_ns)
        ask(sample);
}

uint64_t samples_step(struct samples *samples, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;
    size_t done_count = 0;
    for (size_t i = 0; i < samples->count; i++) {
        struct sample *sample = &samples->all[i];
        if (sample->phase != DONE) {
            uint64_t expires_ns = pool_expire(&sample->pool, now_ns);
            step(sample, now_ns);
            if (sample->pool.under_way_count > 0)
                expires_ns = pool_expire(&sample->pool, now_ns);
            next_ns = expires_ns < next_ns ? expires_ns : next_ns;
            /* Failed at once: the next step is now. */
            if (sample->phase == ASKING && sample->pool.under_way_count == 0)
                next_ns = now_ns;
            if (sample->phase != ASKING && sample->phase != DONE && sample->due_ns < next_ns)
                next_ns = sample->due_ns;
        }
        done_count += sample->phase == DONE;
    }
    return done_count == samples->count ? 0 : next_ns;
}
