/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "steering/model/explain.h"
#include "tests/unit/steering/model/topology_fixture.h"

/* Two regions; Europe gets eu-west first; 198.51.100.0/24 and the documentation net of IPv6 are in
 * Europe, everything else is nowhere. "flat.example." has a map of one cell, "still.example."
 * leaves ECS aside. */
static struct world *two_regions(void)
{
    struct diag diag;
    struct geo *geo = NULL;
    struct topology *topology = topology_new();
    struct geo_builder *builder = geo_builder_new();
    struct location france = { .continent = "EU", .country = "FR" };
    struct cidr nets[] = { fixture_cidr("198.51.100.0/24"), fixture_cidr("2001:db8::/32") };
    struct site_id us = fixture_site(topology, "us-east", SITE_REGION, 0, 0, "192.0.2.1");
    struct site_id eu = fixture_site(topology, "eu-west", SITE_REGION, 0, 0, "192.0.2.2");
    struct site_id gru = fixture_site(topology, "gru1", SITE_POP, 0, 0, "2001:db8::3");
    uint32_t europe = fixture_area_of(topology, "europe",
                                      (struct area_term){ .kind = AREA_CONTINENT, .code = "EU" });
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    struct map_id api = fixture_map(topology, "api", 1, ALL_DOWN_SITES);
    fixture_map_all_down_site(topology, api, gru);
    fixture_rule(topology, api, europe, (struct site_id[]){ eu, us }, 2);
    fixture_rule(topology, api, any, (struct site_id[]){ us, eu }, 2);
    struct map_id flat = fixture_map(topology, "flat", 2, ALL_DOWN_BASE);
    fixture_rule(topology, flat, any, (struct site_id[]){ us, eu }, 2);
    fixture_name(topology, "www.example.com.", api);
    fixture_name(topology, "flat.example.", flat);
    fixture_name(topology, "still.example.", api);
    topology->names[2].uses_ecs = false;
    for (size_t i = 0; i < ARRAY_SIZE(nets); i++)
        geo_builder_add_location(builder, &nets[i], &france);
    diag_init(&diag);
    assert_int_equal(geo_compile(topology, builder, &diag, &geo), ERR_OK);
    geo_builder_free(builder);
    diag_fini(&diag);
    return world_new(topology, geo);
}

static struct snapshot *snapshot_of(const char *regions)
{
    struct diag diag;
    struct buf text;
    struct document *document = NULL;
    diag_init(&diag);
    buf_init(&text, 4096);
    buf_append_format(&text, "{\"v\":1,\"epoch\":\"E\",\"gen\":9,\"regions\":{%s}}", regions);
    assert_int_equal(document_parse(buf_str(&text), &diag, &document), ERR_OK);
    struct world *world = two_regions();
    struct snapshot *snapshot = snapshot_new(world, document, NULL);
    world_unref(world);
    buf_fini(&text);
    diag_fini(&diag);
    return snapshot;
}

static enum err ask(const struct snapshot *snapshot, const char *name, const char *resolver,
                    const char *ecs, struct diag *diag, json_t **out_json)
{
    struct explain_query query = { .name = str_from(name), .resolver = fixture_addr(resolver) };
    query.has_ecs = ecs != NULL;
    if (ecs != NULL)
        query.ecs = fixture_cidr(ecs);
    return explain(snapshot, &query, diag, out_json);
}

/* "client from scope special rule level [moving] ttl: SITES" */
static void summarize(const json_t *json, struct buf *out)
{
    const json_t *answer = json_object_get(json, "answer");
    buf_clear(out);
    buf_append_str(out, json_get_str(json, "client"));
    buf_append_text(out, " ");
    buf_append_str(out, json_get_str(json, "client_from"));
    buf_append_format(out, " /%d", (int)json_get_int(json, "scope", -1));
    if (json_get_bool(json, "special", false))
        buf_append_text(out, " special");
    buf_append_format(out, " rule %d ",
                      (int)json_get_int(json_object_get(json, "rule"), "index", -1));
    buf_append_str(out, json_get_str(json, "level"));
    if (json_get_bool(json, "moving", false))
        buf_append_text(out, " moving");
    buf_append_format(out, " ttl %d:", (int)json_get_int(json, "ttl", -1));
    for (size_t i = 0; i < json_array_size(answer); i++)
        buf_append_format(out, " %s", json_string_value(json_array_get(answer, i)));
}

