/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pop/http/proxy_protocol.h"
#include "steering/base/mem.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xcb\x00\x71\x07\xc0\x00\x02\x01\xc8\x22\x01\xbb"
#define V6                                                                                         \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\xc8\x22" \
    "\x01\xbb"
#define ROW(bytes, verdict, addrs)                                                                 \
    {                                                                                              \
        { bytes, sizeof(bytes) - 1 }, verdict, addrs                                               \
    }

struct row {
    struct str bytes;
    enum proxy_verdict verdict;
    const char *addrs; /* "source port destination port"; "": the connection's own */
};

/* Exact memory: the sanitizer then sees a read one octet too far. */
static enum proxy_verdict parse(struct str bytes, struct proxy_header *header, size_t *len)
{
    uint8_t *copy = mem_dup(bytes.ptr, bytes.len > 0 ? bytes.len : 1);
    uint8_t *exact = bytes.len > 0 ? copy : copy + 1;
    enum proxy_verdict verdict = proxy_protocol_parse(exact, bytes.len, header, len);
    free(copy);
    return verdict;
}

static void check_addrs(const struct row *row, const struct proxy_header *header)
{
    char text[160] = "", source[ADDR_TEXT_MAX], destination[ADDR_TEXT_MAX];
    if (header->has_addrs)
        snprintf(text, sizeof(text), "%s %u %s %u", addr_format(&header->source, source),
                 header->source_port, addr_format(&header->destination, destination),
                 header->destination_port);
    assert_string_equal(text, row->addrs);
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct proxy_header header;
        struct str bytes = rows[i].bytes;
        size_t len = 0;
        enum proxy_verdict verdict = parse(bytes, &header, &len);
        if (verdict != rows[i].verdict)
            print_error("row %zu: '%.*s'\n", i, STR_ARG(bytes));
        assert_int_equal(verdict, rows[i].verdict);
        if (verdict != PROXY_DONE)
            continue;
        assert_int_equal(len, bytes.len);
        check_addrs(&rows[i], &header);
        /* What follows is not looked at; and every shorter piece needs more. */
        char longer[512] = "";
        assert_true(bytes.len + 3 < sizeof(longer));
        memcpy(longer, bytes.ptr, bytes.len);
        memcpy(longer + bytes.len, "GET", 3);
        assert_int_equal(parse((struct str){ longer, bytes.len + 3 }, &header, &len), PROXY_DONE);
        assert_int_equal(len, bytes.len);
        for (size_t part = 0; part < bytes.len; part++)
            assert_int_equal(parse((struct str){ bytes.ptr, part }, &header, &len), PROXY_MORE);
    }
}

static void test_parse_version_1(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\r\n", PROXY_DONE,
            "203.0.113.7 51234 192.0.2.1 443"),
        ROW("PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n", PROXY_DONE,
            "2001:db8::7 0 2001:db8::1 65535"),
        ROW("PROXY UNKNOWN\r\n", PROXY_DONE, ""),
        ROW("PROXY UNKNOWN ffff::1 what ever\r\n", PROXY_DONE, ""),
        ROW("PROXY TCP4 203.0.113.7 192.0.2.1 51234 443\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4 203.0.113.7 192.0.2.1 51234\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4 203.0.113.7 192.0.2.1 51234 443 \r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4  203.0.113.7 192.0.2.1 51234 443\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4 203.0.113.7 192.0.2.1 51234 65536\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4 203.0.113.7 192.0.2.1 0051 443\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4 203.0.113.7 192.0.2.1 +1 443\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4 203.0.113 192.0.2.1 1 443\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4 2001:db8::7 2001:db8::1 1 443\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP6 203.0.113.7 192.0.2.1 1 443\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY UDP4 203.0.113.7 192.0.2.1 1 443\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY \r\n", PROXY_MALFORMED, ""),
        ROW("PROXY TCP4\r\n", PROXY_MALFORMED, ""),
        ROW("PROXY UNKNOWN\0\r\n", PROXY_MALFORMED, ""),
        ROW("proxy TCP4 203.0.113.7 192.0.2.1 1 443\r\n", PROXY_MALFORMED, ""),
        ROW("GET / HTTP/1.1\r\n", PROXY_MALFORMED, ""),
        ROW("\x16\x03\x01", PROXY_MALFORMED, ""),
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_parse_version_1_is_bounded(void **state)
{
    (void)state;
    char line[120];
    struct proxy_header header;
    size_t len;
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_int_equal(parse((struct str){ line, 106 }, &header, &len), PROXY_MORE);
    assert_int_equal(parse((struct str){ line, 107 }, &header, &len), PROXY_MALFORMED);
    memcpy(line + 105, "\r\n", 2);
    assert_int_equal(parse((struct str){ line, 120 }, &header, &len), PROXY_DONE);
    assert_int_equal(len, 107);
    memcpy(line + 105, "x\r\n", 3);
    assert_int_equal(parse((struct str){ line, 120 }, &header, &len), PROXY_MALFORMED);
}

static void test_parse_version_2(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW(SIGNATURE "\x21\x11\x00\x0c" V4, PROXY_DONE, "203.0.113.7 51234 192.0.2.1 443"),
        ROW(SIGNATURE "\x21\x21\x00\x24" V6, PROXY_DONE, "2001:db8::7 51234 2001:db8::1 443"),
        /* TLVs are stepped over. */
        ROW(SIGNATURE "\x21\x11\x00\x14" V4 "\x01\x00\x02h2\x04\x00\x00", PROXY_DONE,
            "203.0.113.7 51234 192.0.2.1 443"),
        ROW(SIGNATURE "\x20\x00\x00\x00", PROXY_DONE, ""), /* LOCAL: a health check */
        ROW(SIGNATURE "\x20\x11\x00\x0c" V4, PROXY_DONE, ""),
        ROW(SIGNATURE "\x20\xff\x00\x02xx", PROXY_DONE, ""),
        ROW(SIGNATURE "\x21\x00\x00\x03xyz", PROXY_DONE, ""), /* UNSPEC */
        ROW(SIGNATURE "\x21\x12\x00\x0c" V4, PROXY_DONE, ""), /* UDP: not ours */
        ROW(SIGNATURE "\x21\x31\x00\x04"
                      "abcd",
            PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x21\x11\x00\x0b" V4, PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x21\x21\x00\x0c" V4, PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x21\x13\x00\x0c" V4, PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x22\x11\x00\x0c" V4, PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x11\x11\x00\x0c" V4, PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x31", PROXY_MALFORMED, ""),
        /* A TLV that is cut off, or longer than what is left. */
        ROW(SIGNATURE "\x21\x11\x00\x0e" V4 "\x01\x00", PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x21\x11\x00\x10" V4 "\x01\x00\x02x", PROXY_MALFORMED, ""),
        /* Longer than we take. */
        ROW(SIGNATURE "\x21\x11\x08\x01", PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x21\x11\xff\xff", PROXY_MALFORMED, ""),
        ROW(SIGNATURE "\x21\x11\x08\x00", PROXY_MORE, ""),
        ROW("\r\n\r\n\0\r\nQUIX", PROXY_MALFORMED, ""),
        ROW("\r\n\r\n\r", PROXY_MALFORMED, ""),
    };
    check_rows(rows, ARRAY_SIZE(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_version_1),
        cmocka_unit_test(test_parse_version_1_is_bounded),
        cmocka_unit_test(test_parse_version_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
