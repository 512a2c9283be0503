/* SPDX-License-Identifier: Apache-2.0 */
/* What engines of a context share: spare buffers, and sessions to resume. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pop/tls/tls_priv.h"
#include "steering/base/mem.h"

enum { MORE = TLS_OUTPUTS_FREE_MAX + 2 };

static void test_outputs_keep_a_few(void **state)
{
    (void)state;
    struct tls_outputs pool = { .free_count = 0 };
    for (int round = 0; round < 3; round++) {
        struct tls_output *outputs[MORE] = { NULL };
        for (size_t i = 0; i < MORE; i++) {
            size_t spare = pool.free_count;
            tls_output_append(&pool, &outputs[i], "x", 1);
            assert_int_equal(pool.free_count, spare > 0 ? spare - 1 : 0);
            assert_int_equal(outputs[i]->at, 0);
            assert_int_equal(outputs[i]->len, 1);
        }
        for (size_t i = 0; i < MORE; i++) {
            tls_output_release(&pool, &outputs[i]);
            assert_null(outputs[i]);
            assert_int_equal(pool.free_count,
                             i < TLS_OUTPUTS_FREE_MAX ? i + 1 : TLS_OUTPUTS_FREE_MAX);
        }
        tls_output_release(&pool, &outputs[0]);
        assert_int_equal(pool.free_count, TLS_OUTPUTS_FREE_MAX);
    }
    tls_outputs_fini(&pool);
    assert_int_equal(pool.free_count, 0);
}

static void test_outputs_of_another_size_are_not_kept(void **state)
{
    (void)state;
    struct tls_outputs pool = { .free_count = 0 };
    struct tls_output *output = NULL;
    static uint8_t bytes[TLS_OUTPUT_BYTES + 1];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    tls_output_append(&pool, &output, bytes, TLS_OUTPUT_BYTES);
    assert_int_equal(output->capacity, TLS_OUTPUT_BYTES);
    tls_output_append(&pool, &output, bytes + TLS_OUTPUT_BYTES, 1);
    assert_true(output->capacity > TLS_OUTPUT_BYTES);
    assert_memory_equal(output->bytes, bytes, sizeof(bytes));
    output->at = sizeof(bytes) - 2; /* all but the last two are sent */
    tls_output_shrink(output);
    assert_int_equal(output->capacity, 2);
    assert_memory_equal(output->bytes, bytes + sizeof(bytes) - 2, 2);
    tls_output_append(&pool, &output, bytes, 3); /* and grows again */
    assert_int_equal(output->len, 5);
    assert_memory_equal(output->bytes, bytes + sizeof(bytes) - 2, 2);
    assert_memory_equal(output->bytes + 2, bytes, 3);
    tls_output_append(&pool, &output, bytes, TLS_OUTPUT_BYTES);
    tls_output_release(&pool, &output);
    assert_int_equal(pool.free_count, 0);
    tls_outputs_fini(&pool);
}

static SSL_SESSION *session_of(uint8_t id)
{
    SSL_SESSION *session = SSL_SESSION_new();
    assert_int_equal(SSL_SESSION_set1_id(session, &id, 1), 1);
    return session;
}

/* The one that nobody has asked for the longest goes. */
static void test_sessions_forget_the_oldest(void **state)
{
    (void)state;
    struct tls_sessions sessions = { .count = 0 };
    char name[16];
    assert_null(tls_sessions_find(&sessions, "0"));
    for (unsigned i = 0; i < TLS_SESSIONS_MAX; i++) {
        snprintf(name, sizeof(name), "%u", i);
        tls_sessions_put(&sessions, name, session_of(1));
    }
    assert_non_null(tls_sessions_find(&sessions, "0")); /* so "1" is the oldest now */
    tls_sessions_put(&sessions, "more", session_of(2));
    assert_int_equal(sessions.count, TLS_SESSIONS_MAX);
    assert_non_null(tls_sessions_find(&sessions, "0"));
    assert_null(tls_sessions_find(&sessions, "1"));
    SSL_SESSION *newer = session_of(3);
    tls_sessions_put(&sessions, "0", newer); /* in the place of the one before */
    assert_ptr_equal(tls_sessions_find(&sessions, "0"), newer);
    assert_non_null(tls_sessions_find(&sessions, "more"));
    tls_sessions_put(&sessions, "0", SSL_SESSION_new()); /* nothing to resume with */
    assert_null(tls_sessions_find(&sessions, "0"));
    tls_sessions_fini(&sessions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs_keep_a_few),
        cmocka_unit_test(test_outputs_of_another_size_are_not_kept),
        cmocka_unit_test(test_sessions_forget_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
