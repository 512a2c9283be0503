/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <time.h>

#include "tests/unit/pop/tls/engine_pair.h"
#include "tests/unit/pop/tls/pki.h"

static struct pki *pki;
static int64_t began_unix_s;

static void write_chain(const char *path, const char *const *files, size_t count)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        assert_int_equal(file_read(files[i], &text), ERR_OK);
        fwrite(text.bytes, 1, text.len, file);
        buf_fini(&text);
    }
    fclose(file);
}

static void write_protected_key(void)
{
    char password[] = "secret";
    EVP_PKEY *key = pki_key(false);
    FILE *file = fopen("locked.key", "w");
    assert_non_null(file);
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), password, 6, NULL, NULL), 1);
    fclose(file);
    EVP_PKEY_free(key);
}

static void write_weak_pair(void)
{
    EVP_PKEY *key = EVP_RSA_gen(1024);
    struct pki_pair made =
        pki_sign(pki, "weak", &pki->authority, &(struct pki_wish){ .names = "DNS:a.example" });
    X509_set_pubkey(made.certificate, key);
    assert_true(X509_sign(made.certificate, pki->authority.key, EVP_sha256()) > 0);
    pki_write_certificate("weak.crt", made.certificate);
    pki_write_key("weak.key", key);
    EVP_PKEY_free(key);
    pki_pair_fini(&made);
}

