/* SPDX-License-Identifier: Apache-2.0 */
/* A small seedable generator (splitmix64) for jitter and tests; not for secrets.
 * Threads:   owner only (plain value).
 */
#pragma once

#include <stdint.h>

struct rng {
    uint64_t state;
};

struct rng rng_init(uint64_t seed);
uint64_t rng_next(struct rng *rng);
/* Uniform in 0..bound-1 without modulo bias; `bound` > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);
/* A seed from the kernel. */
uint64_t rng_seed(void);
