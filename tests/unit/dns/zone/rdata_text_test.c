/* SPDX-License-Identifier: Apache-2.0 */
/* Every record type that ldns knows, against wire data from dnspython 2.3 (the hex column) and
 * against ldns's own record parser. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>

#include "dns/zone/rdata_text.h"
#include "dns/zone/type_name.h"
#include "steering/base/buf.h"
#include "steering/base/mem.h"

static struct zone_name origin_of(const char *text)
{
    struct zone_name name;
    name.len = (uint8_t)name_parse(str_from(text), name.wire);
    assert_true(name.len > 0);
    return name;
}

/* Parses `text` as the data of a record of `type` below example.com. */
static bool parse(uint16_t type, const char *text, struct rdata_text *out_rdata)
{
    static struct zone_name origin;
    struct lexer lexer;
    origin = origin_of("example.com");
    lexer_init(&lexer, str_from(text));
    enum lexer_result result = lexer_next(&lexer);
    assert_int_not_equal(result, LEXER_PROBLEM);
    out_rdata->type = type;
    out_rdata->origin = &origin;
    out_rdata->tokens = lexer.tokens;
    out_rdata->count = result == LEXER_ENTRY ? lexer.count : 0;
    bool is_good = rdata_text_parse(out_rdata);
    lexer_fini(&lexer);
    return is_good;
}

static const char *to_hex(const uint8_t *bytes, size_t len, char *out_text, size_t capacity)
{
    out_text[0] = '\0';
    for (size_t i = 0; i < len && 2 * i + 3 < capacity; i++)
        snprintf(out_text + 2 * i, 3, "%02x", bytes[i]);
    return out_text;
}

/* Why ldns's own parser is no witness for a sample. */
enum ldns_fault { LDNS_AGREES, LDNS_DIFFERS };

#define EXAMPLE_COM "076578616d706c6503636f6d00"
#define EXAMPLE_ORG "076578616d706c65036f726700"
#define EXAMPLE_NET "076578616d706c65036e657400"
#define SHA1 "0123456789abcdef0123456789abcdef01234567"
#define SHA384                                                                                     \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567"     \
    "89abcdef"

