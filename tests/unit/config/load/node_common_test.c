/* SPDX-License-Identifier: Apache-2.0 */
/* What both node files have: what a reload says of it. (How it is read: node_test.c and
 * pop_node_test.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/load/node_common.h"
#include "steering/base/mem.h"

enum { TEXT_MAX = 4096 };

static struct schema_listen listen_parse(const char *text)
{
    struct schema_listen listen;
    assert_true(schema_parse_listen(str_from(text), &listen));
    return listen;
}

static void test_text_eq(void **state)
{
    (void)state;
    char empty[] = "", a[] = "a", again[] = "a", b[] = "b";
    assert_true(node_text_eq(NULL, NULL));
    assert_true(node_text_eq(a, again));
    assert_false(node_text_eq(a, b));
    assert_false(node_text_eq(NULL, empty));
    assert_false(node_text_eq(empty, NULL));
}

static void test_listens_eq(void **state)
{
    (void)state;
    struct schema_listen one[] = { listen_parse("127.0.0.1:53"), listen_parse("[::1]:53") };
    struct schema_listen other[] = { one[0], one[1] };
    const struct schema_listens a = { .items = one, .count = 2 };
    struct schema_listens b = { .items = other, .count = 2 };
    assert_true(node_listens_eq(&a, &b));
    b.items[1].port = 54;
    assert_false(node_listens_eq(&a, &b));
    b.items[1] = listen_parse("[::2]:53");
    assert_false(node_listens_eq(&a, &b));
    b.count = 1;
    assert_false(node_listens_eq(&a, &b));
    assert_false(node_listens_eq(&b, &a));
    assert_true(node_listens_eq(&(struct schema_listens){ .count = 0 },
                                &(struct schema_listens){ .count = 0 }));
}

/* "KEY KEY " of what takes a restart. */
static void warn(const struct node_common *started, const struct node_common *now,
                 struct buf *out_keys)
{
    struct diag diag;
    buf_clear(out_keys);
    diag_init(&diag);
    node_common_warn_restart(started, now, &diag);
    assert_false(diag_has_errors(&diag));
    for (size_t i = 0; i < diag.count; i++) {
        const char *text = diag.entries[i].text;
        const char *rest = strstr(text, " has changed; that takes effect after a restart");
        assert_non_null(rest);
        buf_append_format(out_keys, "%.*s ", (int)(rest - text), text);
    }
    diag_fini(&diag);
}

static char first[] = "first", second[] = "second";
static struct schema_listen admin_at = { .port = 9110 };

static void change_store(struct node_common *common)
{
    common->store_directory = second;
}
static void change_state(struct node_common *common)
{
    common->state_directory = second;
}
static void change_glass(struct node_common *common)
{
    common->break_glass = second;
}
static void change_name(struct node_common *common)
{
    common->name = second;
}
static void change_socket(struct node_common *common)
{
    common->admin.socket = second;
}
static void change_listen(struct node_common *common)
{
    common->admin.listen = (struct schema_listens){ .items = &admin_at, .count = 1 };
}
static void change_orders(struct node_common *common)
{
    common->admin.listen_takes_orders = true;
}
static void change_what_reloads(struct node_common *common)
{
    common->topology = second;
    common->geo.max_radius_km = 7;
    common->log = LOG_LEVEL_DEBUG;
}

static void test_warn_restart_names_what_changed(void **state)
{
    static const struct row {
        const char *keys;
        void (*change)(struct node_common *common);
    } rows[] = {
        { "", change_what_reloads },        { "store.directory ", change_store },
        { "state ", change_state },         { "break_glass ", change_glass },
        { "node ", change_name },           { "admin.socket ", change_socket },
        { "admin.listen ", change_listen }, { "admin.listen_orders ", change_orders },
    };
    const struct node_common started = { .topology = first,
                                         .store_directory = first,
                                         .state_directory = first,
                                         .name = first,
                                         .admin = { .socket = first },
                                         .log = LOG_LEVEL_INFO };
    struct node_common all = started;
    struct buf keys, all_keys;
    (void)state;
    buf_init(&keys, TEXT_MAX);
    buf_init(&all_keys, TEXT_MAX);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct node_common one = started;
        rows[i].change(&one);
        warn(&started, &one, &keys);
        assert_string_equal(buf_text(&keys), rows[i].keys);
        warn(&one, &started, &keys);
        assert_string_equal(buf_text(&keys), rows[i].keys);
        rows[i].change(&all);
        buf_append_text(&all_keys, rows[i].keys);
    }
    warn(&started, &all, &keys);
    assert_string_equal(buf_text(&keys), buf_text(&all_keys));
    warn(&all, &all, &keys);
    assert_string_equal(buf_text(&keys), "");
    buf_fini(&all_keys);
    buf_fini(&keys);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_eq),
        cmocka_unit_test(test_listens_eq),
        cmocka_unit_test(test_warn_restart_names_what_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
