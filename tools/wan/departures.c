/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/departures.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

struct packet *packet_new(const uint8_t *bytes, size_t len)
{
    struct packet *packet = mem_calloc(1, sizeof(*packet) + len);
    packet->len = len;
    memcpy(packet->bytes, bytes, len);
    return packet;
}

static bool is_before(const struct packet *a, const struct packet *b)
{
    return a->exit_ns != b->exit_ns ? a->exit_ns < b->exit_ns : a->number < b->number;
}

static void swap(struct packet **a, struct packet **b)
{
    struct packet *other = *a;
    *a = *b;
    *b = other;
}

void departures_fini(struct departures *departures)
{
    for (size_t i = 0; i < departures->count; i++)
        free(departures->heap[i]);
    free(departures->heap);
    *departures = (struct departures){ .heap = NULL };
}

void departures_add(struct departures *departures, struct packet *packet)
{
    departures->heap = mem_grow(departures->heap, departures->count, &departures->capacity,
                                sizeof(struct packet *));
    packet->number = departures->next_number++;
    departures->byte_count += packet->len;
    struct packet **heap = departures->heap;
    size_t at = departures->count++;
    heap[at] = packet;
    while (at > 0 && is_before(heap[at], heap[(at - 1) / 2])) {
        swap(&heap[at], &heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

const struct packet *departures_next(const struct departures *departures)
{
    return departures->count > 0 ? departures->heap[0] : NULL;
}

struct packet *departures_take(struct departures *departures)
{
    assert(departures->count > 0);
    struct packet **heap = departures->heap;
    struct packet *next = heap[0];
    size_t count = --departures->count;
    size_t at = 0;
    heap[0] = heap[count];
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < count && is_before(heap[child], heap[least]))
                least = child;
        if (least == at)
            break;
        swap(&heap[at], &heap[least]);
        at = least;
    }
    departures->byte_count -= next->len;
    return next;
}
