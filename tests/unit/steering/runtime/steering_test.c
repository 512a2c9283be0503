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

#include "steering/base/clock.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/runtime/steering.h"
#include "steering/store/presence.h"

enum { PATH_CAPACITY = 128, HANG_MS = 20000 };

struct rig {
    char folder[64], store[PATH_CAPACITY], state[PATH_CAPACITY], orders[PATH_CAPACITY];
    uv_loop_t loop;
    struct world *world;
    struct steering *steering;
    unsigned change_count;
    bool holds_back; /* as if a worker were still busy: no steering_settled */
};

static void on_change(void *owner)
{
    struct rig *rig = owner;
    rig->change_count++;
    if (!rig->holds_back)
        steering_settled(rig->steering);
}

static void on_presence(void *owner, json_t *presence)
{
    (void)owner;
    json_set_int(presence, "workers", 2);
}

static struct world *make_world(void)
{
    static const char *const names[] = { "us-east", "us-west" };
    struct topology *topology = topology_new();
    topology->sites = mem_calloc(ARRAY_SIZE(names), sizeof(*topology->sites));
    topology->site_count = topology->region_count = ARRAY_SIZE(names);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        topology->sites[i].name = mem_strdup(names[i]);
    return world_new(topology, NULL);
}

static enum err open_as(struct rig *rig, const char *id, struct steering **out_steering)
{
    struct diag diag;
    diag_init(&diag);
    const struct steering_settings settings = { .store = rig->store,
                                                .last_good_folder = rig->state,
                                                .break_glass_path = rig->orders,
                                                .node_id = id,
                                                .role = "dns",
                                                .on_change = on_change,
                                                .on_presence = on_presence,
                                                .owner = rig };
    enum err err = steering_open(&settings, rig->world, &diag, out_steering);
    diag_fini(&diag);
    return err;
}

static void start(struct rig *rig)
{
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(open_as(rig, "dns-1", &rig->steering), ERR_OK);
    assert_int_equal(steering_start(rig->steering, &rig->loop, &diag), ERR_OK);
    diag_fini(&diag);
}

static void stop(struct rig *rig)
{
    steering_close(rig->steering);
    rig->steering = NULL;
    uv_run(&rig->loop, UV_RUN_DEFAULT);
}

