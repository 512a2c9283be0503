/* SPDX-License-Identifier: Apache-2.0 */
/* Whole answers over a small world: whatever comes in, what goes out must fit its limits and be
 * readable by ldns.
 *
 * Input: one octet of switches (transport, family of the resolver), then the message. */
#include <assert.h>
#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/answer/answer.h"
#include "dns/wire/octets.h"
#include "tests/unit/steering/model/topology_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IS_TCP = 1, IS_V6 = 2, IS_TIGHT = 4, UDP_BYTES = 4096, NOW_S = 1800000000 };

static struct answer_view *view;

static const char zone_text[] =
    "$ORIGIN test.\n$TTL 60\n@ SOA ns host 1 2 3 4 5\n@ NS ns\n@ NS ns.other.\n@ MX 1 m\n"
    "ns A 192.0.2.1\nm AAAA 2001:db8::1\na A 192.0.2.2\na TXT \"t\"\nc CNAME w\nl CNAME l2\n"
    "l2 CNAME l\no CNAME x.other.\nd DNAME e.test.\n*.e A 192.0.2.3\nk NS n.k\nn.k A 192.0.2.4\n"
    "k DS 1 13 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
    "* MX 5 m\nb.f HTTPS 1 . alpn=h2\nlong DNAME "
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."
    "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.test.\n";

static struct topology *make_topology(void)
{
    struct topology *topology = topology_new();
    struct site_id near = fixture_site(topology, "near", SITE_REGION, 0, 0, "203.0.113.1");
    struct site_id far = fixture_site(topology, "far", SITE_REGION, 0, 0, "2001:db8::2");
    struct site_id cdn = fixture_site(topology, "cdn", SITE_REGION, 0, 0, NULL);
    topology->sites[cdn.n].cname = mem_strdup("a.test.");
    uint32_t any = fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY });
    uint32_t net = fixture_network(topology, "ten");
    fixture_network_cidr(topology, net, fixture_cidr("10.0.0.0/9"));
    uint32_t ten =
        fixture_area_of(topology, "ten", (struct area_term){ .kind = AREA_NETWORK, .index = net });
    struct map_id map = fixture_map(topology, "map", 2, ALL_DOWN_BASE);
    fixture_rule(topology, map, ten, (struct site_id[]){ near, far }, 2);
    fixture_rule(topology, map, any, (struct site_id[]){ far, near }, 2);
    struct map_id mixed = fixture_map(topology, "mixed", 1, ALL_DOWN_BASE);
    fixture_rule(topology, mixed, ten, &cdn, 1);
    fixture_rule(topology, mixed, any, &near, 1);
    fixture_name(topology, "w.test.", map);
    topology->names[0].https_alpn = mem_strdup("h2");
    fixture_name(topology, "x.test.", mixed);
    fixture_name(topology, "*.y.test.", map);
    return topology;
}

static struct zone_set *make_zones(const struct topology *topology)
{
    char path[] = "/tmp/steer-answer-fuzz-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    assert(file != NULL);
    fputs(zone_text, file);
    fclose(file);
    const struct zone_source source = { "test", path };
    struct zone_steered names[3];
    for (size_t i = 0; i < topology->name_count; i++)
        names[i] = (struct zone_steered){ .name = topology->names[i].name, .has_https = i == 0 };
    struct zone_set *zones = NULL;
    struct diag diag;
    diag_init(&diag);
    enum err err = zone_set_load(&source, 1, &diag, &zones);
    unlink(path);
    if (err == ERR_OK)
        err = zone_set_bind(zones, names, topology->name_count, &diag);
    if (err != ERR_OK)
        fprintf(stderr, "%s\n", diag_first(&diag));
    assert(err == ERR_OK);
    diag_fini(&diag);
    return zones;
}

static void drop_view(void)
{
    answer_view_unref(view);
}

static void make_view(void)
{
    struct topology *topology = make_topology();
    struct geo_builder *builder = geo_builder_new();
    struct geo *geo = NULL;
    struct diag diag;
    diag_init(&diag);
    enum err err = geo_compile(topology, builder, &diag, &geo);
    assert(err == ERR_OK);
    diag_fini(&diag);
    geo_builder_free(builder);
    struct world *world = world_new(topology, geo);
    struct snapshot *snapshot = snapshot_new(world, document_new("fuzz"), NULL);
    struct zone_set *zones = make_zones(topology);
    const struct answer_settings settings = {
        .edns_payload_bytes = 1232,
        .identity = "fuzz",
        .version = "fuzz",
        .answers_chaos = true,
        .answers_debug_txt = true,
        .uses_ecs = true,
        .tcp_idle_ms = 10000,
    };
    view = answer_view_new(snapshot, zones, &settings);
    zone_set_unref(zones);
    snapshot_unref(snapshot);
    world_unref(world);
    atexit(drop_view);
}

static void check_answer(const struct answer_request *request, size_t len, const uint8_t *query,
                         const struct answer_note *note)
{
    const uint8_t *message = request->message;
    bool is_dropped = note->verdict == QUERY_DROP_SHORT || note->verdict == QUERY_DROP_RESPONSE;
    assert(is_dropped == (len == 0));
    if (is_dropped)
        return;
    assert(len >= WIRE_HEADER_BYTES && len <= request->capacity);
    assert(memcmp(message, query, 2) == 0);
    assert((message[2] & 0xF8) == (0x80 | (query[2] & 0x78)) && (message[3] & 0xE0) == 0);
    if (request->transport == ANSWER_UDP)
        assert(len <= (note->has_edns ? 1232 : 512) || len <= request->len);
    if (note->is_truncated)
        assert((message[2] & 0x02) != 0 && octets_u32(message + 6) == 0);
    ldns_pkt *packet = NULL;
    ldns_status status = ldns_wire2pkt(&packet, message, len);
    if (status != LDNS_STATUS_OK)
        fprintf(stderr, "%s\n", ldns_get_errorstr_by_id(status));
    assert(status == LDNS_STATUS_OK);
    ldns_pkt_free(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (view == NULL)
        make_view();
    if (size == 0 || size - 1 > UDP_BYTES)
        return 0;
    uint8_t switches = data[0];
    const uint8_t *query = data + 1;
    size_t query_len = size - 1;
    bool is_tcp = (switches & IS_TCP) != 0;
    size_t capacity = is_tcp ? WIRE_MAX_BYTES : UDP_BYTES;
    if ((switches & IS_TIGHT) != 0)
        capacity = query_len + (switches >> 3);
    uint8_t *message = mem_calloc(capacity + 1, 1);
    memcpy(message, query, query_len);
    /* Exactly as large as it says, so that the sanitizer sees one octet too many. */
    uint8_t *exact = mem_dup(message, capacity);
    const struct answer_request request = {
        .message = exact,
        .len = query_len,
        .capacity = capacity,
        .client = fixture_addr((switches & IS_V6) != 0 ? "2001:db8::53" : "10.0.0.53"),
        .transport = is_tcp ? ANSWER_TCP : ANSWER_UDP,
        .now_unix_s = NOW_S,
    };
    struct answer_note note;
    size_t len = answer_build(view, &request, &note);
    check_answer(&request, len, query, &note);
    free(message);
    free(exact);
    return 0;
}
