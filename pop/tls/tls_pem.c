/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/tls_priv.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "steering/base/clock.h"
#include "steering/base/file.h"

enum { FILE_MAX_BYTES = 4 * 1024 * 1024, RSA_MIN_BITS = 2048 };
/* A certificate is due when it has less than two weeks and less than a quarter of its life left. */
enum { DUE_S = 14 * 24 * 3600, DUE_SHARE = 4 };

/* The file named in `diag` and, when it can be read, a BIO over its bytes in `text`. */
static enum err open_pem(const char *path, const char *what, struct diag *diag, struct buf *text,
                         BIO **out_bio)
{
    buf_init(text, FILE_MAX_BYTES);
    diag_set_file(diag, path);
    enum err err = file_read(path, text);
    if (err == ERR_TOO_LARGE)
        return diag_error(diag, 0, 0, "larger than %d MiB: this is no %s", FILE_MAX_BYTES >> 20,
                          what);
    if (err != ERR_OK)
        return diag_errno(diag, errno, "cannot read the %s", what);
    /* OpenSSL takes no bytes at all for a mistake. */
    *out_bio = BIO_new_mem_buf(text->len > 0 ? (const char *)text->bytes : "", (int)text->len);
    assert(*out_bio != NULL);
    return ERR_OK;
}

static void close_pem(struct diag *diag, struct buf *text, BIO *bio)
{
    BIO_free(bio);
    if (text->bytes != NULL)
        OPENSSL_cleanse(text->bytes, text->capacity);
    buf_fini(text);
    diag_set_file(diag, NULL);
    ERR_clear_error();
}

/* For messages: what kind of PEM block the file begins with; empty when there is none. */
static struct str first_label(const struct buf *text)
{
    static const char begin[] = "-----BEGIN ";
    const char *found =
        text->len > 0 ? memmem(text->bytes, text->len, begin, sizeof(begin) - 1) : NULL;
    if (found == NULL)
        return STR("");
    found += sizeof(begin) - 1;
    size_t left = (size_t)((const char *)text->bytes + text->len - found), len = 0;
    while (len < left && len < 40 && found[len] != '-' && found[len] != '\n')
        len++;
    return (struct str){ .ptr = found, .len = len };
}

static enum err refuse_pem(const struct buf *text, const char *expected, const char *advice,
                           struct diag *diag)
{
    struct str label = first_label(text);
    if (text->len == 0)
        return diag_error(diag, 0, 0, "the file is empty; expected %s", expected);
    if (label.len == 0)
        return diag_error(diag, 0, 0, "no PEM block ('-----BEGIN ...') in this file; expected %s%s",
                          expected, advice);
    return diag_error(diag, 0, 0, "holds '%.*s'; expected %s%s", STR_ARG(label), expected, advice);
}

/* ---- certificates ---------------------------------------------------------------------------- */

/* All certificates of the file, in its order. A damaged block is an error, not the end. */
static enum err read_certificates(BIO *bio, const struct buf *text, struct diag *diag,
                                  STACK_OF(X509) * out)
{
    ERR_clear_error();
    for (;;) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (certificate == NULL)
            break;
        sk_X509_push(out, certificate);
    }
    unsigned long code = ERR_peek_last_error();
    bool is_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    if (!is_end)
        return diag_error(diag, 0, 0, "certificate %d is damaged (%s); export it again as PEM",
                          sk_X509_num(out) + 1, ERR_reason_error_string(code));
    if (sk_X509_num(out) == 0)
        return refuse_pem(text, "a certificate ('-----BEGIN CERTIFICATE-----')",
                          "; keys belong into a file of their own", diag);
    return ERR_OK;
}

static enum err load_certificates(const char *path, struct diag *diag,
                                  STACK_OF(X509) * *out_certificates)
{
    struct buf text;
    BIO *bio = NULL;
    STACK_OF(X509) *certificates = sk_X509_new_null();
    assert(certificates != NULL);
    enum err err = open_pem(path, "certificate", diag, &text, &bio);
    if (err == ERR_OK)
        err = read_certificates(bio, &text, diag, certificates);
    close_pem(diag, &text, bio);
    if (err != ERR_OK)
        sk_X509_pop_free(certificates, X509_free);
    else
        *out_certificates = certificates;
    return err;
}

