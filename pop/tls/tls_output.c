/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/tls_priv.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

static void output_free(struct tls_output *output)
{
    free(output->bytes);
    free(output);
}

void tls_outputs_fini(struct tls_outputs *pool)
{
    while (pool->free_outputs != NULL) {
        struct tls_output *output = pool->free_outputs;
        pool->free_outputs = output->next;
        output_free(output);
    }
    pool->free_count = 0;
}

static struct tls_output *output_take(struct tls_outputs *pool)
{
    struct tls_output *output = pool->free_outputs;
    if (output == NULL) {
        output = mem_calloc(1, sizeof(*output));
        output->bytes = mem_resize(NULL, TLS_OUTPUT_BYTES, 1);
        output->capacity = TLS_OUTPUT_BYTES;
        return output;
    }
    pool->free_outputs = output->next;
    pool->free_count--;
    return output;
}

void tls_output_append(struct tls_outputs *pool, struct tls_output **output, const void *bytes,
                       size_t len)
{
    if (*output == NULL)
        *output = output_take(pool);
    struct tls_output *to = *output;
    if (to->len + len > to->capacity) {
        size_t capacity = to->capacity < TLS_OUTPUT_BYTES ? TLS_OUTPUT_BYTES : to->capacity;
        while (to->len + len > capacity)
            capacity *= 2;
        to->bytes = mem_resize(to->bytes, capacity, 1);
        to->capacity = capacity;
    }
    memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
}

void tls_output_release(struct tls_outputs *pool, struct tls_output **output)
{
    struct tls_output *from = *output;
    *output = NULL;
    if (from == NULL)
        return;
    if (pool->free_count == TLS_OUTPUTS_FREE_MAX || from->capacity != TLS_OUTPUT_BYTES) {
        output_free(from);
        return;
    }
    from->at = from->len = 0;
    from->next = pool->free_outputs;
    pool->free_outputs = from;
    pool->free_count++;
}

void tls_output_shrink(struct tls_output *output)
{
    size_t len = output->len - output->at;
    if (len == output->capacity)
        return;
    memmove(output->bytes, output->bytes + output->at, len);
    output->at = 0;
    output->len = output->capacity = len;
    output->bytes = mem_resize(output->bytes, len, 1);
}
