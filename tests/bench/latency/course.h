/* SPDX-License-Identifier: Apache-2.0 */
/* What the client does over time: samples, or a stream of requests.
 *
 * Threads: owner only.
 */
#pragma once
#include "tests/bench/latency/pool.h"

/* Both copy `model`, whose options, TLS context and epoll are borrowed. */
struct samples *samples_new(const struct pool *model);
void samples_free(struct samples *samples);
/* Does what is due; returns when the next thing is due, 0 when all is done. */
uint64_t samples_step(struct samples *samples, uint64_t now_ns);

struct stream *stream_new(const struct pool *model);
void stream_free(struct stream *stream);
uint64_t stream_step(struct stream *stream, uint64_t now_ns);
