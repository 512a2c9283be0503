/* SPDX-License-Identifier: Apache-2.0 */
/* Messages are written as hex, one row per rule; blanks in hex are ignored. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/query.h"
#include "steering/base/mem.h"

/* Header: id ABCD, flags, then counts. */
#define HEAD(flags, qd, an, ns, ar) "ABCD" flags qd an ns ar
#define QUERY(ar) HEAD("0100", "0001", "0000", "0000", ar)
#define NAME "03 777777 07 6578616d706c65 03 636f6d 00"
#define QUESTION NAME "0001 0001"
#define OPT(flags, rdlen) "00 0029 04D0 00 00" flags rdlen
#define ECS(len, data) "0008" len data
#define SOA_RR "C00C 0006 0001 00000000 0016 00 00 00000001 00000002 00000003 00000004 00000005"
#define A_RR "C00C 0001 0001 00000000 0004 C0000201"

static uint8_t *from_hex(const char *text, size_t *out_len)
{
    uint8_t *bytes = mem_calloc(strlen(text) / 2 + 1, 1);
    size_t digits = 0;
    for (; *text != '\0'; text++) {
        if (*text == ' ')
            continue;
        char digit[2] = { *text, '\0' };
        uint8_t value = (uint8_t)strtoul(digit, NULL, 16);
        bytes[digits / 2] = (uint8_t)(bytes[digits / 2] << 4 | value);
        digits++;
    }
    assert_int_equal(digits % 2, 0);
    *out_len = digits / 2;
    /* Exact size: the sanitizer then sees a read one octet too far. */
    uint8_t *exact = mem_dup(bytes, *out_len);
    free(bytes);
    return exact;
}

static enum query_verdict parse_hex(const char *hex, struct query *out_query)
{
    size_t len;
    uint8_t *bytes = from_hex(hex, &len);
    enum query_verdict verdict = query_parse(bytes, len, out_query);
    free(bytes);
    return verdict;
}

struct row {
    const char *what;
    const char *hex;
    enum query_verdict verdict;
    uint16_t question_end; /* 0: not looked at */
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct query query;
        enum query_verdict verdict = parse_hex(rows[i].hex, &query);
        if (verdict != rows[i].verdict)
            print_error("row '%s'\n", rows[i].what);
        assert_int_equal(verdict, rows[i].verdict);
        if (rows[i].question_end != 0 && query.question_end != rows[i].question_end)
            print_error("row '%s': question_end\n", rows[i].what);
        if (rows[i].question_end != 0)
            assert_int_equal(query.question_end, rows[i].question_end);
    }
}

