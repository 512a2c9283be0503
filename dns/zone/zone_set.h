/* SPDX-License-Identifier: Apache-2.0 */
/* All zones of the server: parsed from RFC 1035 files, compiled for lookup.
 *
 * Shape:     one hash table over the full lower-case wire names of all zones; a node per owner
 *            name and per empty non-terminal. A node knows its zone, its RRsets, its nearest
 *            enclosing zone cut and whether a wildcard child exists. Steered names of the topology
 *            are nodes too.
 * Threads:   built by one thread, then immutable and counted.
 * Ownership: nodes, RRsets and bytes belong to the set.
 *            A name that is both the apex of one of our zones and a delegation of its parent zone
 *            is the child's; `zone->parent_side` keeps what the parent knows about it.
 * Limits:    ZONE_MAX zones, ZONE_FILE_MAX_BYTES a zone, ZONE_RECORD_MAX records.
 * Source:    RFC 1034 section 4.3, RFC 1035 section 5, RFC 2181, RFC 2308, RFC 4592
 */
#pragma once

#include "dns/wire/name.h"
#include "dns/wire/query.h"
#include "steering/base/diag.h"

enum {
    ZONE_MAX = 100000,
    ZONE_RECORD_MAX = 20000000,
    ZONE_FILE_MAX_BYTES = 256 * 1024 * 1024, /* a zone with all files that it includes */
    ZONE_RRSET_MAX_BYTES = 65000, /* encoded; the rest of a message is header, question and OPT */
    ZONE_INCLUDE_DEPTH_MAX = 8,
};

/* One record's data, uncompressed wire form. `name_at`/`name_len` mark the one domain name inside
 * that may be compressed (NS, CNAME, PTR, MX, SOA's first; RFC 3597 section 4): 0 len = none. */
struct rdata {
    const uint8_t *bytes;
    uint16_t len;
    uint16_t name_at;
    uint16_t name_len;
};

struct rrset {
    uint16_t type;
    uint16_t count;
    uint32_t ttl_s;
    const struct rdata *rdata;
    /* The whole set encoded with owner pointer C0 0C (the question's name), ready to copy, when no
     * rdata holds a compressible name; NULL otherwise. */
    const uint8_t *encoded;
    uint32_t encoded_len;
};

struct zone;

enum { NODE_NOT_STEERED = -1 };

struct zone_node {
    const uint8_t *name; /* lower-case wire form */
    uint8_t name_len;
    uint8_t label_count; /* without root */
    bool is_wildcard;    /* first label is "*" */
    bool is_apex;
    bool has_dname;
    int32_t steered; /* index into the bound topology's names, or NODE_NOT_STEERED */
    const struct zone *zone;
    const struct zone_node *cut;      /* nearest delegation at or above (below the apex), or NULL */
    const struct zone_node *wildcard; /* its "*" child, or NULL */
    const struct rrset *rrsets;
    uint16_t rrset_count; /* 0 and not steered: an empty non-terminal */
};

struct zone {
    const uint8_t *origin; /* lower-case wire form */
    uint8_t origin_len;
    const struct zone_node *apex;
    uint32_t serial;
    uint32_t negative_ttl_s; /* min(SOA TTL, SOA MINIMUM) */
    /* The delegation of this zone (NS, DS) in its parent zone when we serve that too, or the owner
     * of the DNAME there that this zone lies below, else NULL. */
    const struct zone_node *parent_side;
};

struct zone_set;

struct zone_source {
    const char *origin; /* "example.com" */
    const char *file;
};

/* Parses and validates all files, collecting every problem as FILE:LINE.
 *
 * Errors: syntax, unsupported directives, out-of-zone owners, no SOA or two, no NS at the apex, SOA
 * elsewhere, CNAME with other data, CNAME at the apex, anything below a DNAME, NS or DNAME at a
 * wildcard, SVCB parameters that clients refuse, digests (DS, CDS) of the wrong length, sets that
 * no message can carry, a zone given twice. Warnings: duplicates (merged), different TTLs in a set
 * (the smallest wins), name servers without address, records below a cut other than glue and DS
 * elsewhere than at a cut (left out), DNSSEC records (left out: answers are not signed), names that
 * seem to lack their final dot.
 * ERR_INVALID on any error; `*out_zones` is owned by the caller. */
MUST_USE enum err zone_set_load(const struct zone_source *sources, size_t count, struct diag *diag,
                                struct zone_set **out_zones);

/* A name that steering answers, as the topology declares it. */
struct zone_steered {
    const char *name;      /* absolute, lower-case, final dot */
    bool may_answer_cname; /* some candidate site of its map is answered by CNAME */
    bool has_https;        /* HTTPS records are made for it */
};

/* Adds steered names as nodes; node->steered is the index into `names`. Errors: a name outside
 * every zone, at or below a zone cut, below a DNAME, or given twice; static A, AAAA, CNAME (or
 * HTTPS, when made) at the name; `may_answer_cname` at an apex or at a name with other static data.
 * Must be called once, before the set is shared; after ERR_INVALID the set is unchanged, and may
 * be bound again. */
MUST_USE enum err zone_set_bind(struct zone_set *zones, const struct zone_steered *names,
                                size_t count, struct diag *diag);
struct zone_set *zone_set_ref(struct zone_set *zones);
void zone_set_unref(struct zone_set *zones); /* accepts NULL */

size_t zone_set_count(const struct zone_set *zones);
const struct zone *zone_set_at(const struct zone_set *zones, size_t index);
size_t zone_set_record_count(const struct zone_set *zones);

/* The search of RFC 1034 section 4.3.2 without following anything. */
enum zone_match {
    ZONE_MATCH_NONE,     /* no zone of ours encloses the name */
    ZONE_MATCH_EXACT,    /* node is the name */
    ZONE_MATCH_WILDCARD, /* node is the wildcard that covers it */
    ZONE_MATCH_CUT,      /* at or below a delegation: node is the cut */
    ZONE_MATCH_DNAME,    /* below a DNAME: node is its owner */
    ZONE_MATCH_NXDOMAIN, /* node is the closest encloser */
};
/* `name` is lower-case wire form. A query for DS at a cut is the parent's (`is_ds`). */
enum zone_match zone_set_find(const struct zone_set *zones, const uint8_t *name, size_t name_len,
                              bool is_ds, const struct zone_node **out_node);
const struct rrset *zone_node_rrset(const struct zone_node *node, uint16_t type);
/* Addresses for additional data: the node of `name` when it lies in one of our zones (glue
 * included), else NULL. */
const struct zone_node *zone_set_find_glue(const struct zone_set *zones, const uint8_t *name,
                                           size_t name_len);
