/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/document.h"

#include <stdlib.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"

enum {
    TEXT_MAX_BYTES = 255,
    GROWTH_MAX = 8, /* canonical text is at most that much longer: "0.1," takes 20 bytes there */
};

static const char *const mode_names[] = {
    [MODE_ACTIVE] = "active",       [MODE_DRAINING] = "draining", [MODE_EVACUATED] = "evacuated",
    [MODE_RESTORING] = "restoring", [MODE_OFFLINE] = "offline",
};
static const char *const stray_names[] = { "proxy", "serve", "refuse" };

const char *mode_name(enum mode mode)
{
    return mode_names[mode];
}

bool mode_parse(struct str text, enum mode *out_mode)
{
    for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++) {
        if (!str_eq_text(text, mode_names[i]))
            continue;
        *out_mode = (enum mode)i;
        return true;
    }
    return false;
}

bool mode_is_usable(enum mode mode)
{
    return mode == MODE_ACTIVE || mode == MODE_RESTORING;
}

bool stray_is_known(struct str text)
{
    for (size_t i = 0; i < ARRAY_SIZE(stray_names); i++)
        if (str_eq_text(text, stray_names[i]))
            return true;
    return false;
}

const char *document_sites_key(enum site_kind kind)
{
    return kind == SITE_REGION ? "regions" : "pops";
}

/* ---- reading fields: absent is fine, the wrong type is not ------------------------------- */

/* `where` is "" or the path of the object with a final dot, for messages. */
struct reader {
    const json_t *object;
    const char *where;
    struct diag *diag;
};

static struct str read_text(const struct reader *reader, const char *key)
{
    const json_t *value = json_object_get(reader->object, key);
    struct str text = json_get_str(reader->object, key);
    if (value != NULL && !json_is_string(value))
        diag_error(reader->diag, 0, 0, "%s%s: expected a string", reader->where, key);
    return text;
}

static int64_t read_time(const struct reader *reader, const char *key)
{
    const json_t *value = json_object_get(reader->object, key);
    int64_t number = json_get_int(reader->object, key, 0);
    if (value != NULL && (!json_is_integer(value) || number < 0))
        diag_error(reader->diag, 0, 0, "%s%s: expected Unix seconds, a whole number from 0",
                   reader->where, key);
    return number;
}

static void read_epoch(struct document *document, struct diag *diag)
{
    const json_t *value = json_object_get(document->value, "epoch");
    document->epoch = json_get_str(document->value, "epoch");
    if (value == NULL)
        diag_error(diag, 0, 0, "epoch: missing, expected a string");
    else if (document->epoch.len == 0 || document->epoch.len > TEXT_MAX_BYTES)
        diag_error(diag, 0, 0, "epoch: expected a string of 1 to %d bytes", TEXT_MAX_BYTES);
}

static void read_generation(struct document *document, struct diag *diag)
{
    const json_t *value = json_object_get(document->value, "gen");
    int64_t number = json_get_int(document->value, "gen", -1);
    if (value == NULL)
        diag_error(diag, 0, 0, "gen: missing, expected a whole number");
    else if (number < 0 || (uint64_t)number > DOCUMENT_GENERATION_MAX)
        diag_error(diag, 0, 0, "gen: expected a whole number from 0 to 2^53");
    else
        document->generation = (uint64_t)number;
}

static void read_op(struct document *document, struct diag *diag)
{
    const json_t *op = json_object_get(document->value, "op");
    struct reader reader = { .object = op, .where = "op.", .diag = diag };
    if (op == NULL)
        return;
    if (!json_is_object(op)) {
        diag_error(diag, 0, 0, "op: expected an object");
        return;
    }
    document->op_id = read_text(&reader, "id");
    document->op_who = read_text(&reader, "who");
    document->op_why = read_text(&reader, "why");
    document->op_at_unix_s = read_time(&reader, "at");
}

static void read_adopt(struct document *document, struct diag *diag)
{
    const json_t *adopt = json_object_get(document->value, "adopt");
    struct reader reader = { .object = adopt, .where = "adopt.", .diag = diag };
    if (adopt == NULL)
        return;
    if (!json_is_object(adopt))
        diag_error(diag, 0, 0, "adopt: expected an object such as {\"from\":\"01J...\"}");
    else
        document->adopted_epoch = read_text(&reader, "from");
}

/* ---- sites ------------------------------------------------------------------------------- */

