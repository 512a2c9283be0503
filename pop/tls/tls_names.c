/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/tls_priv.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include "steering/base/mem.h"

enum { KINDS = 3, NAME_MAX_BYTES = 255 };
static const int kinds[KINDS] = { EVP_PKEY_EC, EVP_PKEY_RSA, EVP_PKEY_ED25519 };

/* A name in one certificate; of wildcards, what follows "*.". */
struct claim {
    char *name;
    bool is_wildcard;
    size_t identity;
    SSL_CTX *ssl_context; /* after building: what serves the name; borrowed from a variant */
};

/* Certificates that serve together: at most one of each kind; SIZE_MAX: none. */
struct variant {
    size_t identities[KINDS];
    SSL_CTX *ssl_context;
};

struct tls_names {
    struct claim *claims; /* sorted; several of one name stand together, by identity */
    size_t count, capacity;
    struct variant *variants;
    size_t variant_count, variant_capacity;
};

/* ---- collecting ------------------------------------------------------------------------------ */

static int compare_name(const struct claim *a, const char *name, bool is_wildcard)
{
    if (a->is_wildcard != is_wildcard)
        return a->is_wildcard ? 1 : -1;
    return strcmp(a->name, name);
}

static int claim_compare(const struct claim *a, const struct claim *b)
{
    return compare_name(a, b->name, b->is_wildcard);
}

static int claim_compare_all(const void *left, const void *right)
{
    const struct claim *a = left, *b = right;
    int order = claim_compare(a, b);
    if (order != 0)
        return order;
    return a->identity < b->identity ? -1 : a->identity > b->identity;
}

static void add_claim(struct tls_names *names, size_t identity, const unsigned char *text, int len)
{
    if (len <= 0 || len > NAME_MAX_BYTES || memchr(text, '\0', (size_t)len) != NULL)
        return;
    bool is_wildcard = len > 2 && text[0] == '*' && text[1] == '.';
    size_t skipped = is_wildcard ? 2 : 0;
    char *name = mem_strndup((const char *)text + skipped, (size_t)len - skipped);
    for (char *at = name; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    names->claims = mem_grow(names->claims, names->count, &names->capacity, sizeof(*names->claims));
    names->claims[names->count++] =
        (struct claim){ .name = name, .is_wildcard = is_wildcard, .identity = identity };
}

/* Clients have stopped looking at the subject's common name long ago, but when nothing else is
 * there it says at least which certificate was meant. */
static void add_common_name(struct tls_names *names, size_t identity, const X509 *leaf)
{
    const X509_NAME *subject = X509_get_subject_name(leaf);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (at < 0)
        return;
    const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));
    add_claim(names, identity, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
}

static void add_claims(struct tls_names *names, size_t identity, const X509 *leaf)
{
    GENERAL_NAMES *found = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    size_t before = names->count;
    for (int i = 0; i < sk_GENERAL_NAME_num(found); i++) {
        const GENERAL_NAME *item = sk_GENERAL_NAME_value(found, i);
        if (item->type == GEN_DNS)
            add_claim(names, identity, ASN1_STRING_get0_data(item->d.dNSName),
                      ASN1_STRING_length(item->d.dNSName));
    }
    GENERAL_NAMES_free(found);
    if (names->count == before)
        add_common_name(names, identity, leaf);
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The first claim of exactly this name, or NULL. */
static const struct claim *find_claim(const struct tls_names *names, const char *name,
                                      bool is_wildcard)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare_name(&names->claims[middle], name, is_wildcard) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_found = low < names->count && compare_name(&names->claims[low], name, is_wildcard) == 0;
    return is_found ? &names->claims[low] : NULL;
}

/* A wildcard stands for exactly one label. */
static const struct claim *find_wildcard(const struct tls_names *names, const char *name)
{
    const char *dot = strchr(name, '.');
    if (dot == NULL || dot == name)
        return NULL;
    return find_claim(names, dot + 1, true);
}

SSL_CTX *tls_names_find(const struct tls_names *names, struct str name)
{
    char text[NAME_MAX_BYTES + 1];
    if (name.len > 0 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > NAME_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < name.len; i++)
        text[i] = (char)tolower((unsigned char)name.ptr[i]);
    text[name.len] = '\0';
    const struct claim *claim = find_claim(names, text, false);
    if (claim == NULL)
        claim = find_wildcard(names, text);
    return claim != NULL ? claim->ssl_context : NULL;
}

SSL_CTX *tls_names_default(const struct tls_names *names)
{
    return names->variants[0].ssl_context;
}

/* ---- building -------------------------------------------------------------------------------- */

static size_t kind_index(int kind)
{
    size_t at = 0;
    while (at + 1 < KINDS && kinds[at] != kind)
        at++;
    assert(kinds[at] == kind); /* others were refused when they were loaded */
    return at;
}

