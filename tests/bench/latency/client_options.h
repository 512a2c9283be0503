/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of latency_client. */
#pragma once
#include <sys/socket.h>

#include "steering/base/buf.h"

enum { CLIENT_OPTIONS_PATHS_MAX = 16 };

struct client_options {
    struct sockaddr_storage to;
    socklen_t to_len;
    char *host; /* not const: OpenSSL's macro casts */
    const char *ca;
    bool is_h2, is_tls12, is_tls13, is_resumed, is_post, is_help;
    const char *paths[CLIENT_OPTIONS_PATHS_MAX];
    size_t path_count;
    uint64_t body_bytes;
    uint64_t samples, requests, parallel;
    uint64_t every_ms, pause_ms, timeout_ms;
    uint64_t stream_ms; /* 0: samples */
};

/* False: `out_problem` says what is wrong, on one line. */
bool client_options_parse(int argc, char *const argv[], struct client_options *out_options,
                          struct buf *out_problem);
const char *client_options_help(void);
