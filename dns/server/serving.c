/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/serving.h"

#include <stdlib.h>

#include "steering/base/mem.h"

static struct site_id *list_first_sites(const struct answer_view *view)
{
    size_t count = answer_view_site_set_count(view);
    struct site_id *first_sites = mem_calloc(count, sizeof(*first_sites));
    for (size_t i = 0; i < count; i++) {
        size_t site_count = 0;
        const struct site_id *sites = answer_view_site_set(view, (uint32_t)i, &site_count);
        first_sites[i] = site_count > 0 ? sites[0] : SITE_NONE;
    }
    return first_sites;
}

struct serving *serving_new(struct dataset *dataset, struct snapshot *snapshot)
{
    struct serving *serving = mem_calloc(1, sizeof(*serving));
    serving->owned_view = answer_view_new(snapshot, dataset->zones, &dataset->settings);
    snapshot_unref(snapshot); /* the view has its own reference */
    serving->view = serving->owned_view;
    serving->first_sites = list_first_sites(serving->view);
    serving->dataset = dataset_ref(dataset);
    serving->counts = dataset->counts;
    return serving;
}

void serving_free(void *arg)
{
    struct serving *serving = arg;
    free(serving->first_sites);
    answer_view_unref(serving->owned_view);
    dataset_unref(serving->dataset);
    free(serving);
}
