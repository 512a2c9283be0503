/* SPDX-License-Identifier: Apache-2.0 */
/* A small world with zones, and questions to it whose answers are read back with ldns: another
 * reader than the code that wrote them. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/answer/answer.h"
#include "dns/wire/octets.h"
#include "steering/base/file.h"
#include "tests/unit/steering/model/topology_fixture.h"

enum { FIXTURE_ZONES_MAX = 8, FIXTURE_NOW_S = 1800000000 };

struct fixture {
    struct topology *topology; /* owned by the world */
    struct world *world;
    struct zone_set *zones;
    struct answer_settings settings;
    struct answer_view *view;
};

static inline void fixture_fail_on(enum err err, const struct diag *diag)
{
    struct buf text;
    buf_init(&text, 1 << 16);
    if (err != ERR_OK)
        diag_format(diag, &text);
    if (text.len > 0)
        print_error("%s\n", buf_text(&text));
    buf_fini(&text);
    assert_int_equal(err, ERR_OK);
}

/* ---- building -------------------------------------------------------------------------------- */

struct fixture_zone {
    const char *origin, *text;
};

static inline struct zone_set *fixture_zones(const struct fixture_zone *texts, size_t count,
                                             const struct topology *topology)
{
    char folder[] = "/tmp/steer-answer-XXXXXX";
    char *paths[FIXTURE_ZONES_MAX];
    struct zone_source sources[FIXTURE_ZONES_MAX];
    struct diag diag;
    diag_init(&diag);
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < count; i++) {
        paths[i] = file_join(folder, texts[i].origin);
        FILE *file = fopen(paths[i], "we");
        assert_non_null(file);
        fputs(texts[i].text, file);
        fclose(file);
        sources[i] = (struct zone_source){ texts[i].origin, paths[i] };
    }
    struct zone_set *zones = NULL;
    enum err err = zone_set_load(sources, count, &diag, &zones);
    size_t name_count = topology != NULL ? topology->name_count : 0;
    struct zone_steered *names = mem_calloc(name_count + 1, sizeof(*names));
    for (size_t i = 0; i < name_count; i++) {
        names[i].name = topology->names[i].name;
        names[i].has_https = topology->names[i].https_alpn != NULL;
    }
    if (err == ERR_OK)
        err = zone_set_bind(zones, names, name_count, &diag);
    fixture_fail_on(err, &diag);
    for (size_t i = 0; i < count; i++) {
        unlink(paths[i]);
        free(paths[i]);
    }
    rmdir(folder);
    free(names);
    diag_fini(&diag);
    return zones;
}

static inline struct world *fixture_world(struct topology *topology)
{
    struct geo_builder *builder = geo_builder_new();
    struct geo *geo = NULL;
    struct diag diag;
    diag_init(&diag);
    enum err err = geo_compile(topology, builder, &diag, &geo);
    fixture_fail_on(err, &diag);
    diag_fini(&diag);
    geo_builder_free(builder);
    return world_new(topology, geo);
}

/* `sites`: what the document says, such as "\"a8\":{\"mode\":\"evacuated\"}". */
static inline struct snapshot *fixture_snapshot(struct world *world, const char *sites,
                                                int64_t op_at_unix_s)
{
    char text[1024];
    snprintf(text, sizeof(text),
             "{\"v\":1,\"epoch\":\"01JTESTEPOCH\",\"gen\":418,\"op\":{\"id\":\"01JTESTOP\","
             "\"who\":\"ana\",\"why\":\"test\",\"at\":%lld},\"regions\":{%s}}",
             (long long)op_at_unix_s, sites);
    struct document *document = NULL;
    struct diag diag;
    diag_init(&diag);
    enum err err = document_parse(str_from(text), &diag, &document);
    fixture_fail_on(err, &diag);
    diag_fini(&diag);
    return snapshot_new(world, document, NULL);
}