static const struct sample {
    const char *type, *text, *hex;
    enum ldns_fault ldns;
} SAMPLES[] = {
    { "A", "192.0.2.1", "c0000201", LDNS_AGREES },
    { "NS", "ns1", "036e7331" EXAMPLE_COM, LDNS_AGREES },
    { "MD", "mail", "046d61696c" EXAMPLE_COM, LDNS_AGREES },
    { "MF", "mail.example.org.", "046d61696c" EXAMPLE_ORG, LDNS_AGREES },
    { "CNAME", "a.b", "01610162" EXAMPLE_COM, LDNS_AGREES },
    { "SOA", "ns1 host\\.master 2024010101 1h 900 4w2d 300",
      "036e7331" EXAMPLE_COM "0b686f73742e6d6173746572" EXAMPLE_COM
      "78a3f17500000e100000038400278d000000012c",
      LDNS_AGREES },
    { "MB", "mb", "026d62" EXAMPLE_COM, LDNS_AGREES },
    { "MG", "mg", "026d67" EXAMPLE_COM, LDNS_AGREES },
    { "MR", "mr", "026d72" EXAMPLE_COM, LDNS_AGREES },
    { "NULL", "\\# 3 010203", "010203", LDNS_AGREES },
    /* ldns asks a file of this machine for the number of TCP. */
    { "WKS", "192.0.2.1 TCP 25 80 443",
      "c00002010600000040000000000000800000000000000000000000000000"
      "00000000000000000000000000000000000000000000000000000000000010",
      LDNS_DIFFERS },
    { "PTR", "host.example.net.", "04686f7374" EXAMPLE_NET, LDNS_AGREES },
    { "HINFO", "\"PC Intel\" Linux", "08504320496e74656c054c696e7578", LDNS_AGREES },
    { "MINFO", "a b", "0161" EXAMPLE_COM "0162" EXAMPLE_COM, LDNS_AGREES },
    { "MX", "10 mail", "000a046d61696c" EXAMPLE_COM, LDNS_AGREES },
    { "TXT", "\"two words\" plain \"a\\\"b\" \\065\\032B \"\"",
      "0974776f20776f72647305706c61696e036122620341204200", LDNS_AGREES },
    { "RP", "mbox txt.example.org.", "046d626f78" EXAMPLE_COM "03747874" EXAMPLE_ORG, LDNS_AGREES },
    { "AFSDB", "1 afs", "000103616673" EXAMPLE_COM, LDNS_AGREES },
    { "X25", "311061700956", "0c333131303631373030393536", LDNS_AGREES },
    { "ISDN", "150862028003217 004", "0f31353038363230323830303332313703303034", LDNS_AGREES },
    { "ISDN", "150862028003217", "0f313530383632303238303033323137", LDNS_AGREES },
    { "RT", "2 relay", "00020572656c6179" EXAMPLE_COM, LDNS_AGREES },
    { "NSAP", "0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00",
      "47000580005a0000000001e133ffffff00016100", LDNS_AGREES },
    { "NSAP-PTR", "\\# 5 0161016200", "0161016200", LDNS_DIFFERS },
    { "KEY", "256 3 5 AQID BAUG", "01000305010203040506", LDNS_AGREES },
    { "PX", "50 ma px.example.org.", "0032026d61" EXAMPLE_COM "027078" EXAMPLE_ORG, LDNS_AGREES },
    { "GPOS", "-32.6882 116.8652 10.0", "082d33322e36383832083131362e383635320431302e30",
      LDNS_AGREES },
    { "AAAA", "2001:db8::1", "20010db8000000000000000000000001", LDNS_AGREES },
    { "LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
      "000016138b3cf018810cbce0009895b8", LDNS_AGREES },
    { "LOC", "42 21 54 S 71 06 18 W 24m 30m", "0033161376e8d23070be15f000989fe0", LDNS_DIFFERS },
    { "LOC", "52 N 105 E 240m",
      "001216138b2872009687d280009"
      "8f440",
      LDNS_DIFFERS },
    { "EID", "e32c6f78", "e32c6f78", LDNS_AGREES },
    { "NIMLOC", "32251A", "32251a", LDNS_AGREES },
    { "SRV", "1 2 443 srv", "0001000201bb03737276" EXAMPLE_COM, LDNS_AGREES },
    { "ATMA", "\\# 2 0001", "0001", LDNS_DIFFERS },
    { "NAPTR", "100 50 \"s\" \"http+I2L\" \"!^.*$!x!\" _http._tcp",
      "00640032017308687474702b49324c08215e2e2a24217821055f68747470045f746370" EXAMPLE_COM,
      LDNS_AGREES },
    { "KX", "10 kx", "000a026b78" EXAMPLE_COM, LDNS_AGREES },
    { "CERT", "PGP 9 RSASHA256 AQIDBA==", "000300090801020304", LDNS_AGREES },
    { "A6", "\\# 2 8000", "8000", LDNS_DIFFERS },
    { "DNAME", "target", "06746172676574" EXAMPLE_COM, LDNS_AGREES },
    { "SINK", "\\# 3 400101", "400101", LDNS_DIFFERS },
    { "APL", "1:192.168.32.0/21 !1:192.168.38.0/28 2:2001:db8::/32",
      "00011503c0a82000011c83c0a8260002200420010db8", LDNS_AGREES },
    { "APL", "", "", LDNS_AGREES },
    { "DS", "60485 5 1 2BB183AF5F22588179A53B0A 98631FAD1A292118",
      "ec4505012bb183af5f22588179a53b0a98631fad1a292118", LDNS_AGREES },
    { "SSHFP", "2 1 123456789abcdef67890123456789abcdef67890",
      "0201123456789abcdef67890123456789abcdef67890", LDNS_AGREES },
    /* ldns does not put the origin behind the gateway. */
    { "IPSECKEY", "10 3 2 gw AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
      "0a0302026777" EXAMPLE_COM "010351537986ed35533b6064478eeeb27b5bd74dae149b6e81ba3a0521af82"
      "ab7801",
      LDNS_DIFFERS },
    { "IPSECKEY", "10 1 2 192.0.2.3 AQID", "0a0102c0000203010203", LDNS_AGREES },
    { "IPSECKEY", "10 2 2 2001:db8::8 AQID", "0a020220010db8000000000000000000000008010203",
      LDNS_AGREES },
    { "IPSECKEY", "10 0 2 . AQID", "0a0002010203", LDNS_AGREES },
    { "DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69l OjxfNuVAA2kjEA=",
      "000201636fc0b8271c82825bb1ac5c41cf5351aa69b4febd94e8f17cdb95000da48c40", LDNS_AGREES },
    { "TLSA", "3 1 1 d2abde240d7cd3ee6b4b28c54df034b9 7983a1d16e8a410e4561cb106618e971",
      "030101d2abde240d7cd3ee6b4b28c54df034b97983a1d16e8a410e4561cb106618e971", LDNS_AGREES },
    { "TLSA", "DANE-EE SPKI SHA2-256 0123", "0301010123", LDNS_AGREES },
    { "SMIMEA", "3 0 0 0123 4567", "03000001234567", LDNS_AGREES },
    { "HIP",
      "2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p9+LrV4e1 rvs1 "
      "rvs2.example.net.",
      "10020024200100107b1a74df365639cc39f1d57803010001b771ca136e4aeb5ce44333c53b3d2c13c22243851f"
      "c708bcce29f7e2eb5787b50472767331" EXAMPLE_COM "0472767332" EXAMPLE_NET,
      LDNS_AGREES },
    { "TALINK", "a b.example.org.", "0161" EXAMPLE_COM "0162" EXAMPLE_ORG, LDNS_AGREES },
    { "CDS", "60485 8 2 0123456789abcdef0123456789abcdef 0123456789abcdef0123456789abcdef",
      "ec4508020123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", LDNS_AGREES },
    /* "delete the DS" (RFC 8078 section 4) */
    { "CDS", "0 0 0 00", "0000000000", LDNS_AGREES },
    { "DS", "60485 13 4 " SHA384, "ec450d04" SHA384, LDNS_AGREES },
    { "DS", "\\# 24 ec450d01 " SHA1, "ec450d01" SHA1, LDNS_AGREES },
    /* a digest type that has no row */
    { "DS", "1 13 3 0123", "00010d030123", LDNS_AGREES },
    { "CDNSKEY", "257 3 13 AQIDBAUG", "0101030d010203040506", LDNS_AGREES },
    { "OPENPGPKEY", "mQINBFQ9", "99020d04543d", LDNS_AGREES },
    { "CSYNC", "66 3 A NS AAAA TYPE1000",
      "000000420003000460000008031e00000000000000000000000000000000000000000000000000000000"
      "0080",
      LDNS_AGREES },
    { "ZONEMD", "2018031500 1 1 616c6c6f", "7848b78c0101616c6c6f", LDNS_AGREES },
    { "SVCB",
      "16 foo.example.org. alpn=h2,h3 mandatory=alpn,ipv4hint "
      "ipv4hint=192.0.2.1,192.0.2.2",
      "001003666f6f" EXAMPLE_ORG "000000040001000400010006026832026833000"
      "40008c0000201c0000202",
      LDNS_AGREES },
    { "HTTPS", "1 . alpn=\"h2,h3-29\" port=8443 ipv6hint=2001:db8::1 key667=\"he\\032llo\"",
      "000100000100090268320568332d32390003000220fb0006001020010db800000000000000000000000"
      "1029b"
      "00066865206c6c6f",
      LDNS_AGREES },
    { "HTTPS", "0 svc", "000003737663" EXAMPLE_COM, LDNS_AGREES },
    { "HTTPS", "1 . ech=\"AQID\" no-default-alpn alpn=h3 dohpath=/q{?dns}",
      "000100000100030268330002000000050003010203000700082f717b3f646e737d", LDNS_AGREES },
    { "SPF", "\"v=spf1 -all\"", "0b763d73706631202d616c6c", LDNS_AGREES },
    { "NID", "10 0014:4fff:ff20:ee64", "000a00144fffff20ee64", LDNS_AGREES },
    { "L32", "10 10.1.2.0", "000a0a010200", LDNS_AGREES },
    { "L64", "10 2001:0DB8:1140:1000", "000a20010db811401000", LDNS_AGREES },
    { "LP", "10 l64", "000a036c3634" EXAMPLE_COM, LDNS_AGREES },
    { "EUI48", "00-00-5e-00-53-2a", "00005e00532a", LDNS_AGREES },
    { "EUI64", "00-00-5e-ef-10-00-00-2a", "00005eef1000002a", LDNS_AGREES },
    { "URI", "10 1 \"https://www.example.com/path\"",
      "000a000168747470733a2f2f7777772e6578616d706c652e636f6d2f70617468", LDNS_AGREES },
    { "CAA", "128 issue \"ca.example.net; account=23\"",
      "8005697373756563612e6578616d706c652e6e65743b206163636f756e743d3233", LDNS_AGREES },
    { "CAA", "0 issue ;\n", NULL, LDNS_DIFFERS },
    { "CAA", "0 issue \\;", "000569737375653b", LDNS_DIFFERS },
    { "DLV", "60485 8 1 " SHA1, "ec450801" SHA1, LDNS_AGREES },
    { "TYPE4711", "\\# 6 0102 03 040506", "010203040506", LDNS_AGREES },
    { "TYPE4711", "\\# 0", "", LDNS_DIFFERS },
    { "A", "\\# 4 c0000201", "c0000201", LDNS_AGREES },
    { "MX", "\\# 7 000a 016d 0176 00", "000a016d017600", LDNS_AGREES },
    { "HTTPS", "\\# 7 0001 00 0003 0002 01bb", NULL, LDNS_DIFFERS },
    { "HTTPS", "\\# 9 0001 00 0003 0002 01bb",
      "000100000300020"
      "1bb",
      LDNS_AGREES },
    { "NS", "@", EXAMPLE_COM, LDNS_AGREES },
    { "NS", ".", "00", LDNS_AGREES },
    { "NS", "\\@", "0140" EXAMPLE_COM, LDNS_DIFFERS },
    { "NS", "a\\.b\\046c.", "05612e622e6300", LDNS_AGREES },
    { "NS", "a\\\\.", "02615c00", LDNS_DIFFERS },
    { "TXT", "\"a;b(c)\" x\\;y \\000\\255",
      "0661"
      "3b6228632903783b790200ff",
      LDNS_DIFFERS },
};

