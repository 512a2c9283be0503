/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/topology_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

/* Three lines that most cases begin with. */
#define SITES                                                                                      \
    "regions:\n"                                                                                   \
    "  east: { at: [38.95, -77.45], addresses: [192.0.2.1] }\n"                                    \
    "  west: { at: [45.6, -121.2], addresses: [192.0.2.2] }\n"
/* And two that make everything used: lines 4 and 5. */
#define MAP                                                                                        \
    "maps: { m: { rules: [{ to: [east, west] }] } }\n"                                             \
    "names: { www.example.com: { map: m } }\n"

struct run {
    struct diag diag;
    struct buf out;
    struct topology *topology;
    enum err err;
};

static void start(struct run *run, const char *text)
{
    *run = (struct run){ .topology = NULL };
    diag_init(&run->diag);
    buf_init(&run->out, 1 << 16);
    run->err = topology_load_text(str_from(text), "t.yaml", &run->diag, &run->topology);
    diag_format(&run->diag, &run->out);
    assert_int_equal(run->err == ERR_OK, !diag_has_errors(&run->diag));
    assert_int_equal(run->err == ERR_OK, run->topology != NULL);
}

static void finish(struct run *run)
{
    topology_free(run->topology);
    buf_fini(&run->out);
    diag_fini(&run->diag);
}

struct row {
    const char *text, *expected;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct run run;
        start(&run, rows[i].text);
        assert_string_equal(buf_text(&run.out), rows[i].expected);
        finish(&run);
    }
}

/* ---- what a good file becomes --------------------------------------------------------------- */

static const char whole_text[] =
    "regions:\n"
    "  us-east: { at: [38.95, -77.45], capacity: 12000, addresses: [192.0.2.10, '2001:db8:1::10'], "
    "cname: US-east.lb.example.net, group: us }\n"
    "  eu-west: { at: [53.34, -6.27], capacity: 8000, addresses: [192.0.2.20, '2001:db8:2::20'] }\n"
    "pops:\n"
    "  gru1: { at: [-23.43, -46.47], addresses: [192.0.2.30, '2001:db8:3::30'] }\n"
    "networks:\n"
    "  office: { cidrs: [203.0.113.0/24], asns: [64500] }\n"
    "areas:\n"
    "  outer: { areas: [europe], cidrs: [198.51.100.0/24], asns: [64501] }\n"
    "  europe: { continents: [EU, Africa], countries: [TR, Japan], except: { countries: [RU, BY] } "
    "}\n"
    "  coast: { subdivisions: [US-VA, US-New York, Quebec, US-PR], networks: [office] }\n"
    "  rest: { except: { areas: [outer] } }\n"
    "maps:\n"
    "  api:\n"
    "    answers: 2\n"
    "    rules:\n"
    "      - { from: office, to: [eu-west, us-east] }\n"
    "      - { from: [coast, outer], to: nearest 2 }\n"
    "      - { from: europe, to: us-east }\n"
    "      - { from: rest, to: nearest }\n"
    "      - to: nearest\n"
    "  edge: { sites: all, all_down: nearest, rules: [{ from: any, to: nearest }] }\n"
    "  pop: { sites: pops, all_down: [eu-west], rules: [{ to: nearest }] }\n"
    "  some: { sites: [gru1, us-east], rules: [{ from: office, to: [us-east] }, { to: nearest }] "
    "}\n"
    "names:\n"
    "  WWW.example.com: { map: api, https: { alpn: [h2], port: 8443 } }\n"
    "  example.com.: { map: edge, ttl: 10, ecs: false, https: {} }\n"
    "  p.example.com: { map: pop, ttl: 5m, ttl_moving: 30s }\n"
    "  s.example.com: { map: some }\n";

static void test_load_builds_sites(void **state)
{
    struct run run;
    char text[ADDR_TEXT_MAX];
    (void)state;
    start(&run, whole_text);
    assert_string_equal(buf_text(&run.out), "");
    const struct topology *t = run.topology;
    assert_int_equal(t->site_count, 3);
    assert_int_equal(t->region_count, 2);
    assert_string_equal(t->sites[0].name, "us-east");
    assert_int_equal(t->sites[0].kind, SITE_REGION);
    assert_int_equal(t->sites[0].capacity, 12000);
    assert_string_equal(t->sites[0].cname, "us-east.lb.example.net.");
    assert_string_equal(t->sites[0].group, "us");
    assert_int_equal(t->sites[0].address_count, 2);
    assert_string_equal(addr_format(&t->sites[0].addresses[1], text), "2001:db8:1::10");
    assert_true(t->sites[0].lat_deg > 38.94 && t->sites[0].lon_deg < -77.44);
    assert_int_equal(t->sites[2].kind, SITE_POP);
    assert_null(t->sites[2].cname);
    assert_null(t->sites[2].group);
    finish(&run);
}

