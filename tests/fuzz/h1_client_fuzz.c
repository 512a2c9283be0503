/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes from an HTTP/1.1 server, whole and in pieces: both must give the same account. The
 * first octet chooses the request, where to cut, and whether the connection ends.
 */
#include "tests/unit/pop/http/h1_asker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct h1_asker *asker, uint8_t choice, struct str bytes, uint64_t cuts)
{
    struct http_limits limits = { .head_bytes = 600, .fields = 12, .h1_buffer_bytes = 1 << 16 };
    struct http_head head = {
        .method = (choice & 2) != 0 ? STR("HEAD") : STR("GET"),
        .scheme = STR("http"),
        .authority = STR("a"),
        .path = STR("/"),
        .content_length = -1,
    };
    if ((choice & 4) != 0)
        head.protocol = STR("websocket");
    h1_asker_init(asker, &limits);
    h1_asker_ask(asker, &head, NULL);
    h1_asker_flush(asker, 4096);
    h1_asker_feed_cut(asker, bytes, cuts);
    if ((choice & 1) != 0)
        asker->session->ops->receive_end(asker->session);
    h1_asker_flush(asker, 4096);
    const struct http_session *session = asker->session;
    assert((asker->stream != NULL) == (session->open_streams == 1));
    assert(http_client_room(session) == 0 || (!session->is_over && asker->closed == 1));
    assert(asker->closed == 0 || session->is_over || asker->outcome.error == HTTP_ERROR_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h1_asker whole, cut;
    if (size == 0)
        return 0;
    struct str bytes = { .ptr = (const char *)data + 1, .len = size - 1 };
    run(&whole, data[0], bytes, 0);
    run(&cut, data[0], bytes, data[0] < 16 ? 1 : data[0]);
    assert(str_eq(buf_str(&whole.account), buf_str(&cut.account)));
    assert(whole.session->is_over == cut.session->is_over);
    h1_asker_fini(&whole);
    h1_asker_fini(&cut);
    return 0;
}