static void expect_wire(const struct sample *sample, uint16_t type, const uint8_t *bytes,
                        size_t len, const char *witness)
{
    char hex[1024];
    (void)type;
    if (strcmp(to_hex(bytes, len, hex, sizeof(hex)), sample->hex) != 0)
        fail_msg("%s %s: %s gives\n%s, expected\n%s", sample->type, sample->text, witness, hex,
                 sample->hex);
}

static void ask_ldns(const struct sample *sample, uint16_t type)
{
    char line[512];
    ldns_rr *record = NULL;
    ldns_rdf *origin = ldns_dname_new_frm_str("example.com.");
    snprintf(line, sizeof(line), "x. 60 IN %s %s", sample->type, sample->text);
    assert_int_equal(ldns_rr_new_frm_str(&record, line, 0, origin, NULL), LDNS_STATUS_OK);
    ldns_buffer *wire = ldns_buffer_new(65536);
    assert_int_equal(ldns_rr_rdata2buffer_wire(wire, record), LDNS_STATUS_OK);
    expect_wire(sample, type, ldns_buffer_begin(wire), ldns_buffer_position(wire), "ldns");
    ldns_buffer_free(wire);
    ldns_rr_free(record);
    ldns_rdf_deep_free(origin);
}

static void test_parse_every_type(void **state)
{
    (void)state;
    struct rdata_text *rdata = mem_calloc(1, sizeof(*rdata));
    for (size_t i = 0; i < ARRAY_SIZE(SAMPLES); i++) {
        const struct sample *sample = &SAMPLES[i];
        uint16_t type;
        assert_true(type_name_parse(str_from(sample->type), &type));
        bool is_good = parse(type, sample->text, rdata);
        if (is_good != (sample->hex != NULL))
            fail_msg("%s %s: %s", sample->type, sample->text, rdata->problem);
        if (!is_good)
            continue;
        expect_wire(sample, type, rdata->bytes, rdata->len, "rdata_text");
        if (sample->ldns == LDNS_AGREES)
            ask_ldns(sample, type);
    }
    free(rdata);
}

