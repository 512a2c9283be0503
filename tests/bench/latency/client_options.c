/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/latency/client_options.h"

#include <getopt.h>
#include <string.h>

#include "steering/base/addr.h"
#include "steering/base/mem.h"

enum {
    SAMPLES_MAX = 10000,
    REQUESTS_MAX = 1000000,
    PARALLEL_MAX = 100,
    MS_PER_S = 1000,
    DAY_MS = 86400 * MS_PER_S,
    PORT_MAX = 65535,
};
#define BODY_MAX_BYTES (1ull << 40)

static const struct option known[] = {
    { "to", required_argument, NULL, 't' },      { "host", required_argument, NULL, 'H' },
    { "ca", required_argument, NULL, 'c' },      { "http", required_argument, NULL, 'v' },
    { "tls", required_argument, NULL, 'l' },     { "resume", no_argument, NULL, 'r' },
    { "path", required_argument, NULL, 'p' },    { "method", required_argument, NULL, 'm' },
    { "body", required_argument, NULL, 'b' },    { "samples", required_argument, NULL, 'n' },
    { "every", required_argument, NULL, 'e' },   { "requests", required_argument, NULL, 'k' },
    { "pause", required_argument, NULL, 'w' },   { "parallel", required_argument, NULL, 'P' },
    { "timeout", required_argument, NULL, 'T' }, { "stream", required_argument, NULL, 's' },
    { "help", no_argument, NULL, 'h' },          { NULL, 0, NULL, 0 },
};

const char *client_options_help(void)
{
    return "latency_client: sends HTTP requests over TLS and tells when what happened\n"
           "\n"
           "  latency_client --to ADDRESS:PORT --host NAME --ca FILE [option...]\n"
           "\n"
           "  --to ADDRESS:PORT  the server; [ADDRESS]:PORT for IPv6\n"
           "  --host NAME        name for SNI, certificate and Host\n"
           "  --ca FILE          authorities in PEM\n"
           "  --http h1|h2       version of HTTP (h2)\n"
           "  --tls 1.2|1.3      that version of TLS and no other; else what the server prefers\n"
           "  --resume           first fetch a session ticket, by a connection that is not told "
           "of\n"
           "  --path PATH        repeated: one after the other, again and again (/)\n"
           "  --method M         GET or POST (GET)\n"
           "  --body BYTES       content of each POST (0)\n"
           "  --timeout S        seconds for one request, from its start (10)\n"
           "\n"
           "  Samples: connections of their own.\n"
           "  --samples N        so many (1)\n"
           "  --every MS         one starts every MS milliseconds (100)\n"
           "  --requests K       requests on each, one after the other (1)\n"
           "  --pause MS         between them (0)\n"
           "  --parallel P       each time P at once: streams, or connections with h1 (1)\n"
           "\n"
           "  A stream: requests on warm connections, none waiting for an earlier one.\n"
           "  --stream S         for so many seconds\n"
           "  --every MS         one request every MS milliseconds (100)\n"
           "  --parallel P       so many connections are made before the first request (1)\n"
           "\n"
           "A connection that ended or went silent is replaced at the next request; no request is\n"
           "sent twice. One JSON object a line for each request. Times in it are milliseconds "
           "since\n"
           "the request began, with the connection if it had to be made; \"at\" is in seconds "
           "since\n"
           "the program began, \"began\" on the clock CLOCK_MONOTONIC.\n"
           "\n"
           "Ends with 0 (failed requests are rows, too), 1 if it cannot run, 2 for wrong "
           "options.\n";
}

static bool parse_to(struct client_options *options, struct buf *out_problem)
{
    struct str text = str_from(optarg), host, port_text;
    struct addr addr;
    uint64_t port = 0;
    const char *colon = strrchr(optarg, ':');
    if (colon != NULL) {
        host = (struct str){ optarg, (size_t)(colon - optarg) };
        port_text = str_from(colon + 1);
        if (host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
            host = (struct str){ host.ptr + 1, host.len - 2 };
        if (addr_parse(host, &addr) && str_parse_u64(port_text, PORT_MAX, &port) && port > 0) {
            options->to_len = addr_to_sockaddr(&addr, (uint16_t)port, &options->to);
            return true;
        }
    }
    buf_append_format(out_problem,
                      "--to must be an address with a port, such as 10.0.0.1:443; "
                      "found '%.*s'",
                      STR_ARG(text));
    return false;
}

/* One of two words. */
static bool parse_choice(const char *name, const char *yes, const char *no, bool *out_is_yes,
                         struct buf *out_problem)
{
    if (strcmp(optarg, yes) == 0 || strcmp(optarg, no) == 0) {
        *out_is_yes = strcmp(optarg, yes) == 0;
        return true;
    }
    buf_append_format(out_problem, "%s must be %s or %s; found '%s'", name, yes, no, optarg);
    return false;
}

static bool parse_number(int letter, struct client_options *options, struct buf *out_problem)
{
    const struct {
        int letter;
        const char *name;
        uint64_t *to;
        uint64_t min, max;
    } rows[] = {
        { 'b', "--body", &options->body_bytes, 0, BODY_MAX_BYTES },
        { 'n', "--samples", &options->samples, 1, SAMPLES_MAX },
        { 'k', "--requests", &options->requests, 1, REQUESTS_MAX },
        { 'P', "--parallel", &options->parallel, 1, PARALLEL_MAX },
        { 'e', "--every", &options->every_ms, 0, DAY_MS },
        { 'w', "--pause", &options->pause_ms, 0, DAY_MS },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].letter != letter)
            continue;
        uint64_t number = 0;
        if (str_parse_u64(str_from(optarg), rows[i].max, &number) && number >= rows[i].min) {
            *rows[i].to = number;
            return true;
        }
        buf_append_format(out_problem, "%s must be a whole number from %llu to %llu; found '%s'",
                          rows[i].name, (unsigned long long)rows[i].min,
                          (unsigned long long)rows[i].max, optarg);
    }
    return false;
}

