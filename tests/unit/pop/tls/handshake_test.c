/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/unit/pop/tls/engine_pair.h"
#include "tests/unit/pop/tls/pki.h"

static struct pki *pki;

static int setup(void **state)
{
    (void)state;
    pki = pki_new();
    pki_issue(pki, &(struct pki_wish){ .file = "ec", .names = "DNS:a.example,DNS:*.wild.example" });
    pki_issue(pki, &(struct pki_wish){ .file = "rsa",
                                       .names = "DNS:a.example,DNS:one.wild.example",
                                       .is_rsa = true });
    pki_issue(pki, &(struct pki_wish){ .file = "b", .names = "DNS:B.example,DNS:b2.example" });
    pki_issue(pki, &(struct pki_wish){ .file = "pop", .names = "DNS:gru1.pop.steer" });
    pki_issue(
        pki, &(struct pki_wish){ .file = "foreign", .names = "DNS:a.example", .is_foreign = true });
    pki_issue(pki,
              &(struct pki_wish){
                  .file = "old", .names = "DNS:a.example", .from_s = -7200, .until_s = -3600 });
    pki_issue(pki, &(struct pki_wish){ .file = "address", .names = "IP:192.0.2.1,IP:2001:db8::1" });
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pki_free(pki);
    return 0;
}

static const struct tls_certificate_files all_files[] = {
    { "ec.crt", "ec.key" },
    { "rsa.crt", "rsa.key" },
    { "b.crt", "b.key" },
};
static const struct tls_server_settings usual = {
    .certificates = all_files,
    .certificate_count = ARRAY_SIZE(all_files),
    .is_http2 = true,
    .is_http1 = true,
    .session_s = 3600,
};
static const struct tls_client_settings trusting = {
    .ca = "ca.pem", .is_verified = true, .is_http2 = true, .is_http1 = true
};

static struct tls_context *server_of(const struct tls_server_settings *settings,
                                     const struct ticket_keys *keys)
{
    struct diag diag;
    struct buf text;
    struct tls_context *context = NULL;
    diag_init(&diag);
    buf_init(&text, 65536);
    enum err err = tls_server_new(settings, keys, (int64_t)time(NULL), &diag, &context);
    diag_format(&diag, &text);
    if (err != ERR_OK)
        print_message("%s", buf_text(&text));
    assert_int_equal(err, ERR_OK);
    buf_fini(&text);
    diag_fini(&diag);
    return context;
}

static struct tls_context *client_of(const struct tls_client_settings *settings)
{
    struct diag diag;
    struct tls_context *context = NULL;
    diag_init(&diag);
    assert_int_equal(tls_client_new(settings, &diag, &context), ERR_OK);
    diag_fini(&diag);
    return context;
}

static struct engine_pair shake(const struct tls_client_settings *client_settings,
                                const struct tls_server_settings *server_settings, const char *name)
{
    struct tls_context *client = client_of(client_settings);
    struct tls_context *server = server_of(server_settings, NULL);
    struct engine_pair pair = engine_pair_new(client, server, name);
    engine_pair_shake(&pair, 1 << 20);
    tls_context_unref(client); /* the engines keep theirs */
    tls_context_unref(server);
    return pair;
}

static void assert_talks(struct engine_pair *pair)
{
    struct buf heard;
    buf_init(&heard, 100000);
    assert_true(tls_write(pair->client, (const uint8_t *)"ping", 4, 16384));
    engine_pass(pair->client, pair->server, 7, &heard);
    assert_string_equal(buf_text(&heard), "ping");
    buf_clear(&heard);
    assert_true(tls_write(pair->server, (const uint8_t *)"pong", 4, 16384));
    engine_pass(pair->server, pair->client, 7, &heard);
    assert_string_equal(buf_text(&heard), "pong");
    buf_fini(&heard);
}

/* ---- versions, ALPN -------------------------------------------------------------------------- */

