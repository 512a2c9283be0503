/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for one test, in a folder of their own, which is the working folder meanwhile: so
 * that diagnostics name them without a path. */
#pragma once

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "steering/base/file.h"

struct pki_pair {
    X509 *certificate;
    EVP_PKEY *key;
};

struct pki {
    char folder[64];
    char before[4096];
    struct pki_pair authority, stranger; /* "ca.pem", "other.pem" */
    long serial;
};

struct pki_wish {
    const char *file;        /* FILE.crt and FILE.key */
    const char *names;       /* "DNS:a.example,DNS:*.b.example"; NULL: none */
    bool is_rsa, is_foreign; /* the stranger's */
    long from_s, until_s;    /* from now; both 0: an hour around */
};

static inline EVP_PKEY *pki_key(bool is_rsa)
{
    EVP_PKEY *key = is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    assert(key != NULL);
    return key;
}

static inline void pki_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert(extension != NULL && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* Without an issuer: its own, an authority. */
static inline struct pki_pair pki_sign(struct pki *pki, const char *subject,
                                       const struct pki_pair *issuer, const struct pki_wish *wish)
{
    struct pki_pair made = { .certificate = X509_new(), .key = pki_key(wish->is_rsa) };
    const struct pki_pair *by = issuer != NULL ? issuer : &made;
    assert(made.certificate != NULL && X509_set_version(made.certificate, 2) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++pki->serial);
    bool is_dated = wish->from_s != 0 || wish->until_s != 0;
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), is_dated ? wish->from_s : -3600);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), is_dated ? wish->until_s : 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)subject, -1, -1, 0);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(by->certificate));
    X509_set_pubkey(made.certificate, made.key);
    pki_extend(made.certificate, by->certificate, NID_basic_constraints,
               issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (wish->names != NULL)
        pki_extend(made.certificate, by->certificate, NID_subject_alt_name, wish->names);
    assert(X509_sign(made.certificate, by->key, EVP_sha256()) > 0);
    return made;
}

static inline void pki_pair_fini(struct pki_pair *pair)
{
    X509_free(pair->certificate);
    EVP_PKEY_free(pair->key);
}

static inline void pki_write_certificate(const char *path, X509 *certificate)
{
    FILE *file = fopen(path, "w");
    assert(file != NULL);
    int written = PEM_write_X509(file, certificate), closed = fclose(file);
    assert(written == 1 && closed == 0);
}

static inline void pki_write_key(const char *path, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");
    assert(file != NULL);
    int written = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    int closed = fclose(file);
    assert(written == 1 && closed == 0 && chmod(path, 0600) == 0);
}

static inline void pki_write_text(const char *path, const char *text)
{
    assert(file_replace(path, str_from(text), false) == ERR_OK);
}

static inline void pki_issue(struct pki *pki, const struct pki_wish *wish)
{
    char path[128];
    struct pki_pair made =
        pki_sign(pki, wish->file, wish->is_foreign ? &pki->stranger : &pki->authority, wish);
    snprintf(path, sizeof(path), "%s.crt", wish->file);
    pki_write_certificate(path, made.certificate);
    snprintf(path, sizeof(path), "%s.key", wish->file);
    pki_write_key(path, made.key);
    pki_pair_fini(&made);
}

static inline struct pki *pki_new(void)
{
    struct pki *pki = calloc(1, sizeof(*pki));
    const struct pki_wish plain = { .until_s = 7200 };
    assert(pki != NULL && getcwd(pki->before, sizeof(pki->before)) != NULL);
    snprintf(pki->folder, sizeof(pki->folder), "/tmp/steer-pki-test-XXXXXX");
    assert(mkdtemp(pki->folder) != NULL && chdir(pki->folder) == 0);
    pki->authority = pki_sign(pki, "test authority", NULL, &plain);
    pki->stranger = pki_sign(pki, "another authority", NULL, &plain);
    pki_write_certificate("ca.pem", pki->authority.certificate);
    pki_write_certificate("other.pem", pki->stranger.certificate);
    return pki;
}

static inline void pki_free(struct pki *pki)
{
    DIR *folder = opendir(".");
    assert(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (entry->d_name[0] != '.')
            remove(entry->d_name);
    closedir(folder);
    assert(chdir(pki->before) == 0 && rmdir(pki->folder) == 0);
    pki_pair_fini(&pki->authority);
    pki_pair_fini(&pki->stranger);
    free(pki);
}
