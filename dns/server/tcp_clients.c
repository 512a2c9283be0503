/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/tcp_clients.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/hash.h"
#include "steering/base/mem.h"

enum { V6_CLIENT_BYTES = 8 };

void tcp_clients_init(struct tcp_clients *clients, size_t expected, uint64_t seed)
{
    size_t bucket_count = 1;
    while (bucket_count < expected)
        bucket_count *= 2;
    *clients = (struct tcp_clients){ .bucket_mask = bucket_count - 1, .seed = seed };
    clients->buckets = mem_calloc(bucket_count, sizeof(struct tcp_member *));
}

void tcp_clients_fini(struct tcp_clients *clients)
{
    free(clients->buckets);
    clients->buckets = NULL;
}

/* Whoever has one IPv6 address usually has the 2^64 beside it, too. */
static struct addr client_of(const struct addr *addr)
{
    struct addr client = *addr;
    if (client.family == ADDR_V6)
        memset(client.bytes + V6_CLIENT_BYTES, 0, sizeof(client.bytes) - V6_CLIENT_BYTES);
    return client;
}

static struct tcp_member **bucket_of(const struct tcp_clients *clients, const struct addr *client)
{
    uint64_t hash = hash_bytes(client->bytes, sizeof(client->bytes), clients->seed);
    return &clients->buckets[hash & clients->bucket_mask];
}

static void append(struct tcp_clients *clients, struct tcp_member *member)
{
    member->older = clients->newest;
    member->newer = NULL;
    if (clients->newest != NULL)
        clients->newest->newer = member;
    else
        clients->oldest = member;
    clients->newest = member;
}

static void unlink_order(struct tcp_clients *clients, struct tcp_member *member)
{
    if (member->older != NULL)
        member->older->newer = member->newer;
    else
        clients->oldest = member->newer;
    if (member->newer != NULL)
        member->newer->older = member->older;
    else
        clients->newest = member->older;
}

void tcp_clients_add(struct tcp_clients *clients, struct tcp_member *member,
                     const struct addr *addr, uint64_t now_ms)
{
    member->client = client_of(addr);
    member->active_ms = now_ms;
    struct tcp_member **bucket = bucket_of(clients, &member->client);
    member->previous = NULL;
    member->next = *bucket;
    if (*bucket != NULL)
        (*bucket)->previous = member;
    *bucket = member;
    append(clients, member);
    clients->count++;
}

void tcp_clients_remove(struct tcp_clients *clients, struct tcp_member *member)
{
    if (member->previous != NULL)
        member->previous->next = member->next;
    else
        *bucket_of(clients, &member->client) = member->next;
    if (member->next != NULL)
        member->next->previous = member->previous;
    unlink_order(clients, member);
    clients->count--;
}

void tcp_clients_touch(struct tcp_clients *clients, struct tcp_member *member, uint64_t now_ms)
{
    member->active_ms = now_ms;
    unlink_order(clients, member);
    append(clients, member);
}

size_t tcp_clients_of(const struct tcp_clients *clients, const struct addr *addr,
                      struct tcp_member **out_oldest)
{
    struct addr client = client_of(addr);
    struct tcp_member *oldest = NULL;
    size_t count = 0;
    for (struct tcp_member *at = *bucket_of(clients, &client); at != NULL; at = at->next) {
        if (!addr_eq(&at->client, &client))
            continue;
        count++;
        if (oldest == NULL || at->active_ms < oldest->active_ms)
            oldest = at;
    }
    *out_oldest = oldest;
    return count;
}