static void test_parse_header_and_question_rules(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "plain", QUERY("0000") QUESTION, QUERY_OK, 33 },
        { "root", QUERY("0000") "00 0002 0001", QUERY_OK, 17 },
        { "empty datagram", "", QUERY_DROP_SHORT, 0 },
        { "11 octets", "ABCD 0100 0001 0000 0000 00", QUERY_DROP_SHORT, 0 },
        { "response", HEAD("8180", "0001", "0000", "0000", "0000") QUESTION, QUERY_DROP_RESPONSE,
          0 },
        { "response with an unknown opcode", HEAD("F800", "0000", "0000", "0000", "0000"),
          QUERY_DROP_RESPONSE, 0 },
        { "header alone, counts 0", HEAD("0100", "0000", "0000", "0000", "0000"), QUERY_FORMERR,
          12 },
        { "header alone, count 1", QUERY("0000"), QUERY_FORMERR, 12 },
        { "no question but OPT", HEAD("0100", "0000", "0000", "0000", "0001") OPT("0000", "0000"),
          QUERY_FORMERR, 12 },
        { "two questions", HEAD("0100", "0002", "0000", "0000", "0000") QUESTION QUESTION,
          QUERY_FORMERR, 12 },
        { "65535 questions", HEAD("0100", "FFFF", "0000", "0000", "0000") QUESTION, QUERY_FORMERR,
          12 },
        { "pointer in the question", QUERY("0000") "C00C 0001 0001", QUERY_FORMERR, 12 },
        { "pointer behind a label", QUERY("0000") "03777777 C00C 0001 0001", QUERY_FORMERR, 12 },
        { "reserved label type 40", QUERY("0000") "41 61 00 0001 0001", QUERY_FORMERR, 12 },
        { "reserved label type 80", QUERY("0000") "81 61 00 0001 0001", QUERY_FORMERR, 12 },
        { "name without end", QUERY("0000") "03777777", QUERY_FORMERR, 12 },
        { "label beyond the message", QUERY("0000") "3F777777 00 0001 0001", QUERY_FORMERR, 12 },
        { "type cut", QUERY("0000") NAME "00", QUERY_FORMERR, 12 },
        { "class cut", QUERY("0000") NAME "0001 00", QUERY_FORMERR, 12 },
        { "trailing octet", QUERY("0000") QUESTION "00", QUERY_FORMERR, 33 },
        { "opcode IQUERY", HEAD("0800", "0001", "0000", "0000", "0000") QUESTION, QUERY_NOTIMP,
          33 },
        { "opcode UPDATE", HEAD("2800", "0001", "0000", "0001", "0000") QUESTION A_RR, QUERY_NOTIMP,
          33 },
        { "opcode 15, nothing else", HEAD("7800", "0000", "0000", "0000", "0000"), QUERY_NOTIMP,
          12 },
        { "opcode 15, garbage", HEAD("7800", "0001", "0000", "0000", "0000") "FFFFFF", QUERY_NOTIMP,
          12 },
        { "all header flags but QR and opcode",
          HEAD("07FF", "0001", "0000", "0000", "0000") QUESTION, QUERY_OK, 33 },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_parse_record_rules(void **state)
{
    (void)state;
#define IXFR NAME "00FB 0001"
    static const struct row rows[] = {
        { "answer record", HEAD("0100", "0001", "0001", "0000", "0000") QUESTION A_RR,
          QUERY_FORMERR, 33 },
        { "answer SOA", HEAD("0100", "0001", "0001", "0000", "0000") IXFR SOA_RR, QUERY_FORMERR,
          33 },
        { "authority record", HEAD("0100", "0001", "0000", "0001", "0000") QUESTION SOA_RR,
          QUERY_FORMERR, 33 },
        { "IXFR's SOA", HEAD("0100", "0001", "0000", "0001", "0000") IXFR SOA_RR, QUERY_OK, 33 },
        { "IXFR with an answer", HEAD("0100", "0001", "0001", "0001", "0000") IXFR SOA_RR SOA_RR,
          QUERY_FORMERR, 33 },
        { "IXFR with another record", HEAD("0100", "0001", "0000", "0001", "0000") IXFR A_RR,
          QUERY_FORMERR, 33 },
        { "IXFR with two SOA", HEAD("0100", "0001", "0000", "0002", "0000") IXFR SOA_RR SOA_RR,
          QUERY_FORMERR, 33 },
        { "unknown additional record", QUERY("0001") QUESTION "00 FFFE 00FF 00000000 0001 00",
          QUERY_OK, 33 },
        { "additional with pointer owner", QUERY("0001") QUESTION A_RR, QUERY_OK, 33 },
        { "pointer to itself", QUERY("0001") QUESTION "C021 0001 0001 00000000 0000", QUERY_FORMERR,
          33 },
        { "pointer forward", QUERY("0001") QUESTION "C022 0001 0001 00000000 0000", QUERY_FORMERR,
          33 },
        { "half a pointer", QUERY("0001") QUESTION "C0", QUERY_FORMERR, 33 },
        { "owner cut", QUERY("0001") QUESTION "05 61", QUERY_FORMERR, 33 },
        { "record announced, none there", QUERY("0001") QUESTION, QUERY_FORMERR, 33 },
        { "two announced, one there", QUERY("0002") QUESTION OPT("0000", "0000"), QUERY_FORMERR,
          33 },
        { "answer announced, none there", HEAD("0100", "0001", "0001", "0000", "0000") QUESTION,
          QUERY_FORMERR, 33 },
        { "authority announced, none there", HEAD("0100", "0001", "0000", "0001", "0000") QUESTION,
          QUERY_FORMERR, 33 },
        { "IXFR with an answer that is not there",
          HEAD("0100", "0001", "0001", "0001", "0000") IXFR SOA_RR, QUERY_FORMERR, 33 },
        { "fixed part cut", QUERY("0001") QUESTION "00 0029 04D0 0000", QUERY_FORMERR, 33 },
        { "rdata cut", QUERY("0001") QUESTION "00 0001 0001 00000000 0004 C00002", QUERY_FORMERR,
          33 },
        { "65535 records in an empty message", QUERY("FFFF") QUESTION, QUERY_FORMERR, 33 },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_parse_edns_rules(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "empty OPT", QUERY("0001") QUESTION OPT("0000", "0000"), QUERY_OK, 33 },
        { "OPT in front of another record", QUERY("0002") QUESTION OPT("0000", "0000") A_RR,
          QUERY_OK, 33 },
        { "OPT behind another record", QUERY("0002") QUESTION A_RR OPT("0000", "0000"), QUERY_OK,
          33 },
        { "two OPT", QUERY("0002") QUESTION OPT("0000", "0000") OPT("0000", "0000"), QUERY_FORMERR,
          33 },
        { "OPT with an owner", QUERY("0001") QUESTION "0161" OPT("0000", "0000"), QUERY_FORMERR,
          33 },
        { "OPT owned by a pointer", QUERY("0001") QUESTION "C020 0029 04D0 00000000 0000",
          QUERY_FORMERR, 33 },
        { "OPT in the answer section",
          HEAD("0100", "0001", "0001", "0000", "0000") QUESTION OPT("0000", "0000"), QUERY_FORMERR,
          33 },
        { "OPT in IXFR's authority",
          HEAD("0100", "0001", "0000", "0001", "0000") IXFR OPT("0000", "0000"), QUERY_FORMERR,
          33 },
        { "a label where OPT's root would be", QUERY("0001") QUESTION "01 0029 04D0 00000000 0000",
          QUERY_FORMERR, 33 },
        { "version 1", QUERY("0001") QUESTION "00 0029 04D0 00 01 0000 0000", QUERY_BADVERS, 33 },
        { "version 255", QUERY("0001") QUESTION "00 0029 04D0 00 FF 0000 0000", QUERY_BADVERS, 33 },
        { "version 1, its options are not ours to judge",
          QUERY("0001") QUESTION "00 0029 04D0 00 01 0000 0003 000800", QUERY_BADVERS, 33 },
        { "version 1 and trailing garbage",
          QUERY("0001") QUESTION "00 0029 04D0 00 01 0000 0000 FF", QUERY_FORMERR, 33 },
        { "unknown option", QUERY("0001") QUESTION OPT("0000", "0006") "0064 0002 BEEF", QUERY_OK,
          33 },
        { "empty unknown option", QUERY("0001") QUESTION OPT("0000", "0004") "FFFF 0000", QUERY_OK,
          33 },
        { "unknown flags", QUERY("0001") QUESTION OPT("7FFF", "0000"), QUERY_OK, 33 },
        { "option header cut", QUERY("0001") QUESTION OPT("0000", "0003") "006400", QUERY_FORMERR,
          33 },
        { "option overruns RDLENGTH", QUERY("0001") QUESTION OPT("0000", "0005") "0064 0002 BE",
          QUERY_FORMERR, 33 },
        { "option overruns RDLENGTH into the next record",
          QUERY("0002") QUESTION OPT("0000", "0004") "0064 000C" A_RR, QUERY_FORMERR, 33 },
        { "RDLENGTH overruns the message", QUERY("0001") QUESTION OPT("0000", "0008") "0064 0000",
          QUERY_FORMERR, 33 },
        { "keepalive of a client with a timeout is ignored",
          QUERY("0001") QUESTION OPT("0000", "0006") "000B 0002 0064", QUERY_OK, 33 },
        { "NSID with content", QUERY("0001") QUESTION OPT("0000", "0005") "0003 0001 00", QUERY_OK,
          33 },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

#define WITH_ECS(rdlen, options)                                                                   \
    QUERY("0001") QUESTION OPT("0000", rdlen)                                                      \
    options

static void test_parse_ecs_rules(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "v4 /24", WITH_ECS("000B", ECS("0007", "0001 18 00 C00002")), QUERY_OK, 33 },
        { "v4 /32", WITH_ECS("000C", ECS("0008", "0001 20 00 C0000201")), QUERY_OK, 33 },
        { "v4 /0", WITH_ECS("0008", ECS("0004", "0001 00 00")), QUERY_OK, 33 },
        { "v6 /56", WITH_ECS("000F", ECS("000B", "0002 38 00 20010DB8000001")), QUERY_OK, 33 },
        { "v6 /0", WITH_ECS("0008", ECS("0004", "0002 00 00")), QUERY_OK, 33 },
        { "v6 /128", WITH_ECS("0018", ECS("0014", "0002 80 00 20010DB8000000000000000000000001")),
          QUERY_OK, 33 },
        { "row 6: family 0, source 0", WITH_ECS("0008", ECS("0004", "0000 00 00")), QUERY_OK, 33 },
        { "family 0, source 24", WITH_ECS("000B", ECS("0007", "0000 18 00 C00002")), QUERY_FORMERR,
          33 },
        { "family 0, source 24, no address", WITH_ECS("0008", ECS("0004", "0000 18 00")),
          QUERY_FORMERR, 33 },
        { "family 0, an octet of address", WITH_ECS("0009", ECS("0005", "0000 00 00 00")),
          QUERY_FORMERR, 33 },
        { "row 1: unknown family 3", WITH_ECS("000B", ECS("0007", "0003 18 00 C00002")),
          QUERY_FORMERR, 33 },
        { "unknown family, source 0", WITH_ECS("0008", ECS("0004", "0003 00 00")), QUERY_FORMERR,
          33 },
        { "row 1: too few octets", WITH_ECS("000A", ECS("0006", "0001 18 00 C000")), QUERY_FORMERR,
          33 },
        { "row 1: source 33", WITH_ECS("000D", ECS("0009", "0001 21 00 C000020180")), QUERY_FORMERR,
          33 },
        { "v6 source 129",
          WITH_ECS("0019", ECS("0015", "0002 81 00 20010DB8000000000000000000000001 80")),
          QUERY_FORMERR, 33 },
        { "row 1b: an octet too many", WITH_ECS("000C", ECS("0008", "0001 18 00 C0000200")),
          QUERY_FORMERR, 33 },
        { "source 0, an octet too many", WITH_ECS("0009", ECS("0005", "0001 00 00 00")),
          QUERY_FORMERR, 33 },
        { "row 1b: stray bits", WITH_ECS("000B", ECS("0007", "0001 17 00 C00003")), QUERY_FORMERR,
          33 },
        { "stray bits, source 1", WITH_ECS("0009", ECS("0005", "0001 01 00 C0")), QUERY_FORMERR,
          33 },
        { "no stray bits, source 1", WITH_ECS("0009", ECS("0005", "0001 01 00 80")), QUERY_OK, 33 },
        { "row 1b: scope 24 in a query", WITH_ECS("000B", ECS("0007", "0001 18 18 C00002")),
          QUERY_FORMERR, 33 },
        { "scope 1, source 0", WITH_ECS("0008", ECS("0004", "0001 00 01")), QUERY_FORMERR, 33 },
        { "family 0, scope 1", WITH_ECS("0008", ECS("0004", "0000 00 01")), QUERY_FORMERR, 33 },
        { "empty option", WITH_ECS("0004", ECS("0000", "")), QUERY_FORMERR, 33 },
        { "header cut", WITH_ECS("0007", ECS("0003", "0001 18") "00"), QUERY_FORMERR, 33 },
        { "two ECS options",
          WITH_ECS("0016", ECS("0007", "0001 18 00 C00002") ECS("0007", "0001 18 00 C00002")),
          QUERY_FORMERR, 33 },
        { "two ECS options, family 0",
          WITH_ECS("0010", ECS("0004", "0000 00 00") ECS("0004", "0000 00 00")), QUERY_FORMERR,
          33 },
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_parse_reads_every_field(void **state)
{
    (void)state;
    struct query query;
    const char *hex =
        HEAD("0110", "0001", "0000", "0000",
             "0001") "03 577757 07 4578614D704C65 03 434F4D 00 001C "
                     "0001" OPT("8000", "0013") "0003 0000"
                                                "000B 0000" ECS("0007", "0001 16 00 C0A8FC");
    assert_int_equal(parse_hex(hex, &query), QUERY_OK);
    assert_int_equal(query.qname_len, 17);
    assert_memory_equal(query.qname, "\3www\7example\3com", 17);
    assert_int_equal(query.qtype, TYPE_AAAA);
    assert_int_equal(query.qclass, CLASS_IN);
    assert_true(query.edns.is_present);
    assert_int_equal(query.edns.payload_bytes, 1232);
    assert_true(query.edns.wants_dnssec);
    assert_true(query.edns.wants_nsid);
    assert_true(query.edns.has_keepalive);
    assert_true(query.edns.ecs.is_present);
    assert_int_equal(query.edns.ecs.family, 1);
    assert_int_equal(query.edns.ecs.address_bytes, 3);
    struct cidr expected;
    assert_int_equal(cidr_parse(STR("192.168.252.0/22"), &expected), CIDR_FINE);
    assert_true(cidr_eq(&query.edns.ecs.prefix, &expected));

    assert_int_equal(parse_hex(HEAD("0000", "0001", "0000", "0000", "0000") QUESTION, &query),
                     QUERY_OK);
    assert_false(query.edns.is_present);
    assert_false(query.edns.ecs.is_present);
}

static void test_parse_opt_survives_a_fault_behind_it(void **state)
{
    (void)state;
    struct query query;
    /* Nor is anything left of what was there before. */
    memset(&query, 0xff, sizeof(query));
    assert_int_equal(parse_hex(HEAD("0100", "0000", "0000", "0000", "0000"), &query),
                     QUERY_FORMERR);
    assert_int_equal(query.qname_len + query.qtype + query.qclass, 0);
    /* The FORMERR answer carries OPT when the query had one. */
    assert_int_equal(parse_hex(WITH_ECS("0008", ECS("0004", "0003 18 00")), &query), QUERY_FORMERR);
    assert_true(query.edns.is_present);
    assert_false(query.edns.ecs.is_present);
    assert_int_equal(parse_hex(HEAD("0000", "0000", "0000", "0000", "0000"), &query),
                     QUERY_FORMERR);
    assert_false(query.edns.is_present);
}

static void test_parse_never_accepts_a_cut_message(void **state)
{
    (void)state;
    size_t len;
    uint8_t *whole = from_hex(WITH_ECS("000B", ECS("0007", "0001 18 00 C00002")), &len);
    for (size_t cut = 0; cut < len; cut++) {
        struct query query;
        uint8_t *part = mem_dup(whole, cut);
        assert_int_equal(query_parse(part, cut, &query),
                         cut < WIRE_HEADER_BYTES ? QUERY_DROP_SHORT : QUERY_FORMERR);
        free(part);
    }
    free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_header_and_question_rules),
        cmocka_unit_test(test_parse_record_rules),
        cmocka_unit_test(test_parse_edns_rules),
        cmocka_unit_test(test_parse_ecs_rules),
        cmocka_unit_test(test_parse_reads_every_field),
        cmocka_unit_test(test_parse_opt_survives_a_fault_behind_it),
        cmocka_unit_test(test_parse_never_accepts_a_cut_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