/* Another document: new view over the same zones and world. */
static inline void fixture_steer_at(struct fixture *fixture, const char *sites,
                                    int64_t op_at_unix_s)
{
    struct snapshot *snapshot = fixture_snapshot(fixture->world, sites, op_at_unix_s);
    struct answer_view *view = answer_view_new(snapshot, fixture->zones, &fixture->settings);
    snapshot_unref(snapshot);
    answer_view_unref(fixture->view);
    fixture->view = view;
}

static inline void fixture_steer(struct fixture *fixture, const char *sites)
{
    fixture_steer_at(fixture, sites, FIXTURE_NOW_S - 3);
}

static inline uint32_t fixture_area_net(struct topology *topology, const char *cidr)
{
    uint32_t network = fixture_network(topology, cidr);
    fixture_network_cidr(topology, network, fixture_cidr(cidr));
    return fixture_area_of(topology, cidr,
                           (struct area_term){ .kind = AREA_NETWORK, .index = network });
}

static inline void fixture_add_address(struct topology *topology, struct site_id id,
                                       const char *text)
{
    struct site *site = &topology->sites[id.n];
    FIXTURE_APPEND(site->addresses, site->address_count);
    site->addresses[site->address_count - 1] = fixture_addr(text);
}

static inline struct steered_name *fixture_https_name(struct topology *topology, const char *name,
                                                      struct map_id map, const char *alpn,
                                                      uint16_t port)
{
    fixture_name(topology, name, map);
    struct steered_name *added = &topology->names[topology->name_count - 1];
    added->https_alpn = alpn != NULL ? mem_strdup(alpn) : NULL;
    added->https_port = port;
    return added;
}

enum { A8, A16, A127, A99, A4, CDN };

/* The sites' addresses tell who they are: 203.0.113.8 is site A8. A127 and A4 have no IPv6, A99
 * has two IPv4 addresses, CDN only a CNAME (to a name that we could chase, but must not). */
static inline void fixture_sites(struct topology *topology)
{
    fixture_site(topology, "a8", SITE_REGION, 0, 0, "203.0.113.8");
    fixture_site(topology, "a16", SITE_REGION, 0, 0, "203.0.113.16");
    fixture_site(topology, "a127", SITE_REGION, 0, 0, "203.0.113.127");
    fixture_site(topology, "a99", SITE_REGION, 0, 0, "203.0.113.99");
    fixture_site(topology, "a4", SITE_REGION, 0, 0, "203.0.113.4");
    fixture_site(topology, "cdn", SITE_REGION, 0, 0, NULL);
    fixture_add_address(topology, (struct site_id){ A8 }, "2001:db8::8");
    fixture_add_address(topology, (struct site_id){ A16 }, "2001:db8::16");
    fixture_add_address(topology, (struct site_id){ A99 }, "203.0.113.199");
    fixture_add_address(topology, (struct site_id){ A99 }, "2001:db8::99");
    topology->sites[CDN].cname = mem_strdup("host.example.com.");
}

#define FIXTURE_RULE(topology, map, area, ...)                                                     \
    fixture_rule(topology, map, area, (const struct site_id[]){ __VA_ARGS__ },                     \
                 sizeof((const struct site_id[]){ __VA_ARGS__ }) / sizeof(struct site_id))

/* 10.1/16 -> A16, 10/8 -> A8, 127/8 -> A127, 2001:db8:ff00::/40 -> A16, else A99. */
static inline struct map_id fixture_nets_map(struct topology *topology, const char *name,
                                             uint8_t answers, const uint32_t areas[5])
{
    struct map_id map = fixture_map(topology, name, answers, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, map, areas[1], { A16 }, { A99 });
    FIXTURE_RULE(topology, map, areas[2], { A8 }, { A99 });
    FIXTURE_RULE(topology, map, areas[3], { A127 }, { A99 });
    FIXTURE_RULE(topology, map, areas[4], { A16 }, { A99 });
    FIXTURE_RULE(topology, map, areas[0], { A99 }, { A8 });
    return map;
}

