/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/schema_priv.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"

bool schema_is_name(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (i == 0 || (c != '-' && c != '_' && c != '.')))
            return false;
    }
    return text.len > 0 && text.len <= SCHEMA_NAME_MAX;
}

bool schema_parse_listen(struct str text, struct schema_listen *out_listen)
{
    struct schema_listen listen = { .port = 0 };
    size_t colon = text.len;
    uint64_t port = 0;
    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    if (colon < 2)
        return false;
    struct str host = { text.ptr, colon - 1 };
    bool is_bracketed = host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (is_bracketed)
        host = (struct str){ host.ptr + 1, host.len - 2 };
    if (!addr_parse(host, &listen.addr) || is_bracketed != (listen.addr.family == ADDR_V6))
        return false;
    if (!str_parse_u64((struct str){ text.ptr + colon, text.len - colon }, UINT16_MAX, &port))
        return false;
    listen.port = (uint16_t)port;
    *out_listen = listen;
    return true;
}

bool schema_listen_eq(const struct schema_listen *a, const struct schema_listen *b)
{
    return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

/* ---- messages ------------------------------------------------------------------------------ */

static void append_words(const struct schema_key *key, struct buf *out)
{
    for (size_t i = 0; key->words[i] != NULL; i++) {
        const char *glue = i == 0 ? "" : key->words[i + 1] == NULL ? " or " : ", ";
        buf_append_format(out, "%s%s", glue, key->words[i]);
    }
}

static void append_milliseconds(uint64_t ms, struct buf *out)
{
    if (ms % 1000 == 0)
        buf_append_format(out, "%" PRIu64 "s", ms / 1000);
    else
        buf_append_format(out, "%" PRIu64 "ms", ms);
}

/* The sizes that can be written, largest first. */
static const struct {
    const char *unit;
    unsigned shift;
} byte_units[] = { { "GiB", 30 }, { "MiB", 20 }, { "KiB", 10 }, { "", 0 } };

static void append_bytes(uint64_t bytes, struct buf *out)
{
    size_t i = 0;
    while (byte_units[i].shift > 0 && (bytes == 0 || bytes % (1ull << byte_units[i].shift) != 0))
        i++;
    buf_append_format(out, "%" PRIu64 "%s", bytes >> byte_units[i].shift, byte_units[i].unit);
}

static const char *const expectations[] = {
    [SCHEMA_STRING] = "a text",
    [SCHEMA_NAME] = "a name of letters, digits, '-', '_' and '.'",
    [SCHEMA_BOOL] = "true or false",
    [SCHEMA_U32] = "a whole number",
    [SCHEMA_SECONDS] = "a duration in seconds such as 60, 90s or 5m",
    [SCHEMA_DURATION] = "a duration such as 250ms, 30s or 5m",
    [SCHEMA_BYTES] = "a size such as 4096, 64KiB or 1MiB",
    [SCHEMA_COORDINATES] = "[latitude, longitude] in degrees such as [38.95, -77.45]",
    [SCHEMA_ADDRESSES] = "a list of IP addresses",
    [SCHEMA_LISTEN] = "a list of ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\"",
    [SCHEMA_PEERS] = "a list of ADDRESS:PORT such as \"192.0.2.1:8443\" or \"[2001:db8::1]:8443\"",
    [SCHEMA_CIDRS] = "a list of prefixes such as 192.0.2.0/24",
    [SCHEMA_ASNS] = "a list of AS numbers such as 64500",
    [SCHEMA_TEXTS] = "a text or a list of texts",
    [SCHEMA_WORD] = "a word",
    [SCHEMA_MAPPING] = "a mapping",
    [SCHEMA_NAMED] = "names with a mapping each",
    [SCHEMA_LIST] = "a list of mappings",
};

void schema_expected(const struct schema_key *key, struct buf *out)
{
    if (key->kind == SCHEMA_WORD) {
        append_words(key, out);
        return;
    }
    bool is_single = (key->kind == SCHEMA_LISTEN || key->kind == SCHEMA_PEERS) && key->max == 1;
    buf_append_text(out, expectations[key->kind] + (is_single ? strlen("a list of ") : 0));
    if (key->kind == SCHEMA_U32)
        buf_append_format(out, " from %" PRIu64 " to %" PRIu64, key->min, key->max);
    if (key->kind == SCHEMA_SECONDS)
        buf_append_format(out, ", from %" PRIu64 " to %" PRIu64, key->min, key->max);
    if (key->kind != SCHEMA_DURATION && key->kind != SCHEMA_BYTES)
        return;
    void (*append)(uint64_t value, struct buf * out) =
        key->kind == SCHEMA_BYTES ? append_bytes : append_milliseconds;
    buf_append_text(out, ", from ");
    append(key->min, out);
    buf_append_text(out, " to ");
    append(key->max, out);
}

bool schema_value_mismatch(const struct schema_key *key, const struct yaml_tree_node *node,
                           struct diag *diag)
{
    char found[YAML_TREE_FOUND_MAX], hint[SUGGEST_TEXT_MAX] = "";
    struct buf expected;
    buf_init(&expected, 1024);
    schema_expected(key, &expected);
    struct suggest suggest = suggest_init(node->text);
    for (size_t i = 0; key->kind == SCHEMA_WORD && key->words[i] != NULL; i++)
        suggest_offer(&suggest, str_from(key->words[i]));
    diag_error(diag, node->line, node->column, "'%s' must be %s, found %s%s", key->name,
               buf_text(&expected), yaml_tree_found(node, found),
               suggest_format(&suggest, hint, sizeof(hint)));
    buf_fini(&expected);
    return false;
}

bool schema_value_check_count(const struct schema_key *key, const struct yaml_tree_node *node,
                              size_t count, struct diag *diag)
{
    if (count < key->min)
        diag_error(diag, node->line, node->column, "'%s' needs at least %" PRIu64 "%s", key->name,
                   key->min, key->min == 1 ? " entry" : " entries");
    else if (count > key->max)
        diag_error(diag, node->line, node->column,
                   "'%s' has %zu entries; at most %" PRIu64 " are allowed", key->name, count,
                   key->max);
    else
        return true;
    return false;
}

/* ---- single values ------------------------------------------------------------------------- */

static bool parse_string(const struct schema_key *key, const struct yaml_tree_node *node,
                         struct diag *diag, void *field)
{
    char **out = field;
    if (node->kind != YAML_TREE_SCALAR || yaml_tree_is_null(node))
        return schema_value_mismatch(key, node, diag);
    if (key->kind == SCHEMA_NAME && !schema_is_name(node->text))
        return schema_value_mismatch(key, node, diag);
    if (node->text.len < key->min || (key->max > 0 && node->text.len > key->max)) {
        if (node->text.len < key->min)
            diag_error(diag, node->line, node->column, "'%s' must not be empty", key->name);
        else
            diag_error(diag, node->line, node->column, "'%s' is longer than %" PRIu64 " characters",
                       key->name, key->max);
        return false;
    }
    *out = mem_strndup(node->text.ptr, node->text.len);
    return true;
}

static bool parse_bool(const struct schema_key *key, const struct yaml_tree_node *node,
                       struct diag *diag, void *field)
{
    bool *out = field;
    if (!str_eq_text(node->text, "true") && !str_eq_text(node->text, "false"))
        return schema_value_mismatch(key, node, diag);
    *out = node->text.ptr[0] == 't';
    return true;
}

static bool parse_u32(const struct schema_key *key, const struct yaml_tree_node *node,
                      struct diag *diag, void *field)
{
    uint32_t *out = field;
    uint64_t number = 0;
    assert(key->max <= UINT32_MAX);
    if (!str_parse_u64(node->text, key->max, &number) || number < key->min)
        return schema_value_mismatch(key, node, diag);
    *out = (uint32_t)number;
    return true;
}

static bool parse_seconds(const struct schema_key *key, const struct yaml_tree_node *node,
                          struct diag *diag, void *field)
{
    uint32_t *out = field;
    uint64_t ms = 0;
    if (!clock_parse_duration(node->text, &ms) || ms % 1000 != 0 || ms / 1000 < key->min ||
        ms / 1000 > key->max)
        return schema_value_mismatch(key, node, diag);
    *out = (uint32_t)(ms / 1000);
    return true;
}

static bool parse_duration(const struct schema_key *key, const struct yaml_tree_node *node,
                           struct diag *diag, void *field)
{
    uint64_t *out = field;
    uint64_t ms = 0;
    if (!clock_parse_duration(node->text, &ms) || ms < key->min || ms > key->max)
        return schema_value_mismatch(key, node, diag);
    *out = ms;
    return true;
}

static bool parse_bytes(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, void *field)
{
    uint64_t *out = field;
    uint64_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(byte_units); i++) {
        struct str unit = str_from(byte_units[i].unit);
        struct str digits = { node->text.ptr, node->text.len - unit.len };
        if (!str_ends_with(node->text, unit))
            continue;
        if (!str_parse_u64(digits, UINT64_MAX >> byte_units[i].shift, &count))
            break;
        count <<= byte_units[i].shift;
        if (count < key->min || count > key->max)
            break;
        *out = count;
        return true;
    }
    return schema_value_mismatch(key, node, diag);
}

