/* SPDX-License-Identifier: Apache-2.0 */
/* The header that a load balancer sends before anything else, to say who its client is.
 *
 * Shape:     version 1   PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n
 *            version 2   12 bytes of signature, version and command, family and transport,
 *                        length (16 bits), addresses, TLVs (which are stepped over)
 * Threads:   any (pure).
 * Limits:    107 bytes of version 1; PROXY_PROTOCOL_MAX of version 2.
 * Source:    The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steering/base/addr.h"

/* The largest header that is accepted, TLVs included. */
enum { PROXY_PROTOCOL_MAX = 16 + 2048 };

struct proxy_header {
    bool has_addrs; /* false: LOCAL, UNKNOWN, UNSPEC, a unix socket: the connection's own count */
    struct addr source, destination;
    uint16_t source_port, destination_port;
};

enum proxy_verdict {
    PROXY_MORE, /* sound so far: call again with more bytes, from the first one on */
    PROXY_DONE,
    PROXY_MALFORMED, /* close; there is nobody to answer to */
};

/* With PROXY_DONE, `*out_len` bytes at the front of `bytes` were the header. */
enum proxy_verdict proxy_protocol_parse(const uint8_t *bytes, size_t len,
                                        struct proxy_header *out_header, size_t *out_len);
