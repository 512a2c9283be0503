/* SPDX-License-Identifier: Apache-2.0 */
/* Plain HTTP that only says where the real thing is. */
#include <stdio.h>
#include <string.h>

#include "pop/server/client_conn.h"

enum { HTTPS_PORT = 443, PORT_TEXT_MAX = 8 };

/* Without its port; brackets of IPv6 stay. */
static struct str host_of(struct str authority)
{
    size_t at = authority.len;
    while (at > 0 && authority.ptr[at - 1] >= '0' && authority.ptr[at - 1] <= '9')
        at--;
    bool has_port = at > 0 && authority.ptr[at - 1] == ':';
    return has_port ? (struct str){ .ptr = authority.ptr, .len = at - 1 } : authority;
}

static struct str location_of(struct http_server_stream *stream, uint16_t port)
{
    const struct http_head *request = &stream->request;
    struct str host = host_of(request->authority);
    struct str path = str_eq(request->path, STR("*")) ? STR("/") : request->path;
    char port_text[PORT_TEXT_MAX] = "";
    if (port != 0 && port != HTTPS_PORT)
        snprintf(port_text, sizeof(port_text), ":%u", port);
    const struct str parts[] = { STR("https://"), host, str_from(port_text), path };
    struct str location = { .ptr = NULL, .len = 0 };
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        location.len += parts[i].len;
    char *text = arena_alloc(&stream->arena, location.len + 1);
    location.ptr = text;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        memcpy(text, parts[i].ptr, parts[i].len);
        text += parts[i].len;
    }
    return location;
}

static void on_request(void *owner, struct http_server_stream *stream)
{
    struct client_conn *conn = owner;
    const struct pop_node *node = conn->settings->node;
    struct http_head head = { .status = 308, .content_length = 0 };
    client_conn_busy(conn);
    stream->owner = conn;
    if (stream->request.authority.len == 0)
        head.status = 400; /* HTTP/1.0 without Host: nobody knows whom it wanted */
    else
        http_head_add(&head, &stream->arena, STR("location"),
                      location_of(stream, node->listens[conn->listen].redirect_port));
    if (node->server_header != NULL && node->server_header[0] != '\0')
        http_head_add(&head, &stream->arena, STR("server"), str_from(node->server_header));
    tally_add(conn->clients->worker->tally, TALLY_REDIRECTS);
    http_server_respond(stream, &head, NULL);
    pipe_discard(&stream->body);
}

static void on_closed(void *stream_owner, struct http_server_stream *stream, enum http_error error)
{
    struct client_conn *conn = stream_owner;
    (void)error;
    client_conn_done(conn);
    http_server_release(stream);
}

const struct http_server_events client_redirect_events = {
    .session = CLIENT_SESSION_EVENTS,
    .on_request = on_request,
    .on_closed = on_closed,
    .on_rejected = client_on_rejected,
};
