/* SPDX-License-Identifier: Apache-2.0 */
/* The document: the dynamic steering state, one JSON value with an epoch and a generation.
 *
 * Shape:     { "v":1, "epoch":"01J…", "gen":418,
 *              "op":{"id":"01J…","who":"ana","why":"INC-4411","at":1795224000},
 *              "regions":{"us-east":{"mode":"evacuated","stray":"proxy"}},
 *              "pops":{"iad2":{"mode":"draining"}},
 *              "shifts":[…], "pins":[…], "assign":{…}, "topology":"sha256:…" }
 *            A site that is not listed is active. Unknown fields are kept and written back.
 * Threads:   a document belongs to one thread until it is published in a snapshot; then it is
 *            immutable.
 * Ownership: document_free; texts are borrowed from it.
 * Limits:    DOCUMENT_MAX_BYTES of text, canonical or not, DOCUMENT_GENERATION_MAX, names of 255
 * bytes.
 */
#pragma once

#include "steering/base/diag.h"
#include "steering/base/digest.h"
#include "steering/base/json.h"
#include "steering/base/ulid.h"
#include "steering/model/site.h"

enum { DOCUMENT_MAX_BYTES = 1 << 20, DOCUMENT_VERSION = 1 };
/* What every JSON reader in the world can hold exactly. */
#define DOCUMENT_GENERATION_MAX ((uint64_t)1 << 53)

enum mode { MODE_ACTIVE, MODE_DRAINING, MODE_EVACUATED, MODE_RESTORING, MODE_OFFLINE };

const char *mode_name(enum mode mode);
bool mode_parse(struct str text, enum mode *out_mode);
/* May new clients be sent there? (active and restoring) */
bool mode_is_usable(enum mode mode);
/* "proxy", "serve" or "refuse": what a PoP does with strays of an evacuated region. */
bool stray_is_known(struct str text);

struct document_site {
    struct str name;
    enum mode mode;
    struct str stray; /* "proxy", "serve", "refuse", or empty */
    struct str who, why;
    int64_t since_unix_s; /* 0: not stated */
};

struct document {
    uint64_t generation;
    struct str epoch;
    struct str op_id, op_who, op_why;
    int64_t op_at_unix_s;
    struct str topology;      /* digest text, may be empty */
    struct str adopted_epoch; /* "adopt":{"from":"01H…"}: the epoch this one takes over, or empty */
    struct document_site *sites[2]; /* by enum site_kind */
    size_t site_count[2];
    json_t *value; /* the whole */
};

/* ERR_SYNTAX; ERR_TOO_LARGE: beyond DOCUMENT_MAX_BYTES as it is or in canonical form.
 * Parses and checks: version, epoch, generation, types, modes. Refuses (ERR_INVALID, with the
 * reason in `diag`) what this program could not carry out: other versions, non-empty "shifts",
 * "pins", "assign", "ramp" and unknown words in "must_understand". */
MUST_USE enum err document_parse(struct str text, struct diag *diag,
                                 struct document **out_document);
/* The same checks on a value that exists already; takes ownership of `value`, also on failure. */
MUST_USE enum err document_from_value(json_t *value, struct diag *diag,
                                      struct document **out_document);
void document_free(struct document *document); /* accepts NULL */
/* Generation 0: everything active. */
struct document *document_new(const char *epoch);
/* Canonical text. */
void document_format(const struct document *document, struct buf *out);
/* The field of `document->value` that holds the sites of `kind`: "regions" or "pops". */
const char *document_sites_key(enum site_kind kind);
struct digest document_digest(const struct document *document);
/* MODE_ACTIVE for sites that are not listed. */
enum mode document_mode(const struct document *document, enum site_kind kind, struct str name);
const struct document_site *document_find_site(const struct document *document, enum site_kind kind,
                                               struct str name);
