/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/matrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"

#define MS_NS UINT64_C(1000000)

static void test_parse_reads_everything(void **state)
{
    static const char text[] =
        "seed: 9\n"
        "defaults: { rate: 1Gbit, loss: 0.5% }\n"
        "sites:\n"
        "  client: {}\n"
        "  pop: { addresses: [192.0.2.1, \"fd77::2\"] }\n"
        "  region: {}\n"
        "links:\n"
        "  - { from: client, to: pop, delay: 15ms, jitter: 250us, both: true }\n"
        "  - { from: pop, to: region, delay: 1.5s, loss: 0%, reorder: 2%, hold: 1ms,\n"
        "      rate: unlimited, queue: 1MiB, mtu: 1400, blackhole: true }\n";
    struct matrix *matrix = NULL;
    struct diag diag;
    char address[ADDR_TEXT_MAX];
    (void)state;
    diag_init(&diag);
    assert_int_equal(matrix_parse(STR(text), &diag, &matrix), ERR_OK);
    diag_fini(&diag);
    assert_true(matrix->has_seed);
    assert_int_equal(matrix->seed, 9);
    assert_int_equal(matrix->site_count, 3);
    assert_string_equal(addr_format(&matrix->sites[0].addresses[0], address), "10.77.1.1");
    assert_int_equal(matrix->sites[1].address_count, 2);
    assert_string_equal(addr_format(&matrix->sites[1].addresses[1], address), "fd77::2");
    assert_string_equal(addr_format(&matrix->sites[2].addresses[0], address), "10.77.3.1");
    assert_int_equal(matrix->sites[0].mtu_bytes, 1500);
    assert_int_equal(matrix->sites[1].mtu_bytes, 1400);
    assert_int_equal(matrix->link_count, 3);
    const struct matrix_link *back = &matrix->links[1];
    assert_int_equal(back->from, 1);
    assert_int_equal(back->to, 0);
    assert_int_equal(back->settings.delay_ns, 15 * MS_NS);
    assert_int_equal(back->settings.jitter_ns, MS_NS / 4);
    assert_int_equal(back->settings.rate_bit_s, 1000000000);
    assert_int_equal(back->settings.loss_ppm, 5000);
    const struct link_settings *last = &matrix->links[2].settings;
    assert_int_equal(last->delay_ns, 1500 * MS_NS);
    assert_int_equal(last->loss_ppm, 0);
    assert_int_equal(last->reorder_ppm, 20000);
    assert_int_equal(last->hold_ns, MS_NS);
    assert_int_equal(last->rate_bit_s, 0);
    assert_int_equal(last->queue_bytes, 1 << 20);
    assert_int_equal(last->is_blackhole, 1);
    matrix_free(matrix);
}