static void test_handshake_versions_and_protocols(void **state)
{
    (void)state;
    static const struct {
        enum tls_version client_min, server_min;
        bool client_2, client_1, server_2, server_1;
        const char *alpn; /* NULL: must fail */
    } rows[] = {
        { TLS_VERSION_1_2, TLS_VERSION_1_2, true, true, true, true, "h2" },
        { TLS_VERSION_1_3, TLS_VERSION_1_3, true, false, true, false, "h2" },
        { TLS_VERSION_1_2, TLS_VERSION_1_3, false, true, true, true, "http/1.1" },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, true, true, false, true, "http/1.1" },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, false, false, true, true, "" },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, true, false, false, true, NULL },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, false, true, true, false, NULL },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, false, false, true, false, NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tls_server_settings server = usual;
        struct tls_client_settings client = trusting;
        server.min_version = rows[i].server_min;
        server.is_http2 = rows[i].server_2;
        server.is_http1 = rows[i].server_1;
        client.min_version = rows[i].client_min;
        client.is_http2 = rows[i].client_2;
        client.is_http1 = rows[i].client_1;
        struct engine_pair pair = shake(&client, &server, "a.example");
        assert_int_equal(engine_pair_is_done(&pair), rows[i].alpn != NULL);
        if (rows[i].alpn != NULL) {
            struct tls_info info = tls_info(pair.server);
            assert_true(info.is_tls && !info.is_resumed);
            assert_int_equal(info.version, TLS_VERSION_1_3);
            assert_true(str_eq_text(info.alpn, rows[i].alpn));
            assert_true(str_eq_text(info.server_name, "a.example"));
            assert_string_equal(info.cipher, "TLS_AES_128_GCM_SHA256");
            assert_talks(&pair);
        }
        engine_pair_fini(&pair);
    }
}

/* A client of TLS 1.2 only, of OpenSSL's own: our client contexts have no upper end. */
static SSL *old_client(const char *ciphers, const char *name)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_set_cipher_list(context, ciphers), 1);
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    char *copy = mem_strdup(name); /* not const: OpenSSL's macro casts */
    SSL_set_tlsext_host_name(ssl, copy);
    free(copy);
    SSL_set_connect_state(ssl);
    return ssl;
}

static enum tls_status old_pass(SSL *ssl, struct tls_engine *server)
{
    uint8_t bytes[20000];
    size_t len = 0;
    enum tls_status status = tls_handshake(server);
    if (BIO_read_ex(SSL_get_wbio(ssl), bytes, sizeof(bytes), &len) == 1) {
        tls_feed(server, bytes, len);
        status = tls_handshake(server);
        if (status == TLS_OK)
            status = tls_read(server, bytes, sizeof(bytes), &len);
    }
    struct str said = tls_take(server);
    if (said.len > 0) {
        BIO_write(SSL_get_rbio(ssl), said.ptr, (int)said.len);
        tls_sent(server, said.len);
    }
    return status;
}

static void test_handshake_tls_1_2_picks_certificate_by_cipher(void **state)
{
    (void)state;
    static const struct {
        const char *ciphers, *name, *expected;
    } rows[] = {
        { "ECDHE-ECDSA-AES128-GCM-SHA256", "a.example", "ECDHE-ECDSA-AES128-GCM-SHA256" },
        { "ECDHE-RSA-AES128-GCM-SHA256", "a.example", "ECDHE-RSA-AES128-GCM-SHA256" },
        { "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256", "a.example",
          "ECDHE-ECDSA-AES128-GCM-SHA256" },
        /* An exact name of one kind, a wildcard of the other. */
        { "ECDHE-RSA-AES128-GCM-SHA256", "one.wild.example", "ECDHE-RSA-AES128-GCM-SHA256" },
        { "ECDHE-ECDSA-AES128-GCM-SHA256", "one.wild.example", "ECDHE-ECDSA-AES128-GCM-SHA256" },
        { "ECDHE-RSA-AES128-GCM-SHA256", "two.wild.example", NULL },
        { "ECDHE-RSA-AES128-GCM-SHA256", "b.example", NULL },
        { "AES128-SHA", "a.example", NULL },
        { "DHE-RSA-AES128-GCM-SHA256", "a.example", NULL },
    };
    struct tls_context *context = server_of(&usual, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        SSL *ssl = old_client(rows[i].ciphers, rows[i].name);
        struct tls_engine *server = tls_server_engine(context);
        int result = -1;
        for (int round = 0; round < 5; round++) {
            result = SSL_do_handshake(ssl);
            if (old_pass(ssl, server) == TLS_FAILED)
                break;
        }
        assert_int_equal(result == 1, rows[i].expected != NULL);
        if (rows[i].expected != NULL) {
            assert_string_equal(SSL_get_cipher_name(ssl), rows[i].expected);
            assert_int_equal(tls_info(server).version, TLS_VERSION_1_2);
        } else {
            assert_string_equal(tls_reason(server), "no shared cipher");
        }
        tls_engine_free(server);
        SSL_free(ssl);
    }
    tls_context_unref(context);
}