#define EVACUATED(site) "\"" site "\":{\"mode\":\"evacuated\"}"

static void test_explain(void **state)
{
    static const struct row {
        const char *regions, *name, *resolver, *ecs, *expected;
    } rows[] = {
        { "", "www.example.com.", "198.51.100.9", NULL,
          "198.51.100.9/32 resolver /24 rule 0 base ttl 60: eu-west" },
        { "", "WWW.example.com", "8.8.8.8", NULL,
          "8.8.8.8/32 resolver /7 rule 1 base ttl 60: us-east" },
        { "", "www.example.com.", "8.8.8.8", "198.51.100.0/24",
          "198.51.100.0/24 ecs /24 rule 0 base ttl 60: eu-west" },
        { "", "www.example.com.", "8.8.8.8", "2001:db8:1::/48",
          "2001:db8:1::/48 ecs /32 rule 0 base ttl 60: eu-west" },
        /* Source 0: the client keeps its address to itself. */
        { "", "www.example.com.", "198.51.100.9", "0.0.0.0/0",
          "198.51.100.9/32 resolver /24 rule 0 base ttl 60: eu-west" },
        /* A private address tells no place: the resolver decides. */
        { "", "www.example.com.", "198.51.100.9", "10.1.2.0/24",
          "198.51.100.9/32 resolver /8 special rule 0 base ttl 60: eu-west" },
        { "", "www.example.com.", "127.0.0.1", NULL,
          "127.0.0.1/32 resolver /8 special rule 1 base ttl 60: us-east" },
        /* A name that leaves ECS aside, and a map whose clients are all alike. */
        { "", "still.example.", "8.8.8.8", "198.51.100.0/24",
          "8.8.8.8/32 resolver /7 rule 1 base ttl 60: us-east" },
        { "", "flat.example.", "8.8.8.8", "198.51.100.0/24",
          "198.51.100.0/24 ecs /0 rule 0 base ttl 60: us-east eu-west" },
        /* A map by its own name has no TTL. */
        { "", "api", "198.51.100.9", NULL,
          "198.51.100.9/32 resolver /24 rule 0 base ttl -1: eu-west" },
        { EVACUATED("eu-west"), "www.example.com.", "198.51.100.9", NULL,
          "198.51.100.9/32 resolver /24 rule 0 steered moving ttl 20: us-east" },
        { EVACUATED("eu-west"), "www.example.com.", "8.8.8.8", NULL,
          "8.8.8.8/32 resolver /7 rule 1 steered ttl 60: us-east" },
        { EVACUATED("eu-west") "," EVACUATED("us-east"), "www.example.com.", "8.8.8.8", NULL,
          "8.8.8.8/32 resolver /7 rule 1 spare moving ttl 20: gru1" },
        { EVACUATED("eu-west") "," EVACUATED("us-east"), "flat.example.", "8.8.8.8", NULL,
          "8.8.8.8/32 resolver /0 rule 0 nothing-left ttl 60: us-east eu-west" },
    };
    (void)state;
    struct buf got;
    buf_init(&got, 4096);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diag diag;
        json_t *json = NULL;
        struct snapshot *snapshot = snapshot_of(rows[i].regions);
        diag_init(&diag);
        assert_int_equal(ask(snapshot, rows[i].name, rows[i].resolver, rows[i].ecs, &diag, &json),
                         ERR_OK);
        summarize(json, &got);
        if (strcmp(buf_text(&got), rows[i].expected) != 0)
            fail_msg("row %zu:\n got %s\nwant %s", i, buf_text(&got), rows[i].expected);
        json_decref(json);
        snapshot_unref(snapshot);
        diag_fini(&diag);
    }
    buf_fini(&got);
}

