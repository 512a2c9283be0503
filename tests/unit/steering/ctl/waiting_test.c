/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steering/base/mem.h"
#include "steering/ctl/waiting.h"
#include "steering/store/store.h"

static const struct converge_target target = { .epoch = { "E", 1 }, .generation = 5 };

/* Two nodes on a store, and the operator who lists them and waits. */
struct rig {
    char folder[32];
    struct store *operator_store, *node_stores[2];
    struct presences before;
    struct waiting waiting;
    struct diag diag;
};

static const char *const names[] = { "dns-1", "dns-2" };

static void announce(struct rig *rig, size_t node, int generation)
{
    json_t *value = json_pack("{s:s, s:s, s:i, s:i}", "role", "dns", "epoch", "E", "gen",
                              generation, "workers", 2);
    assert_int_equal(presence_write(rig->node_stores[node], names[node], value, &rig->diag),
                     ERR_OK);
    json_decref(value);
}

static int setup(void **state)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    snprintf(rig->folder, sizeof(rig->folder), "/tmp/waiting_test.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    diag_init(&rig->diag);
    assert_int_equal(store_open(rig->folder, &rig->diag, &rig->operator_store), ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        assert_int_equal(store_open(rig->folder, &rig->diag, &rig->node_stores[i]), ERR_OK);
        announce(rig, i, 4);
    }
    assert_int_equal(presence_list(rig->operator_store, &rig->diag, &rig->before), ERR_OK);
    assert_int_equal(rig->before.count, 2);
    waiting_open(&rig->waiting, rig->operator_store, &rig->before);
    *state = rig;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    waiting_close(&rig->waiting);
    presences_fini(&rig->before);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        store_close(rig->node_stores[i]);
    store_close(rig->operator_store);
    diag_fini(&rig->diag);
    nftw(rig->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return 0;
}

/* One look: how many are done, and how many are waited for. */
static void check_look(struct rig *rig, size_t done, size_t waited_for)
{
    struct convergence convergence;
    assert_int_equal(waiting_run(&rig->waiting, &target, 0, &rig->diag, &convergence), ERR_OK);
    assert_int_equal(convergence.counts[CONVERGE_DONE], done);
    assert_int_equal(convergence.counts[CONVERGE_WAITING], waited_for);
    assert_int_equal(convergence.node_count, done + waited_for);
    assert_int_equal(converge_is_over(&convergence), waited_for == 0);
    converge_fini(&convergence);
}

static void remove_nodes(struct rig *rig)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/nodes", rig->folder);
    assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* "Applied by all" must not be said because nobody is to be seen. */
static void test_run_waits_for_nodes_whose_folder_was_removed(void **state)
{
    struct rig *rig = *state;
    remove_nodes(rig);
    check_look(rig, 0, 2);
    announce(rig, 0, 5);
    check_look(rig, 1, 1);
    announce(rig, 1, 4);
    check_look(rig, 1, 1);
    announce(rig, 1, 5);
    check_look(rig, 2, 0);
}

static void test_run_waits_for_a_node_that_left_on_the_way(void **state)
{
    struct rig *rig = *state;
    announce(rig, 0, 5);
    check_look(rig, 1, 1);
    presence_remove(rig->node_stores[1]);
    check_look(rig, 1, 1);
    presence_remove(rig->node_stores[0]); /* this one has arrived */
    check_look(rig, 0, 1);
}

static void test_run_does_not_wait_for_the_dead(void **state)
{
    struct rig *rig = *state;
    announce(rig, 0, 5);
    store_close(rig->node_stores[1]); /* as after kill -9: the file stays */
    rig->node_stores[1] = NULL;
    struct convergence convergence;
    assert_int_equal(waiting_run(&rig->waiting, &target, 0, &rig->diag, &convergence), ERR_OK);
    assert_int_equal(convergence.counts[CONVERGE_DEAD], 1);
    assert_true(converge_is_reached(&convergence));
    converge_fini(&convergence);
    remove_nodes(rig);
    check_look(rig, 0, 0);
}

static void test_run_already_arrived_may_leave(void **state)
{
    struct rig *rig = *state;
    waiting_close(&rig->waiting);
    presences_fini(&rig->before);
    announce(rig, 0, 5);
    announce(rig, 1, 6);
    assert_int_equal(presence_list(rig->operator_store, &rig->diag, &rig->before), ERR_OK);
    waiting_open(&rig->waiting, rig->operator_store, &rig->before);
    remove_nodes(rig);
    check_look(rig, 0, 0);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_run_waits_for_nodes_whose_folder_was_removed),
        WITH_RIG(test_run_waits_for_a_node_that_left_on_the_way),
        WITH_RIG(test_run_does_not_wait_for_the_dead),
        WITH_RIG(test_run_already_arrived_may_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