static void test_handshake_renegotiation_is_refused(void **state)
{
    (void)state;
    struct tls_context *context = server_of(&usual, NULL);
    SSL *ssl = old_client("ECDHE-ECDSA-AES128-GCM-SHA256", "a.example");
    struct tls_engine *server = tls_server_engine(context);
    for (int round = 0; round < 4; round++) {
        SSL_do_handshake(ssl);
        old_pass(ssl, server);
    }
    assert_true(SSL_is_init_finished(ssl));
    assert_int_equal(SSL_renegotiate(ssl), 1);
    assert_int_not_equal(SSL_do_handshake(ssl), 1);
    enum tls_status status = old_pass(ssl, server);
    assert_true(status == TLS_WANTS_INPUT || status == TLS_FAILED);
    assert_int_not_equal(SSL_do_handshake(ssl), 1);
    tls_engine_free(server);
    SSL_free(ssl);
    tls_context_unref(context);
}

/* ---- certificates by name -------------------------------------------------------------------- */

static void test_handshake_certificate_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_done; /* the client checks the name */
        bool is_done_strict;
    } rows[] = {
        { "a.example", true, true },          { "A.Example", true, true },
        { "b.example", true, true },          { "b2.example", true, true },
        { "x.wild.example", true, true },     { "one.wild.example", true, true },
        { "x.y.wild.example", false, false }, { "wild.example", false, false },
        { "nowhere.example", false, false },  { "192.0.2.1", false, false },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
        bool is_strict = i >= ARRAY_SIZE(rows);
        size_t row = i % ARRAY_SIZE(rows);
        struct tls_server_settings server = usual;
        server.is_strict_sni = is_strict;
        struct engine_pair pair = shake(&trusting, &server, rows[row].name);
        assert_int_equal(engine_pair_is_done(&pair),
                         is_strict ? rows[row].is_done_strict : rows[row].is_done);
        engine_pair_fini(&pair);
    }
}

static void test_handshake_without_match_first_certificate_serves(void **state)
{
    (void)state;
    struct tls_client_settings client = trusting;
    client.is_verified = false;
    struct engine_pair pair = shake(&client, &usual, "nowhere.example");
    assert_true(engine_pair_is_done(&pair));
    assert_talks(&pair);
    engine_pair_fini(&pair);
    pair = shake(&client, &usual, NULL);
    assert_true(engine_pair_is_done(&pair));
    assert_int_equal(tls_info(pair.server).server_name.len, 0);
    engine_pair_fini(&pair);
}

/* ---- trust ----------------------------------------------------------------------------------- */

