/* SPDX-License-Identifier: Apache-2.0 */
/* From a query to the bytes of its answer. Pure: (message, client, view) -> message.
 *
 * The answer is built over the query in the same buffer: header and question stay where they
 * are. Nothing here allocates, locks, logs or asks the kernel.
 * Threads:   any; a view is immutable, a `struct answer_tally` belongs to one worker.
 * Source:    RFC 1034 section 4.3.2, RFC 2308, RFC 4592, RFC 6604, RFC 6891, RFC 7871, RFC 8482,
 *            RFC 8914
 */
#pragma once

#include "dns/answer/view.h"
#include "dns/wire/query.h"

enum answer_transport { ANSWER_UDP, ANSWER_TCP };

struct answer_request {
    uint8_t *message; /* the query; overwritten by the answer */
    size_t len;
    size_t capacity;    /* of `message`: >= 4096 for UDP, WIRE_MAX_BYTES for TCP */
    struct addr client; /* source address of the packet */
    enum answer_transport transport;
    int64_t now_unix_s; /* for _steer TXT's age */
};

/* What happened, for the metrics; filled for every request. */
struct answer_note {
    enum query_verdict verdict;
    uint16_t qtype;
    uint8_t rcode; /* valid unless dropped */
    bool is_truncated;
    bool has_edns, has_ecs;
    uint8_t ecs_scope; /* when has_ecs */
    bool is_steered;
    struct map_id map; /* when is_steered */
    uint32_t site_set; /* when is_steered: index of the answered site set in the view */
};

/* Returns the length of the answer, 0 when the query must be dropped. */
size_t answer_build(const struct answer_view *view, const struct answer_request *request,
                    struct answer_note *out_note);

/* The same in three steps, for a batch of queries: each step is taken for all of them before the
 * next, so that the processor fetches what one needs of the geo trie while it works on the others.
 * `request` must stay as it is until the last step, which leaves `query` changed. */
enum query_verdict answer_read(const struct answer_view *view, const struct answer_request *request,
                               struct query *out_query);
/* Only a hint; may be left out. */
void answer_fetch(const struct answer_view *view, const struct answer_request *request,
                  const struct query *query, enum query_verdict verdict);
size_t answer_finish(const struct answer_view *view, const struct answer_request *request,
                     struct query *query, enum query_verdict verdict, struct answer_note *out_note);
