/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "steering/store/presence.h"
#include "tests/unit/steering/store/fixture.h"

static json_t *make_value(uint64_t generation)
{
    return json_pack("{s:i, s:s, s:I, s:s, s:i, s:[s, s], s:{s:i, s:s}}", "v", 1, "role", "dns",
                     "gen", (json_int_t)generation, "epoch", "E1", "workers", 2, "regions", "a",
                     "b", "rejected", "gen", 9, "why", "unknown word");
}

static enum err announce(struct fixture *fixture, const char *id, uint64_t generation)
{
    json_t *value = make_value(generation);
    enum err err = presence_write(fixture->store, id, value, &fixture->diag);
    json_decref(value);
    return err;
}

static struct presences list(struct fixture *fixture)
{
    struct presences presences;
    assert_int_equal(presence_list(fixture->store, &fixture->diag, &presences), ERR_OK);
    return presences;
}

static void test_is_id_table(void **state)
{
    (void)state;
    static const char *const good[] = { "a", "ns1.example-net_2", "A.b", "0" };
    static const char *const bad[] = { "", ".", ".hidden", "a/b", "..", "a b", "\xc3\xa9", "a\n" };
    char longest[PRESENCE_ID_MAX + 2];
    memset(longest, 'x', sizeof(longest));
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(presence_is_id(str_from(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(presence_is_id(str_from(bad[i])));
    assert_true(presence_is_id((struct str){ longest, PRESENCE_ID_MAX }));
    assert_false(presence_is_id((struct str){ longest, PRESENCE_ID_MAX + 1 }));
}

static void test_write_is_listed_alive_with_its_fields(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct presences none = list(&fixture);
    assert_int_equal(none.count, 0);
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    assert_int_equal(announce(&fixture, "ns1", 5), ERR_OK);
    struct presences presences = list(&fixture);
    assert_int_equal(presences.count, 1);
    const struct presence *node = &presences.items[0];
    assert_string_equal(node->id, "ns1");
    assert_true(node->is_alive);
    assert_int_equal(node->generation, 5);
    assert_int_equal(node->workers, 2);
    assert_true(str_eq_text(node->role, "dns"));
    assert_true(str_eq_text(node->epoch, "E1"));
    assert_true(node->has_rejected);
    assert_int_equal(node->rejected_generation, 9);
    assert_true(str_eq_text(node->rejected_why, "unknown word"));
    assert_int_equal(json_array_size(json_object_get(node->value, "regions")), 2);
    presences_fini(&presences);
    fixture_fini(&fixture);
}

static void test_remove_leaves_nothing(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    presence_remove(fixture.store);
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    presence_remove(fixture.store);
    struct presences presences = list(&fixture);
    assert_int_equal(presences.count, 0);
    char *lock = fixture_path(&fixture, "nodes/ns1.lock");
    assert_int_not_equal(access(lock, F_OK), 0);
    free(lock);
    assert_int_equal(announce(&fixture, "ns1", 5), ERR_OK); /* comes back */
    presences = list(&fixture);
    assert_true(presences.items[0].is_alive);
    presences_fini(&presences);
    fixture_fini(&fixture);
}

static void test_list_closed_store_is_dead_and_remembered(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct fixture other = fixture_at(mem_strdup(fixture.folder));
    assert_int_equal(announce(&other, "ns2", 4), ERR_OK);
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    store_close(other.store);
    struct presences presences = list(&fixture);
    assert_int_equal(presences.count, 2);
    assert_string_equal(presences.items[0].id, "ns1");
    assert_true(presences.items[0].is_alive);
    assert_string_equal(presences.items[1].id, "ns2");
    assert_false(presences.items[1].is_alive);
    assert_int_equal(presences.items[1].generation, 4);
    presences_fini(&presences);
    free(other.folder);
    diag_fini(&other.diag);
    fixture_fini(&fixture);
}

static void test_list_killed_node_is_dead(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    int ready[2], status = 0;
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct fixture node = fixture_at(mem_strdup(fixture.folder));
        if (announce(&node, "ns1", 7) != ERR_OK || write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct presences presences = list(&fixture);
    assert_true(presences.items[0].is_alive);
    presences_fini(&presences);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    presences = list(&fixture);
    assert_int_equal(presences.count, 1);
    assert_false(presences.items[0].is_alive);
    assert_int_equal(presences.items[0].generation, 7);
    presences_fini(&presences);
    assert_int_equal(announce(&fixture, "ns1", 8), ERR_OK); /* a successor takes over */
    close(ready[0]);
    close(ready[1]);
    fixture_fini(&fixture);
}

static void test_write_id_of_a_living_node_is_refused(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct fixture other = fixture_at(mem_strdup(fixture.folder));
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    assert_int_equal(announce(&other, "ns1", 5), ERR_EXISTS);
    assert_non_null(strstr(diag_first(&other.diag), "'ns1'"));
    assert_int_equal(announce(&other, "a/b", 5), ERR_INVALID);
    struct presences presences = list(&fixture);
    assert_int_equal(presences.items[0].generation, 4);
    presences_fini(&presences);
    store_close(other.store);
    free(other.folder);
    diag_fini(&other.diag);
    fixture_fini(&fixture);
}

static void test_write_after_the_folder_was_emptied(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    fixture_remove(fixture.folder);
    assert_int_equal(mkdir(fixture.folder, 0755), 0);
    assert_int_equal(announce(&fixture, "ns1", 5), ERR_OK);
    struct presences presences = list(&fixture);
    assert_int_equal(presences.count, 1);
    assert_true(presences.items[0].is_alive);
    presences_fini(&presences);
    fixture_fini(&fixture);
}

/* A new, empty store in its place would hide from everyone where the real one went. */
static void test_write_makes_no_folder_that_was_moved_away(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    char *elsewhere = fixture_folder();
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    assert_int_equal(rename(fixture.folder, elsewhere), 0);
    assert_int_equal(announce(&fixture, "ns1", 5), ERR_NOT_FOUND);
    assert_non_null(strstr(diag_first(&fixture.diag), "is gone"));
    assert_int_equal(access(fixture.folder, F_OK), -1);
    assert_int_equal(rename(elsewhere, fixture.folder), 0);
    fixture_forget_diag(&fixture);
    assert_int_equal(announce(&fixture, "ns1", 6), ERR_OK);
    struct presences presences = list(&fixture);
    assert_int_equal(presences.count, 1);
    assert_true(presences.items[0].is_alive);
    presences_fini(&presences);
    free(elsewhere);
    fixture_fini(&fixture);
}

static void test_list_garbage_is_shown_not_believed(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    static const char *const texts[] = { "", "{", "[1]", "\"x\"" };
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        fixture_put(&fixture, "nodes/zz.json", texts[i]);
        fixture_put(&fixture, "nodes/.hidden.json", texts[i]);
        fixture_put(&fixture, "nodes/half.json.123.tmp", texts[i]);
        struct presences presences = list(&fixture);
        assert_int_equal(presences.count, 2);
        assert_string_equal(presences.items[1].id, "zz");
        assert_null(presences.items[1].value);
        assert_false(presences.items[1].is_alive);
        assert_int_equal(presences.items[1].role.len, 0);
        presences_fini(&presences);
    }
    fixture_fini(&fixture);
}

/* A node whose disk was full when it started is alive, and must not be overlooked. */
static void test_list_living_node_without_a_file_is_shown(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    char *path = fixture_path(&fixture, "nodes/ns1.json");
    assert_int_equal(unlink(path), 0);
    struct presences presences = list(&fixture);
    assert_int_equal(presences.count, 1);
    assert_true(presences.items[0].is_alive);
    assert_null(presences.items[0].value);
    presences_fini(&presences);
    assert_false(presence_is_written(fixture.store));
    store_close(fixture.store); /* dead and without a file: nothing is left to tell */
    fixture.store = NULL;
    assert_int_equal(store_open(fixture.folder, &fixture.diag, &fixture.store), ERR_OK);
    presences = list(&fixture);
    assert_int_equal(presences.count, 0);
    presences_fini(&presences);
    free(path);
    fixture_fini(&fixture);
}

/* A memory file system leaves out what is replaced while its folder is read: nodes that have just
 * something new to say, which is when they are waited for. */
static void test_list_overlooks_nobody_who_is_writing(void **state)
{
    (void)state;
    enum { LOOKS = 3000, NODES = 3 };
    static const char *const ids[NODES] = { "ns1", "ns2", "ns3" };
    struct fixture fixture = fixture_init();
    pid_t pids[NODES];
    for (size_t i = 0; i < NODES; i++) {
        int ready[2];
        assert_int_equal(pipe(ready), 0);
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            alarm(120); /* whatever becomes of the parent */
            for (uint64_t n = 1;; n++) {
                if (announce(&fixture, ids[i], n) != ERR_OK ||
                    (n == 1 && write(ready[1], "r", 1) != 1))
                    _exit(1);
            }
        }
        char byte;
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        close(ready[1]);
    }
    for (size_t i = 0; i < LOOKS; i++) {
        struct presences presences = list(&fixture);
        if (presences.count != NODES)
            print_error("look %zu: %zu nodes\n", i, presences.count);
        assert_int_equal(presences.count, NODES);
        presences_fini(&presences);
    }
    for (size_t i = 0; i < NODES; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    fixture_fini(&fixture);
}

static void test_make_wrong_types_count_as_absent(void **state)
{
    (void)state;
    json_t *value = json_pack("{s:s, s:i, s:i, s:s, s:i}", "gen", "many", "workers", -3, "role", 7,
                              "rejected", "no", "applied_at_ms", 5);
    struct presence presence = presence_make("ns1", true, value);
    assert_int_equal(presence.generation, 0);
    assert_int_equal(presence.workers, 0);
    assert_int_equal(presence.role.len, 0);
    assert_false(presence.has_rejected);
    assert_int_equal(presence.applied_at_ms, 5);
    presence_fini(&presence);
}

static void test_watch_nodes_reports_a_new_presence(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    bool is_lost = false;
    int fd = -1;
    assert_int_equal(store_watch(fixture.store, STORE_WATCH_NODES, &fixture.diag, &fd),
                     ERR_NOT_FOUND);
    assert_int_equal(announce(&fixture, "ns1", 4), ERR_OK);
    assert_int_equal(store_watch(fixture.store, STORE_WATCH_NODES, &fixture.diag, &fd), ERR_OK);
    struct presences presences = list(&fixture);
    presences_fini(&presences);
    assert_false(store_watch_drain(fixture.store, STORE_WATCH_NODES, fd, &is_lost));
    assert_int_equal(announce(&fixture, "ns1", 5), ERR_OK);
    assert_true(store_watch_drain(fixture.store, STORE_WATCH_NODES, fd, &is_lost));
    presence_remove(fixture.store);
    assert_true(store_watch_drain(fixture.store, STORE_WATCH_NODES, fd, &is_lost));
    close(fd);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_id_table),
        cmocka_unit_test(test_write_is_listed_alive_with_its_fields),
        cmocka_unit_test(test_remove_leaves_nothing),
        cmocka_unit_test(test_list_closed_store_is_dead_and_remembered),
        cmocka_unit_test(test_list_killed_node_is_dead),
        cmocka_unit_test(test_write_id_of_a_living_node_is_refused),
        cmocka_unit_test(test_write_after_the_folder_was_emptied),
        cmocka_unit_test(test_write_makes_no_folder_that_was_moved_away),
        cmocka_unit_test(test_list_garbage_is_shown_not_believed),
        cmocka_unit_test(test_list_living_node_without_a_file_is_shown),
        cmocka_unit_test(test_list_overlooks_nobody_who_is_writing),
        cmocka_unit_test(test_make_wrong_types_count_as_absent),
        cmocka_unit_test(test_watch_nodes_reports_a_new_presence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
