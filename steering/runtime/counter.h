/* SPDX-License-Identifier: Apache-2.0 */
/* A number that one thread counts and others read now and then: no lock, no bus lock.
 * Threads:   counter_add by the one owner, counter_read by any.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t value;
};

/* A plain load, add and store: an atomic addition would pay for other writers that are not. */
static inline void counter_add(struct counter *counter, uint64_t amount)
{
    uint64_t value = atomic_load_explicit(&counter->value, memory_order_relaxed);
    atomic_store_explicit(&counter->value, value + amount, memory_order_relaxed);
}
static inline uint64_t counter_read(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}
