/* SPDX-License-Identifier: Apache-2.0 */
/* A server session against a client that sends anything while requests are answered in any way:
 * every request is closed exactly once, and all memory comes back. */
#include <stdint.h>

#include "tests/fuzz/h2_script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void act(struct script *script, uint8_t op, uint8_t argument)
{
    struct pair *pair = script->pair;
    if (pair->request_count == 0)
        return;
    struct pair_request *request = &pair->requests[argument % pair->request_count];
    struct http_head head = { .status = 200, .content_length = -1 };
    switch (op) {
    case 5:
    case 6:
        if (!request->stream->is_responded)
            http_server_respond(request->stream, &head, op == 5 ? NULL : &request->body);
        break;
    case 7:
    case 8:
        script_feed(&request->body, argument);
        break;
    case 9:
        script_end(&request->body);
        break;
    case 10:
        pipe_break(&request->body, HTTP_ERROR_CLOSED);
        break;
    case 11:
        http_server_reset(request->stream,
                          argument % 2 == 0 ? HTTP_ERROR_REFUSED : HTTP_ERROR_INTERNAL);
        break;
    case 12:
        script_swallow(&request->stream->body, argument);
        break;
    case 13:
        pipe_discard(&request->stream->body);
        break;
    case 14:
        head.status = 103;
        http_server_inform(request->stream, &head);
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
    limits.score_max = 200;
    limits.head_bytes = 600;
    struct pair *pair = pair_new(&limits);
    http_session_free(pair->client);
    pair->client = NULL;
    static struct raw raw;
    raw.len = 0;
    raw_preface(&raw);
    raw_send(&raw, pair->server);
    struct script script = {
        .at = data, .end = data + size, .pair = pair, .session = pair->server
    };
    script_run(&script, act);
    return 0;
}