static bool parse_word(const struct schema_key *key, const struct yaml_tree_node *node,
                       struct diag *diag, void *field)
{
    unsigned *out = field;
    for (unsigned i = 0; key->words[i] != NULL; i++) {
        if (node->kind == YAML_TREE_SCALAR && str_eq_text(node->text, key->words[i])) {
            *out = i;
            return true;
        }
    }
    return schema_value_mismatch(key, node, diag);
}

static bool parse_degrees(const struct yaml_tree_node *node, const char *what, double most,
                          struct diag *diag, double *out)
{
    char found[YAML_TREE_FOUND_MAX];
    double value = 0;
    if (node->kind == YAML_TREE_SCALAR && str_parse_double(node->text, &value) && value >= -most &&
        value <= most) {
        *out = value;
        return true;
    }
    diag_error(diag, node->line, node->column, "%s must be a number from -%g to %g, found %s%s",
               what, most, most, yaml_tree_found(node, found),
               most < 180 && value >= -180 && value <= 180 && value != 0
                   ? " (the latitude comes first)"
                   : "");
    return false;
}

static bool parse_coordinates(const struct schema_key *key, const struct yaml_tree_node *node,
                              struct diag *diag, void *field)
{
    struct schema_coordinates *out = field;
    struct schema_coordinates at = { .is_set = true };
    if (node->kind != YAML_TREE_LIST || node->count != 2)
        return schema_value_mismatch(key, node, diag);
    bool has_lat = parse_degrees(node->items[0], "latitude", 90, diag, &at.lat_deg);
    bool has_lon = parse_degrees(node->items[1], "longitude", 180, diag, &at.lon_deg);
    if (has_lat && has_lon)
        *out = at;
    return has_lat && has_lon;
}

