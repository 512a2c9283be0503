/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/serving.h"

#include <stdlib.h>

#include "steering/base/mem.h"

struct serving *serving_new(struct dataset *dataset, struct snapshot *snapshot)
{
    struct serving *serving = mem_calloc(1, sizeof(*serving));
    serving->owned_view = answer_view_new(snapshot, dataset->zones, &dataset->settings);
    snapshot_unref(snapshot); /* the view has its own reference */
    serving->view = serving->owned_view;
    serving->dataset = dataset_ref(dataset);
    serving->counts = dataset->counts;
    return serving;
}

void serving_free(void *arg)
{
    struct serving *serving = arg;
    answer_view_unref(serving->owned_view);
    dataset_unref(serving->dataset);
    free(serving);
}