static inline struct topology *fixture_topology(void)
{
    struct topology *topology = topology_new();
    fixture_sites(topology);
    const uint32_t areas[] = {
        fixture_area_of(topology, "any", (struct area_term){ .kind = AREA_ANY }),
        fixture_area_net(topology, "10.1.0.0/16"),
        fixture_area_net(topology, "10.0.0.0/8"),
        fixture_area_net(topology, "127.0.0.0/8"),
        fixture_area_net(topology, "2001:db8:ff00::/40"),
    };
    struct map_id nets = fixture_nets_map(topology, "nets", 1, areas);
    struct map_id two = fixture_nets_map(topology, "two", 2, areas);
    struct map_id mixed = fixture_map(topology, "mixed", 2, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, mixed, areas[2], { CDN }, { A8 });
    FIXTURE_RULE(topology, mixed, areas[0], { A99 }, { CDN }, { A8 });
    struct map_id uniform = fixture_map(topology, "uniform", 1, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, uniform, areas[0], { A99 }, { A8 });
    struct map_id v4 = fixture_map(topology, "v4", 1, ALL_DOWN_BASE);
    FIXTURE_RULE(topology, v4, areas[2], { A127 });
    FIXTURE_RULE(topology, v4, areas[0], { A4 });

    fixture_https_name(topology, "www.example.com.", nets, "h2,http/1.1", 0);
    fixture_https_name(topology, "noecs.example.com.", nets, NULL, 0)->uses_ecs = false;
    fixture_https_name(topology, "two.example.com.", two, "h2", 8443);
    fixture_https_name(topology, "mixed.example.com.", mixed, NULL, 0);
    fixture_https_name(topology, "uni.example.com.", uniform, "h3", 0);
    fixture_https_name(topology, "v4.example.com.", v4, NULL, 0);
    fixture_https_name(topology, "*.wild.example.com.", nets, NULL, 0);
    fixture_https_name(topology, "example.org.", nets, "h2", 0);
    return topology;
}

static const char fixture_com[] =
    "$ORIGIN example.com.\n"
    "$TTL 3600\n"
    "@ SOA ns1 hostmaster 7 7200 900 1209600 300\n"
    "@ NS ns1\n"
    "@ NS ns2.example.net.\n"
    "@ MX 10 mail\n"
    "@ MX 20 mail.example.net.\n"
    "ns1 A 192.0.2.53\n"
    "mail A 192.0.2.25\n"
    "host 600 A 192.0.2.1\n"
    "host 600 A 192.0.2.2\n"
    "host 600 AAAA 2001:db8:1::1\n"
    "host TXT \"hello\" \"world\"\n"
    "www TXT \"beside steering\"\n"
    "srv SRV 1 2 443 host\n"
    "alias 300 CNAME www\n"
    "a1 CNAME a2\n"
    "a2 CNAME host\n"
    "out CNAME www.elsewhere.test.\n"
    "cross CNAME example.org.\n"
    "dangling CNAME missing\n"
    "tonodata CNAME srv\n"
    "tocut CNAME x.child\n"
    "towild CNAME any.wild\n"
    "tomixed CNAME mixed\n"
    "loop1 CNAME loop2\n"
    "loop2 CNAME loop1\n"
    "self CNAME self\n"
    "child NS ns.child\n"
    "child NS ns1\n"
    "child DS 12345 13 2 "
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
    "ns.child A 192.0.2.99\n"
    "ns.child AAAA 2001:db8:99::1\n"
    "bare NS ns.elsewhere.test.\n"
    "deep.ent A 192.0.2.7\n"
    "tree 900 DNAME example.org.\n"
    "treetohere DNAME example.com.\n"
    "long DNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."
    "ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc.test.\n"
    "_steer.ent2 A 192.0.2.8\n";

