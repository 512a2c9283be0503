/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "steering/base/mem.h"
#include "tests/bench/latency/codec.h"
#include "tests/bench/latency/pool.h"

enum { HEAD_MAX_BYTES = 65536, LINE_MAX_BYTES = 4096, CHUNK_MAX_BYTES = 1 << 30 };

enum place {
    IN_HEAD = 1,
    IN_LENGTH, /* `left` bytes of content */
    IN_REST,   /* content until the connection ends */
    IN_SIZE,   /* the line before a chunk */
    IN_CHUNK,
    IN_CHUNK_END, /* the line break behind it */
    IN_TRAILER,
};

struct h1 {
    enum place place;
    struct buf text; /* a head, or a line */
    uint64_t left;
    bool is_closing;
};

static void h1_start(struct connection *connection)
{
    struct h1 *h1 = mem_calloc(1, sizeof(*h1));
    h1->place = IN_HEAD;
    buf_init(&h1->text, HEAD_MAX_BYTES);
    connection->session = h1;
}

static void h1_stop(struct connection *connection)
{
    struct h1 *h1 = connection->session;
    buf_fini(&h1->text);
    free(h1);
    connection->session = NULL;
}

static bool h1_has_room(const struct connection *connection)
{
    return connection->request_count == 0;
}

static void h1_submit(struct connection *connection, struct request *request)
{
    const struct client_options *options = connection->pool->options;
    struct buf *out = &connection->out;
    buf_append_format(out, "%s %s HTTP/1.1\r\nhost: %s\r\nuser-agent: latency_client\r\n",
                      options->is_post ? "POST" : "GET", request->path, options->host);
    buf_append_format(out, "x-test-id: %s\r\n", request->id);
    if (options->is_post)
        buf_append_format(out, "content-length: %llu\r\n", (unsigned long long)options->body_bytes);
    buf_append_text(out, "\r\n");
    request->is_encoded = true;
}

static void h1_fill(struct connection *connection)
{
    static const char content[CODEC_FILL_BYTES] = { 'x' };
    struct request *request = TAILQ_FIRST(&connection->requests);
    if (request == NULL || !request->is_encoded)
        return;
    size_t len =
        request->body_left < sizeof(content) ? (size_t)request->body_left : sizeof(content);
    buf_append(&connection->out, content, len);
    request->body_left -= len;
}

static void finish(struct connection *connection, uint64_t now_ns)
{
    struct h1 *h1 = connection->session;
    struct request *request = TAILQ_FIRST(&connection->requests);
    h1->place = IN_HEAD;
    /* Content that is still to be sent would be taken for the next request. */
    if (h1->is_closing || request->body_left > 0)
        connection->is_leaving = true;
    connection_finish(connection, request, now_ns);
}

/* One field line, without its end. */
static const char *take_field(struct h1 *h1, struct str line, bool *is_chunked, bool *has_length)
{
    struct str name, value;
    if (!str_split(line, ':', &name, &value))
        return "response: a line without a colon";
    value = str_trim(value);
    if (str_eq_nocase(name, STR("content-length"))) {
        *has_length = true;
        if (!str_parse_u64(value, UINT64_MAX, &h1->left))
            return "response: not a length";
    } else if (str_eq_nocase(name, STR("transfer-encoding"))) {
        *is_chunked = true;
    } else if (str_eq_nocase(name, STR("connection")) && str_eq_nocase(value, STR("close"))) {
        h1->is_closing = true;
    }
    return NULL;
}

static void begin_content(struct connection *connection, bool is_chunked, bool has_length,
                          uint64_t now_ns)
{
    struct h1 *h1 = connection->session;
    int status = TAILQ_FIRST(&connection->requests)->status;
    if (is_chunked)
        h1->place = IN_SIZE;
    else if (has_length && h1->left > 0)
        h1->place = IN_LENGTH;
    else if (has_length || status == 204 || status == 304)
        finish(connection, now_ns);
    else {
        h1->place = IN_REST;
        h1->is_closing = true;
    }
}

