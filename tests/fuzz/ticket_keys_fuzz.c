/* SPDX-License-Identifier: Apache-2.0 */
/* Files of ticket keys: what is taken comes back from the text that is written of it; what is
 * refused says why, and never shows a secret. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "pop/tls/ticket_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round(const struct ticket_keys *keys)
{
    struct diag diag;
    struct buf text;
    struct ticket_keys again;
    diag_init(&diag);
    buf_init(&text, 1 << 16);
    for (size_t i = 0; i < keys->count; i++)
        ticket_key_format(&keys->items[i], &text);
    enum err err = ticket_keys_parse(buf_str(&text), &diag, &again);
    assert(err == ERR_OK && again.count == keys->count);
    for (size_t i = 0; i < keys->count; i++) {
        assert(again.items[i].role == keys->items[i].role);
        assert(memcmp(again.items[i].id, keys->items[i].id, TICKET_ID_BYTES) == 0);
        assert(memcmp(again.items[i].secret, keys->items[i].secret, TICKET_SECRET_BYTES) == 0);
    }
    assert(keys->items[0].role == TICKET_KEY_CURRENT);
    buf_fini(&text);
    diag_fini(&diag);
}

/* No run of hexadecimal digits as long as a secret. */
static void check_discretion(const struct diag *diag)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    diag_format(diag, &text);
    size_t run = 0;
    for (size_t i = 0; i < text.len; i++) {
        run = strchr("0123456789abcdefABCDEF", text.bytes[i]) != NULL && text.bytes[i] != '\0'
                  ? run + 1
                  : 0;
        assert(run < (size_t)2 * TICKET_ID_BYTES);
    }
    buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct diag diag;
    struct ticket_keys keys;
    diag_init(&diag);
    struct str text = { .ptr = (const char *)data, .len = size };
    enum err err = ticket_keys_parse(text, &diag, &keys);
    assert((err == ERR_OK) == !diag_has_errors(&diag));
    if (err == ERR_OK)
        check_round(&keys);
    check_discretion(&diag);
    diag_fini(&diag);
    return 0;
}
