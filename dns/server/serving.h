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
    struct site_counts counts; /* borrowed from `dataset` */
    struct answer_view *owned_view;
    struct dataset *dataset;
};

/* Takes ownership of `snapshot`, a reference to `dataset`. */
struct serving *serving_new(struct dataset *dataset, struct snapshot *snapshot);
/* A publisher's free function. */
void serving_free(void *serving);

/* Counts the answer for its map under the site in front. */
static inline void serving_count(const struct serving *serving, size_t worker,
                                 const struct answer_note *note)
{
    size_t site_count = 0;
    const struct site_id *sites = answer_view_site_set(serving->view, note->site_set, &site_count);
    if (site_count > 0)
        site_counts_add(&serving->counts, worker, note->map, sites[0]);
}