static void test_samples_cover_what_ldns_knows(void **state)
{
    (void)state;
    /* SIG, NXT, RRSIG, NSEC, DNSKEY, NSEC3, NSEC3PARAM: left out of zones. */
    static const uint16_t SKIPPED[] = { 24, 30, 46, 47, 48, 50, 51 };
    for (unsigned type = 1; type <= UINT16_MAX; type++) {
        const ldns_rr_descriptor *known = ldns_rr_descript((uint16_t)type);
        bool is_covered =
            known->_type != type || known->_name == NULL || type_name_is_meta((uint16_t)type);
        for (size_t i = 0; i < ARRAY_SIZE(SKIPPED); i++)
            is_covered = is_covered || SKIPPED[i] == type;
        for (size_t i = 0; !is_covered && i < ARRAY_SIZE(SAMPLES); i++) {
            uint16_t sample_type = 0;
            is_covered =
                type_name_parse(str_from(SAMPLES[i].type), &sample_type) && sample_type == type;
        }
        if (!is_covered)
            fail_msg("no sample of type %s", known->_name);
    }
}

static const struct {
    const char *type, *text, *problem;
    size_t at; /* index of the token it is about */
} REFUSALS[] = {
    { "A", "", "expected an IPv4 address, but the record ends", 0 },
    { "A", "192.0.2", "expected an IPv4 address, got '192.0.2'", 0 },
    { "A", "192.0.2.256", "expected an IPv4 address, got '192.0.2.256'", 0 },
    { "A", "2001:db8::1", "expected an IPv4 address, got '2001:db8::1'; use type AAAA for it", 0 },
    { "AAAA", "192.0.2.1", "expected an IPv6 address, got '192.0.2.1'; use type A for it", 0 },
    { "A", "192.0.2.1 x", "unexpected 'x' behind the data of the record", 1 },
    { "MX", "mail", "expected a number from 0 to 65535, got 'mail'", 0 },
    { "MX", "65536 mail", "expected a number from 0 to 65535, got '65536'", 0 },
    { "MX", "-1 mail", "expected a number from 0 to 65535, got '-1'", 0 },
    { "MX", "10", "expected a domain name, but the record ends", 1 },
    { "NS", "a..b", "'a..b' is no domain name: it has an empty label", 0 },
    { "NS", ".a", "'.a' is no domain name: it has an empty label", 0 },
    { "NS", "a\\25x.",
      "'a\\25x.' is no domain name: it has a bad escape, an empty or a too long label", 0 },
    { "NS", "\"\"", "'' is no domain name: it is empty", 0 },
    { "NS", "a123456789012345678901234567890123456789012345678901234567890123",
      "'a123456789012345678901234567890123456789012345678901234567890123' is no domain "
      "name: a label is longer than 63 octets",
      0 },
    { "SOA", "a b 1 2 3 4", "expected a time such as 3600 or 1h30m, but the record ends", 6 },
    { "SOA", "a b 4294967296 2 3 4 5", "expected a number from 0 to 4294967295, got '4294967296'",
      2 },
    { "SOA", "a b 1 1x 3 4 5", "expected a time such as 3600 or 1h30m, got '1x'", 3 },
    { "SOA", "a b 1 2147483648 3 4 5", "expected a time such as 3600 or 1h30m, got '2147483648'",
      3 },
    { "TXT", "", "expected a string, but the record ends", 0 },
    { "TXT", "\\25", "bad escape; use \\DDD with three digits", 0 },
    { "TXT", "a \\256", "escape '\\256' is beyond \\255", 1 },
    { "CAA", "0 is-sue x", "expected a tag of letters and digits, such as issue, got 'is-sue'", 1 },
    { "CAA", "0 \"\" x", "expected a tag of letters and digits, such as issue, got ''", 1 },
    { "DS", "1 nope 1 00", "expected a number or a known mnemonic, got 'nope'", 1 },
    { "DS", "1 256 1 00", "expected a number from 0 to 255, got '256'", 1 },
    { "DS", "1 5 1 0g", "expected hexadecimal digits, got '0g'", 3 },
    { "DS", "1 5 1 00 0", "odd number of hexadecimal digits", 3 },
    { "DS", "1 5 1", "expected hexadecimal digits, but the record ends", 3 },
    { "DS", "1 5 1 " SHA1 "00", "expected 40 hexadecimal digits of SHA-1 (digest type 1), got 42",
      3 },
    { "DS", "1 5 1 01 23", "expected 40 hexadecimal digits of SHA-1 (digest type 1), got 4", 3 },
    { "DS", "1 5 2 " SHA1,
      "expected 64 hexadecimal digits of SHA-256 (digest type 2), got 40; those of SHA-1 have "
      "digest type 1",
      3 },
    { "CDS", "1 5 1 " SHA384,
      "expected 40 hexadecimal digits of SHA-1 (digest type 1), got 96; those of SHA-384 have "
      "digest type 4",
      3 },
    { "CDS", "1 5 4 00", "expected 96 hexadecimal digits of SHA-384 (digest type 4), got 2", 3 },
    { "DLV", "1 5 2 00", "expected 64 hexadecimal digits of SHA-256 (digest type 2), got 2", 3 },
    { "DS", "\\# 5 0001050200", "expected 64 hexadecimal digits of SHA-256 (digest type 2), got 2",
      2 },
    { "DS", "\\# 4 00010502", "these octets are no data of a record of type DS", 0 },
    { "DHCID", "A?", "expected base64 data, got 'A?'", 0 },
    { "DHCID", "AAA", "expected base64 data, got 'AAA'", 0 },
    { "CSYNC", "1 2 A NOPE", "expected a record type, got 'NOPE'", 3 },
    { "EUI48", "00-00", "expected octets with dashes, such as 00-00-5e-00-53-2a, got '00-00'", 0 },
    { "APL", "1:192.0.2.0/33",
      "expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32, got "
      "'1:192.0.2.0/33'",
      0 },
    { "LOC", "91 N 0 E 0m", "expected degrees from 0 to 90, got '91'", 0 },
    { "LOC", "90 1 N 0 E 0m", "more than 90 degrees", 3 },
    { "LOC", "1 2 61 N 0 E 0m", "expected seconds or a hemisphere, got '61'", 2 },
    { "LOC", "1 2 3 E 1 E 0m", "expected N or S, got 'E'", 3 },
    { "LOC", "1 N 1 2 3 N 0m", "expected E or W, got 'N'", 5 },
    { "LOC", "1 N 1 E 1e9m", "expected metres such as 10m, got '1e9m'", 4 },
    { "APL", "3:192.0.2.0/24",
      "expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32, got '3:192.0.2.0/24'",
      0 },
    { "APL", "192.0.2.0/24",
      "expected an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32, got '192.0.2.0/24'",
      0 },
    { "WKS", "192.0.2.1 256 25", "expected TCP, UDP or a protocol number, got '256'", 1 },
    { "WKS", "192.0.2.1 TCP smtp", "expected a port number, got 'smtp'", 2 },
    { "NSAP", "47.0005", "expected 0x and hexadecimal digits, got '47.0005'", 0 },
    { "IPSECKEY", "1 4 2 . AQID", "expected a gateway type from 0 to 3, got '4'", 1 },
    { "IPSECKEY", "1 0 2 gw AQID", "expected '.' for no gateway, got 'gw'", 3 },
    { "HIP", "2 00", "expected base64 data, but the record ends", 2 },
    { "NULL", "x", "data of type NULL can only be written as \\# LENGTH HEX (RFC 3597)", 0 },
    { "TYPE4711", "x", "data of type TYPE4711 can only be written as \\# LENGTH HEX (RFC 3597)",
      0 },
    { "TYPE4711", "\\# 2 010203", "3 octets follow, not 2", 1 },
    { "TYPE4711", "\\#", "expected the number of octets, 0 to 65535, but the record ends", 1 },
    { "A", "\\# 3 010203", "these octets are no data of a record of type A", 0 },
    /* a compression pointer */
    { "NS", "\\# 2 c000", "these octets are no data of a record of type NS", 0 },
    /* octets that end between two fields, which ldns takes for a record */
    { "A", "\\# 0", "these octets are no data of a record of type A", 0 },
    { "NS", "\\# 0", "these octets are no data of a record of type NS", 0 },
    { "SOA", "\\# 0", "these octets are no data of a record of type SOA", 0 },
    { "MX", "\\# 2 000a", "these octets are no data of a record of type MX", 0 },
    { "SRV", "\\# 6 000100020003", "these octets are no data of a record of type SRV", 0 },
    { "TXT", "\\# 0", "these octets are no data of a record of type TXT", 0 },
    { "LOC", "\\# 4 00000000", "these octets are no data of a record of type LOC", 0 },

    { "HTTPS", "1 . aplm=h2",
      "'aplm' is no service parameter; expected one such as alpn=h2,h3 or key9=value", 2 },
    { "HTTPS", "1 . key1=h2",
      "'key1' is no service parameter; expected one such as alpn=h2,h3 or key9=value", 2 },
    { "HTTPS", "1 . key65535=h2",
      "'key65535' is no service parameter; expected one such as alpn=h2,h3 or key9=value", 2 },
    { "HTTPS", "1 . port=65536", "port: expected a port from 0 to 65535", 2 },
    { "HTTPS", "1 . port=80 port=81", "port stands twice", 4 },
    { "HTTPS", "1 . ipv4hint=192.0.2.1,", "ipv4hint: expected IPv4 addresses and commas", 2 },
    { "HTTPS", "1 . ipv6hint=0000:0000:0000:0000:0000:ffff:255.255.255.2550",
      "ipv6hint: expected IPv6 addresses and commas", 2 },
    { "HTTPS", "1 . alpn=h2 mandatory=alpn,alpn",
      "mandatory: 'alpn' stands twice; list each key once", 3 },
    { "HTTPS", "1 . mandatory=alpn,key1 alpn=h2",
      "mandatory: 'key1' stands twice; list each key once", 2 },
    { "HTTPS", "1 . mandatory=key9,port,key9 key9=x port=1",
      "mandatory: 'key9' stands twice; list each key once", 2 },
    { "HTTPS", "1 . mandatory=alpn,", "mandatory: expected keys such as alpn,port, got ''", 2 },
    { "HTTPS", "1 . mandatory=aplm", "mandatory: expected keys such as alpn,port, got 'aplm'", 2 },
    { "HTTPS", "1 . mandatory", "mandatory: expected a value", 2 },
    { "HTTPS", "1 . no-default-alpn=x", "no-default-alpn: it takes no value", 2 },
    { "HTTPS", "1 . alpn", "alpn: expected a value", 2 },
    { "HTTPS", "1 . alpn=a,,b", "malformed value of a service parameter", 2 },
    { "HTTPS", "1 . alpn=\"h2\"x", "expected a space before 'x'", 4 },
    { "HTTPS", "1 . ech=?", "ech: expected base64 data", 2 },
};

