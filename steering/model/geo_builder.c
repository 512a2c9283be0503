/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/geo_builder_priv.h"

#include <stdlib.h>

#include "steering/base/mem.h"

struct geo_builder *geo_builder_new(void)
{
    struct geo_builder *builder = mem_calloc(1, sizeof(*builder));
    const struct location nowhere = { .has_coordinates = false };
    intern_init(&builder->locations, sizeof(struct location));
    intern_init(&builder->asns, sizeof(uint32_t));
    prefix_trie_init(&builder->location_trie);
    prefix_trie_init(&builder->asn_trie);
    geo_builder_number_location(builder, &nowhere);
    intern_put(&builder->asns, &(uint32_t){ 0 });
    return builder;
}

void geo_builder_free(struct geo_builder *builder)
{
    if (builder == NULL)
        return;
    intern_fini(&builder->locations);
    intern_fini(&builder->asns);
    prefix_trie_fini(&builder->location_trie);
    prefix_trie_fini(&builder->asn_trie);
    free(builder);
}

uint32_t geo_builder_number_location(struct geo_builder *builder, const struct location *location)
{
    struct location plain = location_canonical(location);
    return intern_put(&builder->locations, &plain);
}

void geo_builder_add_numbered(struct geo_builder *builder, const struct cidr *net, uint32_t number)
{
    prefix_trie_set(&builder->location_trie, net, number);
}

void geo_builder_add_location(struct geo_builder *builder, const struct cidr *net,
                              const struct location *location)
{
    geo_builder_add_numbered(builder, net, geo_builder_number_location(builder, location));
}

void geo_builder_add_asn(struct geo_builder *builder, const struct cidr *net, uint32_t asn)
{
    prefix_trie_set(&builder->asn_trie, net, intern_put(&builder->asns, &asn));
}
