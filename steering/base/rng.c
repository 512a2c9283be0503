/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/rng.h"

#include <assert.h>
#include <stdbool.h>
#include <sys/random.h>

struct rng rng_init(uint64_t seed)
{
    return (struct rng){ .state = seed };
}

uint64_t rng_next(struct rng *rng)
{
    uint64_t z = (rng->state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    assert(bound > 0);
    uint64_t refuse_below = (0 - bound) % bound;
    uint64_t value = rng_next(rng);
    while (value < refuse_below)
        value = rng_next(rng);
    return value % bound;
}

uint64_t rng_seed(void)
{
    uint64_t seed = 0;
    bool is_filled = getrandom(&seed, sizeof(seed), 0) == (ssize_t)sizeof(seed);
    assert(is_filled); /* requests of up to 256 bytes are never cut short */
    return seed;
}