static void test_parse_says_what_is_wrong(void **state)
{
    (void)state;
    struct rdata_text *rdata = mem_calloc(1, sizeof(*rdata));
    for (size_t i = 0; i < ARRAY_SIZE(REFUSALS); i++) {
        uint16_t type;
        assert_true(type_name_parse(str_from(REFUSALS[i].type), &type));
        if (parse(type, REFUSALS[i].text, rdata))
            fail_msg("%s %s: accepted", REFUSALS[i].type, REFUSALS[i].text);
        if (strcmp(rdata->problem, REFUSALS[i].problem) != 0 || rdata->at != REFUSALS[i].at)
            fail_msg("%s %s: at %zu: %s", REFUSALS[i].type, REFUSALS[i].text, rdata->at,
                     rdata->problem);
    }
    free(rdata);
}

/* `count` tokens of `token`, behind `head`. */
static bool parse_repeated(const char *type_name, const char *head, const char *token, size_t count,
                           struct rdata_text *out_rdata)
{
    struct buf text;
    uint16_t type;
    buf_init(&text, 4 << 20);
    buf_append_text(&text, head);
    for (size_t i = 0; i < count; i++)
        buf_append_text(&text, token);
    assert_false(text.is_overflown);
    assert_true(type_name_parse(str_from(type_name), &type));
    bool is_good = parse(type, buf_text(&text), out_rdata);
    buf_fini(&text);
    return is_good;
}