/* ---- lists --------------------------------------------------------------------------------- */

/* Reads one item into `out`, or reports and returns false. */
typedef bool (*item_fn)(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, void *out);

static bool fail_item(const struct yaml_tree_node *node, struct diag *diag, const char *expected)
{
    char found[YAML_TREE_FOUND_MAX];
    /* A bare 2001:db8:: in [...] reads as the key "2001:db8:" of a mapping. */
    const char *hint = node->kind == YAML_TREE_MAP ? " (put quotes around an IPv6 address)" : "";
    diag_error(diag, node->line, node->column, "expected %s, found %s%s", expected,
               yaml_tree_found(node, found), hint);
    return false;
}

/* Neither 0.0.0.0 or ::, nor multicast. */
static bool is_reachable(const struct addr *addr)
{
    static const struct addr any[2] = { { .family = ADDR_V4 }, { .family = ADDR_V6 } };
    bool is_multicast =
        addr->family == ADDR_V4 ? (addr->bytes[0] & 0xf0) == 0xe0 : addr->bytes[0] == 0xff;
    return !is_multicast && !addr_eq(addr, &any[addr->family]);
}

static bool parse_address(const struct schema_key *key, const struct yaml_tree_node *node,
                          struct diag *diag, void *out)
{
    struct addr *addr = out;
    (void)key;
    if (node->kind != YAML_TREE_SCALAR || !addr_parse(node->text, addr))
        return fail_item(node, diag, "an IP address such as 192.0.2.1 or \"2001:db8::1\"");
    if (!is_reachable(addr))
        return fail_item(node, diag, "an address that clients can connect to");
    return true;
}

static bool parse_listen(const struct schema_key *key, const struct yaml_tree_node *node,
                         struct diag *diag, void *out)
{
    (void)key;
    if (node->kind != YAML_TREE_SCALAR || !schema_parse_listen(node->text, out))
        return fail_item(node, diag, "ADDRESS:PORT such as \"127.0.0.1:53\" or \"[::1]:53\"");
    return true;
}