enum err tls_authorities_load(const char *path, struct diag *diag,
                              STACK_OF(X509) * *out_certificates)
{
    return load_certificates(path, diag, out_certificates);
}

static int64_t unix_of(const ASN1_TIME *moment)
{
    struct tm broken_down;
    if (ASN1_TIME_to_tm(moment, &broken_down) != 1)
        return 0;
    return (int64_t)timegm(&broken_down);
}

int64_t tls_file_expiry(const char *path, bool is_of_authorities)
{
    struct diag diag;
    STACK_OF(X509) *certificates = NULL;
    int64_t found = 0;
    diag_init(&diag);
    if (load_certificates(path, &diag, &certificates) == ERR_OK)
        found = unix_of(X509_get0_notAfter(sk_X509_value(certificates, 0)));
    for (int i = 1; i < sk_X509_num(certificates); i++) {
        int64_t until = unix_of(X509_get0_notAfter(sk_X509_value(certificates, i)));
        if ((until > found) == is_of_authorities)
            found = until;
    }
    sk_X509_pop_free(certificates, X509_free);
    diag_fini(&diag);
    return found;
}

static bool is_due(int64_t from, int64_t until, int64_t now_unix_s)
{
    int64_t left = until - now_unix_s;
    return left < DUE_S && left < (until - from) / DUE_SHARE;
}

static void warn_of_dates(const X509 *leaf, int64_t now_unix_s, struct diag *diag)
{
    char text[CLOCK_TEXT_MAX], left[CLOCK_TEXT_MAX];
    int64_t from = unix_of(X509_get0_notBefore(leaf)), until = unix_of(X509_get0_notAfter(leaf));
    if (until < now_unix_s)
        diag_warning(diag, 0, 0, "the certificate expired at %s; clients will refuse it",
                     clock_format_s(until, text));
    else if (from <= now_unix_s && is_due(from, until, now_unix_s))
        diag_warning(diag, 0, 0, "the certificate expires at %s, in %s; renew it, then reload",
                     clock_format_s(until, text), clock_format_age(until - now_unix_s, left));
    else if (from > now_unix_s)
        diag_warning(diag, 0, 0, "the certificate is not valid before %s",
                     clock_format_s(from, text));
}

