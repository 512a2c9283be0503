/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a MaxMind DB file: either refused, or every prefix that comes out is well formed and
 * no IPv6 prefix repeats IPv4. */
#include <assert.h>
#include <string.h>

#include "config/load/mmdb.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct counts {
    uint32_t locations;
    size_t prefixes;
};

static uint32_t number_location(void *context, const struct location *location)
{
    struct counts *counts = context;
    assert(memchr(location->continent, '\0', sizeof(location->continent)) != NULL);
    assert(memchr(location->country, '\0', sizeof(location->country)) != NULL);
    assert(memchr(location->subdivision, '\0', sizeof(location->subdivision)) != NULL);
    assert(!location->has_coordinates || (location->lat_deg >= -90 && location->lat_deg <= 90 &&
                                          location->lon_deg >= -180 && location->lon_deg <= 180));
    return counts->locations++;
}

static void check_net(const struct cidr *net)
{
    struct addr v4;
    struct cidr masked = cidr_make(&net->addr, net->bits);
    assert(cidr_eq(&masked, net));
    assert(net->bits <= addr_max_bits(&net->addr));
    /* A prefix that reaches into IPv4-mapped space and the like is wider than it. */
    unsigned lead = addr_fold(&net->addr, &v4);
    assert(lead == 0 || net->bits < lead);
}

static void add_location(void *context, const struct cidr *net, uint32_t number)
{
    struct counts *counts = context;
    assert(number < counts->locations);
    counts->prefixes++;
    check_net(net);
}

static void add_asn(void *context, const struct cidr *net, uint32_t asn)
{
    struct counts *counts = context;
    assert(asn != 0);
    counts->prefixes++;
    check_net(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct counts counts = { .locations = 0 };
    struct mmdb_sink sink = { .context = &counts,
                              .number_location = number_location,
                              .add_location = add_location,
                              .add_asn = add_asn };
    struct mmdb_source source = { .path = "fuzz",
                                  .bytes = size > 0 ? data : (const uint8_t *)"",
                                  .len = size };
    struct mmdb_info info = { .prefix_count = 0 };
    for (unsigned is_asn = 0; is_asn < 2; is_asn++) {
        struct diag diag;
        diag_init(&diag);
        counts = (struct counts){ .locations = 0 };
        enum err err = is_asn != 0 ? mmdb_load_asns(&source, &sink, &diag, &info)
                                   : mmdb_load_locations(&source, 500, &sink, &diag, &info);
        assert((err == ERR_OK) == !diag_has_errors(&diag));
        assert(err != ERR_OK || info.prefix_count == counts.prefixes);
        diag_fini(&diag);
    }
    return 0;
}