static void read_mode(const struct reader *reader, enum mode *out_mode)
{
    struct str word = read_text(reader, "mode");
    if (!json_is_string(json_object_get(reader->object, "mode")) || mode_parse(word, out_mode))
        return;
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(word);
    for (size_t i = 0; i < ARRAY_SIZE(mode_names); i++)
        suggest_offer(&suggest, str_from(mode_names[i]));
    diag_error(reader->diag, 0, 0, "%smode: '%.*s' is not a mode%s", reader->where,
               (int)(word.len < TEXT_MAX_BYTES ? word.len : TEXT_MAX_BYTES), word.ptr,
               suggest_format(&suggest, hint, sizeof(hint)));
}

static struct document_site read_site(enum site_kind kind, struct str name, const json_t *value,
                                      struct diag *diag)
{
    char where[TEXT_MAX_BYTES + 16];
    struct document_site site = { .name = name, .mode = MODE_ACTIVE };
    snprintf(where, sizeof(where), "%s.%.*s.", document_sites_key(kind), STR_ARG(name));
    struct reader reader = { .object = value, .where = where, .diag = diag };
    if (!json_is_object(value)) {
        diag_error(diag, 0, 0, "%s.%.*s: expected an object", document_sites_key(kind),
                   STR_ARG(name));
        return site;
    }
    read_mode(&reader, &site.mode);
    site.stray = read_text(&reader, "stray");
    if (site.stray.len > 0 && !stray_is_known(site.stray))
        diag_error(diag, 0, 0, "%sstray: expected \"proxy\", \"serve\" or \"refuse\"", where);
    site.who = read_text(&reader, "who");
    site.why = read_text(&reader, "why");
    site.since_unix_s = read_time(&reader, "since");
    if (json_object_get(value, "ramp") != NULL)
        diag_error(diag, 0, 0, "%sramp: this version cannot carry out ramps", where);
    return site;
}

static void read_sites(struct document *document, enum site_kind kind, struct diag *diag)
{
    const char *key = document_sites_key(kind);
    json_t *all = json_object_get(document->value, key);
    const char *name;
    json_t *value;
    if (all == NULL)
        return;
    if (!json_is_object(all)) {
        diag_error(diag, 0, 0, "%s: expected an object", key);
        return;
    }
    document->sites[kind] = mem_calloc(json_object_size(all), sizeof(struct document_site));
    json_object_foreach(all, name, value)
    {
        struct str site = str_from(name);
        if (site.len == 0 || site.len > TEXT_MAX_BYTES)
            diag_error(diag, 0, 0, "%s: a site's name has 1 to %d bytes", key, TEXT_MAX_BYTES);
        else
            document->sites[kind][document->site_count[kind]++] =
                read_site(kind, site, value, diag);
    }
}

static void refuse_double_sites(const struct document *document, struct diag *diag)
{
    const json_t *pops = json_object_get(document->value, document_sites_key(SITE_POP));
    for (size_t i = 0; i < document->site_count[SITE_REGION]; i++) {
        struct str name = document->sites[SITE_REGION][i].name;
        if (json_object_get(pops, name.ptr) != NULL)
            diag_error(diag, 0, 0, "pops.%.*s: is listed under regions as well", STR_ARG(name));
    }
}

/* ---- what this program could not carry out ----------------------------------------------- */

static void refuse_unless_empty(const struct document *document, const char *key, json_type type,
                                struct diag *diag)
{
    const json_t *value = json_object_get(document->value, key);
    if (value == NULL)
        return;
    if (json_typeof(value) != type)
        diag_error(diag, 0, 0, "%s: expected an %s", key, type == JSON_ARRAY ? "array" : "object");
    else if (json_array_size(value) > 0 || json_object_size(value) > 0)
        diag_error(diag, 0, 0, "%s: this version cannot carry out %s; expected none", key, key);
}

static void refuse_unknown_demands(const struct document *document, struct diag *diag)
{
    const json_t *words = json_object_get(document->value, "must_understand");
    if (words == NULL)
        return;
    if (!json_is_array(words))
        diag_error(diag, 0, 0, "must_understand: expected an array of words");
    /* There is no extension yet that this version knows. */
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        diag_error(diag, 0, 0, "must_understand: this version does not know '%.*s'", TEXT_MAX_BYTES,
                   word != NULL ? word : "(not a string)");
    }
}

static bool has_right_version(const json_t *value, struct diag *diag)
{
    const json_t *version = json_object_get(value, "v");
    if (!json_is_object(value))
        diag_error(diag, 0, 0, "expected a JSON object");
    else if (version == NULL)
        diag_error(diag, 0, 0, "v: missing, expected %d", DOCUMENT_VERSION);
    else if (!json_is_integer(version))
        diag_error(diag, 0, 0, "v: expected the number %d", DOCUMENT_VERSION);
    else if (json_integer_value(version) != DOCUMENT_VERSION)
        diag_error(diag, 0, 0, "v: version %" JSON_INTEGER_FORMAT " is not known; expected %d",
                   json_integer_value(version), DOCUMENT_VERSION);
    else
        return true;
    return false;
}

