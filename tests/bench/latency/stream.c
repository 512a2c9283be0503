/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "steering/base/mem.h"
#include "tests/bench/latency/course.h"

struct stream {
    bool is_begun;
    unsigned number;
    uint64_t due_ns, end_ns, give_up_ns;
    struct pool pool;
};

struct stream *stream_new(const struct pool *model)
{
    struct stream *stream = mem_calloc(1, sizeof(*stream));
    pool_init(&stream->pool, model, 0);
    stream->give_up_ns = model->epoch_ns + model->options->timeout_ms * NS_PER_MS;
    return stream;
}

void stream_free(struct stream *stream)
{
    if (stream == NULL)
        return;
    pool_fini(&stream->pool);
    free(stream);
}

uint64_t stream_step(struct stream *stream, uint64_t now_ns)
{
    const struct client_options *options = stream->pool.options;
    uint64_t expires_ns = pool_expire(&stream->pool, now_ns);
    if (!stream->is_begun) {
        unsigned warm = options->is_h2 ? 1 : (unsigned)options->parallel;
        if (!pool_is_warm(&stream->pool, warm) && now_ns < stream->give_up_ns)
            return stream->give_up_ns;
        stream->is_begun = true;
        stream->due_ns = now_ns;
        stream->end_ns = now_ns + options->stream_ms * NS_PER_MS;
    }
    /* Late for several: each of them is sent, so that the rate is what was asked for. */
    while (stream->due_ns <= now_ns && stream->due_ns < stream->end_ns) {
        pool_request(&stream->pool, stream->number++, 0, false);
        stream->due_ns += options->every_ms * NS_PER_MS;
        pool_flush(&stream->pool);
    }
    if (stream->due_ns >= stream->end_ns)
        return stream->pool.under_way_count == 0 ? 0 : pool_expire(&stream->pool, now_ns);
    return stream->due_ns < expires_ns ? stream->due_ns : expires_ns;
}