static const char fixture_org[] = "$ORIGIN example.org.\n"
                                  "$TTL 3600\n"
                                  "@ SOA ns1.example.com. root.example.org. 1 2 3 4 60\n"
                                  "@ NS ns1.example.com.\n"
                                  "@ MX 5 mx\n"
                                  "mx A 192.0.2.26\n"
                                  "a.b A 192.0.2.27\n"
                                  "* TXT \"wild\"\n"
                                  "_steer TXT \"static\"\n";

/* RFC 4592 section 2.2.1 */
static const char fixture_4592[] = "$ORIGIN example.\n"
                                   "$TTL 3600\n"
                                   "@ SOA ns.example.com. host.example.com. 1 2 3 4 5\n"
                                   "@ NS ns.example.com.\n"
                                   "@ NS ns.example.net.\n"
                                   "* TXT \"this is a wildcard\"\n"
                                   "* MX 10 host1\n"
                                   "sub.* TXT \"this is not a wildcard\"\n"
                                   "host1 A 192.0.2.1\n"
                                   "_ssh._tcp.host1 SRV 0 0 22 host1\n"
                                   "_ssh._tcp.host2 SRV 0 0 22 host2\n"
                                   "subdel NS ns.example.com.\n"
                                   "subdel NS ns.example.net.\n";

static inline struct answer_settings fixture_settings(void)
{
    struct answer_settings settings = {
        .edns_payload_bytes = 1232,
        .answers_chaos = true,
        .answers_debug_txt = true,
        .uses_ecs = true,
        .tcp_idle_ms = 10000,
    };
    snprintf(settings.identity, sizeof(settings.identity), "node-1");
    snprintf(settings.version, sizeof(settings.version), "steer test");
    return settings;
}

static inline void fixture_open(struct fixture *fixture)
{
    static const struct fixture_zone texts[] = {
        { "example.com", fixture_com },
        { "example.org", fixture_org },
        { "example", fixture_4592 },
    };
    *fixture = (struct fixture){ .settings = fixture_settings() };
    fixture->topology = fixture_topology();
    fixture->world = fixture_world(fixture->topology);
    fixture->zones = fixture_zones(texts, ARRAY_SIZE(texts), fixture->topology);
    fixture_steer(fixture, "");
}

static inline void fixture_close(struct fixture *fixture)
{
    answer_view_unref(fixture->view);
    zone_set_unref(fixture->zones);
    world_unref(fixture->world);
}

/* ---- asking ---------------------------------------------------------------------------------- */

struct ask {
    const char *name;
    uint16_t type;
    uint16_t class; /* 0: IN */
    uint16_t flags; /* of the header; 0: RD */
    bool has_edns;
    uint16_t payload; /* 0: 1232 */
    uint32_t edns_ttl;
    const char *ecs;     /* "10.0.0.0/8", or "0" for family 0; NULL: none */
    const char *options; /* more EDNS options, raw */
    size_t options_len;
    const char *client; /* NULL: 192.0.2.200 */
    enum answer_transport transport;
    size_t capacity; /* 0: as a server has it */
};

struct reply_text {
    char head[64]; /* "NOERROR qr aa rd" */
    char answer[8192], authority[4096], additional[4096];
};

struct told {
    uint8_t *message; /* exactly `capacity` octets on the heap */
    size_t query_len, len;
    struct answer_note note;
    ldns_pkt *packet; /* NULL when dropped */
    struct reply_text text;
    /* From the OPT record. */
    bool has_opt;
    uint16_t payload;
    uint8_t extended_rcode, version;
    uint16_t opt_flags;
    uint8_t options[512];
    size_t options_len;
};

