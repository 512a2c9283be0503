/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of HTTP/2 against each other: many streams at once, in random pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>

#include "h2_pair.h"

struct load {
    uint32_t want_up, want_down, sent_up, sent_down, got_up, got_down;
    bool is_done;
    char path[16];
};

static uint8_t byte_at(size_t stream, uint32_t at)
{
    return (uint8_t)(stream * 31 + at * 7 + at / 251);
}

static void feed(struct pipe *pipe, size_t stream, uint32_t *sent, uint32_t want, struct rng *rng)
{
    if (pipe->is_ended || pipe->is_broken)
        return;
    uint8_t bytes[3000];
    uint32_t len = (uint32_t)rng_below(rng, sizeof(bytes));
    if (len > want - *sent)
        len = want - *sent;
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = byte_at(stream, *sent + i);
    pipe_write(pipe, bytes, len);
    *sent += len;
    if (*sent == want)
        pipe_end(pipe, NULL);
}

static void drink(struct pipe *pipe, size_t stream, uint32_t *got, struct rng *rng)
{
    size_t len = rng_below(rng, pipe->len + 1);
    while (len > 0) {
        struct str next = pipe_peek(pipe);
        size_t part = next.len < len ? next.len : len;
        for (size_t i = 0; i < part; i++)
            assert_int_equal((uint8_t)next.ptr[i], byte_at(stream, *got + (uint32_t)i));
        pipe_consume(pipe, part);
        *got += (uint32_t)part;
        len -= part;
    }
}

static size_t stream_number(const struct http_head *head)
{
    uint64_t number = 0;
    assert_true(
        str_parse_u64((struct str){ head->path.ptr + 1, head->path.len - 1 }, 10000, &number));
    return (size_t)number;
}

static void step_load(struct pair *pair, struct load *loads)
{
    for (size_t i = 0; i < pair->call_count; i++) {
        feed(&pair->calls[i].body, i, &loads[i].sent_up, loads[i].want_up, &pair->rng);
        drink(&pair->calls[i].stream->body, i, &loads[i].got_down, &pair->rng);
    }
    for (size_t i = 0; i < pair->request_count; i++) {
        struct pair_request *request = &pair->requests[i];
        size_t stream = stream_number(&request->stream->request);
        drink(&request->stream->body, stream, &loads[stream].got_up, &pair->rng);
        if (!request->stream->is_responded && rng_below(&pair->rng, 3) == 0)
            pair_respond(request, 200, true);
        if (request->stream->is_responded && loads[stream].got_up == loads[stream].want_up)
            feed(&request->body, stream, &loads[stream].sent_down, loads[stream].want_down,
                 &pair->rng);
    }
}

static void run_load(uint64_t seed, size_t chunk)
{
    struct http_limits limits = pair_limits();
    limits.stream_window = 2000;
    limits.stream_window_max = 50000;
    limits.connection_window = 100000;
    struct pair *pair = pair_new(&limits);
    pair->rng = rng_init(seed);
    pair->chunk = chunk;
    pair_run(pair);
    static struct load loads[60];
    for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
        loads[i] = (struct load){ .want_up = 1 + (uint32_t)rng_below(&pair->rng, 30000),
                                  .want_down = 1 + (uint32_t)rng_below(&pair->rng, 60000) };
        char *path = loads[i].path; /* borrowed until the request has left */
        snprintf(path, sizeof(loads[i].path), "/%zu", i);
        struct http_head head = pair_request_head("POST", path);
        head.content_length = loads[i].want_up;
        pair_call_with(pair, &head, true);
    }
    size_t closed = 0;
    for (int step = 0; step < 100000 && closed < ARRAY_SIZE(loads); step++) {
        step_load(pair, loads);
        pair_move(pair, pair->client, pair->server);
        pair_move(pair, pair->server, pair->client);
        closed = 0;
        for (size_t i = 0; i < pair->call_count; i++)
            closed += pair->calls[i].is_closed && pair->calls[i].stream->body.len == 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(loads); i++) {
        assert_int_equal(pair->calls[i].outcome.error, HTTP_ERROR_NONE);
        assert_int_equal(loads[i].got_up, loads[i].want_up);
        assert_int_equal(loads[i].got_down, loads[i].want_down);
    }
    assert_int_equal(pair->server->open_streams, 0);
    assert_int_equal(pair->client->open_streams, 0);
    pair_free(pair);
}

static void test_many_streams_keep_their_bytes(void **state)
{
    (void)state;
    const char *text = getenv("STEER_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : rng_seed();
    printf("seed %" PRIu64 "\n", seed);
    static const size_t chunks[] = { 0, 1000, 16384, 65536, 100, 255, 256, 257 };
    for (size_t i = 0; i < ARRAY_SIZE(chunks); i++)
        run_load(seed + i, chunks[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_streams_keep_their_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