static void warn_of_order(X509 *leaf, STACK_OF(X509) * chain, struct diag *diag)
{
    X509 *below = leaf;
    for (int i = 0; i < sk_X509_num(chain); i++) {
        X509 *above = sk_X509_value(chain, i);
        if (X509_check_issued(above, below) != X509_V_OK) {
            diag_warning(diag, 0, 0,
                         "certificate %d of the file did not issue certificate %d; the order is "
                         "leaf first, then its issuer, and so on",
                         i + 2, i + 1);
            return;
        }
        below = above;
    }
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* A daemon has nobody to ask. */
static int on_password(char *out, int capacity, int is_writing, void *seen)
{
    (void)capacity;
    (void)is_writing;
    out[0] = '\0';
    *(bool *)seen = true;
    return -1;
}

static enum err read_key(BIO *bio, const struct buf *text, struct diag *diag, EVP_PKEY **out_key)
{
    bool wants_password = false;
    ERR_clear_error();
    *out_key = PEM_read_bio_PrivateKey(bio, NULL, on_password, &wants_password);
    if (*out_key != NULL)
        return ERR_OK;
    if (wants_password)
        return diag_error(diag, 0, 0,
                          "the key is protected by a password, which nobody could type; "
                          "'openssl pkey -in FILE -out FILE2' takes it off");
    return refuse_pem(text, "a private key ('-----BEGIN PRIVATE KEY-----')", "", diag);
}

static void warn_of_readers(const char *path, struct diag *diag)
{
    struct stat found;
    if (stat(path, &found) == 0 && (found.st_mode & S_IROTH) != 0)
        diag_warning(diag, 0, 0,
                     "everybody on this machine can read this key; chmod 640 (or 600) it");
}

static enum err load_key(const char *path, struct diag *diag, EVP_PKEY **out_key)
{
    struct buf text;
    BIO *bio = NULL;
    enum err err = open_pem(path, "private key", diag, &text, &bio);
    if (err == ERR_OK)
        err = read_key(bio, &text, diag, out_key);
    if (err == ERR_OK)
        warn_of_readers(path, diag);
    close_pem(diag, &text, bio);
    return err;
}

/* ---- both ------------------------------------------------------------------------------------ */

static enum err check_kind(const struct tls_identity *identity, struct diag *diag)
{
    int bits = EVP_PKEY_get_bits(identity->key);
    if (identity->kind == EVP_PKEY_RSA && bits < RSA_MIN_BITS)
        return diag_error(diag, 0, 0, "RSA with %d bits is too weak; at least %d", bits,
                          RSA_MIN_BITS);
    if (identity->kind != EVP_PKEY_RSA && identity->kind != EVP_PKEY_EC &&
        identity->kind != EVP_PKEY_ED25519)
        return diag_error(diag, 0, 0, "this kind of key cannot be served; use P-256 or RSA");
    return ERR_OK;
}

static enum err check_pair(const struct tls_certificate_files *files, int64_t now_unix_s,
                           const struct tls_identity *identity, struct diag *diag)
{
    diag_set_file(diag, files->key);
    enum err err = ERR_OK;
    if (X509_check_private_key(identity->leaf, identity->key) != 1)
        err = diag_error(diag, 0, 0,
                         "the key does not belong to the certificate in '%s'; both must come from "
                         "the same request",
                         files->certificate);
    if (err == ERR_OK)
        err = check_kind(identity, diag);
    diag_set_file(diag, files->certificate);
    if (err == ERR_OK && now_unix_s != 0)
        warn_of_dates(identity->leaf, now_unix_s, diag);
    if (err == ERR_OK)
        warn_of_order(identity->leaf, identity->chain, diag);
    diag_set_file(diag, NULL);
    ERR_clear_error();
    return err;
}

enum err tls_identity_load(const struct tls_certificate_files *files, int64_t now_unix_s,
                           struct diag *diag, struct tls_identity *out_identity)
{
    struct tls_identity identity = { .kind = EVP_PKEY_NONE };
    enum err err = load_certificates(files->certificate, diag, &identity.chain);
    if (err == ERR_OK)
        identity.leaf = sk_X509_shift(identity.chain);
    /* Both files are looked at in one run. */
    enum err key_err = load_key(files->key, diag, &identity.key);
    if (err == ERR_OK)
        err = key_err;
    if (err != ERR_OK)
        goto out;
    identity.kind = EVP_PKEY_get_base_id(identity.key);
    err = check_pair(files, now_unix_s, &identity, diag);
    if (err != ERR_OK)
        goto out;
    *out_identity = identity;
    identity = (struct tls_identity){ .kind = EVP_PKEY_NONE }; /* moved to the caller */
out:
    tls_identity_fini(&identity);
    return err;
}

void tls_identity_check_use(const struct tls_identity *identity, X509_STORE *trusted,
                            const char *name, struct diag *diag)
{
    unsigned flags = X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    assert(context != NULL);
    bool is_begun = X509_STORE_CTX_init(context, trusted, identity->leaf, identity->chain) == 1;
    X509_STORE_CTX_set_flags(context, X509_V_FLAG_NO_CHECK_TIME); /* dates are another warning */
    if (is_begun && X509_verify_cert(context) != 1)
        diag_warning(diag, 0, 0,
                     "the certificate is from none of the authorities that this node trusts (%s); "
                     "others that trust the same will refuse it",
                     X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    if (X509_check_host(identity->leaf, name, strlen(name), flags, NULL) != 1)
        diag_warning(diag, 0, 0,
                     "the certificate does not name '%s', by which others know this site; they "
                     "will refuse it",
                     name);
    X509_STORE_CTX_free(context);
    ERR_clear_error();
}

void tls_identity_fini(struct tls_identity *identity)
{
    X509_free(identity->leaf);
    sk_X509_pop_free(identity->chain, X509_free);
    EVP_PKEY_free(identity->key);
    *identity = (struct tls_identity){ .kind = EVP_PKEY_NONE };
}
