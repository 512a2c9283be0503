/* SPDX-License-Identifier: Apache-2.0 */
/* Packets under way, the next to arrive on top: a heap ordered by moment, then by arrival here.
 *
 * Threads:   owner only. Pure.
 * Ownership: owns the packets that it holds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packet {
    uint64_t exit_ns;
    uint64_t number; /* set by departures_add: packets of the same moment stay in order */
    size_t link;
    size_t len;
    uint8_t bytes[];
};

struct departures {
    struct packet **heap;
    size_t count, capacity;
    uint64_t next_number;
    uint64_t byte_count; /* of the packets within */
};

/* A copy of `bytes`; owned by the caller, free with free(). */
struct packet *packet_new(const uint8_t *bytes, size_t len);

void departures_fini(struct departures *departures); /* zeroed memory is an empty one */
/* Takes ownership of `packet`. */
void departures_add(struct departures *departures, struct packet *packet);
/* NULL: nothing is under way. Borrowed until the next change. */
const struct packet *departures_next(const struct departures *departures);
/* Removes the next; owned by the caller. There must be one. */
struct packet *departures_take(struct departures *departures);
