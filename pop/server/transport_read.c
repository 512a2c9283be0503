/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "pop/server/transport_priv.h"
#include "steering/base/mem.h"

enum {
    TURN_BYTES = 4 * IO_BUFFER_BYTES, /* of one connection, before others have theirs */
    LINGERING_BYTES_MAX = 256 * 1024,
};

static bool is_reading(const struct transport *transport)
{
    switch ((enum transport_state)transport->state) {
    case TRANSPORT_STATE_HANDSHAKE:
    case TRANSPORT_STATE_FLUSHING:
    case TRANSPORT_STATE_LINGERING:
        return true;
    case TRANSPORT_STATE_OPEN:
        return !transport->is_paused;
    case TRANSPORT_STATE_CONNECTING:
    case TRANSPORT_STATE_CLOSED:
        return false;
    }
    return false;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void end_by_peer(struct transport *transport)
{
    if (transport->is_peer_ended)
        return;
    transport->is_peer_ended = true;
    if (transport->state == TRANSPORT_STATE_OPEN)
        transport->events->on_end(transport->owner);
}

/* A FIN proves nothing in TLS: anybody on the way can send one. */
static void end_of_stream(struct transport *transport)
{
    transport->is_fin_read = true;
    transport->is_readable = false;
    switch ((enum transport_state)transport->state) {
    case TRANSPORT_STATE_HANDSHAKE:
        transport_finish(transport, TRANSPORT_TRUNCATED);
        return;
    case TRANSPORT_STATE_OPEN:
        if (transport->tls != NULL && !transport->is_peer_ended)
            transport_finish(transport, TRANSPORT_TRUNCATED);
        else
            end_by_peer(transport);
        return;
    case TRANSPORT_STATE_LINGERING:
        transport_finish(transport, (enum transport_cause)transport->cause);
        return;
    case TRANSPORT_STATE_FLUSHING:
    case TRANSPORT_STATE_CONNECTING:
    case TRANSPORT_STATE_CLOSED:
        return;
    }
}

/* The alert goes out if it can at once; nobody waits for a peer that broke the protocol. */
static void fail_tls(struct transport *transport)
{
    (void)transport_send(transport);
    if (transport->state != TRANSPORT_STATE_CLOSED)
        transport_finish(transport, TRANSPORT_TLS);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

/* The input lies in the worker's buffer, or in the stash itself: keep what is left of it. */
static void interrupt(struct transport *transport)
{
    struct str rest = tls_rest(transport->tls);
    uint8_t *kept = rest.len > 0 ? mem_dup(rest.ptr, rest.len) : NULL;
    free(transport->stash);
    transport->stash = kept;
    transport->stash_len = rest.len;
    transport->is_interrupted = true;
    tls_feed(transport->tls, NULL, 0);
}

/* False: nothing more to do now. */
static bool pump_handshake(struct transport *transport)
{
    switch (tls_handshake(transport->tls)) {
    case TLS_OK:
        transport_opened(transport);
        return true;
    case TLS_FAILED:
    case TLS_ENDED:
        fail_tls(transport);
        return false;
    case TLS_WANTS_INPUT:
        return false;
    }
    return false;
}

static bool pump_plaintext(struct transport *transport)
{
    size_t len = 0;
    uint8_t *out = transport->io->plain_buffer;
    switch (tls_read(transport->tls, out, IO_BUFFER_BYTES, &len)) {
    case TLS_OK:
        transport->events->on_bytes(transport->owner, out, len);
        return true;
    case TLS_ENDED:
        end_by_peer(transport);
        return false;
    case TLS_FAILED:
        fail_tls(transport);
        return false;
    case TLS_WANTS_INPUT:
        return false;
    }
    return false;
}

void transport_pump(struct transport *transport)
{
    bool goes_on = true;
    while (goes_on) {
        if (transport->state == TRANSPORT_STATE_HANDSHAKE)
            goes_on = pump_handshake(transport);
        else if (transport->state == TRANSPORT_STATE_OPEN && !transport->is_paused)
            goes_on = pump_plaintext(transport);
        else
            break;
    }
    if (transport->state == TRANSPORT_STATE_OPEN && transport->is_paused && goes_on)
        interrupt(transport);
    else
        tls_feed(transport->tls, NULL, 0);
    /* Handshakes, and answers to key updates. */
    if (transport->state != TRANSPORT_STATE_CLOSED && transport_unsent(transport).len > 0)
        transport_mark(transport);
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void consume(struct transport *transport, const uint8_t *bytes, size_t len)
{
    if (transport->state == TRANSPORT_STATE_LINGERING) {
        transport->lingered_bytes += len;
        if (transport->lingered_bytes > LINGERING_BYTES_MAX)
            transport_reset(transport, (enum transport_cause)transport->cause);
        return;
    }
    if (transport->state == TRANSPORT_STATE_FLUSHING)
        return; /* the owner is not interested any more */
    if (transport->tls == NULL) {
        transport->events->on_bytes(transport->owner, bytes, len);
        return;
    }
    tls_feed(transport->tls, bytes, len);
    transport_pump(transport);
}

/* What was read before the owner paused, or before there was a transport. */
static void consume_stash(struct transport *transport)
{
    uint8_t *bytes = transport->stash;
    size_t len = transport->stash_len;
    transport->is_interrupted = false;
    transport->stash = NULL;
    transport->stash_len = 0;
    if (transport->tls != NULL || len > 0)
        consume(transport, bytes, len);
    free(bytes);
}

/* A short read has emptied the socket, and the next byte makes a new edge; but the announcement
 * of an end may have come together with the bytes before it. */
static bool read_once(struct transport *transport, size_t *budget)
{
    struct io *io = transport->io;
    ssize_t got = recv(transport->fd, io->read_buffer, IO_BUFFER_BYTES, MSG_DONTWAIT);
    if (got < 0 && errno == EINTR)
        return true;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        transport->is_readable = false;
        return false;
    }
    if (got < 0) {
        transport_fail_errno(transport, errno);
        return false;
    }
    if (got == 0) {
        end_of_stream(transport);
        return false;
    }
    size_t len = (size_t)got;
    transport->bytes_in += len;
    *budget -= len < *budget ? len : *budget;
    if (len < IO_BUFFER_BYTES && !transport->is_hung_up)
        transport->is_readable = false;
    consume(transport, io->read_buffer, len);
    return true;
}

void transport_read(struct transport *transport)
{
    size_t budget = TURN_BYTES;
    bool goes_on = true;
    if (transport->is_interrupted && is_reading(transport))
        consume_stash(transport);
    while (goes_on && transport->is_readable && !transport->is_interrupted &&
           is_reading(transport) && budget > 0)
        goes_on = read_once(transport, &budget);
    if (budget == 0 && transport->is_readable && is_reading(transport))
        transport_push_unread(transport);
}
