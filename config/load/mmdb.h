/* SPDX-License-Identifier: Apache-2.0 */
/* Reads MaxMind DB files: every prefix with its location, or with its AS number.
 *
 * Shape:     metadata (at the end of the file) | search tree | data. The nested keys of MaxMind
 *            (`country.iso_code`) and the flat ones of free databases (`country_code`, `state1`)
 *            are both understood, IPv4-only trees too.
 * Threads:   any.
 * Ownership: the file is copied whole to sealed memory first: overwriting it in place while it is
 *            being read cannot hurt.
 * Limits:    the file is not trusted. MMDB_MAX_BYTES of size; a visit budget against cycles and
 *            shared subtrees; a decoding budget against entangled data.
 * Source:    MaxMind DB File Format Specification, version 2.0
 */
#pragma once

#include "steering/base/cidr.h"
#include "steering/base/diag.h"
#include "steering/model/location.h"

enum { MMDB_MAX_BYTES = 1 << 30, MMDB_TYPE_MAX = 64 };

/* Where the bytes come from: a file, or memory if `bytes` is not NULL. */
struct mmdb_source {
    const char *path; /* also the name in messages */
    const void *bytes;
    size_t len;
};

/* What the file says of itself and what was found in it. */
struct mmdb_info {
    char type[MMDB_TYPE_MAX]; /* "DBIP-City-Lite", cut when longer */
    uint64_t build_epoch;     /* Unix time */
    unsigned ip_version;      /* 4 or 6 */
    size_t prefix_count;      /* handed to the sink */
    size_t record_count;      /* different data records */
    size_t unusable_count;    /* values of a wrong type or form, ignored */
};

/* Who receives the prefixes, in ascending order; those about which the file says nothing are left
 * out. IPv4 in IPv6 (::/96) comes as IPv4; the prefixes that only repeat it (IPv4-mapped, NAT64,
 * 6to4, Teredo) are left out. */
struct mmdb_sink {
    void *context;
    /* For locations: gives each different one a number below UINT32_MAX... */
    uint32_t (*number_location)(void *context, const struct location *location);
    /* ...and takes each prefix with such a number. */
    void (*add_location)(void *context, const struct cidr *net, uint32_t number);
    /* For AS numbers. */
    void (*add_asn)(void *context, const struct cidr *net, uint32_t asn);
};

/* Coordinates are the database's unless their accuracy radius exceeds `max_radius_km`, else the
 * middle of the subdivision, else of the country.
 * ERR_CORRUPT for structural damage, ERR_TOO_LARGE, or what opening the file gave; `diag` says
 * more. The sink may have received prefixes already then: drop what it has built. */
MUST_USE enum err mmdb_load_locations(const struct mmdb_source *source, uint32_t max_radius_km,
                                      const struct mmdb_sink *sink, struct diag *diag,
                                      struct mmdb_info *out_info);
MUST_USE enum err mmdb_load_asns(const struct mmdb_source *source, const struct mmdb_sink *sink,
                                 struct diag *diag, struct mmdb_info *out_info);