static int setup(void **state)
{
    (void)state;
    began_unix_s = (int64_t)time(NULL);
    pki = pki_new();
    pki_issue(pki, &(struct pki_wish){ .file = "a", .names = "DNS:a.example" });
    pki_issue(pki, &(struct pki_wish){ .file = "b", .names = "DNS:b.example" });
    pki_issue(pki, &(struct pki_wish){
                       .file = "old", .names = "DNS:a.example", .from_s = -99, .until_s = -9 });
    pki_issue(pki, &(struct pki_wish){
                       .file = "early", .names = "DNS:a.example", .from_s = 99, .until_s = 999 });
    pki_issue(pki, &(struct pki_wish){ .file = "open", .names = "DNS:a.example" });
    assert_int_equal(chmod("open.key", 0644), 0);
    pki_issue(pki, &(struct pki_wish){ .file = "nameless" });
    pki_issue(pki, &(struct pki_wish){
                       .file = "due", .names = "DNS:a.example", .from_s = -4800, .until_s = 1000 });
    write_chain("misordered.crt", (const char *[]){ "a.crt", "other.pem", "ca.pem" }, 3);
    write_chain("chain.crt", (const char *[]){ "ca.pem", "a.crt", "due.crt", "b.crt" }, 4);
    write_protected_key();
    write_weak_pair();
    pki_write_text("empty", "");
    pki_write_text("text", "Dear reader,\n");
    pki_write_text("damaged", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pki_free(pki);
    return 0;
}

static enum err try_server(const struct tls_server_settings *settings, struct buf *out_text)
{
    struct diag diag;
    struct tls_context *context = NULL;
    diag_init(&diag);
    enum err err = tls_server_new(settings, NULL, (int64_t)time(NULL), &diag, &context);
    assert_int_equal(err == ERR_OK, context != NULL);
    assert_int_equal(err == ERR_OK, !diag_has_errors(&diag));
    diag_format(&diag, out_text);
    tls_context_unref(context);
    diag_fini(&diag);
    return err;
}

static void test_server_new_says_what_is_wrong_with_the_files(void **state)
{
    (void)state;
    static const struct {
        const char *certificate, *key;
        bool is_good;
        const char *message; /* NULL: nothing at all is said */
    } rows[] = {
        { "a.crt", "a.key", true, NULL },
        { "nameless.crt", "nameless.key", true, NULL },
        { "old.crt", "old.key", true, "old.crt: warning: the certificate expired at 20" },
        { "due.crt", "due.key", true, "due.crt: warning: the certificate expires at 20" },
        { "early.crt", "early.key", true, "early.crt: warning: the certificate is not valid" },
        { "open.crt", "open.key", true, "open.key: warning: everybody on this machine can read" },
        { "misordered.crt", "a.key", true,
          "misordered.crt: warning: certificate 2 of the file did not issue certificate 1" },
        { "a.crt", "b.key", false,
          "b.key: error: the key does not belong to the certificate in "
          "'a.crt'" },
        { "gone.crt", "a.key", false, "gone.crt: error: cannot read the certificate: No such" },
        { "a.crt", "gone.key", false, "gone.key: error: cannot read the private key: No such" },
        { "a.key", "a.key", false, "a.key: error: holds 'PRIVATE KEY'; expected a certificate" },
        { "a.crt", "a.crt", false, "a.crt: error: holds 'CERTIFICATE'; expected a private key" },
        { "empty", "a.key", false, "empty: error: the file is empty; expected a certificate" },
        { "text", "a.key", false, "text: error: no PEM block" },
        { "damaged", "a.key", false, "damaged: error: certificate 1 is damaged" },
        { "a.crt", "locked.key", false, "locked.key: error: the key is protected by a password" },
        { "weak.crt", "weak.key", false, "weak.key: error: RSA with 1024 bits is too weak" },
        { "/dev/zero", "a.key", false, "/dev/zero: error: larger than 4 MiB" },
        { ".", "a.key", false, ".: error: cannot read the certificate: Is a directory" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct buf text;
        const struct tls_certificate_files files = { rows[i].certificate, rows[i].key };
        const struct tls_server_settings settings = { .certificates = &files,
                                                      .certificate_count = 1,
                                                      .is_http1 = true };
        buf_init(&text, 65536);
        assert_int_equal(try_server(&settings, &text) == ERR_OK, rows[i].is_good);
        if (rows[i].message == NULL)
            assert_string_equal(buf_text(&text), "");
        else if (strstr(buf_text(&text), rows[i].message) == NULL)
            fail_msg("%s, %s says: %s", rows[i].certificate, rows[i].key, buf_text(&text));
        buf_fini(&text);
    }
}

static void test_server_new_tells_all_mistakes_at_once(void **state)
{
    (void)state;
    struct buf text;
    const struct tls_certificate_files files[] = { { "gone.crt", "gone.key" },
                                                   { "a.crt", "b.key" } };
    const struct tls_server_settings settings = {
        .certificates = files,
        .certificate_count = 2,
        .ciphers = "NO-SUCH-CIPHER",
        .client_ca = "text",
    };
    buf_init(&text, 65536);
    assert_int_not_equal(try_server(&settings, &text), ERR_OK);
    assert_non_null(strstr(buf_text(&text), "gone.crt: error"));
    assert_non_null(strstr(buf_text(&text), "gone.key: error"));
    assert_non_null(strstr(buf_text(&text), "b.key: error"));
    assert_non_null(strstr(buf_text(&text), "no cipher in 'NO-SUCH-CIPHER'"));
    assert_non_null(strstr(buf_text(&text), "text: error: no PEM block"));
    buf_fini(&text);
}

/* A chain is good until its first certificate expires, a bundle of authorities until its last. */
static void test_file_expiry(void **state)
{
    static const struct {
        const char *path;
        bool is_of_authorities;
        int64_t left_s; /* 0: no answer */
    } rows[] = {
        { "a.crt", false, 3600 },     { "a.crt", true, 3600 },     { "ca.pem", true, 7200 },
        { "chain.crt", false, 1000 }, { "chain.crt", true, 7200 }, { "old.crt", false, -9 },
        { "gone.crt", false, 0 },     { "a.key", false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t until = tls_file_expiry(rows[i].path, rows[i].is_of_authorities);
        int64_t expected = rows[i].left_s == 0 ? 0 : began_unix_s + rows[i].left_s;
        /* Made within the group's setup, which may take its time. */
        if (until < expected || until > expected + (rows[i].left_s == 0 ? 0 : 300))
            fail_msg("%s: %lld, not %lld", rows[i].path, (long long)until, (long long)expected);
    }
}

static void test_server_new_needs_a_certificate(void **state)
{
    (void)state;
    struct buf text;
    const struct tls_server_settings settings = { .is_http1 = true };
    buf_init(&text, 65536);
    assert_int_equal(try_server(&settings, &text), ERR_INVALID);
    assert_non_null(strstr(buf_text(&text), "at least one certificate"));
    buf_fini(&text);
}

static void test_client_new_says_what_is_wrong_with_the_files(void **state)
{
    (void)state;
    static const struct {
        const char *certificate, *key, *ca;
        const char *message; /* NULL: good */
    } rows[] = {
        { NULL, NULL, "ca.pem", NULL },
        { NULL, NULL, NULL, NULL },
        { "a.crt", "a.key", "ca.pem", NULL },
        { "old.crt", "old.key", "ca.pem", NULL },
        { "a.crt", "b.key", "ca.pem", "b.key: error: the key does not belong" },
        { NULL, NULL, "gone.pem", "gone.pem: error: cannot read the certificate" },
        { NULL, NULL, "a.key", "a.key: error: holds 'PRIVATE KEY'" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diag diag;
        struct buf text;
        struct tls_context *context = NULL;
        const struct tls_client_settings settings = {
            .certificate = { rows[i].certificate, rows[i].key },
            .ca = rows[i].ca,
            .is_verified = true,
            .is_http2 = true,
        };
        diag_init(&diag);
        buf_init(&text, 65536);
        enum err err = tls_client_new(&settings, &diag, &context);
        diag_format(&diag, &text);
        assert_int_equal(err == ERR_OK, rows[i].message == NULL);
        assert_int_equal(err == ERR_OK, context != NULL);
        if (rows[i].message == NULL)
            assert_string_equal(buf_text(&text), ""); /* without a clock no dates */
        if (rows[i].message != NULL && strstr(buf_text(&text), rows[i].message) == NULL)
            fail_msg("row %zu says: %s", i, buf_text(&text));
        tls_context_unref(context);
        buf_fini(&text);
        diag_fini(&diag);
    }
}

/* A certificate that the other ends would refuse is one that the operator should hear of. */
static void test_client_new_warns_of_a_certificate_that_peers_refuse(void **state)
{
    static const struct {
        const char *file, *ca, *own_name;
        const char *message; /* NULL: nothing to warn of */
    } rows[] = {
        { "a", "ca.pem", "a.example", NULL },
        { "a", "ca.pem", NULL, NULL },
        { "a", "ca.pem", "c.example", "a.crt: warning: the certificate does not name 'c.example'" },
        { "a", "other.pem", "a.example", "a.crt: warning: the certificate is from none of" },
        { "a", "other.pem", NULL, NULL },
        { "old", "ca.pem", "a.example", NULL },
        { "wild", "ca.pem", "x.wild.example", "wild.crt: warning: the certificate does not name" },
    };
    (void)state;
    pki_issue(pki, &(struct pki_wish){ .file = "wild", .names = "DNS:*.wild.example" });
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diag diag;
        struct buf text;
        struct tls_context *context = NULL;
        char certificate[64], key[64];
        snprintf(certificate, sizeof(certificate), "%s.crt", rows[i].file);
        snprintf(key, sizeof(key), "%s.key", rows[i].file);
        const struct tls_client_settings settings = { .certificate = { certificate, key },
                                                      .ca = rows[i].ca,
                                                      .is_verified = true,
                                                      .own_name = rows[i].own_name };
        diag_init(&diag);
        buf_init(&text, 65536);
        assert_int_equal(tls_client_new(&settings, &diag, &context), ERR_OK);
        diag_format(&diag, &text);
        bool is_right = rows[i].message == NULL ? text.len == 0
                                                : strstr(buf_text(&text), rows[i].message) != NULL;
        if (!is_right || diag.warning_count > 1)
            fail_msg("row %zu says: %s", i, buf_text(&text));
        tls_context_unref(context);
        buf_fini(&text);
        diag_fini(&diag);
    }
}

/* Idle engines hold no output; a context may go before its engines. */
static void test_engines_keep_their_context(void **state)
{
    (void)state;
    struct diag diag;
    struct tls_context *client = NULL;
    const struct tls_client_settings settings = { .is_http1 = true };
    diag_init(&diag);
    assert_int_equal(tls_client_new(&settings, &diag, &client), ERR_OK);
    struct tls_engine *one = tls_client_engine(client, "a.example");
    struct tls_engine *two = tls_client_engine(client, NULL);
    tls_context_unref(client);
    assert_int_equal(tls_take(one).len, 0);
    assert_int_equal(tls_handshake(one), TLS_WANTS_INPUT);
    assert_true(tls_take(one).len > 100);
    assert_int_equal(tls_handshake(two), TLS_WANTS_INPUT);
    tls_shrink(two);
    size_t len = tls_take(two).len;
    tls_sent(two, len - 1);
    tls_shrink(two);
    assert_int_equal(tls_take(two).len, 1);
    tls_sent(two, 1);
    assert_int_equal(tls_take(two).len, 0);
    tls_engine_free(one);
    tls_engine_free(two);
    tls_engine_free(NULL);
    tls_context_unref(NULL);
    diag_fini(&diag);
}

/* A name that no certificate can have must not become a connection without the check. */
static void test_client_engine_refuses_impossible_names(void **state)
{
    (void)state;
    struct diag diag;
    struct tls_context *client = NULL;
    const struct tls_client_settings settings = { .is_http1 = true, .is_verified = true };
    char name[400];
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    diag_init(&diag);
    assert_int_equal(tls_client_new(&settings, &diag, &client), ERR_OK);
    struct tls_engine *engine = tls_client_engine(client, name);
    assert_int_equal(tls_handshake(engine), TLS_FAILED);
    assert_true(tls_reason(engine)[0] != '\0');
    tls_engine_free(engine);
    tls_context_unref(client);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_new_says_what_is_wrong_with_the_files),
        cmocka_unit_test(test_server_new_tells_all_mistakes_at_once),
        cmocka_unit_test(test_file_expiry),
        cmocka_unit_test(test_server_new_needs_a_certificate),
        cmocka_unit_test(test_client_new_says_what_is_wrong_with_the_files),
        cmocka_unit_test(test_client_new_warns_of_a_certificate_that_peers_refuse),
        cmocka_unit_test(test_engines_keep_their_context),
        cmocka_unit_test(test_client_engine_refuses_impossible_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
