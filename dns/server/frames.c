/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/frames.h"

#include <assert.h>

enum { PREFIX_BYTES = 2, MESSAGE_MAX_BYTES = 65535 };

void frames_init(struct frames *frames)
{
    *frames = (struct frames){ .fresh = NULL };
    buf_init(&frames->kept, FRAMES_FEED_MAX + PREFIX_BYTES + MESSAGE_MAX_BYTES);
}

void frames_fini(struct frames *frames)
{
    buf_fini(&frames->kept);
}

void frames_feed(struct frames *frames, const uint8_t *bytes, size_t len)
{
    assert(frames->fresh_len == 0 && len <= FRAMES_FEED_MAX);
    frames->fresh = bytes;
    frames->fresh_len = len;
}

static size_t kept_len(const struct frames *frames)
{
    return frames->kept.len - frames->kept_at;
}

bool frames_is_empty(const struct frames *frames)
{
    return kept_len(frames) == 0 && frames->fresh_len == 0;
}

/* Octets of the message in front with its prefix, as far as known: at least the prefix. */
static size_t wanted(const uint8_t *bytes, size_t len)
{
    return len < PREFIX_BYTES ? PREFIX_BYTES : PREFIX_BYTES + ((size_t)bytes[0] << 8 | bytes[1]);
}

/* Moves fresh bytes behind the kept ones until the message in front of those is whole. */
static bool complete_kept(struct frames *frames)
{
    for (;;) {
        size_t have = kept_len(frames);
        size_t want = wanted(frames->kept.bytes + frames->kept_at, have);
        if (have >= want && have >= PREFIX_BYTES)
            return true;
        size_t take = want - have < frames->fresh_len ? want - have : frames->fresh_len;
        if (take == 0)
            return false;
        buf_append(&frames->kept, frames->fresh, take);
        assert(!frames->kept.is_overflown);
        frames->fresh += take;
        frames->fresh_len -= take;
    }
}

static bool hand_out(struct frames *frames, const uint8_t *bytes, const uint8_t **out_message,
                     size_t *out_len)
{
    size_t len = wanted(bytes, PREFIX_BYTES) - PREFIX_BYTES;
    if (len == 0) {
        frames->is_broken = true;
        return false;
    }
    *out_message = bytes + PREFIX_BYTES;
    *out_len = len;
    return true;
}

bool frames_next(struct frames *frames, const uint8_t **out_message, size_t *out_len)
{
    if (frames->is_broken)
        return false;
    if (kept_len(frames) > 0) {
        if (!complete_kept(frames))
            return false;
        const uint8_t *front = frames->kept.bytes + frames->kept_at;
        frames->kept_at += wanted(front, PREFIX_BYTES);
        return hand_out(frames, front, out_message, out_len);
    }
    const uint8_t *front = frames->fresh;
    if (frames->fresh_len < PREFIX_BYTES || frames->fresh_len < wanted(front, PREFIX_BYTES))
        return false;
    frames->fresh += wanted(front, PREFIX_BYTES);
    frames->fresh_len -= wanted(front, PREFIX_BYTES);
    return hand_out(frames, front, out_message, out_len);
}

/* Most connections have nothing left over most of the time: then they own no memory either. */
void frames_settle(struct frames *frames)
{
    buf_consume(&frames->kept, frames->kept_at);
    frames->kept_at = 0;
    if (frames->fresh_len > 0)
        buf_append(&frames->kept, frames->fresh, frames->fresh_len);
    assert(!frames->kept.is_overflown);
    frames->fresh_len = 0;
    if (frames->kept.len == 0) {
        size_t max_bytes = frames->kept.max_bytes;
        buf_fini(&frames->kept);
        buf_init(&frames->kept, max_bytes);
    }
}