static void offer(const struct tls_names *names, const struct tls_identity *identities,
                  const struct claim *first, size_t chosen[KINDS])
{
    if (first == NULL)
        return;
    const struct claim *end = names->claims + names->count;
    for (const struct claim *at = first; at < end && claim_compare(at, first) == 0; at++) {
        size_t kind = kind_index(identities[at->identity].kind);
        if (chosen[kind] == SIZE_MAX)
            chosen[kind] = at->identity;
    }
}

/* Of each kind the first certificate with the name itself, else one whose wildcard covers it. */
static void choose(const struct tls_names *names, const struct tls_identity *identities,
                   const struct claim *claim, size_t out_chosen[KINDS])
{
    for (size_t i = 0; i < KINDS; i++)
        out_chosen[i] = SIZE_MAX;
    offer(names, identities, find_claim(names, claim->name, claim->is_wildcard), out_chosen);
    if (!claim->is_wildcard)
        offer(names, identities, find_wildcard(names, claim->name), out_chosen);
}

static enum err fill_context(SSL_CTX *ssl_context, const struct tls_identity *identities,
                             const size_t chosen[KINDS], struct diag *diag)
{
    for (size_t i = 0; i < KINDS; i++) {
        if (chosen[i] == SIZE_MAX)
            continue;
        const struct tls_identity *identity = &identities[chosen[i]];
        ERR_clear_error();
        if (SSL_CTX_use_cert_and_key(ssl_context, identity->leaf, identity->key, identity->chain,
                                     1) != 1)
            return diag_error(diag, 0, 0, "OpenSSL refuses certificate %zu of the list: %s",
                              chosen[i] + 1, ERR_reason_error_string(ERR_peek_last_error()));
    }
    return ERR_OK;
}

struct build {
    const struct tls_identity *identities;
    SSL_CTX *(*make)(void *owner);
    void *owner;
    struct diag *diag;
};

static enum err variant_for(struct tls_names *names, const struct build *build,
                            const size_t chosen[KINDS], SSL_CTX **out_context)
{
    for (size_t i = 0; i < names->variant_count; i++) {
        if (memcmp(names->variants[i].identities, chosen, KINDS * sizeof(chosen[0])) == 0) {
            *out_context = names->variants[i].ssl_context;
            return ERR_OK;
        }
    }
    names->variants = mem_grow(names->variants, names->variant_count, &names->variant_capacity,
                               sizeof(*names->variants));
    struct variant *variant = &names->variants[names->variant_count++];
    memcpy(variant->identities, chosen, sizeof(variant->identities));
    variant->ssl_context = *out_context = build->make(build->owner);
    return fill_context(variant->ssl_context, build->identities, chosen, build->diag);
}

/* The default is the first certificate, with those of other kinds that share its first name. */
static enum err make_default(struct tls_names *names, const struct build *build)
{
    size_t chosen[KINDS] = { SIZE_MAX, SIZE_MAX, SIZE_MAX };
    SSL_CTX *ssl_context;
    for (size_t i = 0; i < names->count; i++) {
        if (names->claims[i].identity == 0) {
            choose(names, build->identities, &names->claims[i], chosen);
            break;
        }
    }
    chosen[kind_index(build->identities[0].kind)] = 0;
    return variant_for(names, build, chosen, &ssl_context);
}

static enum err make_variants(struct tls_names *names, const struct build *build)
{
    enum err err = make_default(names, build);
    for (size_t i = 0; err == ERR_OK && i < names->count; i++) {
        size_t chosen[KINDS];
        choose(names, build->identities, &names->claims[i], chosen);
        err = variant_for(names, build, chosen, &names->claims[i].ssl_context);
    }
    return err;
}

enum err tls_names_new(const struct tls_identity *identities, size_t count,
                       SSL_CTX *(*make)(void *owner), void *owner, struct diag *diag,
                       struct tls_names **out_names)
{
    assert(count > 0);
    struct tls_names *names = mem_calloc(1, sizeof(*names));
    const struct build build = {
        .identities = identities, .make = make, .owner = owner, .diag = diag
    };
    for (size_t i = 0; i < count; i++)
        add_claims(names, i, identities[i].leaf);
    if (names->count > 0)
        qsort(names->claims, names->count, sizeof(*names->claims), claim_compare_all);
    enum err err = make_variants(names, &build);
    if (err != ERR_OK)
        tls_names_free(names);
    else
        *out_names = names;
    return err;
}

void tls_names_free(struct tls_names *names)
{
    if (names == NULL)
        return;
    for (size_t i = 0; i < names->count; i++)
        free(names->claims[i].name);
    for (size_t i = 0; i < names->variant_count; i++)
        SSL_CTX_free(names->variants[i].ssl_context);
    free(names->claims);
    free(names->variants);
    free(names);
}