static int setup(void **state)
{
    struct rig *rig = mem_calloc(1, sizeof(*rig));
    snprintf(rig->folder, sizeof(rig->folder), "/tmp/steering_test.XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    snprintf(rig->store, sizeof(rig->store), "%s/store", rig->folder);
    snprintf(rig->state, sizeof(rig->state), "%s/state", rig->folder);
    snprintf(rig->orders, sizeof(rig->orders), "%s/orders", rig->folder);
    assert_int_equal(file_make_folders(rig->store), ERR_OK);
    uv_loop_init(&rig->loop);
    rig->world = make_world();
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
    stop(rig);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    world_unref(rig->world);
    nftw(rig->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return 0;
}

static void write_document(struct rig *rig, const char *text)
{
    char path[PATH_CAPACITY + 32];
    snprintf(path, sizeof(path), "%s/document.json", rig->store);
    assert_int_equal(file_replace(path, str_from(text), false), ERR_OK);
}

#define EVACUATED(gen)                                                                             \
    "{\"v\":1,\"epoch\":\"01E\",\"gen\":" gen ",\"regions\":{\"us-east\":{\"mode\":\"evacuated\"}" \
    "}}"
#define CALM(gen) "{\"v\":1,\"epoch\":\"01E\",\"gen\":" gen "}"

/* Runs the loop until `is_true`; the limit only ends a hang. */
static void run_until(struct rig *rig, bool (*is_true)(struct rig *rig), const char *what)
{
    uint64_t end_ms = clock_monotonic_ms() + HANG_MS;
    while (!is_true(rig)) {
        uv_run(&rig->loop, UV_RUN_ONCE);
        if (clock_monotonic_ms() > end_ms)
            fail_msg("never: %s", what);
    }
}

static struct presence read_presence(struct rig *rig)
{
    struct store *store = NULL;
    struct diag diag;
    struct presences all;
    struct presence found = { .id = NULL };
    diag_init(&diag);
    assert_int_equal(store_open(rig->store, &diag, &store), ERR_OK);
    assert_int_equal(presence_list(store, &diag, &all), ERR_OK);
    if (all.count > 0) {
        found =
            presence_make(all.items[0].id, all.items[0].is_alive, json_incref(all.items[0].value));
    }
    presences_fini(&all);
    store_close(store);
    diag_fini(&diag);
    return found;
}

static uint64_t presence_generation(struct rig *rig)
{
    struct presence presence = read_presence(rig);
    uint64_t generation = presence.generation;
    presence_fini(&presence);
    return generation;
}

static enum mode mode_of_east(const struct rig *rig, enum mode_source *out_source)
{
    struct snapshot *snapshot = steering_snapshot(rig->steering);
    struct site_state first = snapshot->states[0];
    snapshot_unref(snapshot);
    *out_source = first.source;
    return first.mode;
}

static bool has_changed(struct rig *rig)
{
    return rig->change_count > 0;
}
static bool has_problem(struct rig *rig)
{
    return steering_report(rig->steering).store_problem[0] != '\0';
}
static bool has_no_problem(struct rig *rig)
{
    return !has_problem(rig);
}
static bool has_rejected(struct rig *rig)
{
    struct presence presence = read_presence(rig);
    bool is_so = presence.has_rejected;
    presence_fini(&presence);
    return is_so;
}

static void test_open_starts_from_base_without_a_document(void **state)
{
    struct rig *rig = *state;
    enum mode_source source;
    start(rig);
    struct steering_report report = steering_report(rig->steering);
    assert_int_equal(report.source, STEERING_BY_BASE);
    assert_int_equal(report.generation, 0);
    assert_int_equal(report.stale_seconds, 0);
    assert_string_equal(report.store_reason, "missing");
    assert_int_equal(mode_of_east(rig, &source), MODE_ACTIVE);
    assert_int_equal(presence_generation(rig), 0);
}

static void test_change_is_taken_and_announced(void **state)
{
    struct rig *rig = *state;
    enum mode_source source;
    write_document(rig, CALM("1"));
    start(rig);
    assert_int_equal(presence_generation(rig), 1);
    write_document(rig, EVACUATED("2"));
    run_until(rig, has_changed, "the change");
    assert_int_equal(mode_of_east(rig, &source), MODE_EVACUATED);
    assert_int_equal(source, MODE_BY_DOCUMENT);
    assert_int_equal(presence_generation(rig), 2);
    assert_int_equal(steering_report(rig->steering).change_count, 2);
}

static void test_presence_waits_until_settled(void **state)
{
    struct rig *rig = *state;
    write_document(rig, CALM("1"));
    start(rig);
    rig->holds_back = true;
    write_document(rig, EVACUATED("2"));
    run_until(rig, has_changed, "the change");
    assert_int_equal(presence_generation(rig), 1);
    /* Another reason to write the presence must not promise what the workers do not keep. */
    write_document(rig, "");
    run_until(rig, has_problem, "the problem");
    assert_int_equal(presence_generation(rig), 1);
    assert_int_equal(steering_report(rig->steering).settled_generation, 1);
    steering_settled(rig->steering);
    assert_int_equal(presence_generation(rig), 2);
}

static void test_damage_keeps_the_last_good_also_after_a_restart(void **state)
{
    struct rig *rig = *state;
    enum mode_source source;
    static const struct row {
        const char *text, *reason;
    } rows[] = {
        { "", "empty" },
        { "{\"v\":1,", "garbage" },
        { "[]", "garbage" },
        { CALM("1"), "older" },
        { "{\"v\":1,\"epoch\":\"02X\",\"gen\":9}", "other-epoch" },
    };
    write_document(rig, EVACUATED("2"));
    start(rig); /* saves it, as the last good one */
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        write_document(rig, rows[i].text);
        run_until(rig, has_problem, rows[i].reason);
        assert_string_equal(steering_report(rig->steering).store_reason, rows[i].reason);
        assert_int_equal(mode_of_east(rig, &source), MODE_EVACUATED);
        stop(rig);
        start(rig);
        struct steering_report report = steering_report(rig->steering);
        assert_int_equal(report.source, STEERING_BY_LAST_GOOD);
        assert_int_equal(report.generation, 2);
        assert_int_equal(mode_of_east(rig, &source), MODE_EVACUATED);
        write_document(rig, EVACUATED("2"));
        run_until(rig, has_no_problem, "calm");
        assert_int_equal(steering_report(rig->steering).source, STEERING_BY_STORE);
    }
    assert_int_equal(rig->change_count, 0);
}

static void test_unsupported_document_is_rejected_in_the_presence(void **state)
{
    struct rig *rig = *state;
    write_document(rig, EVACUATED("2"));
    start(rig);
    write_document(rig, "{\"v\":1,\"epoch\":\"01E\",\"gen\":3,\"shifts\":[{\"id\":\"s-1\"}]}");
    run_until(rig, has_rejected, "the rejection");
    struct presence presence = read_presence(rig);
    assert_int_equal(presence.generation, 2);
    assert_int_equal(presence.rejected_generation, 3);
    assert_true(presence.rejected_why.len > 0);
    presence_fini(&presence);
}

static bool has_presence(struct rig *rig)
{
    struct presence presence = read_presence(rig);
    bool is_there = presence.is_alive && presence.generation == 1;
    presence_fini(&presence);
    return is_there;
}

/* Without any change of the document. */
static void test_removed_presence_comes_back(void **state)
{
    struct rig *rig = *state;
    static const char *const names[] = { "dns-1.json", "dns-1.lock" };
    char path[PATH_CAPACITY + 32];
    write_document(rig, CALM("1"));
    start(rig);
    for (size_t i = 0; i <= ARRAY_SIZE(names); i++) { /* one, the other, and the whole folder */
        for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
            snprintf(path, sizeof(path), "%s/nodes/%s", rig->store, names[j]);
            if (i == j || i == ARRAY_SIZE(names))
                assert_int_equal(unlink(path), 0);
        }
        snprintf(path, sizeof(path), "%s/nodes", rig->store);
        if (i == ARRAY_SIZE(names))
            assert_int_equal(rmdir(path), 0);
        assert_false(has_presence(rig));
        run_until(rig, has_presence, "the presence");
    }
}

