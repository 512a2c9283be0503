/* SPDX-License-Identifier: Apache-2.0 */
/* How a view looks inside.
 *
 * Shape:     node->steered -> name_services[] -> service -> map
 *            client -> class -> cell -> map.cell_choices[] -> choice
 *            (service, choice) -> tailored -> blob of the question's slot
 *            Names that agree in everything that shows in answers share one service; blobs that
 *            agree are shared by all services.
 */
#pragma once

#include <stdatomic.h>

#include "dns/answer/view.h"
#include "steering/base/buf.h"

/* What a question for a steered name can ask for. */
enum answer_slot {
    SLOT_A,
    SLOT_AAAA,
    SLOT_HTTPS,
    SLOT_CNAME,
    SLOT_OTHER, /* only a CNAME answers it */
    SLOT_COUNT,
};

/* Encoded records with owner C0 0C, at `view->bytes + at`. len 0: no such data. */
struct view_blob {
    uint32_t at;
    uint16_t len;
    uint16_t count;
};

/* A site set as a steering outcome: what a cell gets, and with which TTL. */
struct view_choice {
    uint32_t site_set;
    uint32_t is_moving;
};

struct view_tailored {
    struct view_blob blobs[SLOT_COUNT];
    uint32_t site_set;
};

struct view_service {
    struct map_id map;
    bool uses_ecs; /* the name's and the server's switch */
    bool has_https;
    /* Could two clients get different answers? From the topology alone, so that health and
     * steering change answers, but never scopes or existence. */
    bool is_tailored[SLOT_COUNT];
    const uint32_t *cell_choices;         /* the map's */
    const struct view_tailored *tailored; /* by choice */
};

struct view_map {
    uint32_t *cell_choices;
    struct view_choice *choices;
    size_t choice_count;
    bool may_answer_cname;
    bool has_family[2]; /* some site of the map has such an address */
};

/* Sites that are answered together, all by address or one by CNAME; the rest of `sites` is
 * SITE_NONE. */
struct view_site_set {
    uint16_t count;
    uint16_t is_cname;
    struct site_id sites[ANSWER_SITES_MAX];
};

/* HTTPS parameters of a name; `alpn` in wire form. */
struct view_https {
    uint16_t port; /* 0: none */
    uint16_t alpn_len;
    uint8_t alpn[256];
};

/* Names a blob: equal keys, equal bytes. */
struct view_blob_key {
    uint32_t type;
    uint32_t ttl_s;
    uint32_t site_set;
    uint32_t https; /* index of a struct view_https; 0 for other types */
};

enum { STEER_TXT_MAX = 1024 };

struct answer_view {
    atomic_uint refs;
    struct snapshot *snapshot;
    struct zone_set *zones;
    struct answer_settings settings;
    const struct geo *geo; /* the snapshot's */
    uint8_t *bytes;        /* of all blobs */
    uint32_t *name_services;
    struct view_service *services;
    struct view_tailored *tailored; /* of all services */
    struct view_map *maps;
    struct view_site_set *site_sets;
    size_t site_set_count;
    size_t alarm_count;
    uint16_t identity_len;
    int64_t op_at_unix_s;
    /* _steer TXT, cut where the age belongs. */
    char steer_head[STEER_TXT_MAX], steer_tail[STEER_TXT_MAX];
};

/* view_encode.c. Appends the records to `bytes`; a blob of length 0 when there are none. `https`
 * may be NULL for types other than HTTPS. */
struct view_blob view_encode(struct buf *bytes, const struct topology *topology,
                             const struct view_site_set *sites, const struct view_blob_key *key,
                             const struct view_https *https);
void view_https_init(struct view_https *https, const char *alpn, uint16_t port);
