/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/matrix.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "config/load/schema.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"

enum { SITE_NUMBER_MAX = 255, PROBLEM_MAX_BYTES = 1024, VALUE_MAX_BYTES = 64, MTU_V6_MIN = 1280 };

struct raw_site {
    struct schema_head head;
    struct schema_addresses addresses;
};
/* The values are texts here: link_settings reads them, as it does for `wan set`. */
struct raw_link {
    struct schema_head head;
    char *from, *to;
    bool is_both;
    char *settings[LINK_SETTINGS_KEY_COUNT];
};
struct raw_matrix {
    struct schema_head head;
    uint32_t seed;
    struct raw_link defaults;
    struct schema_items sites, links;
};

#define AT(type, field) .offset = offsetof(struct type, field)
#define SETTING(at, key, text)                                                                     \
    {                                                                                              \
        .name = (key), .kind = SCHEMA_STRING, AT(raw_link, settings[at]), .min = 1,                \
        .max = VALUE_MAX_BYTES, .doc = (text)                                                      \
    }
/* In the order of link_settings_key(). */
#define SETTINGS                                                                                   \
    SETTING(0, "delay", "Time under way, 0ms unless told: 15ms, 0.3ms, 250us."),                   \
        SETTING(1, "jitter", "The delay wanders between delay - jitter and delay + jitter."),      \
        SETTING(2, "loss", "Share of packets that vanish: 1%, 0.05%."),                            \
        SETTING(3, "reorder", "Share of packets that are held back behind later ones."),           \
        SETTING(4, "hold", "How long those are held back; 2ms unless told."),                      \
        SETTING(5, "rate", "Bits per second: 100Mbit, 1.5Gbit; unlimited unless told."),           \
        SETTING(6, "queue", "Bytes that wait for the rate; 256KiB unless told."),                  \
        SETTING(7, "mtu", "Largest IP packet, 1500 unless told."),                                 \
        SETTING(8, "blackhole", "true: nothing passes.")

static const struct schema_key site_keys[] = {
    { .name = "addresses",
      .kind = SCHEMA_ADDRESSES,
      AT(raw_site, addresses),
      .min = 1,
      .max = MATRIX_ADDRESS_MAX,
      .fallback_doc = "10.77.N.1 for the N-th site",
      .doc = "Its addresses; packets leave from the first." },
};
static const struct schema site_schema = { .what = "the site",
                                           .keys = site_keys,
                                           .key_count = ARRAY_SIZE(site_keys),
                                           .size = sizeof(struct raw_site),
                                           .has_head = true };
static const struct schema_key link_keys[] = {
    { .name = "from",
      .kind = SCHEMA_NAME,
      AT(raw_link, from),
      .is_required = true,
      .max = SCHEMA_NAME_MAX,
      .doc = "The site where packets enter." },
    { .name = "to",
      .kind = SCHEMA_NAME,
      AT(raw_link, to),
      .is_required = true,
      .max = SCHEMA_NAME_MAX,
      .doc = "The site where they come out." },
    { .name = "both",
      .kind = SCHEMA_BOOL,
      AT(raw_link, is_both),
      .fallback = "false",
      .doc = "Whether the way back is such a link, too." },
    SETTINGS,
};
static const struct schema link_schema = { .what = "the link",
                                           .keys = link_keys,
                                           .key_count = ARRAY_SIZE(link_keys),
                                           .size = sizeof(struct raw_link),
                                           .has_head = true };
static const struct schema_key default_keys[] = { SETTINGS };
static const struct schema default_schema = { .what = "'defaults'",
                                              .keys = default_keys,
                                              .key_count = ARRAY_SIZE(default_keys),
                                              .size = sizeof(struct raw_link),
                                              .has_head = true };
static const struct schema_key matrix_keys[] = {
    { .name = "seed",
      .kind = SCHEMA_U32,
      AT(raw_matrix, seed),
      .max = UINT32_MAX,
      .fallback_doc = "a random one, which is printed",
      .doc = "The same seed loses and reorders the same packets." },
    { .name = "defaults",
      .kind = SCHEMA_MAPPING,
      AT(raw_matrix, defaults),
      .child = &default_schema,
      .doc = "For links that do not say otherwise." },
    { .name = "sites",
      .kind = SCHEMA_NAMED,
      AT(raw_matrix, sites),
      .child = &site_schema,
      .is_required = true,
      .min = 1,
      .max = MATRIX_SITE_MAX,
      .doc = "Each one is a network namespace." },
    { .name = "links",
      .kind = SCHEMA_LIST,
      AT(raw_matrix, links),
      .child = &link_schema,
      .max = MATRIX_SITE_MAX * MATRIX_SITE_MAX,
      .doc = "Directed links; between sites without one, nothing passes." },
};
static const struct schema matrix_schema = { .what = "the matrix",
                                             .keys = matrix_keys,
                                             .key_count = ARRAY_SIZE(matrix_keys),
                                             .size = sizeof(struct raw_matrix),
                                             .has_head = true };

