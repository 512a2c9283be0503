/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix file: sites, and the links between them.
 *
 *     seed: 7
 *     defaults: { rate: 1Gbit }
 *     sites:
 *       client: {}                             # 10.77.1.1
 *       pop: { addresses: [10.77.2.1, "fd77::2"] }
 *     links:
 *       - { from: client, to: pop, delay: 15ms, both: true }
 *
 * Threads:   immutable once loaded.
 * Ownership: the matrix owns all below it.
 * Limits:    MATRIX_SITE_MAX sites, MATRIX_ADDRESS_MAX addresses each.
 */
#pragma once

#include "steering/base/addr.h"
#include "steering/base/diag.h"
#include "tools/wan/link_settings.h"

enum { MATRIX_SITE_MAX = 64, MATRIX_ADDRESS_MAX = 64 };

struct matrix_site {
    char *name;
    struct addr *addresses; /* at least one; the first is where its packets come from */
    size_t address_count;
    uint32_t mtu_bytes; /* of its interface: the least of its links' */
};

struct matrix_link {
    size_t from, to; /* indexes of sites */
    struct link_settings settings;
};

struct matrix {
    struct matrix_site *sites;
    size_t site_count;
    struct matrix_link *links; /* at most one for each ordered pair */
    size_t link_count, link_capacity;
    uint32_t seed;
    bool has_seed;
};

/* ERR_INVALID with every problem of the file in `diag`; or what reading it failed with. */
MUST_USE enum err matrix_load(const char *path, struct diag *diag, struct matrix **out_matrix);
/* The same from memory; `diag` must know the file's name. */
MUST_USE enum err matrix_parse(struct str text, struct diag *diag, struct matrix **out_matrix);
void matrix_free(struct matrix *matrix); /* accepts NULL */

/* The index of a site; false when there is none of that name. */
bool matrix_find_site(const struct matrix *matrix, struct str name, size_t *out_site);
/* Every key of the file with its values and meaning. */
void matrix_explain(struct buf *out);
