/* SPDX-License-Identifier: Apache-2.0 */
/* The data of one record, from the tokens of its zone file line to uncompressed wire form.
 *
 * ldns knows which fields each type has, and reads the rare ones. The usual fields (numbers, names,
 * addresses, strings) are read here: ldns takes 99999 for a 16-bit number and loses the line, and a
 * million records must not cost a dozen allocations each.
 * Threads:   owner only.
 * Limits:    RDATA_MAX_BYTES.
 * Source:    RFC 1035 section 5.1, RFC 3597 section 5
 */
#pragma once

#include "dns/zone/lexer.h"
#include "dns/zone/zone_name.h"

enum { RDATA_MAX_BYTES = 65535, RDATA_PROBLEM_MAX = 320 };

struct rdata_text {
    /* given: the tokens behind the type; borrowed */
    uint16_t type;
    const struct zone_name *origin;
    const struct token *tokens;
    size_t count;
    /* the result */
    uint8_t bytes[RDATA_MAX_BYTES];
    size_t len;
    const struct token *undotted; /* a name that seems to lack its final dot, or NULL */
    /* when it is refused: why, and the index of the token (`count`: the record ended too early) */
    char problem[RDATA_PROBLEM_MAX];
    size_t at;
};

/* Needs only the given members set. False: `problem` and `at` are set. */
bool rdata_text_parse(struct rdata_text *text);
