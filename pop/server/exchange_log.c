/* SPDX-License-Identifier: Apache-2.0 */
/* What is said and counted about a request when it is over.
 *
 * Shape:     {"time","id","client","method","host","path","proto","tls","status","bytes_in",
 *             "bytes_out","duration_ms","ttfb_ms","added_us","route","map","cell","region",
 *             "source","stray","fallback","ours","cause","attempts":[{"peer","region","cause",
 *             "proof","status","ms"}]}
 *            Of a request's fields only the target is written: no cookie, no authorization, no
 *            identity can come into the log. What stays of its query string is set by the node file
 *            (access_log_query, log_query.h).
 * Limits:    a line that would be longer than ACCESS_LOG_LINE_MAX has its path cut first. */
#include <assert.h>
#include <string.h>

#include "pop/server/exchange_priv.h"
#include "pop/server/log_query.h"
#include "steering/base/clock.h"

enum {
    NS_PER_US = 1000,
    NS_PER_MS = 1000 * 1000,
    US_PER_MS = 1000,
    /* Of output. All texts but those of attempts fit into a line together. */
    TARGET_MAX = ACCESS_LOG_LINE_MAX / 4,
    TEXT_MAX = LIMIT(256, 64),
    NUMBER_MAX = 24,
    ESCAPED = 6, /* the longest form of an octet */
};

/* ---- JSON into a fixed buffer ---------------------------------------------------------------- */

struct line {
    char *at, *end; /* what does not fit is left out, whole pieces at a time */
    bool is_cut;
};

static void put(struct line *line, struct str text)
{
    if (text.len == 0)
        return;
    if ((size_t)(line->end - line->at) < text.len) {
        line->is_cut = true;
        return;
    }
    memcpy(line->at, text.ptr, text.len);
    line->at += text.len;
}

