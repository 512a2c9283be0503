/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/client_addrs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/hash.h"
#include "steering/base/mem.h"

enum { V6_CLIENT_BYTES = 8 };

void client_addrs_init(struct client_addrs *addrs, size_t expected, uint64_t seed)
{
    size_t bucket_count = 1;
    while (bucket_count < expected)
        bucket_count *= 2;
    *addrs = (struct client_addrs){ .bucket_mask = bucket_count - 1, .seed = seed };
    addrs->buckets = mem_calloc(bucket_count, sizeof(struct client_member *));
}

void client_addrs_fini(struct client_addrs *addrs)
{
    assert(addrs->count == 0);
    free(addrs->buckets);
    addrs->buckets = NULL;
}

static struct addr client_of(const struct addr *addr)
{
    struct addr client = *addr;
    if (client.family == ADDR_V6)
        memset(client.bytes + V6_CLIENT_BYTES, 0, sizeof(client.bytes) - V6_CLIENT_BYTES);
    return client;
}

static struct client_member **bucket_of(const struct client_addrs *addrs, const struct addr *client)
{
    uint64_t hash = hash_bytes(client->bytes, sizeof(client->bytes), addrs->seed);
    return &addrs->buckets[hash & addrs->bucket_mask];
}

void client_addrs_add(struct client_addrs *addrs, struct client_member *member,
                      const struct addr *addr)
{
    assert(member->link == NULL);
    member->addr = client_of(addr);
    struct client_member **bucket = bucket_of(addrs, &member->addr);
    member->next = *bucket;
    member->link = bucket;
    if (member->next != NULL)
        member->next->link = &member->next;
    *bucket = member;
    addrs->count++;
}

void client_addrs_remove(struct client_addrs *addrs, struct client_member *member)
{
    if (member->link == NULL)
        return;
    *member->link = member->next;
    if (member->next != NULL)
        member->next->link = member->link;
    member->link = NULL;
    addrs->count--;
}

size_t client_addrs_count(const struct client_addrs *addrs, const struct addr *addr, size_t max)
{
    struct addr client = client_of(addr);
    size_t count = 0;
    const struct client_member *at = *bucket_of(addrs, &client);
    for (; at != NULL && count < max; at = at->next)
        count += addr_eq(&at->addr, &client);
    return count;
}
