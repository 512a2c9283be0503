/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/tls_priv.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>

#include <openssl/bio.h>

/* One for the process; OpenSSL only reads it. */
static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static int on_read(BIO *bio, char *out, size_t capacity, size_t *out_len)
{
    struct tls_engine *engine = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (engine->input_len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    size_t len = engine->input_len < capacity ? engine->input_len : capacity;
    memcpy(out, engine->input, len);
    engine->input += len;
    engine->input_len -= len;
    *out_len = len;
    return 1;
}

/* Always takes everything: what has been encrypted must be sent in this order anyway, and the
 * transport encrypts no more than it may have unsent. */
static int on_write(BIO *bio, const char *bytes, size_t len, size_t *out_len)
{
    struct tls_engine *engine = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    tls_output_append(&engine->context->outputs, &engine->output, bytes, len);
    *out_len = len;
    return 1;
}

static long on_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int on_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "steer engine");
    bool is_made = method != NULL && BIO_meth_set_read_ex(method, on_read) == 1 &&
                   BIO_meth_set_write_ex(method, on_write) == 1 &&
                   BIO_meth_set_ctrl(method, on_control) == 1 &&
                   BIO_meth_set_create(method, on_create) == 1;
    assert(is_made); /* only memory can be short */
}

BIO *tls_bio_new(struct tls_engine *engine)
{
    pthread_once(&method_once, make_method);
    BIO *bio = BIO_new(method);
    assert(bio != NULL);
    BIO_set_data(bio, engine);
    return bio;
}
