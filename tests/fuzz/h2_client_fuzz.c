/* SPDX-License-Identifier: Apache-2.0 */
/* A client session against a server that sends anything while requests come and go: every call is
 * closed exactly once, a response is complete or visibly not, and all memory comes back. */
#include <stdint.h>

#include "tests/fuzz/h2_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void call(struct pair *pair, uint8_t argument)
{
    if (http_client_room(pair->client) == 0 || pair->call_count == PAIR_STREAMS_MAX)
        return;
    struct http_head head = pair_request_head(argument % 4 == 0 ? "HEAD" : "POST", "/");
    pair_call_with(pair, &head, argument % 2 != 0);
}

static void act(struct script *script, uint8_t op, uint8_t argument)
{
    struct pair *pair = script->pair;
    if (op <= 6) {
        call(pair, argument);
        return;
    }
    if (pair->call_count == 0)
        return;
    struct pair_call *old = &pair->calls[argument % pair->call_count];
    switch (op) {
    case 7:
    case 8:
        script_feed(&old->body, argument);
        break;
    case 9:
        script_end(&old->body);
        break;
    case 10:
        pipe_break(&old->body, HTTP_ERROR_CANCELLED);
        break;
    case 11:
        http_client_cancel(old->stream, HTTP_ERROR_TIMEOUT);
        break;
    case 12:
        script_swallow(&old->stream->body, argument);
        break;
    case 13:
        pipe_discard(&old->stream->body);
        break;
    default:
        script->session->ops->receive_end(script->session);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 600) /* fewer requests than PAIR_STREAMS_MAX */
        return 0;
    struct http_limits limits = pair_limits();
    limits.streams = 8;
    limits.stream_window = 300;
    limits.stream_window_max = 2000;
    limits.head_bytes = 600;
    struct pair *pair = pair_new(&limits);
    http_session_free(pair->server);
    pair->server = NULL;
    static struct raw raw;
    raw.len = 0;
    raw_frame(&raw, RAW_SETTINGS, 0, 0, NULL, 0);
    raw_send(&raw, pair->client);
    struct script script = {
        .at = data, .end = data + size, .pair = pair, .session = pair->client
    };
    script_run(&script, act);
    return 0;
}