static void format_term(const struct topology *t, const struct area_term *term, struct buf *out)
{
    static const char *const kinds[] = { "any",     "continent", "country", "subdivision",
                                         "network", "asn",       "area" };
    buf_append_format(out, "%s%s", term->is_except ? "-" : "+", kinds[term->kind]);
    if (term->kind == AREA_CONTINENT || term->kind == AREA_COUNTRY)
        buf_append_format(out, " %s", term->code);
    if (term->kind == AREA_SUBDIVISION)
        buf_append_format(out, " %s-%s", term->code, term->subdivision);
    if (term->kind == AREA_NETWORK)
        buf_append_format(out, " '%s'", t->networks[term->index].name);
    if (term->kind == AREA_ASN)
        buf_append_format(out, " %u", term->index);
    if (term->kind == AREA_AREA)
        buf_append_format(out, " %s", t->areas[term->index].name);
    buf_append_text(out, ";");
}

static void test_load_builds_areas(void **state)
{
    struct run run;
    struct buf out;
    (void)state;
    start(&run, whole_text);
    const struct topology *t = run.topology;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < t->area_count; i++) {
        buf_append_format(&out, "%s:", t->areas[i].name);
        for (size_t j = 0; j < t->areas[i].term_count; j++) {
            const struct area_term *term = &t->areas[i].terms[j];
            assert_true(term->kind != AREA_AREA || term->index < i);
            format_term(t, term, &out);
        }
        buf_append_text(&out, "\n");
    }
    assert_string_equal(
        buf_text(&out),
        "europe:+continent EU;+continent AF;+country TR;+country JP;-country RU;-country BY;\n"
        "outer:+network 'area outer, line 9';+asn 64501;+area europe;\n"
        "coast:+subdivision US-VA;+subdivision US-NY;+subdivision CA-QC;+country PR;"
        "+network 'office';\n"
        "rest:+any;-area outer;\n"
        "office:+network 'office';\n"
        "coast, outer:+area coast;+area outer;\n"
        "any:+any;\n");
    assert_int_equal(t->network_count, 2);
    assert_int_equal(t->networks[0].cidr_count, 1);
    assert_int_equal(t->networks[0].asns[0], 64500);
    assert_int_equal(t->networks[1].cidr_count, 1);
    buf_fini(&out);
    finish(&run);
}

static void test_load_builds_maps(void **state)
{
    struct run run;
    (void)state;
    start(&run, whole_text);
    const struct topology *t = run.topology;
    assert_int_equal(t->map_count, 4);
    const struct map *api = &t->maps[0];
    assert_int_equal(api->answers, 2);
    assert_int_equal(api->pool_count, 2);
    assert_int_equal(api->all_down, ALL_DOWN_BASE);
    assert_int_equal(api->rule_count, 5);
    const struct {
        const char *label, *area, *first;
        size_t line, sites;
        bool is_nearest;
        uint16_t nearest_count;
    } rules[] = {
        { "office", "office", "eu-west", 17, 2, false, 0 },
        { "coast, outer", "coast, outer", "us-east", 18, 2, true, 2 },
        { "europe", "europe", "us-east", 19, 1, false, 0 },
        { "rest", "rest", "us-east", 20, 2, true, 0 },
        { "any", "any", "us-east", 21, 2, true, 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct rule *rule = &api->rules[i];
        assert_string_equal(rule->label, rules[i].label);
        assert_string_equal(t->areas[rule->area].name, rules[i].area);
        assert_string_equal(t->sites[rule->sites[0].n].name, rules[i].first);
        assert_int_equal(rule->line, rules[i].line);
        assert_int_equal(rule->site_count, rules[i].sites);
        assert_int_equal(rule->is_nearest, rules[i].is_nearest);
        assert_int_equal(rule->nearest_count, rules[i].nearest_count);
    }
    assert_int_equal(t->maps[1].pool_count, 3);
    assert_int_equal(t->maps[1].all_down, ALL_DOWN_NEAREST);
    assert_int_equal(t->maps[1].answers, 1);
    assert_int_equal(t->maps[1].rules[0].area, api->rules[4].area); /* shared */
    assert_int_equal(t->maps[2].pool_count, 1);
    assert_int_equal(t->maps[2].pool[0].n, 2);
    assert_int_equal(t->maps[2].all_down, ALL_DOWN_SITES);
    assert_int_equal(t->maps[2].all_down_sites[0].n, 1);
    assert_int_equal(t->maps[3].pool[0].n, 2);
    assert_int_equal(t->maps[3].rules[0].area, api->rules[0].area);
    finish(&run);
}

static void test_load_builds_names(void **state)
{
    static const struct {
        const char *name, *alpn;
        uint16_t map, port;
        uint32_t ttl_s, ttl_moving_s;
        bool uses_ecs;
    } rows[] = {
        { "www.example.com.", "h2", 0, 8443, 60, 20, true },
        { "example.com.", "h2,http/1.1", 1, 0, 10, 10, false },
        { "p.example.com.", NULL, 2, 0, 300, 30, true },
        { "s.example.com.", NULL, 3, 0, 60, 20, true },
    };
    struct run run;
    (void)state;
    start(&run, whole_text);
    assert_int_equal(run.topology->name_count, ARRAY_SIZE(rows));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct steered_name *name = &run.topology->names[i];
        assert_string_equal(name->name, rows[i].name);
        assert_int_equal(name->map.n, rows[i].map);
        assert_int_equal(name->ttl_s, rows[i].ttl_s);
        assert_int_equal(name->ttl_moving_s, rows[i].ttl_moving_s);
        assert_int_equal(name->uses_ecs, rows[i].uses_ecs);
        assert_int_equal(name->https_port, rows[i].port);
        if (rows[i].alpn == NULL)
            assert_null(name->https_alpn);
        else
            assert_string_equal(name->https_alpn, rows[i].alpn);
    }
    finish(&run);
}

