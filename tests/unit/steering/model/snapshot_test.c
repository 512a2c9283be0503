/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>

#include "steering/model/snapshot.h"
#include "tests/unit/steering/model/topology_fixture.h"

static struct world *small_world(void)
{
    struct diag diag;
    struct geo *geo = NULL;
    struct topology *topology = topology_new();
    struct geo_builder *builder = geo_builder_new();
    fixture_site(topology, "a", SITE_REGION, 0, 0, NULL);
    fixture_site(topology, "b", SITE_REGION, 0, 0, NULL);
    fixture_site(topology, "p", SITE_POP, 0, 0, NULL);
    diag_init(&diag);
    assert_int_equal(geo_compile(topology, builder, &diag, &geo), ERR_OK);
    geo_builder_free(builder);
    diag_fini(&diag);
    return world_new(topology, geo);
}

static struct document *parse(const char *text)
{
    struct diag diag;
    struct document *document = NULL;
    diag_init(&diag);
    assert_int_equal(document_parse(str_from(text), &diag, &document), ERR_OK);
    diag_fini(&diag);
    return document;
}

static void test_new_resolves_modes_by_precedence(void **state)
{
    (void)state;
    struct world *world = small_world();
    struct diag diag;
    struct break_glass orders;
    diag_init(&diag);
    assert_int_equal(break_glass_parse(STR("serve a\n"), NULL, &diag, &orders), ERR_OK);
    struct snapshot *snapshot =
        snapshot_new(world,
                     parse("{\"v\":1,\"epoch\":\"E\",\"gen\":1,"
                           "\"regions\":{\"a\":{\"mode\":\"evacuated\"},\"p\":{\"mode\":"
                           "\"evacuated\"},\"mars\":{\"mode\":\"evacuated\"}},"
                           "\"pops\":{\"b\":{\"mode\":\"draining\"}}}"),
                     &orders);
    break_glass_fini(&orders); /* the snapshot keeps nothing of it */
    static const struct site_state expected[] = {
        { MODE_ACTIVE, MODE_BY_BREAK_GLASS },
        { MODE_ACTIVE, MODE_BY_DEFAULT }, /* listed as a PoP, but it is a region */
        { MODE_ACTIVE, MODE_BY_DEFAULT }, /* and the other way round */
    };
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        assert_int_equal(snapshot->states[i].mode, expected[i].mode);
        assert_int_equal(snapshot->states[i].source, expected[i].source);
    }
    snapshot_unref(snapshot);
    snapshot = snapshot_new(world,
                            parse("{\"v\":1,\"epoch\":\"E\",\"gen\":1,"
                                  "\"pops\":{\"p\":{\"mode\":\"offline\"}}}"),
                            NULL);
    assert_int_equal(snapshot->states[2].mode, MODE_OFFLINE);
    assert_int_equal(snapshot->states[2].source, MODE_BY_DOCUMENT);
    snapshot_unref(snapshot);
    snapshot_unref(NULL);
    world_unref(world);
    world_unref(NULL);
    diag_fini(&diag);
}

static void *use_and_drop(void *data)
{
    struct snapshot *snapshot = data;
    for (int i = 0; i < 2000; i++) {
        struct snapshot *mine = snapshot_ref(snapshot);
        assert_int_equal(mine->states[0].mode, MODE_ACTIVE);
        assert_int_equal(mine->world->topology->site_count, 3);
        snapshot_unref(mine);
    }
    snapshot_unref(snapshot);
    return NULL;
}

/* The last of several threads frees snapshot and world; asan and tsan watch. */
static void test_unref_from_many_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct world *world = small_world();
    struct snapshot *snapshot = snapshot_new(world, document_new("E"), NULL);
    world_unref(world);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_drop, snapshot_ref(snapshot)),
                         0);
    snapshot_unref(snapshot);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_resolves_modes_by_precedence),
        cmocka_unit_test(test_unref_from_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
