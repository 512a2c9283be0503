/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a PROXY header: what is accepted was needed whole, and what follows changes nothing.
 */
#include <assert.h>
#include <string.h>

#include "pop/http/proxy_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header header, again;
    size_t len, again_len;
    enum proxy_verdict verdict = proxy_protocol_parse(data, size, &header, &len);
    if (verdict == PROXY_MORE)
        assert(size < PROXY_PROTOCOL_MAX);
    if (verdict != PROXY_DONE)
        return 0;
    assert(len > 0 && len <= size && len <= PROXY_PROTOCOL_MAX);
    if (header.has_addrs)
        assert(header.source.family == header.destination.family);
    assert(proxy_protocol_parse(data, len, &again, &again_len) == PROXY_DONE);
    assert(again_len == len && again.has_addrs == header.has_addrs);
    assert(!header.has_addrs ||
           (addr_eq(&again.source, &header.source) && again.source_port == header.source_port));
    for (size_t part = 0; part < len; part++)
        assert(proxy_protocol_parse(data, part, &again, &again_len) == PROXY_MORE);
    return 0;
}
