/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "tests/unit/pop/tls/engine_pair.h"
#include "tests/unit/pop/tls/pki.h"

/* Two servers of the fleet, and a client that goes from one to the other. */
static struct pki *pki;
static const struct tls_certificate_files files = { "a.crt", "a.key" };
static const struct tls_certificate_files pop_files = { "pop.crt", "pop.key" };

static int setup(void **state)
{
    (void)state;
    pki = pki_new();
    pki_issue(pki, &(struct pki_wish){ .file = "a", .names = "DNS:a.example,DNS:b.example" });
    pki_issue(pki, &(struct pki_wish){ .file = "pop", .names = "DNS:gru1.pop.steer" });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pki_free(pki);
    return 0;
}

static struct ticket_keys keys_of(const char *text)
{
    struct diag diag;
    struct ticket_keys keys;
    diag_init(&diag);
    assert_int_equal(ticket_keys_parse(str_from(text), &diag, &keys), ERR_OK);
    diag_fini(&diag);
    return keys;
}

#define ID_A "000102030405060708090a0b0c0d0e0f"
#define ID_B "100102030405060708090a0b0c0d0e0f"
#define SECRET(digit)                                                                              \
    digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit
#define SECRET_A SECRET("0123abcd")
#define SECRET_B SECRET("4567cdef")

static struct tls_context *server_new(const struct ticket_keys *keys, bool demands)
{
    struct diag diag;
    struct tls_context *context = NULL;
    const struct tls_server_settings settings = {
        .certificates = &files,
        .certificate_count = 1,
        .is_http2 = true,
        .session_s = 3600,
        .client_ca = demands ? "ca.pem" : NULL,
    };
    diag_init(&diag);
    assert_int_equal(tls_server_new(&settings, keys, (int64_t)time(NULL), &diag, &context), ERR_OK);
    diag_fini(&diag);
    return context;
}

static struct tls_context *client_new(void)
{
    struct diag diag;
    struct tls_context *context = NULL;
    const struct tls_client_settings settings = {
        .ca = "ca.pem", .is_verified = true, .is_http2 = true, .certificate = pop_files
    };
    diag_init(&diag);
    assert_int_equal(tls_client_new(&settings, &diag, &context), ERR_OK);
    diag_fini(&diag);
    return context;
}

/* One connection: was it resumed? */
static bool visit(struct tls_context *client, struct tls_context *server, const char *name)
{
    struct engine_pair pair = engine_pair_new(client, server, name);
    engine_pair_shake(&pair, 1 << 20);
    assert_true(engine_pair_is_done(&pair));
    bool is_resumed = tls_info(pair.server).is_resumed;
    assert_int_equal(tls_info(pair.client).is_resumed, is_resumed);
    engine_pair_fini(&pair);
    return is_resumed;
}

static void test_sessions_resume_by_name(void **state)
{
    (void)state;
    struct tls_context *client = client_new(), *server = server_new(NULL, false);
    assert_false(visit(client, server, "a.example"));
    assert_true(visit(client, server, "a.example"));
    assert_true(visit(client, server, "a.example"));
    assert_false(visit(client, server, "b.example"));
    tls_context_unref(client);
    tls_context_unref(server);
}

static void test_sessions_resume_across_the_fleet(void **state)
{
    (void)state;
    struct ticket_keys keys = keys_of("current " ID_A " " SECRET_A "\n");
    struct tls_context *client = client_new();
    struct tls_context *one = server_new(&keys, false), *two = server_new(&keys, false);
    struct tls_context *stranger = server_new(NULL, false);
    assert_false(visit(client, one, "a.example"));
    assert_true(visit(client, two, "a.example"));
    assert_false(visit(client, stranger, "a.example"));
    tls_context_unref(one);
    tls_context_unref(two);
    tls_context_unref(stranger);
    tls_context_unref(client);
}

/* The names of a verified client survive in the ticket; a public ticket opens no private door. */
static void test_resumed_clients_keep_their_names(void **state)
{
    (void)state;
    struct ticket_keys keys = keys_of("current " ID_A " " SECRET_A "\n");
    struct tls_context *client = client_new(), *public = server_new(&keys, false);
    struct tls_context *private = server_new(&keys, true);
    assert_false(visit(client, public, "a.example"));
    assert_false(visit(client, private, "a.example"));
    struct engine_pair pair = engine_pair_new(client, private, "a.example");
    engine_pair_shake(&pair, 1 << 20);
    assert_true(engine_pair_is_done(&pair));
    assert_true(tls_info(pair.server).is_resumed);
    assert_true(tls_peer_has_name(pair.server, STR("gru1.pop.steer")));
    assert_true(tls_peer_has_name(pair.client, STR("a.example")));
    engine_pair_fini(&pair);
    tls_context_unref(public);
    tls_context_unref(private);
    tls_context_unref(client);
}