static inline uint8_t *ask_put_ecs(uint8_t *at, const char *text)
{
    at = octets_put_u16(at, 8);
    if (strcmp(text, "0") == 0) {
        at = octets_put_u16(at, 4);
        return octets_put_u32(at, 0);
    }
    struct cidr cidr = fixture_cidr(text);
    size_t len = (cidr.bits + 7u) / 8u;
    at = octets_put_u16(at, (uint16_t)(4 + len));
    at = octets_put_u16(at, cidr.addr.family == ADDR_V4 ? 1 : 2);
    *at++ = cidr.bits;
    *at++ = 0;
    memcpy(at, cidr.addr.bytes, len);
    return at + len;
}

/* Writes the query; returns its length. `out` has room for 1024 octets. */
static inline size_t ask_write(const struct ask *ask, uint8_t *out)
{
    uint8_t *at = octets_put_u16(out, 0x1234);
    bool has_edns = ask->has_edns || ask->ecs != NULL || ask->options != NULL;
    at = octets_put_u16(at, ask->flags != 0 ? ask->flags : 0x0100);
    at = octets_put_u16(at, 1);
    at = octets_put_u32(at, 0);
    at = octets_put_u16(at, has_edns ? 1 : 0);
    size_t name_len = name_parse(str_from(ask->name), at);
    assert_true(name_len > 0);
    at = octets_put_u16(at + name_len, ask->type);
    at = octets_put_u16(at, ask->class != 0 ? ask->class : CLASS_IN);
    if (has_edns) {
        *at++ = 0;
        at = octets_put_u16(at, TYPE_OPT);
        at = octets_put_u16(at, ask->payload != 0 ? ask->payload : 1232);
        at = octets_put_u32(at, ask->edns_ttl);
        uint8_t *rdlength = at;
        at += 2;
        if (ask->ecs != NULL)
            at = ask_put_ecs(at, ask->ecs);
        if (ask->options != NULL) {
            memcpy(at, ask->options, ask->options_len);
            at += ask->options_len;
        }
        octets_put_u16(rdlength, (uint16_t)(at - rdlength - 2));
    }
    return (size_t)(at - out);
}

/* "owner ttl TYPE rdata | ..." without the class IN. */
static inline void told_section(ldns_rr_list *list, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
        ldns_rr *rr = ldns_rr_list_rr(list, i);
        char *text = ldns_rr2str(rr);
        size_t text_len = strlen(text);
        while (text_len > 0 && (text[text_len - 1] == '\n' || text[text_len - 1] == ' '))
            text[--text_len] = '\0';
        for (size_t j = 0; j < text_len; j++)
            text[j] = text[j] == '\t' ? ' ' : text[j];
        char *class = strstr(text, " IN ");
        if (class != NULL)
            memmove(class, class + 3, strlen(class + 3) + 1);
        len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? " | " : "", text);
        assert_true(len < size);
        free(text);
    }
}

static inline const char *rcode_text(unsigned rcode)
{
    static const char *const names[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                         "NOTIMP",  "REFUSED", "YXDOMAIN" };
    if (rcode == RCODE_BADVERS)
        return "BADVERS";
    return rcode < ARRAY_SIZE(names) ? names[rcode] : "?";
}

/* Steps over a name of a message that ldns has found well-formed. */
static inline const uint8_t *told_skip_name(const uint8_t *at)
{
    while (*at != 0 && *at < 0xC0)
        at += 1 + *at;
    return at + (*at == 0 ? 1 : 2);
}

/* Records counted in the header, OPT among them, read without ldns, which hides OPT's place. */
static inline void told_read_opt(struct told *told)
{
    const uint8_t *at = told->message + 12;
    if (octets_u16(told->message + 4) == 1)
        at = told_skip_name(at) + 4;
    size_t count = 0;
    for (size_t i = 6; i < 12; i += 2)
        count += octets_u16(told->message + i);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *fixed = told_skip_name(at);
        size_t len = octets_u16(fixed + 8);
        if (octets_u16(fixed) == TYPE_OPT) {
            assert_int_equal(*at, 0);
            assert_false(told->has_opt);
            told->has_opt = true;
            told->payload = octets_u16(fixed + 2);
            told->extended_rcode = fixed[4];
            told->version = fixed[5];
            told->opt_flags = octets_u16(fixed + 6);
            assert_true(len <= sizeof(told->options));
            told->options_len = len;
            memcpy(told->options, fixed + 10, len);
        }
        at = fixed + 10 + len;
    }
    assert_ptr_equal(at, told->message + told->len);
}

