/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "steering/base/mem.h"
#include "steering/ctl/sites.h"

static json_t *parse(const char *text)
{
    json_t *value = NULL;
    struct diag diag;
    diag_init(&diag);
    assert_int_equal(json_parse(str_from(text), &diag, &value), ERR_OK);
    diag_fini(&diag);
    return value;
}

static void test_collect_joins_the_living_the_dead_and_the_document(void **state)
{
    (void)state;
    struct presence nodes[] = {
        presence_make("a", true,
                      parse("{\"regions\":[\"us-west\",\"us-east\"],\"pops\":[\"gru1\"],"
                            "\"topology\":\"sha256:1\"}")),
        presence_make("b", false,
                      parse("{\"regions\":[\"eu-west\",\"us-east\",7,\"\"],"
                            "\"topology\":\"sha256:2\"}")),
        presence_make("c", true, parse("{\"regions\":\"none\",\"topology\":\"sha256:1\"}")),
        presence_make("d", true, NULL),
    };
    struct presences presences = { .items = nodes, .count = ARRAY_SIZE(nodes) };
    struct document *document = NULL;
    struct diag diag;
    struct sites sites;
    diag_init(&diag);
    assert_int_equal(document_parse(STR("{\"v\":1,\"epoch\":\"E\",\"gen\":1,\"regions\":"
                                        "{\"ap-south\":{\"mode\":\"evacuated\"}},"
                                        "\"pops\":{\"gru1\":{\"mode\":\"draining\"}}}"),
                                    &diag, &document),
                     ERR_OK);
    sites_collect(&presences, document, &sites);
    struct change_world world = sites_world(&sites);
    static const char *const regions[] = { "ap-south", "eu-west", "us-east", "us-west" };
    assert_int_equal(world.count[SITE_REGION], ARRAY_SIZE(regions));
    for (size_t i = 0; i < ARRAY_SIZE(regions); i++)
        assert_true(str_eq_text(world.names[SITE_REGION][i], regions[i]));
    assert_int_equal(world.count[SITE_POP], 1);
    assert_string_equal(sites.topology, "sha256:1"); /* what a dead node ran does not count */
    assert_false(sites.has_several_topologies);
    sites_fini(&sites);
    document_free(document);
    diag_fini(&diag);
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
        presence_fini(&nodes[i]);
}

static void test_collect_tells_what_all_living_nodes_know(void **state)
{
    (void)state;
    struct presence nodes[] = {
        presence_make("a", true, parse("{\"regions\":[\"r1\",\"r2\",\"r3\",\"r3\"]}")),
        presence_make("b", true, parse("{\"regions\":[\"r2\",\"r1\",\"r4\",7]}")),
        presence_make("c", false, parse("{\"regions\":[\"r5\"]}")),
        presence_make("d", true, NULL),
        presence_make("e", true, parse("{\"regions\":[]}")),
    };
    static const bool all_five[] = { true, true, false, false, false };
    struct presences presences = { .items = nodes, .count = ARRAY_SIZE(nodes) };
    struct sites sites;
    sites_collect(&presences, NULL, &sites);
    assert_int_equal(sites.count[SITE_REGION], ARRAY_SIZE(all_five));
    for (size_t i = 0; i < ARRAY_SIZE(all_five); i++)
        assert_int_equal(sites.is_everywhere[i], all_five[i]);
    sites_fini(&sites);
    presences = (struct presences){ .items = &nodes[2], .count = 1 }; /* nobody lives */
    sites_collect(&presences, NULL, &sites);
    assert_true(sites.is_everywhere[0]);
    sites_fini(&sites);
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
        presence_fini(&nodes[i]);
}

static void test_collect_several_topologies_give_none(void **state)
{
    (void)state;
    struct presence nodes[] = {
        presence_make("a", true, parse("{\"topology\":\"sha256:1\"}")),
        presence_make("b", true, parse("{\"topology\":\"sha256:2\"}")),
    };
    struct presences presences = { .items = nodes, .count = ARRAY_SIZE(nodes) };
    struct sites sites;
    sites_collect(&presences, NULL, &sites);
    assert_true(sites.has_several_topologies);
    assert_string_equal(sites.topology, "");
    sites_fini(&sites);
    sites_collect(NULL, NULL, &sites);
    assert_int_equal(sites.count[SITE_REGION], 0);
    sites_fini(&sites);
    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
        presence_fini(&nodes[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collect_joins_the_living_the_dead_and_the_document),
        cmocka_unit_test(test_collect_tells_what_all_living_nodes_know),
        cmocka_unit_test(test_collect_several_topologies_give_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
