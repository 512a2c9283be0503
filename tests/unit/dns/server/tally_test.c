/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "dns/server/tally.h"
#include "steering/base/mem.h"

static void test_answer_counts_by_type_and_rcode(void **state)
{
    (void)state;
    static const struct row {
        uint16_t qtype;
        uint8_t rcode;
        enum tally_type type;
        enum tally_rcode label;
    } rows[] = {
        { TYPE_A, RCODE_NOERROR, TALLY_TYPE_A, TALLY_RCODE_NOERROR },
        { TYPE_AAAA, RCODE_NXDOMAIN, TALLY_TYPE_AAAA, TALLY_RCODE_NXDOMAIN },
        { TYPE_HTTPS, RCODE_REFUSED, TALLY_TYPE_HTTPS, TALLY_RCODE_REFUSED },
        { TYPE_ANY, RCODE_BADVERS, TALLY_TYPE_ANY, TALLY_RCODE_BADVERS },
        { 0, RCODE_FORMERR, TALLY_TYPE_OTHER, TALLY_RCODE_FORMERR },
        { 99, RCODE_NOTIMP, TALLY_TYPE_OTHER, TALLY_RCODE_NOTIMP },
        { 256 + TYPE_A, RCODE_SERVFAIL, TALLY_TYPE_OTHER, TALLY_RCODE_SERVFAIL },
        { 65535, 9, TALLY_TYPE_OTHER, TALLY_RCODE_OTHER },
        { TYPE_NS, 255, TALLY_TYPE_NS, TALLY_RCODE_OTHER },
    };
    struct tally *tally = tally_new(1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct answer_note note = { .qtype = rows[i].qtype, .rcode = rows[i].rcode };
        tally_answer(tally, &note);
        assert_int_equal(counter_read(&tally->queries[rows[i].type][rows[i].label]), 1);
    }
    free(tally);
}

static void test_answer_counts_scopes_of_ecs_only(void **state)
{
    (void)state;
    struct tally *tally = tally_new(2);
    const struct answer_note without = { .has_edns = true, .ecs_scope = 24 };
    const struct answer_note with = { .has_edns = true, .has_ecs = true, .ecs_scope = 24 };
    const struct answer_note wild = { .has_ecs = true, .ecs_scope = 255 };
    tally_answer(&tally[1], &without);
    tally_answer(&tally[1], &with);
    tally_answer(&tally[1], &wild);
    assert_int_equal(counter_read(&tally[1].edns), 2);
    assert_int_equal(counter_read(&tally[1].scopes[24]), 1);
    assert_int_equal(counter_read(&tally[1].scopes[128]), 1);
    assert_int_equal(counter_read(&tally[0].scopes[24]), 0);
    free(tally);
}

static void test_every_label_has_a_name(void **state)
{
    (void)state;
    for (int i = 0; i < TALLY_TYPE_COUNT; i++)
        assert_non_null(tally_type_name((enum tally_type)i));
    for (int i = 0; i < TALLY_RCODE_COUNT; i++)
        assert_non_null(tally_rcode_name((enum tally_rcode)i));
    for (int i = 0; i < TALLY_DROP_COUNT; i++)
        assert_non_null(tally_drop_name((enum tally_drop)i));
    for (int i = 0; i < TALLY_CLOSE_COUNT; i++)
        assert_non_null(tally_close_name((enum tally_close)i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_counts_by_type_and_rcode),
        cmocka_unit_test(test_answer_counts_scopes_of_ecs_only),
        cmocka_unit_test(test_every_label_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
