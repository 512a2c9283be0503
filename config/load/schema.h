/* SPDX-License-Identifier: Apache-2.0 */
/* Settings files by table: one row per key drives the parser, the defaults and the help text.
 *
 * Shape:     a schema describes one mapping; a row says how the value of one key is written and at
 *            which offset of the caller's struct it is stored. Rows of kind MAPPING, NAMED and
 *            LIST lead to further schemas.
 * Threads:   schemas are constant; a parse belongs to one thread.
 * Ownership: schema_parse allocates texts and arrays inside the caller's struct; schema_fini frees
 *            them, also after a failed parse.
 */
#pragma once

#include "config/load/yaml_tree.h"
#include "steering/base/cidr.h"

/* What a row stores; in brackets the type of the field at its offset. */
enum schema_kind {
    SCHEMA_STRING,      /* any text of min..max bytes [char *, NULL when absent] */
    SCHEMA_NAME,        /* a name: letters, digits, '-', '_', '.' [char *] */
    SCHEMA_BOOL,        /* true or false [bool] */
    SCHEMA_U32,         /* a whole number in min..max [uint32_t] */
    SCHEMA_SECONDS,     /* a duration of whole seconds in min..max [uint32_t] */
    SCHEMA_DURATION,    /* a duration in min..max milliseconds [uint64_t] */
    SCHEMA_BYTES,       /* a size in min..max bytes: 4096, 64KiB, 1MiB or 1GiB [uint64_t] */
    SCHEMA_COORDINATES, /* [latitude, longitude] [struct schema_coordinates] */
    SCHEMA_ADDRESSES,   /* min..max different addresses [struct schema_addresses] */
    SCHEMA_LISTEN,      /* min..max ADDRESS:PORT [struct schema_listens] */
    SCHEMA_PEERS,       /* the same, of others: one can connect to them [struct schema_listens] */
    SCHEMA_CIDRS,       /* min..max prefixes [struct schema_cidrs] */
    SCHEMA_ASNS,        /* min..max AS numbers, 64500 or AS64500 [struct schema_numbers] */
    SCHEMA_TEXTS,       /* a text or a list of min..max texts [struct schema_texts] */
    SCHEMA_WORD,        /* one of `words` [unsigned: the index of the word] */
    SCHEMA_MAPPING,     /* a mapping by `child` [the child's struct] */
    SCHEMA_NAMED,       /* min..max names, each with a mapping [struct schema_items] */
    SCHEMA_LIST,        /* a list of min..max mappings [struct schema_items] */
};

/* Where something was written; line 0: nowhere, it is a default. */
struct schema_mark {
    uint32_t line, column;
};

struct schema_text {
    char *text;
    struct schema_mark mark;
};
struct schema_texts {
    struct schema_text *items;
    size_t count;
    bool is_list; /* written as a list, even of one */
    struct schema_mark mark;
};
struct schema_coordinates {
    double lat_deg, lon_deg;
    bool is_set;
};
struct schema_addresses {
    struct addr *items;
    size_t count;
};
struct schema_listen {
    struct addr addr;
    uint16_t port; /* 0: any free one */
};
struct schema_listens {
    struct schema_listen *items;
    size_t count;
};
struct schema_cidrs {
    struct cidr *items;
    size_t count;
};
struct schema_numbers {
    uint32_t *items;
    size_t count;
};
struct schema_items {
    void *items; /* array of the child's struct */
    size_t count;
};

/* First member of structs whose schema `has_head`: where the mapping was written, for messages
 * about its meaning. Borrowed from the tree: valid as long as that. */
struct schema_head {
    struct str name;                   /* of a NAMED entry; else empty */
    struct schema_mark mark;           /* the name, or the mapping; line 0: absent */
    const struct yaml_tree_node *node; /* NULL: absent */
};

struct schema;

struct schema_key {
    const char *name;
    enum schema_kind kind;
    bool is_required;
    bool has_free_names; /* NAMED: keys are not checked as names */
    size_t offset;
    uint64_t min, max;        /* value, length or count, by kind */
    const char *fallback;     /* the default as it would be written in the file; NULL: none */
    const char *fallback_doc; /* a default that is computed, in words */
    const char *const *words; /* NULL-terminated */
    const struct schema *child;
    const char *doc;
};

struct schema {
    const char *what; /* in messages: "region", "the file" */
    const struct schema_key *keys;
    size_t key_count;
    size_t size; /* of the struct */
    bool has_head;
};

enum { SCHEMA_NAME_MAX = 63 };

/* Fills the zeroed struct `out` from `node`: every key that is written, the defaults of the
 * others. Reports every problem of the mapping and below and goes on; ERR_INVALID when there was
 * one. What a broken value would have set stays zero. */
MUST_USE enum err schema_parse(const struct schema *schema, const struct yaml_tree_node *node,
                               struct diag *diag, void *out);
void schema_fini(const struct schema *schema, void *target);

/* Where the value of `key` was written, else where the mapping was. */
struct schema_mark schema_mark_of(const struct schema_head *head, const char *key);
bool schema_has(const struct schema_head *head, const char *key);
/* `key` is what an unknown key of the mapping `node` was probably meant to be: to say that it is
 * missing, too, would be to say it twice. */
bool schema_is_misspelt(const struct schema *schema, const struct yaml_tree_node *node,
                        const char *key);

/* Every key of a file with type, default and explanation, one entry each:
 *
 *   regions.NAME.capacity   a whole number from 1 to 4294967295; optional
 *       Requests per second that the region can serve.
 */
void schema_explain(const struct schema *schema, struct buf *out);
/* How the value of `key` is written, in words: "a whole number from 1 to 10". */
void schema_expected(const struct schema_key *key, struct buf *out);

/* "ADDRESS:PORT" or "[ADDRESS]:PORT". */
bool schema_parse_listen(struct str text, struct schema_listen *out_listen);
bool schema_listen_eq(const struct schema_listen *a, const struct schema_listen *b);
/* Letters, digits, '-', '_' and '.', beginning with a letter or digit. */
bool schema_is_name(struct str text);