static const char *take_head(struct connection *connection, uint64_t now_ns)
{
    struct h1 *h1 = connection->session;
    struct request *request = TAILQ_FIRST(&connection->requests);
    struct str rest = buf_str(&h1->text), line;
    bool is_chunked = false, has_length = false;
    uint64_t status = 0;
    str_split(rest, '\n', &line, &rest);
    if (!str_starts_with(line, STR("HTTP/1.1 ")) || line.len < 12 ||
        !str_parse_u64((struct str){ line.ptr + 9, 3 }, 599, &status))
        return "response: not HTTP/1.1";
    h1->left = 0;
    while (str_split(rest, '\n', &line, &rest) && str_trim(line).len > 0) {
        const char *problem = take_field(h1, line, &is_chunked, &has_length);
        if (problem != NULL)
            return problem;
    }
    buf_clear(&h1->text);
    if (status < 200)
        return NULL; /* the final one follows */
    request->status = (int)status;
    begin_content(connection, is_chunked, has_length, now_ns);
    return NULL;
}

/* A whole line of chunked coding, in h1->text. */
static const char *take_line(struct connection *connection, uint64_t now_ns)
{
    struct h1 *h1 = connection->session;
    const char *line = buf_text(&h1->text);
    char *end = NULL;
    if (h1->place == IN_SIZE) {
        h1->left = strtoull(line, &end, 16);
        if (end == line || h1->left > CHUNK_MAX_BYTES)
            return "response: not a chunk size";
        h1->place = h1->left > 0 ? IN_CHUNK : IN_TRAILER;
    } else if (h1->place == IN_CHUNK_END) {
        h1->place = IN_SIZE;
    } else if (line[0] == '\r') {
        buf_clear(&h1->text);
        finish(connection, now_ns);
        return NULL;
    }
    buf_clear(&h1->text);
    return NULL;
}

/* Content: returns how much of `len` bytes it is. */
static size_t take_content(struct connection *connection, size_t len, uint64_t now_ns)
{
    struct h1 *h1 = connection->session;
    struct request *request = TAILQ_FIRST(&connection->requests);
    if (h1->place != IN_REST && len > h1->left)
        len = (size_t)h1->left;
    request->bytes += len;
    if (h1->place == IN_REST)
        return len;
    h1->left -= len;
    if (h1->left == 0 && h1->place == IN_CHUNK)
        h1->place = IN_CHUNK_END;
    else if (h1->left == 0)
        finish(connection, now_ns);
    return len;
}

/* Text: up to the end of a line, or of the head. */
static const char *take_text(struct connection *connection, const uint8_t *bytes, size_t len,
                             uint64_t now_ns, size_t *out_used)
{
    struct h1 *h1 = connection->session;
    const uint8_t *end = memchr(bytes, '\n', len);
    size_t used = end == NULL ? len : (size_t)(end - bytes) + 1;
    *out_used = used;
    buf_append(&h1->text, bytes, used);
    if (h1->text.is_overflown)
        return "response: a head too long";
    if (end == NULL)
        return NULL;
    if (h1->place != IN_HEAD)
        return take_line(connection, now_ns);
    if (str_ends_with(buf_str(&h1->text), STR("\n\r\n")))
        return take_head(connection, now_ns);
    return NULL;
}

static const char *h1_receive(struct connection *connection, const uint8_t *bytes, size_t len,
                              uint64_t now_ns)
{
    struct h1 *h1 = connection->session;
    while (len > 0) {
        struct request *request = TAILQ_FIRST(&connection->requests);
        const char *problem = NULL;
        size_t used = 0;
        if (request == NULL || request->sent_ns == 0)
            return "response: nothing was asked";
        if (request->first_ns == 0)
            request->first_ns = now_ns;
        if (h1->place == IN_LENGTH || h1->place == IN_REST || h1->place == IN_CHUNK)
            used = take_content(connection, len, now_ns);
        else
            problem = take_text(connection, bytes, len, now_ns, &used);
        if (problem != NULL)
            return problem;
        bytes += used;
        len -= used;
    }
    return NULL;
}

static bool h1_cancel(struct connection *connection, struct request *request)
{
    (void)connection;
    (void)request;
    return false;
}

static void h1_on_end(struct connection *connection, uint64_t now_ns)
{
    const struct h1 *h1 = connection->session;
    if (h1->place == IN_REST && connection->request_count > 0)
        finish(connection, now_ns);
}

const struct codec codec_h1 = {
    .alpn = "http/1.1",
    .start = h1_start,
    .stop = h1_stop,
    .has_room = h1_has_room,
    .submit = h1_submit,
    .receive = h1_receive,
    .fill = h1_fill,
    .cancel = h1_cancel,
    .on_end = h1_on_end,
};
