/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/ctl/converge.h"

static struct presence make(const char *id, bool is_alive, const char *json)
{
    json_t *value = NULL;
    struct diag diag;
    diag_init(&diag);
    if (json != NULL)
        assert_int_equal(json_parse(str_from(json), &diag, &value), ERR_OK);
    diag_fini(&diag);
    return presence_make(id, is_alive, value);
}

/* Target of every row: generation 418 of epoch E1, digest D. */
static const struct row {
    const char *json;
    const char *why;
    enum converge_state state;
    bool is_alive;
} rows[] = {
    { "{\"gen\":418,\"epoch\":\"E1\",\"digest\":\"D\"}", "", CONVERGE_DONE, true },
    { "{\"gen\":418,\"epoch\":\"E1\"}", "", CONVERGE_DONE, true },
    { "{\"gen\":419,\"epoch\":\"E1\",\"digest\":\"X\"}", "", CONVERGE_DONE, true },
    { "{\"gen\":418,\"epoch\":\"E1\",\"digest\":\"X\"}", "has gen 418 with another content",
      CONVERGE_REJECTED, true },
    { "{\"gen\":417,\"epoch\":\"E1\"}", "still has gen 417", CONVERGE_WAITING, true },
    { "{\"gen\":0,\"epoch\":\"\"}", "still has gen 0", CONVERGE_WAITING, true },
    { "{}", "still has gen 0", CONVERGE_WAITING, true },
    { NULL, "its presence cannot be read", CONVERGE_WAITING, true },
    { "{\"gen\":500,\"epoch\":\"E0\"}", "obeys gen 500 of another epoch", CONVERGE_WAITING, true },
    { "{\"gen\":417,\"epoch\":\"E1\",\"rejected\":{\"gen\":418,\"why\":\"no\"}}",
      "rejected gen 418: no", CONVERGE_REJECTED, true },
    { "{\"gen\":417,\"epoch\":\"E1\",\"rejected\":{\"gen\":419,\"why\":\"no\"}}",
      "rejected gen 419: no", CONVERGE_REJECTED, true },
    { "{\"gen\":416,\"epoch\":\"E1\",\"rejected\":{\"gen\":417,\"why\":\"no\"}}",
      "still has gen 416", CONVERGE_WAITING, true },
    { "{\"gen\":418,\"epoch\":\"E1\",\"rejected\":{\"gen\":419,\"why\":\"no\"}}", "", CONVERGE_DONE,
      true },
    { "{\"gen\":500,\"epoch\":\"E0\",\"rejected\":{\"gen\":418,\"why\":\"epoch\"}}",
      "rejected gen 418: epoch", CONVERGE_REJECTED, true },
    { "{\"gen\":418,\"epoch\":\"E1\"}", "is gone; it last had gen 418", CONVERGE_DEAD, false },
    { "{\"gen\":402,\"epoch\":\"E1\"}", "is gone; it last had gen 402", CONVERGE_DEAD, false },
    { NULL, "is gone; it last had gen 0", CONVERGE_DEAD, false },
};

static void test_judge_every_kind_of_node(void **state)
{
    (void)state;
    struct converge_target target = { .epoch = STR("E1"), .generation = 418, .digest = STR("D") };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct presence node = make("ns1", rows[i].is_alive, rows[i].json);
        struct presences presences = { .items = &node, .count = 1 };
        struct convergence convergence;
        converge_judge(&presences, &target, &convergence);
        print_message("row %zu: %s\n", i, rows[i].json != NULL ? rows[i].json : "-");
        assert_int_equal(convergence.nodes[0].state, rows[i].state);
        assert_string_equal(convergence.nodes[0].why, rows[i].why);
        assert_int_equal(convergence.counts[rows[i].state], 1);
        assert_int_equal(converge_is_over(&convergence), rows[i].state != CONVERGE_WAITING);
        assert_int_equal(converge_is_reached(&convergence),
                         rows[i].state == CONVERGE_DONE || rows[i].state == CONVERGE_DEAD);
        converge_fini(&convergence);
        presence_fini(&node);
    }
}

/* An old copy of the document was put back. */
static void test_judge_newer_than_the_newest(void **state)
{
    (void)state;
    struct converge_target target = {
        .epoch = STR("E1"), .generation = 418, .digest = STR("D"), .is_newest = true
    };
    struct presence nodes[] = { make("a", true, "{\"gen\":418,\"epoch\":\"E1\"}"),
                                make("b", true, "{\"gen\":419,\"epoch\":\"E1\"}") };
    struct presences presences = { .items = nodes, .count = ARRAY_SIZE(nodes) };
    struct convergence convergence;
    converge_judge(&presences, &target, &convergence);
    assert_int_equal(convergence.nodes[0].state, CONVERGE_DONE);
    assert_int_equal(convergence.nodes[1].state, CONVERGE_REJECTED);
    assert_string_equal(convergence.nodes[1].why,
                        "obeys gen 419, which is newer than the store's document");
    converge_fini(&convergence);
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
        presence_fini(&nodes[i]);
}