static void test_parse_keeps_limits(void **state)
{
    (void)state;
    static const struct {
        const char *type, *head, *token;
        size_t count;
        size_t len; /* 0: refused */
        const char *problem;
    } CASES[] = {
        { "TXT", "", "x", 255, 256, NULL },
        { "TXT", "", "x", 256, 0,
          "string is longer than 255 octets; split it into several quoted strings" },
        { "TXT", "", "\\120", 255, 256, NULL },
        { "TXT", "", "a ", 32767, 65534, NULL },
        { "TXT", "", "a ", 32768, 0, "record data is longer than 65535 octets" },
        { "URI", "1 1 ", "x", 65531, 65535, NULL },
        { "URI", "1 1 ", "x", 65532, 0, "record data is longer than 65535 octets" },
        { "TYPE4711", "\\# 65535 ", "00", 65535, 65535, NULL },
        { "DHCID", "", "AAAA", 21844, 65532, NULL },
        { "DHCID", "", "AAAA ", 21845, 0, "more than 87376 characters of base64 data" },
        { "KEY", "1 2 3 ", "AAAA ", 21844, 0, "record data is longer than 65535 octets" },
        { "CSYNC", "1 2 ", "A ", 1024, 9, NULL },
        { "CSYNC", "1 2 ", "A ", 1025, 0, "expected a record type, got 'A'" },
        { "HTTPS", "1 . key9=", "x", 59990, 59997, NULL },
        { "HTTPS", "1 . key9=", "x", 60000, 0,
          "service parameters are longer than 60000 characters" },
    };
    struct rdata_text *rdata = mem_calloc(1, sizeof(*rdata));
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        bool is_good =
            parse_repeated(CASES[i].type, CASES[i].head, CASES[i].token, CASES[i].count, rdata);
        if (is_good != (CASES[i].len > 0) || (is_good && rdata->len != CASES[i].len) ||
            (!is_good && strcmp(rdata->problem, CASES[i].problem) != 0))
            fail_msg("%s of %zu: %zu octets, '%s'", CASES[i].type, CASES[i].count, rdata->len,
                     rdata->problem);
    }
    free(rdata);
}