/* ---- errors --------------------------------------------------------------------------------- */

/* What merely follows from a section that could not be read is left unsaid, and nothing else. */
static void test_load_keeps_quiet_about_what_follows(void **state)
{
    static const struct row rows[] = {
        { "regoins: { a: { at: [1, 2] } }\nmaps: { m: { rules: [ { to: [a] }, { to: nearest } ] } "
          "}\n"
          "names: { n.example: { map: x } }\n",
          "t.yaml:1:1: error: unknown key 'regoins' in the topology; did you mean 'regions'?\n"
          "t.yaml:3:28: error: 'x' is not a map\n" },
        { "regions: [a]\nmaps: { m: { rules: [ { to: [a] } ] } }\n",
          "t.yaml:1:10: error: 'regions' must be names with a mapping each, found a list\n" },
        { SITES "mpas: {}\nnames: { n.example: { map: x } }\n",
          "t.yaml:4:1: error: unknown key 'mpas' in the topology; did you mean 'maps'?\n" },
        { SITES "araes: {}\nmaps: { m: { rules: [ { from: x, to: [a] }, { to: [east] } ] } }\n",
          "t.yaml:4:1: error: unknown key 'araes' in the topology; did you mean 'areas'?\n"
          "t.yaml:5:39: error: 'a' is not a region or PoP\n" },
        { SITES "names: { n.example: { map: x } }\n", "t.yaml:4:28: error: 'x' is not a map\n" },
    };
    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_load_reports_site_errors(void **state)
{
    static const struct row rows[] = {
        { "pops: {}\n", "t.yaml:1:1: error: the topology lacks 'regions'\n" },
        { "regions: {}\n", "t.yaml:1:10: error: 'regions' needs at least 1 entry\n" },
        { "regions: { a: { addresses: [192.0.2.1] } }\n",
          "t.yaml:1:12: error: region 'a' lacks 'at'\n" },
        { "regions: { a: { at: [1, 2], capacty: 5 } }\n",
          "t.yaml:1:29: error: unknown key 'capacty' in region 'a'; did you mean 'capacity'?\n" },
        { "regions: { a: { at: [1, 2], capacity: 0 } }\n",
          "t.yaml:1:39: error: 'capacity' must be a whole number from 1 to 4294967295, found "
          "'0'\n" },
        { "regions: { nearest: { at: [1, 2] } }\n",
          "t.yaml:1:12: error: 'nearest' has a meaning of its own and cannot be a name\n" },
        { "regions: { a: { at: [1, 2], cname: 'x..y' } }\n",
          "t.yaml:1:36: error: the cname 'x..y' has an empty label\n" },
        { SITES "pops: { east: { at: [1, 2] } }\n" MAP,
          "t.yaml:4:9: error: 'east' is the name of a region already\n" },
        { "regions: { a: { at: [1, 2] } }\n"
          "pops: { p: { at: [1, 2] }, q: { at: [1, 2] } }\n"
          "maps: { m: { all_down: [p], rules: [{ to: [a] }] } }\n"
          "names: { n.example: { map: m } }\n",
          "t.yaml:1:12: error: region 'a' needs 'addresses' or 'cname': map 'm' can choose it\n"
          "t.yaml:2:9: error: PoP 'p' needs 'addresses' or 'cname': map 'm' can choose it\n" },
        { "regions: { a: { at: [1, 2] }, b: { at: [1, 2], cname: b.example } }\n"
          "maps: { m: { all_down: nearest, rules: [{ to: [b] }] } }\n"
          "names: { n.example: { map: m } }\n",
          "t.yaml:1:12: error: region 'a' needs 'addresses' or 'cname': map 'm' can choose it\n" },
    };
    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_load_reports_area_errors(void **state)
{
    static const struct row rows[] = {
        { SITES "areas: { a: {} }\n",
          "t.yaml:4:10: error: area 'a' is empty: name continents, countries, subdivisions, "
          "networks, cidrs, asns or areas\n" },
        { SITES "areas: { a: { except: {} } }\n",
          "t.yaml:4:10: error: area 'a' is empty: name continents, countries, subdivisions, "
          "networks, cidrs, asns or areas\n" },
        { SITES "areas: { any: { countries: [US] } }\n",
          "t.yaml:4:10: error: 'any' has a meaning of its own and cannot be a name\n" },
        { SITES "areas: { a: { countrys: [US] } }\n",
          "t.yaml:4:15: error: unknown key 'countrys' in area 'a'; did you mean 'countries'?\n" },
        { SITES "areas: { a: { except: { except: {} } } }\n",
          "t.yaml:4:25: error: unknown key 'except' in 'except'\n" },
        { SITES "areas: { a: { continents: [XX, US, Erope] } }\n",
          "t.yaml:4:28: error: 'XX' is not a continent (AF, AN, AS, EU, NA, OC or SA)\n"
          "t.yaml:4:32: error: 'US' is a country; list it under 'countries'\n"
          "t.yaml:4:36: error: 'Erope' is not a continent (AF, AN, AS, EU, NA, OC or SA); did you "
          "mean 'Europe'?\n" },
        { SITES "areas: { a: { countries: [XX, EU, US-VA, Germny] } }\n",
          "t.yaml:4:27: error: 'XX' is not a country\n"
          "t.yaml:4:31: error: 'EU' is a continent; list it under 'continents'\n"
          "t.yaml:4:35: error: 'US-VA' is a subdivision; list it under 'subdivisions'\n"
          "t.yaml:4:42: error: 'Germny' is not a country; did you mean 'Germany'?\n" },
        /* an older name is like it; the present one is proposed */
        { SITES MAP "areas: { a: { countries: [Turkei] } }\n",
          "t.yaml:6:27: error: 'Turkei' is not a country; did you mean 'Türkiye'?\n" },
        { SITES "areas: { a: { subdivisions: [US-XX, US-Virgina, Virgina, Georgia, US, EU] } }\n",
          "t.yaml:4:30: error: 'US-XX' is not a subdivision such as US-VA or US-Virginia\n"
          "t.yaml:4:37: error: 'US-Virgina' is not a subdivision such as US-VA or US-Virginia; did "
          "you mean 'Virginia'?\n"
          "t.yaml:4:49: error: 'Virgina' is not a subdivision such as US-VA or US-Virginia; did "
          "you mean 'Virginia'?\n"
          "t.yaml:4:58: error: 'Georgia' is ambiguous: it may be GE (the country) or US-GA; write "
          "the code\n"
          "t.yaml:4:67: error: 'US' is a country; list it under 'countries'\n"
          "t.yaml:4:71: error: 'EU' is a continent; list it under 'continents'\n" },
        { SITES "networks: { office: { cidrs: [10.0.0.0/8] } }\n"
                "areas: { a: { areas: [b, office], networks: [offce, a] } }\n",
          "t.yaml:5:46: error: 'offce' is not a network; did you mean 'office'?\n"
          "t.yaml:5:53: error: 'a' is an area; list it under 'areas'\n"
          "t.yaml:5:23: error: 'b' is not an area\n"
          "t.yaml:5:26: error: 'office' is a network; list it under 'networks'\n" },
        { SITES "areas: { a: { areas: [a] } }\n",
          "t.yaml:4:23: error: areas contain each other in a circle: a in a\n" },
        { SITES "areas:\n  a: { areas: [b] }\n  b: { except: { areas: [c] } }\n"
                "  c: { areas: [b] }\n",
          "t.yaml:7:16: error: areas contain each other in a circle: b in c in b\n" },
        { SITES "networks: { a: { cidrs: [10.0.0.0/8] } }\nareas: { a: { countries: [US] } }\n",
          "t.yaml:5:10: error: 'a' is the name of a network already\n" },
        { SITES "networks: { a: {} }\n",
          "t.yaml:4:13: error: network 'a' needs 'cidrs', 'files' or 'asns'\n" },
        { SITES "networks: { a: { cidrs: [10.0.0.1/8] } }\n",
          "t.yaml:4:26: error: '10.0.0.1/8' has bits set behind the prefix; did you mean "
          "'10.0.0.0/8'?\n" },
        { SITES "networks: { a: { files: [no/such.txt] } }\n",
          "t.yaml:4:26: error: cannot read 'no/such.txt': No such file or directory\n" },
    };
    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_load_reports_map_errors(void **state)
{
    static const struct row rows[] = {
        { SITES "maps: { m: {} }\n", "t.yaml:4:9: error: map 'm' lacks 'rules'\n" },
        { SITES "maps: { m: { rules: [] } }\n",
          "t.yaml:4:21: error: 'rules' needs at least 1 entry\n" },
        { SITES "maps: { m: { rules: [{ from: any }] } }\n",
          "t.yaml:4:22: error: the rule lacks 'to'\n" },
        { SITES "areas: { eu: { continents: [EU] } }\n"
                "maps: { m: { rules: [{ from: eu, to: [east] }] } }\n",
          "t.yaml:5:22: error: the last rule of map 'm' must match everybody: add one without "
          "'from'\n" },
        { SITES "maps: { m: { rules: [{ to: [eats, west] }] } }\n",
          "t.yaml:4:29: error: 'eats' is not a region or PoP; did you mean 'east'?\n" },
        { SITES "maps: { m: { rules: [{ to: nearst }] } }\n",
          "t.yaml:4:28: error: 'nearst' is not a region or PoP; did you mean 'nearest'?\n" },
        { SITES "maps: { m: { rules: [{ to: nearest 17 }] } }\n",
          "t.yaml:4:28: error: expected 'nearest' or 'nearest COUNT' with 1 to 16, found 'nearest "
          "17'\n" },
        { SITES "maps: { m: { rules: [{ to: nearest zero }] } }\n",
          "t.yaml:4:28: error: expected 'nearest' or 'nearest COUNT' with 1 to 16, found 'nearest "
          "zero'\n" },
        { SITES "maps: { m: { rules: [{ to: [nearest 2, east] }] } }\n",
          "t.yaml:4:29: error: 'nearest 2' stands alone: write 'to: nearest 2'\n" },
        { SITES "maps: { m: { sites: pops, rules: [{ to: nearest }] } }\n",
          "t.yaml:4:41: error: map 'm' has no sites to choose the nearest from\n" },
        { SITES "maps: { m: { sites: region, rules: [{ to: nearest }] } }\n",
          "t.yaml:4:21: error: 'region' is not a region or PoP; did you mean 'regions'?\n"
          "t.yaml:4:43: error: map 'm' has no sites to choose the nearest from\n" },
        { SITES "maps: { m: { all_down: bse, rules: [{ to: nearest }] } }\n",
          "t.yaml:4:24: error: 'bse' is not a region or PoP; did you mean 'base'?\n" },
        { SITES "maps: { m: { answers: 9, rules: [{ to: nearest }] } }\n",
          "t.yaml:4:23: error: 'answers' must be a whole number from 1 to 8, found '9'\n" },
        { SITES "areas: { europe: { continents: [EU] } }\n"
                "maps: { m: { rules: [{ from: eruope, to: [east] }, { from: [any, europe], to: "
                "east }, { to: nearest }] } }\n",
          "t.yaml:5:30: error: 'eruope' is not an area or network; did you mean 'europe'?\n"
          "t.yaml:5:61: error: 'any' matches everybody; it stands alone\n" },
    };
    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_load_reports_name_errors(void **state)
{
    static const struct row rows[] = {
        { SITES "maps: { api: { rules: [{ to: nearest }] } }\n"
                "names: { a.example: { map: ap } , b.example: {} }\n",
          "t.yaml:5:35: error: name 'b.example' lacks 'map'\n"
          "t.yaml:5:28: error: 'ap' is not a map; did you mean 'api'?\n" },
        { SITES "maps: { m: { rules: [{ to: nearest }] } }\n"
                "names: { 'w*.example': { map: m }, a..b: { map: m } }\n",
          "t.yaml:5:10: error: the name 'w*.example' may hold letters, digits, '-', '_' and dots "
          "only\n"
          "t.yaml:5:36: error: the name 'a..b' has an empty label\n" },
        { SITES "maps: { m: { rules: [{ to: nearest }] } }\n"
                "names:\n  a.example: { map: m }\n  A.Example.: { map: m }\n",
          "t.yaml:7:3: error: 'a.example.' stands on line 6 already\n" },
        { SITES "maps: { m: { rules: [{ to: nearest }] } }\n"
                "names:\n  a.example: { map: m }\n  b.example: { map: m }\n"
                "  A.example: { map: m }\n",
          "t.yaml:8:3: error: 'a.example.' stands on line 6 already\n" },
        { SITES "maps: { m: { rules: [{ to: nearest }] } }\n"
                "names: { a.example: { map: m, ttl: 30, ttl_moving: 31 } }\n",
          "t.yaml:5:52: error: 'ttl_moving' (31) must not be longer than 'ttl' (30)\n" },
        { SITES "maps: { m: { rules: [{ to: nearest }] } }\n"
                "names: { a.example: { map: m, ttl: 8d } }\n",
          "t.yaml:5:36: error: 'ttl' must be a duration in seconds such as 60, 90s or 5m, from 0 "
          "to 604800, found '8d'\n" },
        { SITES "maps: { m: { rules: [{ to: nearest }] } }\n"
                "names: { a.example: { map: m, https: { alpn: ['h2,h3'], port: 0 } } }\n",
          "t.yaml:5:63: error: 'port' must be a whole number from 1 to 65535, found '0'\n"
          "t.yaml:5:47: error: 'h2,h3' is not a protocol name such as h2 or http/1.1\n" },
    };
    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

/* One run finds the problems of every part of the file. */
static void test_load_reports_all_parts_at_once(void **state)
{
    static const struct row rows[] = {
        { "regions:\n"
          "  east: { at: [99, 0], addresses: [192.0.2.1] }\n"
          "  west: { at: [1, 2], addreses: [192.0.2.2] }\n"
          "networks: { n: { cidrs: [10.1.0.0/8] } }\n"
          "areas: { a: { countries: [Frnce] } }\n"
          "maps: { m: { rules: [{ from: b, to: [esat] }, { to: nearest }] } }\n"
          "names: { x.example: { map: mm } }\n"
          "nmaes: {}\n",
          "t.yaml:2:16: error: latitude must be a number from -90 to 90, found '99' (the latitude "
          "comes first)\n"
          "t.yaml:3:23: error: unknown key 'addreses' in region 'west'; did you mean "
          "'addresses'?\n"
          "t.yaml:4:26: error: '10.1.0.0/8' has bits set behind the prefix; did you mean "
          "'10.0.0.0/8'?\n"
          "t.yaml:8:1: error: unknown key 'nmaes' in the topology; did you mean 'names'?\n"
          "t.yaml:5:27: error: 'Frnce' is not a country; did you mean 'France'?\n"
          "t.yaml:6:30: error: 'b' is not an area or network\n"
          "t.yaml:6:38: error: 'esat' is not a region or PoP; did you mean 'east'?\n"
          "t.yaml:3:3: error: region 'west' needs 'addresses' or 'cname': map 'm' can choose it\n"
          "t.yaml:7:28: error: 'mm' is not a map\n" },
    };
    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

/* ---- warnings ------------------------------------------------------------------------------- */

static void test_lint_warns(void **state)
{
    static const struct row rows[] = {
        { SITES MAP, "" },
        { SITES "areas: { eu: { continents: [EU] }, sa: { continents: [SA] } }\n"
                "maps:\n  m:\n    rules:\n"
                "      - { from: eu, to: [east] }\n"
                "      - { from: sa, to: [east] }\n"
                "      - { from: [sa, eu], to: [west] }\n"
                "      - to: [east]\n"
                "names: { a.example: { map: m } }\n",
          "t.yaml:10:9: warning: this rule is never reached: line 9 takes the same clients "
          "before\n" },
        { SITES "areas: { eu: { continents: [EU] } }\n"
                "maps:\n  m:\n    rules:\n"
                "      - { from: eu, to: [east] }\n"
                "      - { from: [eu], to: [west] }\n"
                "      - to: [east]\n"
                "      - { from: eu, to: [west] }\n"
                "      - { from: any, to: [west] }\n"
                "names: { a.example: { map: m } }\n",
          "t.yaml:9:9: warning: this rule is never reached: line 8 takes the same clients before\n"
          "t.yaml:11:9: warning: this rule is never reached: the one on line 10 matches "
          "everybody\n"
          "t.yaml:12:9: warning: this rule is never reached: the one on line 10 matches "
          "everybody\n" },
        { SITES MAP "networks: { n: { cidrs: [10.0.0.0/8] }, used: { asns: [1] } }\n"
                    "areas: { a: { networks: [used] }, b: { areas: [a] } }\n",
          "t.yaml:6:13: warning: network 'n' is never used\n"
          "t.yaml:7:35: warning: area 'b' is never used\n" },
        { SITES "maps: { m: { rules: [{ to: nearest }] } }\n",
          "t.yaml:4:9: warning: map 'm' answers no name\n" },
        { SITES "areas: { a: { countries: [US, USA], cidrs: [10.0.0.0/8] } }\n"
                "maps: { m: { rules: [{ from: [a, a], to: [east, west, east] }, { to: [west] }] } "
                "}\n"
                "names: { a.example: { map: m } }\n",
          "t.yaml:4:31: warning: 'USA' is listed twice\n"
          "t.yaml:5:34: warning: 'a' is listed twice\n"
          "t.yaml:5:55: warning: 'east' is listed twice\n" },
        { "regions:\n"
          "  a: { at: [1, 2], addresses: [192.0.2.1, '2001:db8::1'] }\n"
          "  b: { at: [1, 2], addresses: [192.0.2.2] }\n"
          "  c: { at: [1, 2], addresses: ['2001:db8::3'] }\n"
          "  d: { at: [1, 2], cname: d.example }\n"
          "maps: { m: { rules: [{ to: nearest }] } }\n"
          "names: { n.example: { map: m } }\n",
          "t.yaml:4:3: warning: region 'c' has no IPv4 address; other sites of map 'm' have one\n"
          "t.yaml:3:3: warning: region 'b' has no IPv6 address; other sites of map 'm' have "
          "one\n" },
        { "regions:\n"
          "  a: { at: [1, 2], capacity: 5, addresses: [192.0.2.1] }\n"
          "  b: { at: [1, 2], addresses: [192.0.2.2] }\n"
          "pops: { p: { at: [1, 2] } }\n"
          "maps: { m: { rules: [{ to: [a, b] }] } }\n"
          "names: { n.example: { map: m } }\n",
          "t.yaml:3:3: warning: region 'b' states no capacity, others of its kind do\n" },
        { "regions:\n"
          "  a: { at: [1, 2], addresses: [192.0.2.1] }\n"
          "  b: { at: [1, 2], cname: d.example }\n"
          "maps: { m: { answers: 2, rules: [{ to: nearest }] } }\n"
          "names: { n.example: { map: m } }\n",
          "t.yaml:4:23: warning: site 'b' answers with a CNAME, which cannot stand beside other "
          "answers\n" },
        { SITES "areas: { a: { subdivisions: [GB-ENG, GB-X] } }\n"
                "maps: { m: { rules: [{ from: a, to: [east] }, { to: [west] }] } }\n"
                "names: { n.example: { map: m } }\n",
          "t.yaml:4:30: warning: the built-in data does not divide United Kingdom; 'GB-ENG' needs "
          "a database that does\n"
          "t.yaml:4:38: warning: the built-in data does not divide United Kingdom; 'GB-X' needs "
          "a database that does\n" },
    };
    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_lint_warns_of_copies_and_unknown_protocols(void **state)
{
    static const struct row rows[] = {
        { "regions:\n"
          "  a: { at: [1, 2], addresses: [192.0.2.1, '2001:db8::1'] }\n"
          "  b: { at: [1, 2], addresses: [192.0.2.2, '2001:db8::2'] }\n"
          "  c: { at: [1, 2], addresses: ['2001:db8::1', 192.0.2.1] }\n"
          "pops: { p: { at: [1, 2], addresses: [192.0.2.2] } }\n"
          "maps: { m: { rules: [{ to: [a, b, c] }] } }\n"
          "names: { n.example: { map: m } }\n",
          "t.yaml:4:31: warning: 192.0.2.1 is an address of 'a', too: who is sent from one to the "
          "other gets the same answer\n"
          "t.yaml:5:37: warning: 192.0.2.2 is an address of 'b', too: who is sent from one to the "
          "other gets the same answer\n" },
        { SITES "maps: { m: { rules: [{ to: nearest }] } }\n"
                "names:\n"
                "  a.example: { map: m, https: { alpn: [h3, h2, http/1.1] } }\n"
                "  b.example: { map: m, https: { alpn: [h2, http1.1, spdy/3] } }\n",
          "t.yaml:7:44: warning: 'http1.1' is no protocol that clients of HTTP know (h2, http/1.1, "
          "h3); did you mean 'http/1.1'?\n"
          "t.yaml:7:53: warning: 'spdy/3' is no protocol that clients of HTTP know (h2, http/1.1, "
          "h3)\n" },
    };
    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

/* An IPv6 address takes 28 bytes of an answer, beside 90 for the rest. */
static void test_lint_warns_of_large_answers(void **state)
{
    static const struct {
        unsigned answers, addresses[2];
        const char *expected;
    } rows[] = {
        { 1, { 22, 22 }, "" },
        { 2, { 22, 10 }, "" },
        { 2, { 22, 18 }, "" }, /* 1210 bytes */
        { 2,
          { 19, 22 },
          "t.yaml:5:10: warning: answers of 'n.example.' may take 1238 bytes; beyond 1232, "
          "resolvers come back by TCP\n" },
    };
    (void)state;
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
        struct buf text;
        struct run run;
        buf_init(&text, 1 << 16);
        buf_append_text(&text, "regions:\n");
        for (unsigned site = 0; site < 2; site++) {
            buf_append_format(&text, "  r%u: { at: [1, 2], addresses: [", site);
            for (unsigned i = 0; i < rows[row].addresses[site]; i++)
                buf_append_format(&text, "%s'2001:db8:%u::%u'", i > 0 ? ", " : "", site, i + 1);
            buf_append_text(&text, "] }\n");
        }
        buf_append_format(&text,
                          "maps: { m: { answers: %u, rules: [{ to: nearest }] } }\n"
                          "names: { n.example: { map: m } }\n",
                          rows[row].answers);
        start(&run, buf_text(&text));
        assert_string_equal(buf_text(&run.out), rows[row].expected);
        finish(&run);
        buf_fini(&text);
    }
}

/* ---- limits, files -------------------------------------------------------------------------- */

static void test_load_cuts_long_candidate_lists(void **state)
{
    struct buf text;
    struct run run;
    (void)state;
    buf_init(&text, 1 << 16);
    buf_append_text(&text, "regions:\n");
    for (unsigned i = 0; i < 17; i++)
        buf_append_format(&text, "  r%u: { at: [1, 2], addresses: [192.0.2.%u] }\n", i, i + 1);
    buf_append_text(&text, "maps: { m: { rules: [{ to: [");
    for (unsigned i = 0; i < 17; i++)
        buf_append_format(&text, "%sr%u", i > 0 ? ", " : "", i);
    buf_append_text(&text, "] }] } }\nnames: { n.example: { map: m } }\n");
    start(&run, buf_text(&text));
    assert_string_equal(buf_text(&run.out), "t.yaml:19:99: warning: only the first 16 sites of a "
                                            "rule can ever be used\n");
    assert_int_equal(run.topology->maps[0].rules[0].site_count, CANDIDATE_MAX);
    finish(&run);
    buf_fini(&text);
}

/* Areas that contain two areas each, twenty levels deep: a million terms written out. */
static void test_load_refuses_exponential_areas(void **state)
{
    struct buf text;
    struct run run;
    (void)state;
    buf_init(&text, 1 << 16);
    buf_append_text(&text, SITES MAP "areas:\n  a0: { countries: [US] }\n  b0: { asns: [1] }\n");
    for (unsigned i = 1; i <= 20; i++)
        buf_append_format(&text,
                          "  a%u: { areas: [a%u, b%u] }\n  b%u: { areas: [b%u, a%u], asns: [%u] "
                          "}\n",
                          i, i - 1, i - 1, i, i - 1, i - 1, i);
    start(&run, buf_text(&text));
    assert_int_equal(run.err, ERR_INVALID);
    assert_non_null(strstr(buf_text(&run.out), "terms, with the areas that it contains"));
    finish(&run);
    buf_fini(&text);
}

static char *make_folder(void)
{
    char *folder = mem_strdup("/tmp/steer-topology-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static void put(const char *folder, const char *name, const char *content)
{
    char *path = file_join(folder, name);
    assert_int_equal(file_replace(path, str_from(content), false), ERR_OK);
    free(path);
}

static void take(char *folder, const char *name)
{
    char *path = file_join(folder, name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void load_file(struct run *run, const char *folder)
{
    char *path = file_join(folder, "t.yaml");
    *run = (struct run){ .topology = NULL };
    diag_init(&run->diag);
    buf_init(&run->out, 1 << 16);
    run->err = topology_load(path, &run->diag, &run->topology);
    diag_format(&run->diag, &run->out);
    free(path);
}

static struct digest run_digest(const char *folder)
{
    struct run run;
    load_file(&run, folder);
    struct digest digest = run.topology->digest;
    finish(&run);
    return digest;
}

static const char with_files[] =
    SITES "networks: { n: { files: [one.txt, two.txt], cidrs: [10.0.0.0/8] } }\n"
          "maps: { m: { rules: [{ from: n, to: [east] }, { to: [west] }] } }\n"
          "names: { a.example: { map: m } }\n";

static void test_load_reads_cidr_files(void **state)
{
    char *folder = make_folder();
    struct run run;
    (void)state;
    put(folder, "t.yaml", with_files);
    put(folder, "one.txt", "192.0.2.0/24\n");
    put(folder, "two.txt", "# none yet\n2001:db8::/32\n");
    load_file(&run, folder);
    assert_string_equal(buf_text(&run.out), "");
    assert_int_equal(run.topology->networks[0].cidr_count, 3);
    struct digest first = run.topology->digest;
    finish(&run);
    /* every byte of every file counts, and so does where it stands */
    put(folder, "one.txt", "192.0.2.0/24\n# none yet\n");
    put(folder, "two.txt", "2001:db8::/32\n");
    load_file(&run, folder);
    assert_false(digest_eq(&first, &run.topology->digest));
    finish(&run);
    struct digest second = run_digest(folder);
    put(folder, "one.txt", "192.0.3.0/24\n# none yet\n");
    struct digest third = run_digest(folder);
    assert_false(digest_eq(&second, &third));
    /* errors name the file that they are in, and the rest is still checked */
    put(folder, "two.txt", "2001:db8::/32\n\n  192.0.2.1/24\n");
    take(folder, "one.txt");
    load_file(&run, folder);
    char expected[512];
    snprintf(expected, sizeof(expected),
             "%s/t.yaml:4:26: error: cannot read '%s/one.txt': No such file or directory\n"
             "%s/two.txt:3:3: error: '192.0.2.1/24' has bits set behind the prefix; did you mean "
             "'192.0.2.0/24'?\n",
             folder, folder, folder);
    assert_string_equal(buf_text(&run.out), expected);
    finish(&run);
    take(folder, "two.txt");
    take(folder, "t.yaml");
    rmdir(folder);
    free(folder);
}

static void test_load_digest_is_of_the_file(void **state)
{
    char *folder = make_folder();
    struct run run;
    (void)state;
    put(folder, "t.yaml", SITES MAP);
    load_file(&run, folder);
    struct digest expected = digest_of(SITES MAP, sizeof(SITES MAP) - 1);
    assert_true(digest_eq(&run.topology->digest, &expected));
    finish(&run);
    take(folder, "t.yaml");
    rmdir(folder);
    free(folder);
}

static void test_load_missing_file(void **state)
{
    struct diag diag;
    struct buf out;
    struct topology *topology = NULL;
    (void)state;
    diag_init(&diag);
    buf_init(&out, 1000);
    assert_int_equal(topology_load("/nonexistent/t.yaml", &diag, &topology), ERR_NOT_FOUND);
    diag_format(&diag, &out);
    assert_string_equal(buf_text(&out), "/nonexistent/t.yaml: error: cannot read the topology: No "
                                        "such file or directory\n");
    assert_null(topology);
    buf_fini(&out);
    diag_fini(&diag);
}

static void test_load_example(void **state)
{
    struct diag diag;
    struct topology *topology = NULL;
    (void)state;
    diag_init(&diag);
    assert_int_equal(topology_load("config/examples/topology.yaml", &diag, &topology), ERR_OK);
    assert_int_equal(diag.warning_count, 0);
    assert_int_equal(topology->region_count, 3);
    topology_free(topology);
    diag_fini(&diag);
}

static void test_explain_config_names_every_part(void **state)
{
    struct buf out;
    (void)state;
    buf_init(&out, 1 << 16);
    topology_explain_config(&out);
    assert_non_null(strstr(buf_text(&out), "regions.NAME.at   [latitude, longitude]"));
    assert_non_null(strstr(buf_text(&out), "areas.NAME.except.countries   "));
    assert_non_null(strstr(buf_text(&out), "maps.NAME.rules[].to   "));
    assert_non_null(strstr(buf_text(&out), "names.NAME.https.alpn   "));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load_builds_sites),
        cmocka_unit_test(test_load_builds_areas),
        cmocka_unit_test(test_load_builds_maps),
        cmocka_unit_test(test_load_builds_names),
        cmocka_unit_test(test_load_keeps_quiet_about_what_follows),
        cmocka_unit_test(test_load_reports_site_errors),
        cmocka_unit_test(test_load_reports_area_errors),
        cmocka_unit_test(test_load_reports_map_errors),
        cmocka_unit_test(test_load_reports_name_errors),
        cmocka_unit_test(test_load_reports_all_parts_at_once),
        cmocka_unit_test(test_lint_warns),
        cmocka_unit_test(test_lint_warns_of_copies_and_unknown_protocols),
        cmocka_unit_test(test_lint_warns_of_large_answers),
        cmocka_unit_test(test_load_cuts_long_candidate_lists),
        cmocka_unit_test(test_load_refuses_exponential_areas),
        cmocka_unit_test(test_load_reads_cidr_files),
        cmocka_unit_test(test_load_digest_is_of_the_file),
        cmocka_unit_test(test_load_missing_file),
        cmocka_unit_test(test_load_example),
        cmocka_unit_test(test_explain_config_names_every_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