static bool parse_seconds(const char *name, uint64_t *out_ms, struct buf *out_problem)
{
    double seconds = 0;
    if (str_parse_double(str_from(optarg), &seconds) && seconds * MS_PER_S >= 1 &&
        seconds * MS_PER_S <= DAY_MS) {
        *out_ms = (uint64_t)(seconds * MS_PER_S);
        return true;
    }
    buf_append_format(out_problem, "%s must be seconds, from 0.001 to 86400; found '%s'", name,
                      optarg);
    return false;
}

static bool parse_path(struct client_options *options, struct buf *out_problem)
{
    if (optarg[0] != '/')
        buf_append_format(out_problem, "--path must begin with /; found '%s'", optarg);
    else if (options->path_count == CLIENT_OPTIONS_PATHS_MAX)
        buf_append_format(out_problem, "at most %d paths", CLIENT_OPTIONS_PATHS_MAX);
    else
        options->paths[options->path_count++] = optarg;
    return out_problem->len == 0;
}

static bool take(struct client_options *options, int letter, const char *word,
                 struct buf *out_problem)
{
    switch (letter) {
    case 't':
        return parse_to(options, out_problem);
    case 'H':
        options->host = optarg;
        return true;
    case 'c':
        options->ca = optarg;
        return true;
    case 'v':
        return parse_choice("--http", "h2", "h1", &options->is_h2, out_problem);
    case 'l':
        if (!parse_choice("--tls", "1.2", "1.3", &options->is_tls12, out_problem))
            return false;
        options->is_tls13 = !options->is_tls12;
        return true;
    case 'm':
        return parse_choice("--method", "POST", "GET", &options->is_post, out_problem);
    case 'r':
        options->is_resumed = true;
        return true;
    case 'p':
        return parse_path(options, out_problem);
    case 'T':
        return parse_seconds("--timeout", &options->timeout_ms, out_problem);
    case 's':
        return parse_seconds("--stream", &options->stream_ms, out_problem);
    case 'h':
        options->is_help = true;
        return true;
    case ':':
        buf_append_format(out_problem, "'%s' needs a value", word);
        return false;
    case '?':
        buf_append_format(out_problem, "unknown option '%s'", word);
        return false;
    default:
        return parse_number(letter, options, out_problem);
    }
}

static void check_whole(const struct client_options *options, int argc, char *const argv[],
                        struct buf *out_problem)
{
    if (optind < argc)
        buf_append_format(out_problem, "unexpected '%s'", argv[optind]);
    else if (options->to_len == 0 || options->host == NULL || options->ca == NULL)
        buf_append_format(out_problem, "%s is missing",
                          options->to_len == 0    ? "--to"
                          : options->host == NULL ? "--host"
                                                  : "--ca");
    else if (options->body_bytes > 0 && !options->is_post)
        buf_append_text(out_problem, "--body needs --method POST");
    else if (options->stream_ms > 0 && options->every_ms == 0)
        buf_append_text(out_problem, "--stream needs --every of at least 1");
    else if (options->stream_ms > 0 && (options->samples > 1 || options->requests > 1))
        buf_append_text(out_problem, "--stream goes without --samples and --requests");
}

bool client_options_parse(int argc, char *const argv[], struct client_options *out_options,
                          struct buf *out_problem)
{
    struct client_options options = {
        .is_h2 = true,
        .samples = 1,
        .requests = 1,
        .parallel = 1,
        .every_ms = 100,
        .timeout_ms = 10 * MS_PER_S,
    };
    opterr = 0;
    while (!options.is_help) {
        int at = optind;
        int letter = getopt_long(argc, argv, "+:h", known, NULL);
        if (letter < 0)
            break;
        if (!take(&options, letter, argv[at], out_problem))
            return false;
    }
    if (!options.is_help)
        check_whole(&options, argc, argv, out_problem);
    if (options.path_count == 0)
        options.paths[options.path_count++] = "/";
    *out_options = options;
    return out_problem->len == 0;
}
