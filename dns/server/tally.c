/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/tally.h"

#include <stdlib.h>
#include <string.h>

const uint8_t tally_type_of[256] = {
#define X(name, qtype) [qtype] = TALLY_TYPE_##name,
    TALLY_TYPE_LIST(X)
#undef X
};

const uint8_t tally_rcode_of[32] = {
    [0] = TALLY_RCODE_NOERROR,  [1] = TALLY_RCODE_FORMERR, [2] = TALLY_RCODE_SERVFAIL,
    [3] = TALLY_RCODE_NXDOMAIN, [4] = TALLY_RCODE_NOTIMP,  [5] = TALLY_RCODE_REFUSED,
    [16] = TALLY_RCODE_BADVERS,
};

struct tally *tally_new(size_t count)
{
    struct tally *tallies = aligned_alloc(_Alignof(struct tally), count * sizeof(*tallies));
    if (tallies == NULL)
        abort();
    memset(tallies, 0, count * sizeof(*tallies));
    return tallies;
}

const char *tally_type_name(enum tally_type type)
{
    static const char *const names[TALLY_TYPE_COUNT] = { [TALLY_TYPE_OTHER] = "other",
#define X(name, qtype) [TALLY_TYPE_##name] = #name,
                                                         TALLY_TYPE_LIST(X)
#undef X
    };
    return names[type];
}

const char *tally_rcode_name(enum tally_rcode rcode)
{
    static const char *const names[TALLY_RCODE_COUNT] = {
        [TALLY_RCODE_NOERROR] = "NOERROR",   [TALLY_RCODE_FORMERR] = "FORMERR",
        [TALLY_RCODE_SERVFAIL] = "SERVFAIL", [TALLY_RCODE_NXDOMAIN] = "NXDOMAIN",
        [TALLY_RCODE_NOTIMP] = "NOTIMP",     [TALLY_RCODE_REFUSED] = "REFUSED",
        [TALLY_RCODE_BADVERS] = "BADVERS",   [TALLY_RCODE_OTHER] = "other",
    };
    return names[rcode];
}

const char *tally_drop_name(enum tally_drop reason)
{
    static const char *const names[TALLY_DROP_COUNT] = {
        [TALLY_DROP_SHORT] = "short",
        [TALLY_DROP_RESPONSE] = "response",
        [TALLY_DROP_PORT_ZERO] = "port_zero",
        [TALLY_DROP_OVERSIZE] = "oversize",
        [TALLY_DROP_SEND_AGAIN] = "send_again",
        [TALLY_DROP_SEND_BUFFERS] = "send_buffers",
        [TALLY_DROP_SEND_DENIED] = "send_denied",
        [TALLY_DROP_SEND_OTHER] = "send_other",
    };
    return names[reason];
}

const char *tally_close_name(enum tally_close reason)
{
    static const char *const names[TALLY_CLOSE_COUNT] = {
        [TALLY_CLOSE_CLIENT] = "client",   [TALLY_CLOSE_IDLE] = "idle",
        [TALLY_CLOSE_EVICTED] = "evicted", [TALLY_CLOSE_SLOW] = "slow",
        [TALLY_CLOSE_BROKEN] = "broken",   [TALLY_CLOSE_STOP] = "stop",
    };
    return names[reason];
}