void matrix_explain(struct buf *out)
{
    schema_explain(&matrix_schema, out);
}

bool matrix_find_site(const struct matrix *matrix, struct str name, size_t *out_site)
{
    for (size_t i = 0; i < matrix->site_count; i++) {
        if (str_eq_text(name, matrix->sites[i].name)) {
            *out_site = i;
            return true;
        }
    }
    return false;
}

/* ---- sites ---------------------------------------------------------------------------------- */

static void check_address(const struct matrix *matrix, const struct raw_site *raw,
                          const struct addr *addr, struct diag *diag)
{
    char text[ADDR_TEXT_MAX];
    struct schema_mark mark = schema_mark_of(&raw->head, "addresses");
    bool is_loopback = addr->family == ADDR_V4 && addr->bytes[0] == 127;
    if (is_loopback)
        diag_error(diag, mark.line, mark.column, "%s never leaves its site",
                   addr_format(addr, text));
    for (size_t i = 0; i < matrix->site_count; i++)
        for (size_t k = 0; k < matrix->sites[i].address_count; k++)
            if (addr_eq(&matrix->sites[i].addresses[k], addr))
                diag_error(diag, mark.line, mark.column, "%s is an address of '%s' already",
                           addr_format(addr, text), matrix->sites[i].name);
}

static void build_site(struct raw_site *raw, struct matrix *matrix, struct diag *diag)
{
    struct matrix_site site = { .name = mem_strndup(raw->head.name.ptr, raw->head.name.len),
                                .mtu_bytes = 0 };
    assert(matrix->site_count < SITE_NUMBER_MAX);
    if (raw->addresses.count == 0 && !schema_has(&raw->head, "addresses")) {
        uint32_t number = (uint32_t)matrix->site_count + 1;
        site.addresses = mem_calloc(1, sizeof(site.addresses[0]));
        site.addresses[0] = addr_from_v4_u32(10u << 24 | 77u << 16 | number << 8 | 1u);
        site.address_count = 1;
    } else {
        site.addresses = raw->addresses.items;
        site.address_count = raw->addresses.count;
        raw->addresses.items = NULL; /* moved to the site */
        raw->addresses.count = 0;
    }
    for (size_t i = 0; i < site.address_count; i++)
        check_address(matrix, raw, &site.addresses[i], diag);
    matrix->sites[matrix->site_count++] = site;
}

/* ---- links ---------------------------------------------------------------------------------- */

static void read_settings(const struct raw_link *raw, struct diag *diag, struct link_settings *out)
{
    struct buf problem;
    buf_init(&problem, PROBLEM_MAX_BYTES);
    for (size_t i = 0; i < LINK_SETTINGS_KEY_COUNT; i++) {
        const char *key = link_settings_key(i);
        if (raw->settings[i] == NULL)
            continue;
        struct schema_mark mark = schema_mark_of(&raw->head, key);
        buf_clear(&problem);
        if (!link_settings_set(out, str_from(key), str_from(raw->settings[i]), &problem))
            diag_error(diag, mark.line, mark.column, "%s", buf_text(&problem));
    }
    buf_clear(&problem);
    struct schema_mark mark = schema_mark_of(&raw->head, "jitter");
    if (!link_settings_check(out, &problem))
        diag_error(diag, mark.line, mark.column, "%s", buf_text(&problem));
    buf_fini(&problem);
}

static bool find_end(const struct matrix *matrix, const struct raw_link *raw, const char *key,
                     struct diag *diag, size_t *out_site)
{
    const char *name = key[0] == 'f' ? raw->from : raw->to;
    struct schema_mark mark = schema_mark_of(&raw->head, key);
    char hint[SUGGEST_TEXT_MAX];
    if (name == NULL) /* reported by the schema */
        return false;
    if (matrix_find_site(matrix, str_from(name), out_site))
        return true;
    struct suggest suggest = suggest_init(str_from(name));
    for (size_t i = 0; i < matrix->site_count; i++)
        suggest_offer(&suggest, str_from(matrix->sites[i].name));
    diag_error(diag, mark.line, mark.column, "there is no site '%s'%s", name,
               suggest_format(&suggest, hint, sizeof(hint)));
    return false;
}

static void add_link(struct matrix *matrix, const struct matrix_link *link, struct schema_mark mark,
                     struct diag *diag)
{
    for (size_t i = 0; i < matrix->link_count; i++) {
        if (matrix->links[i].from == link->from && matrix->links[i].to == link->to) {
            diag_error(diag, mark.line, mark.column, "there is a link from '%s' to '%s' already",
                       matrix->sites[link->from].name, matrix->sites[link->to].name);
            return;
        }
    }
    matrix->links = mem_grow(matrix->links, matrix->link_count, &matrix->link_capacity,
                             sizeof(matrix->links[0]));
    matrix->links[matrix->link_count++] = *link;
}