/* next -> current -> previous -> gone, on two servers that are never changed together. */
static void test_rotation_interrupts_nothing(void **state)
{
    (void)state;
    static const char *const steps[] = {
        "current " ID_A " " SECRET_A "\n",
        "current " ID_A " " SECRET_A "\nnext " ID_B " " SECRET_B "\n",
        "previous " ID_A " " SECRET_A "\ncurrent " ID_B " " SECRET_B "\n",
        "current " ID_B " " SECRET_B "\n",
    };
    struct ticket_keys keys = keys_of(steps[0]);
    struct tls_context *client = client_new();
    struct tls_context *one = server_new(&keys, false), *two = server_new(&keys, false);
    assert_false(visit(client, one, "a.example"));
    for (size_t i = 1; i < ARRAY_SIZE(steps); i++) {
        keys = keys_of(steps[i]);
        tls_context_set_keys(one, &keys);
        assert_true(visit(client, one, "a.example"));
        assert_true(visit(client, two, "a.example"));
        tls_context_set_keys(two, &keys);
        assert_true(visit(client, two, "a.example"));
        assert_true(visit(client, one, "a.example"));
    }
    tls_context_unref(one);
    tls_context_unref(two);
    tls_context_unref(client);
}

static void test_forgotten_keys_fall_back_to_full_handshakes(void **state)
{
    (void)state;
    struct ticket_keys keys = keys_of("current " ID_A " " SECRET_A "\n");
    struct tls_context *client = client_new(), *server = server_new(&keys, false);
    assert_false(visit(client, server, "a.example"));
    keys = keys_of("current " ID_B " " SECRET_B "\n");
    tls_context_set_keys(server, &keys);
    assert_false(visit(client, server, "a.example"));
    /* The same id with another secret: a mistake of the operator, and no failure. */
    keys = keys_of("current " ID_B " " SECRET_A "\n");
    tls_context_set_keys(server, &keys);
    assert_false(visit(client, server, "a.example"));
    assert_true(visit(client, server, "a.example"));
    tls_context_unref(server);
    tls_context_unref(client);
}

/* ---- hostile input --------------------------------------------------------------------------- */

/* Flips one byte of what one side says, at every depth of the handshake. */
static void test_garbled_handshakes_fail_cleanly(void **state)
{
    (void)state;
    struct tls_context *client = client_new(), *server = server_new(NULL, false);
    for (size_t at = 0; at < 700; at += 3) {
        struct engine_pair pair = engine_pair_new(client, server, "a.example");
        assert_int_equal(tls_handshake(pair.client), TLS_WANTS_INPUT);
        struct str hello = tls_take(pair.client);
        uint8_t *copy = mem_dup(hello.ptr, hello.len);
        copy[at % hello.len] ^= (uint8_t)(1u << at % 8);
        tls_feed(pair.server, copy, hello.len);
        enum tls_status status = tls_handshake(pair.server);
        assert_int_not_equal(status, TLS_OK);
        if (status == TLS_FAILED)
            assert_true(tls_reason(pair.server)[0] != '\0');
        tls_feed(pair.server, NULL, 0);
        free(copy);
        engine_pair_fini(&pair);
    }
    tls_context_unref(client);
    tls_context_unref(server);
}

static void test_garbled_records_fail_the_engine(void **state)
{
    (void)state;
    struct tls_context *client = client_new(), *server = server_new(NULL, false);
    for (size_t at = 0; at < 120; at++) {
        struct engine_pair pair = engine_pair_new(client, server, "a.example");
        engine_pair_shake(&pair, 1 << 20);
        assert_true(engine_pair_is_done(&pair));
        assert_true(
            tls_write(pair.client, (const uint8_t *)"0123456789012345678901234567890", 31, 16384));
        struct str record = tls_take(pair.client);
        uint8_t *copy = mem_dup(record.ptr, record.len), out[100];
        size_t got = 0;
        copy[at % record.len] ^= 0x10;
        tls_feed(pair.server, copy, record.len);
        enum tls_status status = tls_read(pair.server, out, sizeof(out), &got);
        /* A longer length waits for the rest; everything else is found out. */
        assert_true(status == TLS_FAILED || status == TLS_WANTS_INPUT);
        assert_int_equal(got, 0);
        if (status == TLS_FAILED) {
            assert_true(tls_take(pair.server).len > 0); /* an alert */
            assert_false(tls_write(pair.server, out, 1, 16384));
            assert_int_equal(tls_read(pair.server, out, sizeof(out), &got), TLS_FAILED);
        }
        tls_feed(pair.server, NULL, 0);
        free(copy);
        engine_pair_fini(&pair);
    }
    tls_context_unref(client);
    tls_context_unref(server);
}