static void test_judge_any_epoch_without_one(void **state)
{
    (void)state;
    struct converge_target target = { .generation = 418 };
    struct presence node = make("ns1", true, "{\"gen\":418,\"epoch\":\"E7\"}");
    struct presences presences = { .items = &node, .count = 1 };
    struct convergence convergence;
    converge_judge(&presences, &target, &convergence);
    assert_int_equal(convergence.nodes[0].state, CONVERGE_DONE);
    converge_fini(&convergence);
    presence_fini(&node);
}

static void test_judge_nobody_is_reached(void **state)
{
    (void)state;
    struct converge_target target = { .epoch = STR("E1"), .generation = 418, .digest = STR("D") };
    struct presences presences = { .items = NULL };
    struct convergence convergence;
    struct buf text;
    buf_init(&text, 100);
    converge_judge(&presences, &target, &convergence);
    assert_true(converge_is_reached(&convergence));
    converge_format_roles(&convergence, &text);
    assert_int_equal(text.len, 0);
    buf_fini(&text);
    converge_fini(&convergence);
}

/* Two kinds of servers, one of them dead, one behind, one that says no. */
static struct presences make_fleet(void)
{
    static const struct {
        const char *id;
        bool is_alive;
        const char *json;
    } fleet[] = {
        { "a", true, "{\"role\":\"dns\",\"gen\":418,\"epoch\":\"E1\",\"workers\":2}" },
        { "b", true, "{\"role\":\"pop\",\"gen\":418,\"epoch\":\"E1\",\"workers\":1}" },
        { "c", true, "{\"role\":\"dns\",\"gen\":419,\"epoch\":\"E1\",\"workers\":4}" },
        { "d", false, "{\"role\":\"dns\",\"gen\":402,\"epoch\":\"E1\",\"workers\":8}" },
        { "e", true, "{\"role\":\"pop\",\"gen\":417,\"epoch\":\"E1\",\"workers\":8}" },
        { "f", true, "{\"role\":\"pop\",\"gen\":417,\"epoch\":\"E1\",\"rejected\":{\"gen\":418}}" },
        { "g", false, "{\"role\":\"edge\",\"gen\":1,\"epoch\":\"E1\"}" },
        { "h", true, NULL },
    };
    struct presences presences = { .items = mem_calloc(ARRAY_SIZE(fleet), sizeof(struct presence)),
                                   .count = ARRAY_SIZE(fleet) };
    for (size_t i = 0; i < ARRAY_SIZE(fleet); i++)
        presences.items[i] = make(fleet[i].id, fleet[i].is_alive, fleet[i].json);
    return presences;
}

static void test_format_roles_counts_the_living(void **state)
{
    (void)state;
    struct converge_target target = { .epoch = STR("E1"), .generation = 418 };
    struct presences presences = make_fleet();
    struct convergence convergence;
    struct buf text;
    buf_init(&text, 1000);
    converge_judge(&presences, &target, &convergence);
    converge_format_roles(&convergence, &text);
    assert_string_equal(buf_text(&text),
                        "dns 2/2 (6 workers)  pop 1/3 (1 worker)  node 0/1 (0 workers)");
    assert_int_equal(convergence.counts[CONVERGE_DEAD], 2);
    assert_int_equal(convergence.counts[CONVERGE_REJECTED], 1);
    assert_int_equal(convergence.counts[CONVERGE_WAITING], 2);
    assert_false(converge_is_over(&convergence));
    json_t *json = converge_to_json(&convergence);
    assert_int_equal(json_array_size(json), 8);
    assert_true(str_eq_text(json_get_str(json_array_get(json, 3), "state"), "dead"));
    assert_int_equal(json_get_int(json_array_get(json, 3), "gen", 0), 402);
    json_decref(json);
    buf_fini(&text);
    converge_fini(&convergence);
    presences_fini(&presences);
}

static void test_judge_long_texts_are_cut(void **state)
{
    (void)state;
    char json[2048], why[1000];
    memset(why, 'w', sizeof(why) - 1);
    why[sizeof(why) - 1] = '\0';
    snprintf(json, sizeof(json), "{\"role\":\"%s\",\"rejected\":{\"gen\":418,\"why\":\"%s\"}}", why,
             why);
    struct converge_target target = { .epoch = STR("E1"), .generation = 418 };
    struct presence node = make("ns1", true, json);
    struct presences presences = { .items = &node, .count = 1 };
    struct convergence convergence;
    converge_judge(&presences, &target, &convergence);
    assert_int_equal(strlen(convergence.nodes[0].why), CONVERGE_WHY_MAX - 1);
    assert_int_equal(strlen(convergence.nodes[0].role), sizeof(convergence.nodes[0].role) - 1);
    converge_fini(&convergence);
    presence_fini(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge_every_kind_of_node),
        cmocka_unit_test(test_judge_newer_than_the_newest),
        cmocka_unit_test(test_judge_any_epoch_without_one),
        cmocka_unit_test(test_judge_nobody_is_reached),
        cmocka_unit_test(test_format_roles_counts_the_living),
        cmocka_unit_test(test_judge_long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