static void test_parse_marks_names_without_final_dot(void **state)
{
    (void)state;
    struct rdata_text *rdata = mem_calloc(1, sizeof(*rdata));
    assert_true(parse(2, "ns.example.com", rdata));
    assert_non_null(rdata->undotted);
    assert_true(parse(2, "example.com", rdata));
    assert_non_null(rdata->undotted);
    assert_true(parse(2, "ns.example.com.", rdata));
    assert_null(rdata->undotted);
    assert_true(parse(2, "ns.myexample.com", rdata));
    assert_null(rdata->undotted);
    free(rdata);
}

static void test_type_name_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int type; /* -1: refused */
    } CASES[] = {
        { "A", 1 },         { "aaaa", 28 },         { "Https", 65 },
        { "TYPE0", 0 },     { "type65535", 65535 }, { "TYPE65536", -1 },
        { "TYPE", -1 },     { "TYPE1x", -1 },       { "TYPE-1", -1 },
        { "AXFR", 252 },    { "ANY", 255 },         { "", -1 },
        { "NSAP-PTR", 23 }, { "NOPE", -1 },         { "A6666666666666666666666666666666666", -1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        uint16_t type = 0;
        int got = type_name_parse(str_from(CASES[i].text), &type) ? type : -1;
        if (got != CASES[i].type)
            fail_msg("'%s': %d", CASES[i].text, got);
    }
}

static void test_period_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* -1: refused */
    } CASES[] = {
        { "0", 0 },
        { "3600", 3600 },
        { "1h30m", 5400 },
        { "1W2D3h4M5s", 788645 },
        { "", -1 },
        { "h", -1 },
        { "1h30", -1 },
        { "1x", -1 },
        { "-1", -1 },
        { "1 h", -1 },
        { "4294967295", 4294967295 },
        { "4294967296", -1 },
        { "7102w", -1 },
        { "1hh", -1 },
        { "0s", 0 },
        { "99999999999999999999", -1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        uint32_t seconds = 0;
        int64_t got = zone_period_parse(str_from(CASES[i].text), &seconds) ? (int64_t)seconds : -1;
        if (got != CASES[i].seconds)
            fail_msg("'%s': %lld", CASES[i].text, (long long)got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_every_type),
        cmocka_unit_test(test_samples_cover_what_ldns_knows),
        cmocka_unit_test(test_parse_says_what_is_wrong),
        cmocka_unit_test(test_parse_keeps_limits),
        cmocka_unit_test(test_parse_marks_names_without_final_dot),
        cmocka_unit_test(test_type_name_parse),
        cmocka_unit_test(test_period_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