static void test_end_is_told_after_the_data(void **state)
{
    (void)state;
    struct tls_context *client = client_new(), *server = server_new(NULL, false);
    struct engine_pair pair = engine_pair_new(client, server, "a.example");
    uint8_t out[100];
    size_t got = 0;
    engine_pair_shake(&pair, 3);
    assert_true(tls_write(pair.client, (const uint8_t *)"last", 4, 16384));
    tls_end(pair.client);
    tls_end(pair.client); /* once is enough */
    struct str said = tls_take(pair.client);
    tls_feed(pair.server, (const uint8_t *)said.ptr, said.len);
    assert_int_equal(tls_read(pair.server, out, sizeof(out), &got), TLS_OK);
    assert_int_equal(got, 4);
    assert_int_equal(tls_read(pair.server, out, sizeof(out), &got), TLS_ENDED);
    assert_int_equal(tls_read(pair.server, out, sizeof(out), &got), TLS_ENDED);
    /* The other direction stays open. */
    assert_true(tls_write(pair.server, (const uint8_t *)"more", 4, 16384));
    said = tls_take(pair.server);
    tls_feed(pair.client, (const uint8_t *)said.ptr, said.len);
    assert_int_equal(tls_read(pair.client, out, sizeof(out), &got), TLS_OK);
    assert_int_equal(got, 4);
    assert_false(tls_write(pair.client, out, 1, 16384));
    engine_pair_fini(&pair);
    tls_context_unref(client);
    tls_context_unref(server);
}

/* A peer of OpenSSL's own that changes keys all the time. */
static enum tls_status flood(unsigned updates, size_t bytes_between)
{
    struct tls_context *server = server_new(NULL, false);
    struct tls_engine *engine = tls_server_engine(server);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(context);
    static uint8_t bytes[1 << 20];
    static const unsigned char h2[] = { 2, 'h', '2' };
    SSL_set_alpn_protos(ssl, h2, sizeof(h2));
    BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, to_client, to_server);
    SSL_set_connect_state(ssl);
    enum tls_status status = TLS_WANTS_INPUT;
    for (unsigned i = 0; i < updates + 4 && status != TLS_FAILED; i++) {
        uint8_t *data;
        if (SSL_is_init_finished(ssl))
            SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
        if (SSL_do_handshake(ssl) == 1 && bytes_between > 0)
            SSL_write(ssl, bytes, (int)bytes_between);
        long len = BIO_get_mem_data(to_server, &data);
        tls_feed(engine, data, (size_t)len);
        status = tls_handshake(engine);
        size_t got = 0;
        while (status == TLS_OK)
            status = tls_read(engine, bytes, sizeof(bytes), &got);
        tls_feed(engine, NULL, 0);
        (void)BIO_reset(to_server);
        struct str said = tls_take(engine);
        BIO_write(to_client, said.ptr, (int)said.len);
        tls_sent(engine, said.len);
        uint8_t byte;
        (void)SSL_read(ssl, &byte, 1);
    }
    tls_engine_free(engine);
    SSL_free(ssl);
    SSL_CTX_free(context);
    tls_context_unref(server);
    return status;
}

static void test_key_update_floods_are_bounded(void **state)
{
    (void)state;
    assert_int_equal(flood(20, 0), TLS_WANTS_INPUT);
    assert_int_equal(flood(100, 0), TLS_FAILED);
    assert_int_equal(flood(100, 10), TLS_FAILED);
    assert_int_equal(flood(100, 1 << 20), TLS_WANTS_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_resume_by_name),
        cmocka_unit_test(test_sessions_resume_across_the_fleet),
        cmocka_unit_test(test_resumed_clients_keep_their_names),
        cmocka_unit_test(test_rotation_interrupts_nothing),
        cmocka_unit_test(test_forgotten_keys_fall_back_to_full_handshakes),
        cmocka_unit_test(test_garbled_handshakes_fail_cleanly),
        cmocka_unit_test(test_garbled_records_fail_the_engine),
        cmocka_unit_test(test_end_is_told_after_the_data),
        cmocka_unit_test(test_key_update_floods_are_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