static inline void told_read(struct told *told)
{
    ldns_status status = ldns_wire2pkt(&told->packet, told->message, told->len);
    if (status != LDNS_STATUS_OK)
        print_error("ldns: %s\n", ldns_get_errorstr_by_id(status));
    assert_int_equal(status, LDNS_STATUS_OK);
    told_read_opt(told);
    unsigned flags = octets_u16(told->message + 2);
    unsigned rcode = (flags & 0x0F) | (unsigned)told->extended_rcode << 4;
    snprintf(told->text.head, sizeof(told->text.head), "%s%s%s%s%s%s", rcode_text(rcode),
             flags & 0x8000 ? " qr" : "", flags & 0x0400 ? " aa" : "", flags & 0x0200 ? " tc" : "",
             flags & 0x0100 ? " rd" : "", flags & 0x0010 ? " cd" : "");
    assert_int_equal(flags & 0x00E0, 0); /* RA, Z, AD */
    assert_int_equal(rcode, told->note.rcode);
    told_section(ldns_pkt_answer(told->packet), told->text.answer, sizeof(told->text.answer));
    told_section(ldns_pkt_authority(told->packet), told->text.authority,
                 sizeof(told->text.authority));
    told_section(ldns_pkt_additional(told->packet), told->text.additional,
                 sizeof(told->text.additional));
}

/* Sends raw octets. */
static inline struct told tell_raw(const struct fixture *fixture, const struct ask *ask,
                                   const uint8_t *query, size_t len)
{
    size_t capacity = ask->transport == ANSWER_TCP ? WIRE_MAX_BYTES : 4096;
    if (ask->capacity != 0)
        capacity = ask->capacity;
    struct told told = { .message = mem_calloc(capacity, 1), .query_len = len };
    memcpy(told.message, query, len);
    const struct answer_request request = {
        .message = told.message,
        .len = len,
        .capacity = capacity,
        .client = fixture_addr(ask->client != NULL ? ask->client : "192.0.2.200"),
        .transport = ask->transport,
        .now_unix_s = FIXTURE_NOW_S,
    };
    told.len = answer_build(fixture->view, &request, &told.note);
    assert_true(told.len <= capacity);
    if (told.len > 0)
        told_read(&told);
    return told;
}

static inline struct told tell(const struct fixture *fixture, const struct ask *ask)
{
    uint8_t query[2048];
    size_t len = ask_write(ask, query);
    struct told told = tell_raw(fixture, ask, query, len);
    if (told.len > 0) {
        /* Id and question come back untouched. */
        assert_memory_equal(told.message, query, 2);
        size_t question_end = (size_t)(told_skip_name(query + 12) - query) + 4;
        assert_memory_equal(told.message + 12, query + 12, question_end - 12);
    }
    return told;
}

static inline void told_free(struct told *told)
{
    ldns_pkt_free(told->packet);
    free(told->message);
}

/* The data of the EDNS option `code`; NULL when it is absent. */
static inline const uint8_t *told_option(const struct told *told, uint16_t code, size_t *out_len)
{
    size_t at = 0;
    while (at < told->options_len) {
        *out_len = octets_u16(told->options + at + 2);
        if (octets_u16(told->options + at) == code)
            return told->options + at + 4;
        at += 4 + *out_len;
    }
    assert_int_equal(at, told->options_len);
    return NULL;
}

/* Scope of the ECS option, -1 without one. */
static inline int told_scope(const struct told *told)
{
    size_t len;
    const uint8_t *ecs = told_option(told, 8, &len);
    return ecs != NULL ? ecs[3] : -1;
}
