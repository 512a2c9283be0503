/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/http/hpack_static.h"

#include <string.h>

enum { NAME_MAX_BYTES = 27 };

struct row {
    uint8_t index, value_len;
    bool is_private;
    const char *name, *value;
};

/* By length of the name, then by index. */
static const struct row rows[HPACK_STATIC_COUNT] = {
    { 21, 0, true, "age", "" },
    { 60, 0, false, "via", "" },
    { 33, 0, false, "date", "" },
    { 34, 0, true, "etag", "" },
    { 37, 0, false, "from", "" },
    { 38, 0, false, "host", "" },
    { 45, 0, false, "link", "" },
    { 59, 0, false, "vary", "" },
    { 4, 1, true, ":path", "/" },
    { 5, 11, true, ":path", "/index.html" },
    { 22, 0, false, "allow", "" },
    { 50, 0, false, "range", "" },
    { 19, 0, false, "accept", "" },
    { 32, 0, false, "cookie", "" },
    { 35, 0, false, "expect", "" },
    { 54, 0, false, "server", "" },
    { 2, 3, false, ":method", "GET" },
    { 3, 4, false, ":method", "POST" },
    { 6, 4, false, ":scheme", "http" },
    { 7, 5, false, ":scheme", "https" },
    { 8, 3, false, ":status", "200" },
    { 9, 3, false, ":status", "204" },
    { 10, 3, false, ":status", "206" },
    { 11, 3, false, ":status", "304" },
    { 12, 3, false, ":status", "400" },
    { 13, 3, false, ":status", "404" },
    { 14, 3, false, ":status", "500" },
    { 36, 0, false, "expires", "" },
    { 51, 0, false, "referer", "" },
    { 52, 0, false, "refresh", "" },
    { 39, 0, false, "if-match", "" },
    { 42, 0, false, "if-range", "" },
    { 46, 0, true, "location", "" },
    { 1, 0, false, ":authority", "" },
    { 55, 0, false, "set-cookie", "" },
    { 58, 0, false, "user-agent", "" },
    { 53, 0, false, "retry-after", "" },
    { 31, 0, false, "content-type", "" },
    { 47, 0, false, "max-forwards", "" },
    { 18, 0, false, "accept-ranges", "" },
    { 23, 0, false, "authorization", "" },
    { 24, 0, false, "cache-control", "" },
    { 30, 0, false, "content-range", "" },
    { 41, 0, true, "if-none-match", "" },
    { 44, 0, false, "last-modified", "" },
    { 15, 0, false, "accept-charset", "" },
    { 28, 0, true, "content-length", "" },
    { 16, 13, false, "accept-encoding", "gzip, deflate" },
    { 17, 0, false, "accept-language", "" },
    { 26, 0, false, "content-encoding", "" },
    { 27, 0, false, "content-language", "" },
    { 29, 0, false, "content-location", "" },
    { 61, 0, false, "www-authenticate", "" },
    { 40, 0, true, "if-modified-since", "" },
    { 57, 0, false, "transfer-encoding", "" },
    { 48, 0, false, "proxy-authenticate", "" },
    { 25, 0, false, "content-disposition", "" },
    { 43, 0, false, "if-unmodified-since", "" },
    { 49, 0, false, "proxy-authorization", "" },
    { 56, 0, false, "strict-transport-security", "" },
    { 20, 0, false, "access-control-allow-origin", "" },
};

/* Where the names of each length begin. */
static const uint8_t starts[NAME_MAX_BYTES + 2] = { 0,  0,  0,  0,  2,  8,  12, 16, 30, 33,
                                                    33, 36, 37, 39, 45, 47, 49, 53, 55, 56,
                                                    59, 59, 59, 59, 59, 59, 60, 60, 61 };

static bool is_name(const struct row *row, struct str name)
{
    /* The last octet tells most names of one length apart. */
    return row->name[name.len - 1] == name.ptr[name.len - 1] &&
           memcmp(row->name, name.ptr, name.len) == 0;
}

struct hpack_static_match hpack_static_find(struct str name, struct str value)
{
    struct hpack_static_match match = { .index = 0 };
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return match;
    for (size_t i = starts[name.len]; i < starts[name.len + 1]; i++) {
        const struct row *row = &rows[i];
        if (!is_name(row, name))
            continue;
        bool is_whole =
            value.len == row->value_len && memcmp(value.ptr, row->value, value.len) == 0;
        if (match.index == 0 || is_whole)
            match = (struct hpack_static_match){ .index = row->index,
                                                 .is_whole = is_whole,
                                                 .is_private = row->is_private };
        if (is_whole)
            break;
    }
    return match;
}
