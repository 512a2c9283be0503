/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes from an HTTP/1.1 client, whole and in pieces: both must give the same account, and what
 * comes out must be whole responses. The first octet chooses where to cut and what to answer.
 */
#include "tests/unit/pop/http/h1_peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct h1_peer *peer, struct str bytes, uint64_t cuts, bool is_ended)
{
    struct http_limits limits = { .head_bytes = 600, .fields = 12, .h1_buffer_bytes = 1 << 16 };
    h1_peer_init(peer, &limits);
    peer->is_echoing = true;
    h1_peer_feed_cut(peer, bytes, cuts);
    if (is_ended)
        peer->session->ops->receive_end(peer->session);
    h1_peer_flush(peer, 4096);
    struct http_session *session = peer->session;
    assert(session->open_streams == peer->requests - peer->closed && session->open_streams <= 1);
    assert(peer->rejected == 0 || session->is_over);
    assert(!is_ended || session->is_over);
    assert(peer->out.len == 0 || memcmp(peer->out.bytes, "HTTP/1.1 ", 9) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h1_peer whole, cut;
    if (size == 0)
        return 0;
    struct str bytes = { .ptr = (const char *)data + 1, .len = size - 1 };
    bool is_ended = (data[0] & 1) != 0;
    run(&whole, bytes, 0, is_ended);
    run(&cut, bytes, data[0] < 16 ? 1 : data[0], is_ended);
    assert(str_eq(buf_str(&whole.account), buf_str(&cut.account)));
    assert(str_eq(buf_str(&whole.out), buf_str(&cut.out)));
    h1_peer_fini(&whole);
    h1_peer_fini(&cut);
    return 0;
}