static void build_link(const struct raw_link *raw, const struct link_settings *defaults,
                       struct matrix *matrix, struct diag *diag)
{
    struct matrix_link link = { .settings = *defaults };
    struct schema_mark mark = schema_mark_of(&raw->head, "from");
    read_settings(raw, diag, &link.settings);
    bool has_from = find_end(matrix, raw, "from", diag, &link.from);
    if (!find_end(matrix, raw, "to", diag, &link.to) || !has_from)
        return;
    if (link.from == link.to) {
        diag_error(diag, mark.line, mark.column, "a link leads from '%s' to itself", raw->from);
        return;
    }
    add_link(matrix, &link, mark, diag);
    if (raw->is_both) {
        struct matrix_link back = { .from = link.to, .to = link.from, .settings = link.settings };
        add_link(matrix, &back, mark, diag);
    }
}

/* An interface takes what its narrowest link takes: a site has one for all its links. */
static void find_mtu(struct matrix *matrix, size_t site, struct diag *diag)
{
    struct matrix_site *one = &matrix->sites[site];
    bool has_v6 = false;
    one->mtu_bytes = 0;
    for (size_t i = 0; i < matrix->link_count; i++) {
        uint32_t mtu = (uint32_t)matrix->links[i].settings.mtu_bytes;
        if (matrix->links[i].from == site && (one->mtu_bytes == 0 || mtu < one->mtu_bytes))
            one->mtu_bytes = mtu;
    }
    if (one->mtu_bytes == 0)
        one->mtu_bytes = (uint32_t)link_settings_default().mtu_bytes;
    for (size_t i = 0; i < one->address_count; i++)
        has_v6 = has_v6 || one->addresses[i].family == ADDR_V6;
    if (has_v6 && one->mtu_bytes < MTU_V6_MIN)
        diag_error(diag, 0, 0, "IPv6, which '%s' has, needs an mtu of %d or more", one->name,
                   MTU_V6_MIN);
}

static struct matrix *build(struct raw_matrix *raw, struct diag *diag)
{
    struct matrix *matrix = mem_calloc(1, sizeof(*matrix));
    struct link_settings defaults = link_settings_default();
    matrix->seed = raw->seed;
    matrix->has_seed = schema_has(&raw->head, "seed");
    matrix->sites = mem_calloc(raw->sites.count + 1, sizeof(matrix->sites[0]));
    for (size_t i = 0; i < raw->sites.count; i++)
        build_site((struct raw_site *)raw->sites.items + i, matrix, diag);
    read_settings(&raw->defaults, diag, &defaults);
    for (size_t i = 0; i < raw->links.count; i++)
        build_link((const struct raw_link *)raw->links.items + i, &defaults, matrix, diag);
    for (size_t i = 0; i < matrix->site_count; i++)
        find_mtu(matrix, i, diag);
    return matrix;
}

enum err matrix_parse(struct str text, struct diag *diag, struct matrix **out_matrix)
{
    struct raw_matrix raw = { .seed = 0 };
    struct yaml_tree *tree = NULL;
    struct matrix *matrix = NULL;
    uint32_t errors_before = diag->error_count;
    enum err err = yaml_tree_parse(text, diag, &tree);
    if (err != ERR_OK)
        return err;
    err = schema_parse(&matrix_schema, tree->root, diag, &raw);
    /* Names of sites, that links are held against, are worth looking at only when all are read. */
    if (err == ERR_OK)
        matrix = build(&raw, diag);
    if (err == ERR_OK && diag->error_count > errors_before)
        err = ERR_INVALID;
    if (err == ERR_OK) {
        *out_matrix = matrix;
        matrix = NULL; /* moved to the caller */
    }
    matrix_free(matrix);
    schema_fini(&matrix_schema, &raw);
    yaml_tree_free(tree);
    return err;
}

enum err matrix_load(const char *path, struct diag *diag, struct matrix **out_matrix)
{
    struct buf text;
    buf_init(&text, YAML_TREE_MAX_BYTES);
    diag_set_file(diag, path);
    enum err err = file_read(path, &text);
    if (err == ERR_OK)
        err = matrix_parse(buf_str(&text), diag, out_matrix);
    else
        err = diag_errno(diag, errno, "cannot read the matrix");
    diag_set_file(diag, NULL);
    buf_fini(&text);
    return err;
}

void matrix_free(struct matrix *matrix)
{
    if (matrix == NULL)
        return;
    for (size_t i = 0; i < matrix->site_count; i++) {
        free(matrix->sites[i].name);
        free(matrix->sites[i].addresses);
    }
    free(matrix->sites);
    free(matrix->links);
    free(matrix);
}
