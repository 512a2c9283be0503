/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dns/zone/svcb.h"
#include "steering/base/mem.h"

#define ALPN_H2 "\0\1\0\3\2h2"
#define PORT_443 "\0\3\0\2\1\xbb"

static const struct {
    const char *name, *bytes;
    size_t len;
    enum svcb_verdict verdict;
    const char *problem;
} CASES[] = {
#define CASE(name, bytes, verdict, problem)                                                        \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, verdict, problem                                           \
    }
    CASE("alias", "\0\0\1a\0", SVCB_GOOD, ""),
    CASE("service without parameters", "\0\1\0", SVCB_GOOD, ""),
    CASE("alpn and port", "\0\1\0" ALPN_H2 PORT_443, SVCB_GOOD, ""),
    CASE("unknown key", "\0\1\0\x02\x9b\0\1x", SVCB_GOOD, ""),
    CASE("mandatory", "\0\1\0\0\0\0\4\0\1\0\3" ALPN_H2 PORT_443, SVCB_GOOD, ""),
    CASE("alias with parameters", "\0\0\1a\0" ALPN_H2, SVCB_ODD,
         "priority 0 is an alias: clients ignore its service parameters"),
    CASE("mandatory without its key", "\0\1\0\0\0\0\2\0\3" ALPN_H2, SVCB_BROKEN,
         "mandatory lists port, which the record does not have; clients ignore such a record"),
    CASE("mandatory without its numbered key", "\0\1\0\0\0\0\2\x02\x9b", SVCB_BROKEN,
         "mandatory lists key667, which the record does not have; clients ignore such a record"),
    CASE("mandatory lists itself", "\0\1\0\0\0\0\2\0\0", SVCB_BROKEN,
         "mandatory: must not list itself"),
    CASE("mandatory unsorted", "\0\1\0\0\0\0\4\0\3\0\1" ALPN_H2 PORT_443, SVCB_BROKEN,
         "mandatory: keys must be ascending and stand once"),
    CASE("mandatory lists one twice", "\0\1\0\0\0\0\4\0\1\0\1" ALPN_H2, SVCB_BROKEN,
         "mandatory: keys must be ascending and stand once"),
    CASE("mandatory empty", "\0\1\0\0\0\0\0", SVCB_BROKEN, "mandatory: malformed value"),
    CASE("mandatory of odd length", "\0\1\0\0\0\0\1\0", SVCB_BROKEN, "mandatory: malformed value"),
    CASE("unsorted", "\0\1\0" PORT_443 ALPN_H2, SVCB_BROKEN,
         "alpn: keys must be ascending and stand once"),
    CASE("twice", "\0\1\0" PORT_443 PORT_443, SVCB_BROKEN,
         "port: keys must be ascending and stand once"),
    CASE("no-default-alpn alone", "\0\1\0\0\2\0\0", SVCB_BROKEN,
         "no-default-alpn: needs alpn beside it"),
    CASE("no-default-alpn", "\0\1\0" ALPN_H2 "\0\2\0\0", SVCB_GOOD, ""),
    CASE("no-default-alpn with a value", "\0\1\0" ALPN_H2 "\0\2\0\1x", SVCB_BROKEN,
         "no-default-alpn: takes no value"),
    CASE("empty alpn id", "\0\1\0\0\1\0\1\0", SVCB_BROKEN, "alpn: malformed value"),
    CASE("alpn id too long", "\0\1\0\0\1\0\2\2h", SVCB_BROKEN, "alpn: malformed value"),
    CASE("short port", "\0\1\0\0\3\0\1\1", SVCB_BROKEN, "port: malformed value"),
    CASE("short hint", "\0\1\0\0\4\0\3\1\1\1", SVCB_BROKEN, "ipv4hint: malformed value"),
    CASE("short IPv6 hint", "\0\1\0\0\6\0\4\1\1\1\1", SVCB_BROKEN, "ipv6hint: malformed value"),
    CASE("path of DNS over HTTPS", "\0\1\0\0\7\0\x08/q{?dns}", SVCB_GOOD, ""),
    CASE("path without the variable", "\0\1\0\0\7\0\2/q", SVCB_BROKEN,
         "dohpath: expected the variable dns, as in /dns-query{?dns}"),
    CASE("path without octets", "\0\1\0\0\7\0\0", SVCB_BROKEN,
         "dohpath: expected a path that begins with '/', such as /dns-query{?dns}"),
    CASE("value cut", "\0\1\0\0\3\0\2\1", SVCB_BROKEN, "service parameters are cut short"),
    CASE("key cut", "\0\1\0\0\3\0", SVCB_BROKEN, "service parameters are cut short"),
    CASE("name cut", "\0\1\1", SVCB_BROKEN, "malformed target name"),
    CASE("nothing", "", SVCB_BROKEN, "malformed target name"),
#undef CASE
};

static void test_check_tells_what_clients_refuse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        struct svcb_problem problem = { .text = "", .key = SVCB_NO_KEY };
        uint8_t *copy = mem_dup(CASES[i].bytes, CASES[i].len); /* exact, for the sanitizer */
        enum svcb_verdict verdict = svcb_check(copy, CASES[i].len, &problem);
        if (verdict != CASES[i].verdict || strcmp(problem.text, CASES[i].problem) != 0)
            fail_msg("%s: %d '%s'", CASES[i].name, (int)verdict, problem.text);
        /* Problems of one parameter begin with its name. */
        char name[SVCB_KEY_NAME_MAX] = "";
        if (problem.key != SVCB_NO_KEY)
            svcb_key_format((unsigned)problem.key, name);
        if (strncmp(problem.text, name, strlen(name)) != 0 ||
            (problem.key == SVCB_NO_KEY && strchr(problem.text, ':') != NULL &&
             verdict == SVCB_BROKEN))
            fail_msg("%s: key %d of '%s'", CASES[i].name, problem.key, problem.text);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_tells_what_clients_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
