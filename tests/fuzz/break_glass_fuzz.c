/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a break-glass file, with and without a topology to check the names. */
#include <assert.h>

#include "steering/model/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct str text, const struct topology *topology)
{
    struct diag diag;
    struct break_glass orders = { .orders = NULL };
    diag_init(&diag);
    diag_set_file(&diag, "break-glass");
    enum err err = break_glass_parse(text, topology, &diag, &orders);
    assert((err == ERR_OK) == (diag.error_count == 0));
    assert(err == ERR_OK || orders.orders == NULL); /* all or nothing */
    assert(orders.count <= SITE_MAX);
    for (size_t i = 0; i < orders.count; i++) {
        struct str site = str_from(orders.orders[i].site);
        assert(site.len > 0);
        assert(topology == NULL || !site_is_none(topology_find_site(topology, site)));
    }
    break_glass_fini(&orders);
    diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char us_east[] = "us-east", gru1[] = "gru1";
    static struct site sites[] = { { .name = us_east }, { .name = gru1, .kind = SITE_POP } };
    static const struct topology topology = { .sites = sites, .site_count = 2 };
    struct str text = { .ptr = (const char *)data, .len = size };
    check(text, &topology);
    check(text, NULL);
    return 0;
}