static void test_parse_says_where_and_what(void **state)
{
    static const struct {
        const char *links, *message;
    } rows[] = {
        { "{ from: a, to: regoin }",
          "m.yaml:3:24: error: there is no site 'regoin'; did you mean 'region'?" },
        { "{ from: a, to: b, delay: 15 }", "m.yaml:3:34: error: 'delay' must be a time" },
        { "{ from: a, to: b, delay: -1ms }", "m.yaml:3:34: error: 'delay' must be a time" },
        { "{ from: a, to: b, delay: 61s }", "m.yaml:3:34: error: 'delay' must be a time" },
        { "{ from: a, to: b, delay: 1.s }", "m.yaml:3:34: error: 'delay' must be a time" },
        { "{ from: a, to: b, dealy: 1ms }", "did you mean 'delay'?" },
        { "{ from: a, to: b, loss: 101% }", "m.yaml:3:33: error: 'loss' must be a share" },
        { "{ from: a, to: b, rate: 100 }", "m.yaml:3:33: error: 'rate' must be a rate" },
        { "{ from: a, to: b, rate: 100mbit }", "'rate' must be a rate" },
        { "{ from: a, to: b, queue: 2GiB }", "'queue' must be a size" },
        { "{ from: a, to: b, mtu: 67 }", "'mtu' must be bytes" },
        { "{ from: a, to: b, blackhole: yes }", "'blackhole' must be true or false" },
        { "{ from: a, to: b, delay: 1ms, jitter: 2ms }", "the jitter must not exceed the delay" },
        { "{ from: a, to: a }", "a link leads from 'a' to itself" },
        { "{ from: a, to: b, both: true }, { from: b, to: a }",
          "there is a link from 'b' to 'a' already" },
        { "{ to: b }", "'from'" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct matrix *matrix = NULL;
        struct diag diag;
        struct buf text;
        buf_init(&text, 4096);
        diag_init(&diag);
        diag_set_file(&diag, "m.yaml");
        buf_append_format(&text, "sites:\n  { a: {}, b: {}, region: {} }\nlinks: [%s]\n",
                          rows[i].links);
        assert_int_equal(matrix_parse(buf_str(&text), &diag, &matrix), ERR_INVALID);
        assert_null(matrix);
        buf_clear(&text);
        diag_format(&diag, &text);
        if (strstr(buf_text(&text), rows[i].message) == NULL)
            fail_msg("expected \"%s\" in \"%s\"", rows[i].message, buf_text(&text));
        diag_fini(&diag);
        buf_fini(&text);
    }
}

static void test_parse_refuses_addresses_of_two_sites(void **state)
{
    static const struct {
        const char *sites, *message;
    } rows[] = {
        { "{ a: { addresses: [10.77.2.1] }, b: {} }", "10.77.2.1 is an address of 'a' already" },
        { "{ a: { addresses: [127.0.0.5] } }", "127.0.0.5 never leaves its site" },
        { "{ a: { addresses: [10.0.0.300] } }", "10.0.0.300" },
        { "{}", "at least 1 entry" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct matrix *matrix = NULL;
        struct diag diag;
        struct buf text;
        buf_init(&text, 4096);
        diag_init(&diag);
        buf_append_format(&text, "sites: %s\n", rows[i].sites);
        assert_int_equal(matrix_parse(buf_str(&text), &diag, &matrix), ERR_INVALID);
        buf_clear(&text);
        diag_format(&diag, &text);
        if (strstr(buf_text(&text), rows[i].message) == NULL)
            fail_msg("expected \"%s\" in \"%s\"", rows[i].message, buf_text(&text));
        diag_fini(&diag);
        buf_fini(&text);
    }
}

/* What is written for people is read again as the same. */
static void test_format_is_read_by_set(void **state)
{
    static const struct {
        const char *key, *value, *formatted;
    } rows[] = {
        { "delay", "15ms", "15ms" },
        { "delay", "250us", "0.25ms" },
        { "delay", "1.000000001s", "1000.000001ms" },
        { "delay", "0", "0ms" },
        { "loss", "0.05%", "0.05%" },
        { "loss", "100%", "100%" },
        { "rate", "unlimited", "unlimited" },
        { "rate", "1.5Gbit", "1500Mbit" },
        { "rate", "1001bit", "1001bit" },
        { "rate", "64kbit", "0.064Mbit" },
        { "queue", "64KiB", "65536" },
        { "mtu", "1280", "1280" },
        { "blackhole", "true", "true" },
    };
    struct buf text;
    (void)state;
    buf_init(&text, 4096);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct link_settings one = link_settings_default(), two = one;
        size_t at = 0;
        assert_true(link_settings_set(&one, str_from(rows[i].key), str_from(rows[i].value), &text));
        while (strcmp(link_settings_key(at), rows[i].key) != 0)
            at++;
        buf_clear(&text);
        link_settings_format(&one, at, &text);
        assert_string_equal(buf_text(&text), rows[i].formatted);
        struct str formatted = str_from(rows[i].formatted);
        assert_true(link_settings_set(&two, str_from(rows[i].key), formatted, &text));
        assert_memory_equal(&one, &two, sizeof(one));
    }
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_reads_everything),
        cmocka_unit_test(test_parse_says_where_and_what),
        cmocka_unit_test(test_parse_refuses_addresses_of_two_sites),
        cmocka_unit_test(test_format_is_read_by_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
