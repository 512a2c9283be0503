/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/runtime/break_glass_file.h"

struct rig {
    char folder[64], path[96];
    struct topology *topology;
    struct break_glass_file file;
};

static struct topology *make_topology(const char *const names[], size_t count)
{
    struct topology *topology = topology_new();
    topology->sites = mem_calloc(count, sizeof(*topology->sites));
    topology->site_count = topology->region_count = count;
    for (size_t i = 0; i < count; i++)
        topology->sites[i].name = mem_strdup(names[i]);
    return topology;
}

static int setup(void **state)
{
    static const char *const names[] = { "us-east", "us-west" };
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    snprintf(rig->folder, sizeof(rig->folder), "/tmp/break_glass_test.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->path, sizeof(rig->path), "%s/orders", rig->folder);
    rig->topology = make_topology(names, ARRAY_SIZE(names));
    break_glass_file_init(&rig->file, rig->path);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    break_glass_file_fini(&rig->file);
    topology_free(rig->topology);
    unlink(rig->path);
    rmdir(rig->folder);
    free(rig);
    return 0;
}

static bool look_at(struct rig *rig, const char *text)
{
    assert_int_equal(file_replace(rig->path, str_from(text), false), ERR_OK);
    return break_glass_file_look(&rig->file, rig->topology);
}

static void test_look_ignores_a_file_that_never_was(void **state)
{
    struct rig *rig = *state;
    assert_false(break_glass_file_look(&rig->file, rig->topology));
    assert_string_equal(rig->file.problem, "");
    assert_int_equal(rig->file.orders.count, 0);
}

static void test_look_reports_other_orders_only(void **state)
{
    struct rig *rig = *state;
    assert_true(look_at(rig, "evacuate us-east\n"));
    assert_false(look_at(rig, "evacuate us-east\n"));
    assert_false(look_at(rig, "# by hand\nevacuate us-east\n"));
    assert_true(look_at(rig, "drain us-east\n"));
    assert_true(look_at(rig, "none\n"));
    assert_int_equal(rig->file.orders.count, 0);
}

static void test_look_keeps_orders_when_the_file_is_damaged(void **state)
{
    struct rig *rig = *state;
    static const char *const damages[] = { "", "evacuate\n", "evacuate us-eats\n", "\x01\x02",
                                           "drain us-east\nnone\n" };
    assert_true(look_at(rig, "evacuate us-east\n"));
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        assert_false(look_at(rig, damages[i]));
        assert_true(rig->file.problem[0] != '\0');
        assert_int_equal(rig->file.orders.count, 1);
        assert_int_equal(rig->file.orders.orders[0].mode, MODE_EVACUATED);
    }
    assert_false(look_at(rig, "evacuate us-east\n"));
    assert_string_equal(rig->file.problem, "");
}

static void test_look_keeps_orders_when_the_file_goes_away(void **state)
{
    struct rig *rig = *state;
    assert_true(look_at(rig, "evacuate us-east\n"));
    unlink(rig->path);
    assert_false(break_glass_file_look(&rig->file, rig->topology));
    assert_non_null(strstr(rig->file.problem, "gone"));
    assert_int_equal(rig->file.orders.count, 1);
    /* Back, with the same text: calm again. */
    assert_false(look_at(rig, "evacuate us-east\n"));
    assert_string_equal(rig->file.problem, "");
}

static void test_forget_judges_the_same_text_by_the_new_topology(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = { "us-west" };
    struct topology *smaller = make_topology(names, ARRAY_SIZE(names));
    assert_true(look_at(rig, "evacuate us-east\n"));
    break_glass_file_forget(&rig->file);
    assert_false(break_glass_file_look(&rig->file, smaller));
    assert_non_null(strstr(rig->file.problem, "us-east"));
    topology_free(smaller);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_look_ignores_a_file_that_never_was),
        WITH_RIG(test_look_reports_other_orders_only),
        WITH_RIG(test_look_keeps_orders_when_the_file_is_damaged),
        WITH_RIG(test_look_keeps_orders_when_the_file_goes_away),
        WITH_RIG(test_forget_judges_the_same_text_by_the_new_topology),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