static void test_explain_refuses_unknown_names(void **state)
{
    (void)state;
    struct diag diag;
    json_t *json = NULL;
    struct snapshot *snapshot = snapshot_of("");
    diag_init(&diag);
    assert_int_equal(ask(snapshot, "wwww.example.com.", "8.8.8.8", NULL, &diag, &json),
                     ERR_UNKNOWN);
    assert_null(json);
    assert_string_equal(diag_first(&diag), "'wwww.example.com.' is neither a steered name nor a "
                                           "map; did you mean 'www.example.com.'?");
    snapshot_unref(snapshot);
    diag_fini(&diag);
}

static void test_explain_whole(void **state)
{
    (void)state;
    struct diag diag;
    json_t *json = NULL;
    struct buf text;
    struct snapshot *snapshot = snapshot_of(
        "\"eu-west\":{\"mode\":\"evacuated\",\"who\":\"ana\",\"why\":\"INC\\u001b4411\"}");
    diag_init(&diag);
    buf_init(&text, 65536);
    assert_int_equal(ask(snapshot, "www.example.com.", "8.8.8.8", "198.51.100.0/24", &diag, &json),
                     ERR_OK);
    json_format(json, &text);
    assert_string_equal(
        buf_text(&text),
        "{\"answer\":[\"us-east\"],\"cell\":{\"candidates\":[\"eu-west\",\"us-east\"],\"id\":1},"
        "\"client\":\"198.51.100.0/24\",\"client_from\":\"ecs\",\"epoch\":\"E\",\"gen\":9,"
        "\"level\":\"steered\",\"map\":\"api\",\"moving\":true,\"name\":\"www.example.com.\","
        "\"rule\":{\"from\":\"europe\",\"index\":0,\"line\":100},\"scope\":24,"
        "\"sites\":[{\"addresses\":[\"192.0.2.2\"],\"chosen\":false,\"kind\":\"region\","
        "\"mode\":\"evacuated\",\"name\":\"eu-west\",\"source\":\"document\",\"who\":\"ana\","
        "\"why\":\"INC\\u001B4411\"},{\"addresses\":[\"192.0.2.1\"],\"chosen\":true,"
        "\"kind\":\"region\",\"mode\":\"active\",\"name\":\"us-east\",\"source\":\"default\"}],"
        "\"special\":false,\"ttl\":20}");
    buf_clear(&text);
    explain_format(json, &text);
    assert_string_equal(buf_text(&text),
                        "name    www.example.com.\n"
                        "client  198.51.100.0/24 (from the ECS option), scope /24\n"
                        "map     api, rule 1 from europe (line 100)\n"
                        "cell    1: eu-west, us-east\n"
                        "sites\n"
                        "     eu-west          evacuated (by document, ana: INC?4411)  192.0.2.2\n"
                        "  -> us-east          active  192.0.2.1\n"
                        "answer  us-east, ttl 20 s (moving)\n"
                        "why     sites that are out of use are left out\n"
                        "state   generation 9, epoch E\n");
    json_decref(json);
    snapshot_unref(snapshot);
    buf_fini(&text);
    diag_fini(&diag);
}

/* The text is made from what a server sent: nothing in it may be taken for granted. */
static void test_format_survives_any_value(void **state)
{
    static const char *const texts[] = {
        "{}", "[]", "{\"sites\":[1,{}],\"answer\":[null,2]}",
        "{\"rule\":3,\"cell\":{\"candidates\":{}},\"ttl\":\"x\"}"
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct diag diag;
        struct buf text;
        json_t *json = NULL;
        diag_init(&diag);
        buf_init(&text, 65536);
        assert_int_equal(json_parse(str_from(texts[i]), &diag, &json), ERR_OK);
        explain_format(json, &text);
        assert_non_null(strstr(buf_text(&text), "state   generation 0"));
        json_decref(json);
        buf_fini(&text);
        diag_fini(&diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_explain_refuses_unknown_names),
        cmocka_unit_test(test_explain_whole),
        cmocka_unit_test(test_format_survives_any_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