/* ---- whole documents --------------------------------------------------------------------- */

enum err document_from_value(json_t *value, struct diag *diag, struct document **out_document)
{
    uint32_t errors_before = diag->error_count;
    if (!has_right_version(value, diag)) { /* the rest could mean anything */
        json_decref(value);
        return ERR_INVALID;
    }
    struct document *document = mem_calloc(1, sizeof(*document));
    document->value = value;
    struct reader reader = { .object = value, .where = "", .diag = diag };
    read_epoch(document, diag);
    read_generation(document, diag);
    read_op(document, diag);
    read_adopt(document, diag);
    document->topology = read_text(&reader, "topology");
    read_sites(document, SITE_REGION, diag);
    read_sites(document, SITE_POP, diag);
    refuse_double_sites(document, diag);
    refuse_unless_empty(document, "shifts", JSON_ARRAY, diag);
    refuse_unless_empty(document, "pins", JSON_ARRAY, diag);
    refuse_unless_empty(document, "assign", JSON_OBJECT, diag);
    refuse_unknown_demands(document, diag);
    if (diag->error_count > errors_before) {
        document_free(document);
        return ERR_INVALID;
    }
    *out_document = document;
    return ERR_OK;
}

/* All that is done with a document, saving it and writing its successor, takes its canonical text:
 * numbers such as 0.1 have more digits there. */
static bool is_within_limit(const struct document *document, size_t text_len)
{
    struct buf text;
    if (text_len <= DOCUMENT_MAX_BYTES / GROWTH_MAX)
        return true;
    buf_init(&text, DOCUMENT_MAX_BYTES);
    document_format(document, &text);
    bool is_within = !text.is_overflown;
    buf_fini(&text);
    return is_within;
}

enum err document_parse(struct str text, struct diag *diag, struct document **out_document)
{
    struct document *document = NULL;
    json_t *value;
    if (text.len > DOCUMENT_MAX_BYTES) {
        diag_error(diag, 0, 0, "%zu bytes, the limit is %d", text.len, DOCUMENT_MAX_BYTES);
        return ERR_TOO_LARGE;
    }
    enum err err = json_parse(text, diag, &value);
    if (err == ERR_OK)
        err = document_from_value(value, diag, &document);
    if (err != ERR_OK)
        return err;
    if (!is_within_limit(document, text.len)) {
        document_free(document);
        diag_error(diag, 0, 0, "more than %d bytes in canonical form, the limit",
                   DOCUMENT_MAX_BYTES);
        return ERR_TOO_LARGE;
    }
    *out_document = document;
    return ERR_OK;
}

void document_free(struct document *document)
{
    if (document == NULL)
        return;
    free(document->sites[SITE_REGION]);
    free(document->sites[SITE_POP]);
    json_decref(document->value);
    free(document);
}

struct document *document_new(const char *epoch)
{
    struct document *document = mem_calloc(1, sizeof(*document));
    document->value = json_object();
    json_set_int(document->value, "v", DOCUMENT_VERSION);
    json_set_str(document->value, "epoch", str_from(epoch));
    json_set_int(document->value, "gen", 0);
    for (int kind = SITE_REGION; kind <= SITE_POP; kind++)
        json_object_set_new(document->value, document_sites_key((enum site_kind)kind),
                            json_object());
    document->epoch = json_get_str(document->value, "epoch");
    return document;
}

void document_format(const struct document *document, struct buf *out)
{
    json_format(document->value, out);
}

struct digest document_digest(const struct document *document)
{
    struct buf text;
    /* What was parsed may grow by escapes when it is written back. */
    buf_init(&text, (size_t)DOCUMENT_MAX_BYTES * GROWTH_MAX);
    document_format(document, &text);
    struct digest digest = digest_of(text.bytes, text.len);
    buf_fini(&text);
    return digest;
}

const struct document_site *document_find_site(const struct document *document, enum site_kind kind,
                                               struct str name)
{
    for (size_t i = 0; i < document->site_count[kind]; i++)
        if (str_eq(document->sites[kind][i].name, name))
            return &document->sites[kind][i];
    return NULL;
}

enum mode document_mode(const struct document *document, enum site_kind kind, struct str name)
{
    const struct document_site *site = document_find_site(document, kind, name);
    return site != NULL ? site->mode : MODE_ACTIVE;
}
