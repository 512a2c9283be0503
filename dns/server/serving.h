/* SPDX-License-Identifier: Apache-2.0 */
/* What the workers answer from: the object that is published to them.
 *
 * Threads:   made and freed by the main thread; read by workers between publisher_enter and
 *            publisher_leave.
 * Ownership: holds references to view and dataset.
 */
#pragma once

#include "dns/answer/answer.h"
#include "dns/server/dataset.h"

struct serving {
    const struct answer_view *view;
    struct site_counts counts;   /* borrowed from `dataset` */
    struct site_id *first_sites; /* by site set of the view: the site in front, or SITE_NONE */
    struct answer_view *owned_view;
    struct dataset *dataset;
};

/* Takes ownership of `snapshot`, a reference to `dataset`. */
struct serving *serving_new(struct dataset *dataset, struct snapshot *snapshot);
/* A publisher's free function. */
void serving_free(void *arg);

/* Counts the answer for its map under the site in front. */
static inline void serving_count(const struct serving *serving, size_t worker,
                                 const struct answer_note *note)
{
    struct site_id site = serving->first_sites[note->site_set];
    if (!site_is_none(site))
        site_counts_add(&serving->counts, worker, note->map, site);
}