static bool parse_peer(const struct schema_key *key, const struct yaml_tree_node *node,
                       struct diag *diag, void *out)
{
    struct schema_listen *peer = out;
    (void)key;
    if (node->kind != YAML_TREE_SCALAR || !schema_parse_listen(node->text, peer))
        return fail_item(node, diag,
                         "ADDRESS:PORT such as \"192.0.2.1:8443\" or \"[2001:db8::1]:8443\"");
    if (!is_reachable(&peer->addr) || peer->port == 0)
        return fail_item(node, diag, "an address and port that can be connected to");
    return true;
}

static bool parse_cidr(const struct schema_key *key, const struct yaml_tree_node *node,
                       struct diag *diag, void *out)
{
    char text[CIDR_TEXT_MAX];
    struct cidr *cidr = out;
    (void)key;
    enum cidr_problem problem =
        node->kind == YAML_TREE_SCALAR ? cidr_parse(node->text, cidr) : CIDR_SYNTAX;
    if (problem == CIDR_FINE)
        return true;
    if (problem == CIDR_SYNTAX)
        return fail_item(node, diag, "a prefix such as 192.0.2.0/24 or \"2001:db8::/32\"");
    diag_error(diag, node->line, node->column,
               "'%.*s' has bits set behind the prefix; did you mean '%s'?", STR_ARG(node->text),
               cidr_format(cidr, text));
    return false;
}

static bool parse_asn(const struct schema_key *key, const struct yaml_tree_node *node,
                      struct diag *diag, void *out)
{
    struct str digits = node->text;
    uint64_t number = 0;
    (void)key;
    if (str_starts_with(digits, STR("AS")) || str_starts_with(digits, STR("as")))
        digits = (struct str){ digits.ptr + 2, digits.len - 2 };
    if (!str_parse_u64(digits, UINT32_MAX, &number) || number == 0)
        return fail_item(node, diag, "an AS number such as 64500");
    *(uint32_t *)out = (uint32_t)number;
    return true;
}

static bool parse_text(const struct schema_key *key, const struct yaml_tree_node *node,
                       struct diag *diag, void *out)
{
    if (node->kind != YAML_TREE_SCALAR || yaml_tree_is_null(node))
        return schema_value_mismatch(key, node, diag);
    *(struct schema_text *)out = (struct schema_text){
        .text = mem_strndup(node->text.ptr, node->text.len),
        .mark = { node->line, node->column },
    };
    return true;
}

/* A value that is not a list is a list of one. Items that do not fit are reported and left out. */
static bool parse_items(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, item_fn parse, size_t item_size,
                        struct schema_items *out)
{
    bool is_list = node->kind == YAML_TREE_LIST;
    size_t count = is_list ? node->count : 1;
    if (yaml_tree_is_null(node))
        return schema_value_mismatch(key, node, diag);
    if (!schema_value_check_count(key, node, count, diag))
        return false;
    out->items = mem_calloc(count, item_size);
    for (size_t i = 0; i < count; i++) {
        const struct yaml_tree_node *item = is_list ? node->items[i] : node;
        if (parse(key, item, diag, (char *)out->items + out->count * item_size))
            out->count++;
    }
    return out->count == count;
}

/* The list structs of the header differ in the type of `items` alone, so each is filled through
 * its own members. */
#define PARSE_ITEMS(key, node, diag, parse, field)                                                 \
    do {                                                                                           \
        struct schema_items list = { .items = NULL };                                              \
        is_fine = parse_items((key), (node), (diag), (parse), sizeof(*(field)->items), &list);     \
        (field)->items = list.items;                                                               \
        (field)->count = list.count;                                                               \
    } while (0)

static bool reject_duplicates(const struct yaml_tree_node *node,
                              const struct schema_addresses *addresses, struct diag *diag)
{
    char text[ADDR_TEXT_MAX];
    for (size_t i = 1; i < addresses->count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!addr_eq(&addresses->items[i], &addresses->items[j]))
                continue;
            diag_error(diag, node->items[i]->line, node->items[i]->column, "'%s' is listed twice",
                       addr_format(&addresses->items[i], text));
            return false;
        }
    }
    return true;
}