static void test_client_refuses_wrong_servers(void **state)
{
    (void)state;
    static const struct {
        const char *file, *ca, *name, *reason;
    } rows[] = {
        { "foreign", "ca.pem", "a.example", "unable to get local issuer certificate" },
        { "foreign", "other.pem", "a.example", NULL },
        { "ec", "other.pem", "a.example", "unable to get local issuer certificate" },
        { "ec", "ca.pem", "b.example", "hostname mismatch" },
        { "old", "ca.pem", "a.example", "certificate has expired" },
        { "address", "ca.pem", "192.0.2.1", NULL },
        { "address", "ca.pem", "2001:db8::1", NULL },
        { "address", "ca.pem", "192.0.2.2", "IP address mismatch" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char certificate[64], key[64];
        snprintf(certificate, sizeof(certificate), "%s.crt", rows[i].file);
        snprintf(key, sizeof(key), "%s.key", rows[i].file);
        const struct tls_certificate_files files = { certificate, key };
        struct tls_server_settings server = usual;
        struct tls_client_settings client = trusting;
        server.certificates = &files;
        server.certificate_count = 1;
        client.ca = rows[i].ca;
        struct engine_pair pair = shake(&client, &server, rows[i].name);
        assert_int_equal(engine_pair_is_done(&pair), rows[i].reason == NULL);
        if (rows[i].reason != NULL) {
            assert_non_null(strstr(tls_reason(pair.client), rows[i].reason));
            assert_non_null(strstr(tls_reason(pair.client), "certificate verify failed"));
            assert_int_equal(pair.server_status, TLS_FAILED); /* the alert arrived */
            assert_true(tls_reason(pair.server)[0] != '\0');
        }
        engine_pair_fini(&pair);
    }
}

static void test_server_demands_certificates(void **state)
{
    (void)state;
    static const struct {
        const char *certificate, *key;
        bool is_let_in;
    } rows[] = {
        { "pop.crt", "pop.key", true },
        { NULL, NULL, false },
        { "foreign.crt", "foreign.key", false },
        { "old.crt", "old.key", false },
    };
    struct tls_server_settings server = usual;
    server.client_ca = "ca.pem";
    server.min_version = TLS_VERSION_1_3;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tls_client_settings client = trusting;
        client.certificate = (struct tls_certificate_files){ rows[i].certificate, rows[i].key };
        struct engine_pair pair = shake(&client, &server, "a.example");
        /* In TLS 1.3 the client is done before the server has looked at it. */
        assert_int_equal(pair.server_status == TLS_OK, rows[i].is_let_in);
        assert_int_equal(tls_peer_has_name(pair.server, STR("gru1.pop.steer")), rows[i].is_let_in);
        assert_false(tls_peer_has_name(pair.server, STR("gru2.pop.steer")));
        if (rows[i].is_let_in) {
            assert_true(str_eq_text(tls_peer_name(pair.server, 0), "gru1.pop.steer"));
            assert_int_equal(tls_peer_name(pair.server, 1).len, 0);
            assert_true(str_eq_text(tls_peer_name(pair.client, 0), "a.example"));
            assert_true(str_eq_text(tls_peer_name(pair.client, 1), "*.wild.example"));
        } else {
            assert_int_equal(tls_peer_name(pair.server, 0).len, 0);
        }
        engine_pair_fini(&pair);
    }
}

static void test_peer_names_of_unverified_servers_are_not_told(void **state)
{
    (void)state;
    struct tls_client_settings client = trusting;
    client.is_verified = false;
    struct engine_pair pair = shake(&client, &usual, "a.example");
    assert_true(engine_pair_is_done(&pair));
    assert_int_equal(tls_peer_name(pair.client, 0).len, 0);
    assert_false(tls_peer_has_name(pair.client, STR("a.example")));
    engine_pair_fini(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_handshake_versions_and_protocols),
        cmocka_unit_test(test_handshake_tls_1_2_picks_certificate_by_cipher),
        cmocka_unit_test(test_handshake_renegotiation_is_refused),
        cmocka_unit_test(test_handshake_certificate_by_name),
        cmocka_unit_test(test_handshake_without_match_first_certificate_serves),
        cmocka_unit_test(test_client_refuses_wrong_servers),
        cmocka_unit_test(test_server_demands_certificates),
        cmocka_unit_test(test_peer_names_of_unverified_servers_are_not_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