static void put_number(struct line *line, uint64_t value)
{
    char digits[NUMBER_MAX];
    size_t len = 0;
    do {
        digits[sizeof(digits) - ++len] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    put(line, (struct str){ .ptr = digits + sizeof(digits) - len, .len = len });
}

static void put_escaped(struct line *line, unsigned char octet)
{
    static const char hex[] = "0123456789abcdef";
    if (octet == '"' || octet == '\\') {
        char pair[2] = { '\\', (char)octet };
        put(line, (struct str){ .ptr = pair, .len = sizeof(pair) });
    } else {
        /* What is not ASCII may not be UTF-8 either: each octet for itself. */
        char code[6] = { '\\', 'u', '0', '0', hex[octet >> 4], hex[octet & 15] };
        put(line, (struct str){ .ptr = code, .len = sizeof(code) });
    }
}

static bool is_plain(unsigned char octet)
{
    return octet >= ' ' && octet < 0x7f && octet != '"' && octet != '\\';
}

/* At most `max` octets of output. */
static void put_chars(struct line *line, struct str text, size_t max)
{
    const char *start = line->at;
    size_t from = 0;
    for (size_t i = 0; i < text.len; i++) {
        size_t used = (size_t)(line->at - start) + i - from;
        if (used + ESCAPED + 3 > max) {
            put(line, (struct str){ .ptr = text.ptr + from, .len = i - from });
            put(line, STR("..."));
            return;
        }
        if (is_plain((unsigned char)text.ptr[i]))
            continue;
        put(line, (struct str){ .ptr = text.ptr + from, .len = i - from });
        put_escaped(line, (unsigned char)text.ptr[i]);
        from = i + 1;
    }
    put(line, (struct str){ .ptr = text.ptr + from, .len = text.len - from });
}

/* `key` with its punctuation: ",\"status\":". */
static void put_field(struct line *line, struct str key, struct str text)
{
    put(line, key);
    put(line, STR("\""));
    put_chars(line, text, TEXT_MAX);
    put(line, STR("\""));
}

static void put_count(struct line *line, struct str key, uint64_t value)
{
    put(line, key);
    put_number(line, value);
}

static void put_ms(struct line *line, struct str key, uint64_t ns)
{
    uint64_t us = ns / NS_PER_US;
    uint64_t rest = us % US_PER_MS;
    const char fraction[] = { '.', (char)('0' + rest / 100), (char)('0' + rest / 10 % 10),
                              (char)('0' + rest % 10) };
    put_count(line, key, us / US_PER_MS);
    put(line, (struct str){ .ptr = fraction, .len = sizeof(fraction) });
}

/* Most requests of one second have all but the milliseconds in common. */
static void put_time(struct line *line, struct exchanges *exchanges, int64_t unix_ms)
{
    enum { FRACTION_BYTES = sizeof(".000Z") - 1 };
    int64_t unix_s = unix_ms / 1000;
    if (unix_s != exchanges->time_s || exchanges->time_text[0] == '\0') {
        exchanges->time_s = unix_s;
        clock_format_ms(unix_s * 1000, exchanges->time_text);
    }
    struct str text = str_from(exchanges->time_text);
    uint64_t rest = (uint64_t)(unix_ms % 1000);
    const char fraction[FRACTION_BYTES] = { '.', (char)('0' + rest / 100),
                                            (char)('0' + rest / 10 % 10), (char)('0' + rest % 10),
                                            'Z' };
    put(line, STR("{\"time\":\""));
    put(line, (struct str){ .ptr = text.ptr, .len = text.len - FRACTION_BYTES });
    put(line, (struct str){ .ptr = fraction, .len = FRACTION_BYTES });
    put(line, STR("\""));
}

/* ---- what happened --------------------------------------------------------------------------- */

static uint64_t minus(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static const char *site_name(const struct exchange *exchange, struct site_id site)
{
    return site_is_none(site) ? NULL : exchange->settings->world->topology->sites[site.n].name;
}

static bool is_fallback(const struct exchange *exchange)
{
    return !site_is_none(exchange->site) && !site_id_eq(exchange->site, exchange->first);
}

static uint16_t status_of(const struct exchange *exchange)
{
    enum { CLIENT_CLOSED = 499 };
    return exchange->status == 0 && exchange->is_aborted ? CLIENT_CLOSED : exchange->status;
}

static uint64_t ttfb_ns(const struct exchange *exchange)
{
    return minus(exchange->responded_ns, exchange->begun_ns);
}

static uint64_t added_ns(const struct exchange *exchange)
{
    return minus(ttfb_ns(exchange), exchange->waited_ns);
}

static void put_attempt(struct line *line, const struct exchange *exchange, size_t at)
{
    const struct attempt_record *record = &exchange->attempts.records[at];
    const char *peer = exchange->peer_names[at];
    put(line, at == 0 ? STR("{") : STR(",{"));
    put_field(line, STR("\"peer\":"), str_from(peer));
    if (record->target.is_origin)
        put(line, STR(",\"origin\":true"));
    else
        put_field(line, STR(",\"region\":"), str_from(site_name(exchange, record->target.region)));
    put_field(line, STR(",\"cause\":"), str_from(attempt_cause_name(record->cause)));
    if (record->is_proof)
        put(line, STR(",\"proof\":true"));
    if (record->status != 0)
        put_count(line, STR(",\"status\":"), record->status);
    put_ms(line, STR(",\"ms\":"), record->took_us * NS_PER_US);
    put(line, STR("}"));
}

static void put_proto(struct line *line, enum http_version version)
{
    static const char *const names[] = { "HTTP/1.0", "HTTP/1.1", "HTTP/2" };
    put_field(line, STR(",\"proto\":"), str_from(names[version]));
}

static struct str path_of(const struct exchange *exchange)
{
    struct http_server_stream *client = exchange->client;
    switch (exchange->settings->node->log_query) {
    case POP_LOG_QUERY_REDACT:
        return log_query_redact(client->request.path, &client->arena);
    case POP_LOG_QUERY_DROP:
        return log_query_drop(client->request.path);
    case POP_LOG_QUERY_KEEP:
        break;
    }
    return client->request.path;
}

static void put_request(struct line *line, const struct exchange *exchange, int64_t unix_ms)
{
    const struct http_head *request = &exchange->client->request;
    put_time(line, exchange->exchanges, unix_ms);
    put_field(line, STR(",\"id\":"), exchange->hop.request_id);
    put_field(line, STR(",\"client\":"), str_from(exchange->client_text));
    put_field(line, STR(",\"method\":"), request->method);
    put_field(line, STR(",\"host\":"), request->authority);
    put(line, STR(",\"path\":\""));
    put_chars(line, path_of(exchange), TARGET_MAX);
    put(line, STR("\""));
    put_proto(line, exchange->version);
    if (exchange->origin.tls_version != NULL)
        put_field(line, STR(",\"tls\":"), str_from(exchange->origin.tls_version));
}

static void put_result(struct line *line, const struct exchange *exchange, uint64_t took_ns)
{
    put_count(line, STR(",\"status\":"), status_of(exchange));
    put_count(line, STR(",\"bytes_in\":"), exchange->client->body.written_bytes);
    put_count(line, STR(",\"bytes_out\":"), exchange->client->response_bytes);
    put_ms(line, STR(",\"duration_ms\":"), took_ns);
    if (exchange->status != 0) {
        put_ms(line, STR(",\"ttfb_ms\":"), ttfb_ns(exchange));
        put_count(line, STR(",\"added_us\":"), added_ns(exchange) / NS_PER_US);
    }
    if (exchange->cause != NULL)
        put_field(line, STR(",\"cause\":"), str_from(exchange->cause));
    if (exchange->is_ours)
        put(line, STR(",\"ours\":true"));
}

static void put_place(struct line *line, const struct exchange *exchange)
{
    const struct pop_route *route = exchange->route;
    if (route == NULL)
        return;
    put(line, STR(",\"route\":\""));
    put_chars(line, str_from(route->host), TEXT_MAX);
    put_chars(line, str_from(route->path), TEXT_MAX);
    put(line, STR("\""));
    put_field(line, STR(",\"map\":"), exchange->map_name);
    if (exchange->has_place)
        put_count(line, STR(",\"cell\":"), exchange->cell.n);
    const char *region = site_name(exchange, exchange->site);
    if (region != NULL)
        put_field(line, STR(",\"region\":"), str_from(region));
    const char *source = site_name(exchange, exchange->origin.source);
    if (exchange->origin.is_backbone && source != NULL)
        put_field(line, STR(",\"source\":"), str_from(source));
    if (exchange->is_stray)
        put(line, STR(",\"stray\":true"));
    if (is_fallback(exchange))
        put(line, STR(",\"fallback\":true"));
    if (exchange->is_tunnel)
        put(line, STR(",\"tunnel\":true"));
}

/* Without the final newline, in exchanges->line. */
static struct str make_line(struct exchange *exchange, uint64_t took_ns)
{
    int64_t begun_ms = clock_unix_ms() - (int64_t)(took_ns / NS_PER_MS);
    char *text = exchange->exchanges->line;
    enum { CLOSING = 2 };
    struct line line = { .at = text, .end = text + ACCESS_LOG_LINE_MAX - CLOSING };
    put_request(&line, exchange, begun_ms);
    put_result(&line, exchange, took_ns);
    put_place(&line, exchange);
    put(&line, STR(",\"attempts\":["));
    for (size_t i = 0; i < exchange->attempts.count; i++) {
        char *before = line.at;
        put_attempt(&line, exchange, i);
        if (line.is_cut) {
            line.at = before; /* the line stays JSON */
            break;
        }
    }
    line.end += CLOSING;
    put(&line, STR("]}"));
    return (struct str){ .ptr = text, .len = (size_t)(line.at - text) };
}

static void count_times(const struct exchange *exchange, uint64_t took_ns)
{
    struct histogram *histograms = exchange->worker->tally->histograms;
    histogram_record(&histograms[TALLY_REQUEST_NS], took_ns, 1);
    if (exchange->status == 0)
        return;
    histogram_record(&histograms[TALLY_TTFB_NS], ttfb_ns(exchange), 1);
    histogram_record(&histograms[TALLY_ADDED_NS], added_ns(exchange), 1);
}

static void count_traffic(const struct exchange *exchange)
{
    struct traffic_event event = {
        .map = exchange->map,
        .cell = exchange->cell,
        .site = exchange->site,
        .source = exchange->is_stray ? exchange->origin.source : SITE_NONE,
        .is_stray = exchange->is_stray,
        .is_fallback = is_fallback(exchange),
        .bytes_in = exchange->client->body.written_bytes,
        .bytes_out = exchange->client->response_bytes,
    };
    if (exchange->has_place)
        traffic_count(exchange->worker->traffic, exchange->settings->world, &event);
}

void exchange_account(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    tally_sub(worker->tally, TALLY_STREAMS);
    if (exchange->is_tunnel)
        tally_sub(worker->tally, TALLY_TUNNELS);
    uint64_t took_ns = minus(clock_monotonic_ns(), exchange->begun_ns);
    count_times(exchange, took_ns);
    count_traffic(exchange);
    if (worker->log == NULL)
        return;
    bool is_written = access_log_line(worker->log, make_line(exchange, took_ns));
    tally_add(worker->tally, is_written ? TALLY_LOG_LINES : TALLY_LOG_DROPPED);
}

void exchanges_rejected(struct exchanges *exchanges, const struct exchange_origin *origin,
                        enum http_version version, uint16_t status, const char *reason)
{
    struct worker *worker = exchanges->worker;
    char client[ADDR_TEXT_MAX];
    struct line line = { .at = exchanges->line, .end = exchanges->line + ACCESS_LOG_LINE_MAX };
    if (worker->log == NULL)
        return;
    put_time(&line, exchanges, clock_unix_ms());
    put_field(&line, STR(",\"client\":"), str_from(addr_format(&origin->peer, client)));
    put_proto(&line, version);
    if (origin->tls_version != NULL)
        put_field(&line, STR(",\"tls\":"), str_from(origin->tls_version));
    put_count(&line, STR(",\"status\":"), status);
    put_field(&line, STR(",\"cause\":"), str_from(reason));
    put(&line, STR(",\"ours\":true,\"attempts\":[]}"));
    struct str text = { .ptr = exchanges->line, .len = (size_t)(line.at - exchanges->line) };
    bool is_written = access_log_line(worker->log, text);
    tally_add(worker->tally, is_written ? TALLY_LOG_LINES : TALLY_LOG_DROPPED);
}
