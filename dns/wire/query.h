/* SPDX-License-Identifier: Apache-2.0 */
/* One DNS query, parsed from the bytes of a datagram or TCP frame.
 *
 * Threads:   any (pure). No allocation.
 * Ownership: points into nothing: offsets refer to the message that was parsed, which the answer
 *            is later built over; header and question stay where they are.
 * Source:    RFC 1035 section 4, RFC 6891 (EDNS), RFC 7871 (ECS), RFC 5001 (NSID),
 *            RFC 7828 (TCP keepalive), RFC 8906
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dns/wire/name.h"
#include "steering/base/cidr.h"

enum {
    WIRE_HEADER_BYTES = 12,
    WIRE_MIN_UDP_BYTES = 512,
    WIRE_MAX_BYTES = 65535,
};

enum rcode {
    RCODE_NOERROR = 0,
    RCODE_FORMERR = 1,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN = 3,
    RCODE_NOTIMP = 4,
    RCODE_REFUSED = 5,
    RCODE_BADVERS = 16,
};

enum rr_type {
    TYPE_A = 1,
    TYPE_NS = 2,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    TYPE_PTR = 12,
    TYPE_HINFO = 13,
    TYPE_MX = 15,
    TYPE_TXT = 16,
    TYPE_AAAA = 28,
    TYPE_SRV = 33,
    TYPE_DNAME = 39,
    TYPE_OPT = 41,
    TYPE_DS = 43,
    TYPE_RRSIG = 46,
    TYPE_NSEC = 47,
    TYPE_SVCB = 64,
    TYPE_HTTPS = 65,
    TYPE_IXFR = 251,
    TYPE_AXFR = 252,
    TYPE_ANY = 255,
};
enum rr_class { CLASS_IN = 1, CLASS_CH = 3, CLASS_ANY = 255 };

struct ecs {
    bool is_present;
    uint8_t address_bytes; /* what SOURCE needs, and the option has */
    uint16_t family;       /* as sent: 1, 2, or 0 with SOURCE 0 */
    struct cidr prefix;    /* as sent: address, SOURCE bits; family 0 is ADDR_V4 */
};

struct edns {
    bool is_present;
    uint8_t version;
    uint16_t payload_bytes; /* as sent */
    bool wants_dnssec;      /* DO */
    bool wants_nsid;
    bool has_keepalive;
    struct ecs ecs;
};

struct query {
    uint8_t qname[NAME_MAX_BYTES]; /* lower-cased; the message keeps the case that was sent */
    uint8_t qname_len;
    uint16_t qtype, qclass;
    uint16_t question_end; /* offset behind the question: where the answer section begins */
    struct edns edns;
};

/* What to do with the message. Everything but QUERY_DROP_* has at least a header to answer to. */
enum query_verdict {
    QUERY_OK,
    QUERY_DROP_SHORT,    /* fewer than 12 octets */
    QUERY_DROP_RESPONSE, /* QR set: answering would build a reflection loop */
    QUERY_FORMERR,       /* `question_end` is 12 when the question could not be read */
    QUERY_NOTIMP,        /* opcode other than QUERY */
    QUERY_BADVERS,       /* EDNS version other than 0 */
};

/* Reads a whole message. `*out_query` is initialised as far as parsing came,
 * and not at all for QUERY_DROP_*. Bytes behind
 * the last counted record are an error (FORMERR). */
enum query_verdict query_parse(const uint8_t *message, size_t len, struct query *out_query);
