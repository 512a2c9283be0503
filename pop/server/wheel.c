/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/server/io.h"

#include <assert.h>

enum { DIGIT_MASK = IO_WHEEL_SLOTS - 1 };

static unsigned digit_of(uint64_t at_ms, unsigned level)
{
    return (unsigned)(at_ms >> (level * IO_WHEEL_BITS)) & DIGIT_MASK;
}

static unsigned level_of(uint64_t now_ms, uint64_t at_ms)
{
    uint64_t differing = now_ms ^ at_ms;
    if (differing == 0)
        return 0;
    unsigned level = (unsigned)(63 - __builtin_clzll(differing)) / IO_WHEEL_BITS;
    return level;
}

void io_wheel_insert(struct io_wheel *wheel, struct io_timer *timer)
{
    assert(timer->link == NULL && timer->at_ms >= wheel->now_ms);
    unsigned level = level_of(wheel->now_ms, timer->at_ms);
    assert(level < IO_WHEEL_LEVELS); /* 48 bits of milliseconds are 8,900 years */
    unsigned digit = digit_of(timer->at_ms, level);
    struct io_timer **slot = &wheel->slots[level][digit];
    timer->next = *slot;
    timer->link = slot;
    if (timer->next != NULL)
        timer->next->link = &timer->next;
    *slot = timer;
    wheel->used[level] |= UINT64_C(1) << digit;
}

/* Leaves the bit of the slot: the next look at it finds out. */
void io_wheel_remove(struct io_timer *timer)
{
    if (timer->link == NULL)
        return;
    *timer->link = timer->next;
    if (timer->next != NULL)
        timer->next->link = timer->link;
    timer->next = NULL;
    timer->link = NULL;
}

/* The first slot that has timers; drops the bits of those that have none any more. */
static bool find_first(struct io_wheel *wheel, unsigned *out_level, unsigned *out_digit)
{
    for (unsigned level = 0; level < IO_WHEEL_LEVELS; level++) {
        while (wheel->used[level] != 0) {
            unsigned digit = (unsigned)__builtin_ctzll(wheel->used[level]);
            if (wheel->slots[level][digit] != NULL) {
                *out_level = level;
                *out_digit = digit;
                return true;
            }
            wheel->used[level] &= wheel->used[level] - 1;
        }
    }
    return false;
}

/* When the time of a slot begins. */
static uint64_t slot_ms(const struct io_wheel *wheel, unsigned level, unsigned digit)
{
    unsigned shift = level * IO_WHEEL_BITS;
    uint64_t above = wheel->now_ms >> (shift + IO_WHEEL_BITS) << (shift + IO_WHEEL_BITS);
    return above | (uint64_t)digit << shift;
}

uint64_t io_wheel_next_ms(struct io_wheel *wheel)
{
    unsigned level, digit;
    if (!find_first(wheel, &level, &digit))
        return UINT64_MAX;
    return slot_ms(wheel, level, digit);
}

/* One by one: a timer's callback may stop, or start, any other. */
static void fire_slot(struct io_wheel *wheel, unsigned digit)
{
    struct io_timer *timer;
    while ((timer = wheel->slots[0][digit]) != NULL && timer->at_ms <= wheel->now_ms) {
        io_wheel_remove(timer);
        timer->on_fire(timer);
    }
}

static void spread_slot(struct io_wheel *wheel, unsigned level, unsigned digit)
{
    struct io_timer *timer;
    while ((timer = wheel->slots[level][digit]) != NULL) {
        io_wheel_remove(timer);
        io_wheel_insert(wheel, timer);
    }
}

void io_wheel_advance(struct io_wheel *wheel, uint64_t now_ms)
{
    unsigned level, digit;
    while (find_first(wheel, &level, &digit)) {
        uint64_t begins_ms = slot_ms(wheel, level, digit);
        if (begins_ms > now_ms)
            break;
        wheel->now_ms = begins_ms;
        if (level == 0)
            fire_slot(wheel, digit);
        else
            spread_slot(wheel, level, digit);
    }
    if (wheel->now_ms < now_ms)
        wheel->now_ms = now_ms;
}
