/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a DNS message: what query_parse accepts must keep its promises, and what it
 * refuses must still leave a query that an answer can be made from. */
#include <assert.h>
#include <string.h>

#include "dns/wire/octets.h"
#include "dns/wire/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ecs(const struct ecs *ecs)
{
    const struct cidr *prefix = &ecs->prefix;
    if (!ecs->is_present)
        return;
    assert(prefix->bits <= addr_max_bits(&prefix->addr));
    struct cidr masked = cidr_make(&prefix->addr, prefix->bits);
    assert(cidr_eq(&masked, prefix));
    assert(ecs->family != 0 || prefix->bits == 0);
    assert(ecs->address_bytes == (prefix->bits + 7) / 8);
}

static void check_name(const struct query *query)
{
    uint8_t wire[NAME_MAX_BYTES], offsets[NAME_MAX_LABELS];
    char text[NAME_TEXT_MAX];
    assert(name_length(query->qname, query->qname_len) == query->qname_len);
    name_lower(query->qname, query->qname_len, wire);
    assert(memcmp(wire, query->qname, query->qname_len) == 0);
    assert(name_labels(query->qname, offsets) < NAME_MAX_LABELS);
    name_format(query->qname, text);
    assert(name_parse(str_from(text), wire) == query->qname_len);
    assert(memcmp(wire, query->qname, query->qname_len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct query query;
    enum query_verdict verdict = query_parse(data, size, &query);
    assert((verdict == QUERY_DROP_SHORT) == (size < WIRE_HEADER_BYTES));
    if (verdict == QUERY_DROP_SHORT || verdict == QUERY_DROP_RESPONSE)
        return 0;
    assert(query.question_end >= WIRE_HEADER_BYTES && query.question_end <= size);
    if (query.question_end > WIRE_HEADER_BYTES)
        check_name(&query);
    if (verdict == QUERY_OK || verdict == QUERY_BADVERS) {
        assert(octets_u16(data + 4) == 1 && octets_u16(data + 6) == 0);
        assert(query.question_end > WIRE_HEADER_BYTES && (data[2] & 0x78) == 0);
        check_ecs(&query.edns.ecs);
    }
    return 0;
}