static void test_document_too_large_to_be_written_back_is_refused(void **state)
{
    struct rig *rig = *state;
    struct buf text;
    write_document(rig, CALM("1"));
    start(rig);
    buf_init(&text, DOCUMENT_MAX_BYTES);
    buf_append_text(&text, "{\"v\":1,\"epoch\":\"01E\",\"gen\":2,\"x\":[0.1");
    for (size_t i = 1; i < 60000; i++)
        buf_append_text(&text, ",0.1");
    buf_append_text(&text, "]}");
    write_document(rig, buf_text(&text));
    buf_fini(&text);
    run_until(rig, has_problem, "the problem");
    assert_string_equal(steering_report(rig->steering).store_reason, "garbage");
    assert_int_equal(steering_report(rig->steering).generation, 1);
}

static void test_break_glass_beats_the_document(void **state)
{
    struct rig *rig = *state;
    enum mode_source source;
    write_document(rig, CALM("1"));
    start(rig);
    assert_int_equal(file_replace(rig->orders, STR("evacuate us-east\n"), false), ERR_OK);
    run_until(rig, has_changed, "the orders");
    assert_int_equal(mode_of_east(rig, &source), MODE_EVACUATED);
    assert_int_equal(source, MODE_BY_BREAK_GLASS);
    assert_int_equal(steering_report(rig->steering).break_glass_orders, 1);
}

static void test_start_refuses_a_taken_id(void **state)
{
    struct rig *rig = *state;
    struct steering *second = NULL;
    struct diag diag;
    start(rig);
    diag_init(&diag);
    assert_int_equal(open_as(rig, "dns-1", &second), ERR_OK);
    assert_int_equal(steering_start(second, &rig->loop, &diag), ERR_EXISTS);
    steering_close(second);
    diag_fini(&diag);
    struct presence presence = read_presence(rig);
    assert_non_null(presence.id); /* the first one's stays */
    assert_true(presence.is_alive);
    presence_fini(&presence);
}

static void test_close_takes_the_presence_back(void **state)
{
    struct rig *rig = *state;
    start(rig);
    stop(rig);
    struct presence presence = read_presence(rig);
    assert_null(presence.id);
    presence_fini(&presence);
}

static void test_open_works_without_the_store_folder(void **state)
{
    struct rig *rig = *state;
    assert_int_equal(rmdir(rig->store), 0);
    start(rig);
    assert_int_equal(steering_report(rig->steering).source, STEERING_BY_BASE);
    assert_int_equal(file_make_folders(rig->store), ERR_OK);
    write_document(rig, EVACUATED("5"));
    run_until(rig, has_changed, "the first document");
    assert_int_equal(presence_generation(rig), 5);
}

int main(void)
{
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_RIG(test_open_starts_from_base_without_a_document),
        WITH_RIG(test_change_is_taken_and_announced),
        WITH_RIG(test_presence_waits_until_settled),
        WITH_RIG(test_damage_keeps_the_last_good_also_after_a_restart),
        WITH_RIG(test_unsupported_document_is_rejected_in_the_presence),
        WITH_RIG(test_removed_presence_comes_back),
        WITH_RIG(test_document_too_large_to_be_written_back_is_refused),
        WITH_RIG(test_break_glass_beats_the_document),
        WITH_RIG(test_start_refuses_a_taken_id),
        WITH_RIG(test_close_takes_the_presence_back),
        WITH_RIG(test_open_works_without_the_store_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