static bool parse_addresses(const struct schema_key *key, const struct yaml_tree_node *node,
                            struct diag *diag, void *field)
{
    struct schema_addresses *addresses = field;
    bool is_fine = false;
    PARSE_ITEMS(key, node, diag, parse_address, addresses);
    return is_fine && reject_duplicates(node, addresses, diag);
}

static bool parse_listens(const struct schema_key *key, const struct yaml_tree_node *node,
                          struct diag *diag, void *field)
{
    item_fn parse = key->kind == SCHEMA_PEERS ? parse_peer : parse_listen;
    struct schema_listens *listens = field;
    bool is_fine = false;
    PARSE_ITEMS(key, node, diag, parse, listens);
    return is_fine;
}

static bool parse_cidrs(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, void *field)
{
    struct schema_cidrs *cidrs = field;
    bool is_fine = false;
    PARSE_ITEMS(key, node, diag, parse_cidr, cidrs);
    return is_fine;
}

static bool parse_asns(const struct schema_key *key, const struct yaml_tree_node *node,
                       struct diag *diag, void *field)
{
    struct schema_numbers *numbers = field;
    bool is_fine = false;
    PARSE_ITEMS(key, node, diag, parse_asn, numbers);
    return is_fine;
}

static bool parse_texts(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, void *field)
{
    struct schema_texts *texts = field;
    bool is_fine = false;
    PARSE_ITEMS(key, node, diag, parse_text, texts);
    texts->is_list = node->kind == YAML_TREE_LIST;
    texts->mark = (struct schema_mark){ node->line, node->column };
    return is_fine;
}

/* ---- release ------------------------------------------------------------------------------- */

static void free_text(void *field)
{
    char **text = field;
    free(*text);
    *text = NULL;
}

#define FREE_ITEMS(name, type)                                                                     \
    static void name(void *field)                                                                  \
    {                                                                                              \
        struct type *list = field;                                                                 \
        free(list->items);                                                                         \
        *list = (struct type){ .items = NULL };                                                    \
    }
FREE_ITEMS(free_addresses, schema_addresses)
FREE_ITEMS(free_listens, schema_listens)
FREE_ITEMS(free_cidrs, schema_cidrs)
FREE_ITEMS(free_numbers, schema_numbers)

static void free_texts(void *field)
{
    struct schema_texts *texts = field;
    for (size_t i = 0; i < texts->count; i++)
        free(texts->items[i].text);
    free(texts->items);
    *texts = (struct schema_texts){ .items = NULL };
}

/* ---- the kinds ----------------------------------------------------------------------------- */

static const struct kind {
    bool (*parse)(const struct schema_key *key, const struct yaml_tree_node *node,
                  struct diag *diag, void *field);
    void (*release)(void *field); /* NULL: nothing to free */
} kinds[] = {
    [SCHEMA_STRING] = { parse_string, free_text },
    [SCHEMA_NAME] = { parse_string, free_text },
    [SCHEMA_BOOL] = { parse_bool, NULL },
    [SCHEMA_U32] = { parse_u32, NULL },
    [SCHEMA_SECONDS] = { parse_seconds, NULL },
    [SCHEMA_DURATION] = { parse_duration, NULL },
    [SCHEMA_BYTES] = { parse_bytes, NULL },
    [SCHEMA_COORDINATES] = { parse_coordinates, NULL },
    [SCHEMA_ADDRESSES] = { parse_addresses, free_addresses },
    [SCHEMA_LISTEN] = { parse_listens, free_listens },
    [SCHEMA_PEERS] = { parse_listens, free_listens },
    [SCHEMA_CIDRS] = { parse_cidrs, free_cidrs },
    [SCHEMA_ASNS] = { parse_asns, free_numbers },
    [SCHEMA_TEXTS] = { parse_texts, free_texts },
    [SCHEMA_WORD] = { parse_word, NULL },
};

bool schema_value_parse(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, void *out)
{
    assert(key->kind < ARRAY_SIZE(kinds)); /* mappings and lists of them are schema.c's */
    return kinds[key->kind].parse(key, node, diag, out);
}

void schema_value_fini(const struct schema_key *key, void *field)
{
    if (key->kind < ARRAY_SIZE(kinds) && kinds[key->kind].release != NULL)
        kinds[key->kind].release(field);
}
