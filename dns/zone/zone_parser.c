/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/zone_parser.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "dns/wire/octets.h"
#include "dns/wire/query.h"
#include "dns/zone/rdata_text.h"
#include "dns/zone/svcb.h"
#include "dns/zone/type_name.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"

enum {
    TTL_MAX_S = INT32_MAX, /* RFC 2181 section 8 */
    TYPE_SIG = 24,
    TYPE_NXT = 30,
    TYPE_DNSKEY = 48,
    TYPE_NSEC3 = 50,
    TYPE_NSEC3PARAM = 51,
};

enum owner_state {
    OWNER_NONE,   /* no record yet: a blank owner means nothing */
    OWNER_BROKEN, /* told already: records that go on with it are left out silently */
    OWNER_GOOD,
};

struct ttl {
    bool is_set;
    uint32_t seconds;
};

/* Which files are being read, to refuse circles. */
struct open_file {
    dev_t device;
    ino_t inode;
    const char *path;
    uint16_t number; /* in the report */
};

struct parser {
    const struct zone *zone;
    struct zone_builder *builder;
    struct zone_report *report;
    struct zone_parser_seen *seen;
    struct zone_name origin;
    enum owner_state owner_state;
    uint8_t owner[NAME_MAX_BYTES]; /* lower case */
    size_t owner_len;
    struct ttl default_ttl, latest_ttl;
    size_t bytes_left;
    struct open_file open[ZONE_INCLUDE_DEPTH_MAX + 1];
    size_t depth;       /* files open */
    bool is_over;       /* a limit was hit */
    bool is_incomplete; /* a file could not be read */
    size_t dnssec_count;
    uint32_t dnssec_line;
    uint16_t dnssec_file;
    struct rdata_text rdata;
};

static uint16_t current_file(const struct parser *parser)
{
    return parser->open[parser->depth - 1].number;
}

/* The report, set to the current file. */
static struct diag *here(struct parser *parser)
{
    return zone_report_at(parser->report, current_file(parser));
}

static void warn_undotted(struct parser *parser, const struct token *token)
{
    char shown[ZONE_TOKEN_TEXT_MAX], origin[NAME_TEXT_MAX];
    zone_token_text(token->text, shown);
    diag_warning(here(parser), token->line, token->column,
                 "'%s' has no final dot, so it means '%s.%s'; write '%s.' if that is not meant",
                 shown, shown, name_format(parser->origin.wire, origin), shown);
}

/* ---- directives ------------------------------------------------------------------------------ */

static void parse_file(struct parser *parser, const char *path, const struct token *at);

/* A name relative to the current origin; false after a report. */
static bool read_name(struct parser *parser, const struct token *token, struct zone_name *out_name)
{
    char shown[ZONE_TOKEN_TEXT_MAX];
    bool repeats_origin;
    const char *why = zone_name_parse(token, &parser->origin, out_name, &repeats_origin);
    if (why != NULL)
        diag_error(here(parser), token->line, token->column, "'%s' is no domain name: %s",
                   zone_token_text(token->text, shown), why);
    else if (repeats_origin)
        warn_undotted(parser, token);
    return why == NULL;
}

static void read_origin(struct parser *parser, const struct token *tokens, size_t count)
{
    struct zone_name origin;
    (void)count;
    if (read_name(parser, &tokens[1], &origin))
        parser->origin = origin;
}

static void read_ttl(struct parser *parser, const struct token *tokens, size_t count)
{
    char shown[ZONE_TOKEN_TEXT_MAX];
    uint32_t seconds;
    (void)count;
    if (!zone_period_parse(tokens[1].text, &seconds) || seconds > TTL_MAX_S) {
        diag_error(here(parser), tokens[1].line, tokens[1].column,
                   "expected a TTL such as 3600 or 1h, at most 2147483647 s, got '%s'",
                   zone_token_text(tokens[1].text, shown));
        return;
    }
    parser->default_ttl = (struct ttl){ .is_set = true, .seconds = seconds };
}

/* Origin and owner are as before behind the included file; the default TTL is not (RFC 2308: it
 * holds for all records that follow). */
static void read_include(struct parser *parser, const struct token *tokens, size_t count)
{
    struct zone_name kept = parser->origin, origin = parser->origin;
    if (count > 2 && !read_name(parser, &tokens[2], &origin))
        return;
    uint8_t owner[NAME_MAX_BYTES];
    size_t owner_len = parser->owner_len;
    enum owner_state owner_state = parser->owner_state;
    memcpy(owner, parser->owner, owner_len);
    parser->origin = origin;
    parser->owner_state = OWNER_NONE;
    char *name = mem_strndup(tokens[1].text.ptr, tokens[1].text.len);
    char *path = file_beside(parser->open[parser->depth - 1].path, name);
    parse_file(parser, path, &tokens[1]);
    free(path);
    free(name);
    parser->origin = kept;
    parser->owner_state = owner_state;
    parser->owner_len = owner_len;
    memcpy(parser->owner, owner, owner_len);
}

static void refuse_generate(struct parser *parser, const struct token *tokens, size_t count)
{
    (void)count;
    diag_error(here(parser), tokens[0].line, tokens[0].column,
               "$GENERATE is not supported: write the records out, or use a wildcard");
}

static const struct directive {
    const char *name;
    void (*read)(struct parser *parser, const struct token *tokens, size_t count);
    size_t min, max; /* tokens, its own name included */
    const char *usage;
} DIRECTIVES[] = {
    { "$ORIGIN", read_origin, 2, 2, "$ORIGIN NAME" },
    { "$TTL", read_ttl, 2, 2, "$TTL SECONDS" },
    { "$INCLUDE", read_include, 2, 3, "$INCLUDE FILE [ORIGIN]" },
    { "$GENERATE", refuse_generate, 1, SIZE_MAX, "" },
};

static void read_directive(struct parser *parser, const struct token *tokens, size_t count)
{
    char shown[ZONE_TOKEN_TEXT_MAX], hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(tokens[0].text);
    for (size_t i = 0; i < ARRAY_SIZE(DIRECTIVES); i++) {
        const struct directive *directive = &DIRECTIVES[i];
        suggest_offer(&suggest, str_from(directive->name));
        if (!str_eq_nocase(tokens[0].text, str_from(directive->name)))
            continue;
        if (count < directive->min || count > directive->max)
            diag_error(here(parser), tokens[0].line, tokens[0].column, "expected %s",
                       directive->usage);
        else
            directive->read(parser, tokens, count);
        return;
    }
    diag_error(here(parser), tokens[0].line, tokens[0].column, "unknown directive '%s'%s",
               zone_token_text(tokens[0].text, shown),
               suggest_format(&suggest, hint, sizeof(hint)));
}

/* ---- records --------------------------------------------------------------------------------- */

/* What stands before the data of a record. */
struct record_head {
    struct ttl ttl;
    uint16_t type;
    size_t data_at; /* index of the first token behind the type */
};

static void read_owner(struct parser *parser, const struct token *token)
{
    char owner[NAME_TEXT_MAX], apex[NAME_TEXT_MAX];
    struct zone_name name;
    parser->owner_state = OWNER_BROKEN;
    if (!read_name(parser, token, &name))
        return;
    name_lower(name.wire, name.len, parser->owner);
    parser->owner_len = name.len;
    if (zone_name_is_within(parser->owner, name.len, parser->zone->origin,
                            parser->zone->origin_len)) {
        parser->owner_state = OWNER_GOOD;
        return;
    }
    diag_error(here(parser), token->line, token->column, "'%s' is outside the zone '%s'",
               name_format(name.wire, owner), name_format(parser->zone->origin, apex));
}

enum class_match { CLASS_NOT, CLASS_INTERNET, CLASS_OTHER };

static enum class_match match_class(struct str text)
{
    static const char *const OTHERS[] = { "CH", "HS", "CS", "NONE", "ANY" };
    struct str head, number;
    if (str_eq_nocase(text, STR("IN")) || str_eq_nocase(text, STR("CLASS1")))
        return CLASS_INTERNET;
    for (size_t i = 0; i < ARRAY_SIZE(OTHERS); i++)
        if (str_eq_nocase(text, str_from(OTHERS[i])))
            return CLASS_OTHER;
    head = (struct str){ .ptr = text.ptr, .len = 5 };
    number = (struct str){ .ptr = text.ptr + 5, .len = text.len - 5 };
    uint64_t value;
    return text.len > 5 && str_eq_nocase(head, STR("CLASS")) &&
                   str_parse_u64(number, UINT16_MAX, &value)
               ? CLASS_OTHER
               : CLASS_NOT;
}

static bool looks_like_ttl(struct str text)
{
    return text.len > 0 && text.ptr[0] >= '0' && text.ptr[0] <= '9';
}

static void refuse_type(struct parser *parser, const struct token *token)
{
    char shown[ZONE_TOKEN_TEXT_MAX], hint[SUGGEST_TEXT_MAX];
    zone_token_text(token->text, shown);
    /* "www 192.0.2.1" and the like; a mistyped TTL has no dot or colon. */
    bool is_address = memchr(token->text.ptr, '.', token->text.len) != NULL ||
                      memchr(token->text.ptr, ':', token->text.len) != NULL;
    if (looks_like_ttl(token->text) && is_address)
        diag_error(here(parser), token->line, token->column,
                   "expected a record type, got '%s'; an address needs A or AAAA before it", shown);
    else
        diag_error(here(parser), token->line, token->column, "expected a record type, got '%s'%s",
                   shown, type_name_suggest(token->text, hint, sizeof(hint)));
}

/* [TTL] [class] type, TTL and class in either order. False after a report. */
static bool read_head(struct parser *parser, const struct token *tokens, size_t count, size_t at,
                      struct record_head *out_head)
{
    struct record_head head = { .type = 0 };
    bool has_class = false;
    for (; at < count; at++) {
        const struct token *token = &tokens[at];
        enum class_match class = match_class(token->text);
        if (!head.ttl.is_set && zone_period_parse(token->text, &head.ttl.seconds)) {
            head.ttl.is_set = true;
            if (head.ttl.seconds <= TTL_MAX_S)
                continue;
            diag_error(here(parser), token->line, token->column, "TTL %u is larger than 2147483647",
                       head.ttl.seconds);
            return false;
        }
        if (class == CLASS_OTHER || (class == CLASS_INTERNET && has_class)) {
            diag_error(here(parser), token->line, token->column, "class '%.*s': %s",
                       STR_ARG(token->text),
                       class == CLASS_OTHER ? "only IN is served" : "stands twice");
            return false;
        }
        if (class == CLASS_INTERNET) {
            has_class = true;
            continue;
        }
        if (!type_name_parse(token->text, &head.type)) {
            refuse_type(parser, token);
            return false;
        }
        head.data_at = at + 1;
        *out_head = head;
        return true;
    }
    diag_error(here(parser), tokens[count - 1].line, tokens[count - 1].column,
               "expected a record type, but the record ends");
    return false;
}

/* Explicit, $TTL, the record before, SOA minimum: in this order. */
static bool choose_ttl(struct parser *parser, const struct record_head *head,
                       const struct token *first, uint32_t *out_ttl_s)
{
    enum { MINIMUM_BYTES = 4 };
    const struct rdata_text *rdata = &parser->rdata;
    if (head->ttl.is_set) {
        parser->latest_ttl = head->ttl;
        *out_ttl_s = head->ttl.seconds;
        return true;
    }
    struct ttl inherited = parser->default_ttl.is_set ? parser->default_ttl : parser->latest_ttl;
    if (!inherited.is_set && head->type == TYPE_SOA) {
        inherited.seconds = octets_u32(rdata->bytes + rdata->len - MINIMUM_BYTES);
        inherited.is_set = true;
        parser->latest_ttl = inherited;
        diag_warning(here(parser), first->line, 0,
                     "no TTL; the SOA minimum, %u, is used: add $TTL at the top of the file",
                     inherited.seconds);
    }
    if (!inherited.is_set)
        diag_error(here(parser), first->line, 0,
                   "no TTL: add $TTL at the top of the file, such as $TTL 3600");
    *out_ttl_s = inherited.seconds;
    return inherited.is_set;
}

static bool is_dnssec(uint16_t type)
{
    return type == TYPE_RRSIG || type == TYPE_NSEC || type == TYPE_DNSKEY || type == TYPE_NSEC3 ||
           type == TYPE_NSEC3PARAM || type == TYPE_SIG || type == TYPE_NXT;
}

/* Told once at the end: a signed zone has one for every other record. */
static void skip_dnssec(struct parser *parser, const struct token *first)
{
    if (parser->dnssec_count++ > 0)
        return;
    parser->dnssec_line = first->line;
    parser->dnssec_file = current_file(parser);
}

/* The token of the parameter. That of the type when the data are written as octets, or when they
 * are at fault as a whole. */
static const struct token *find_parameter(const struct rdata_text *rdata, int key,
                                          const struct token *type)
{
    char name[SVCB_KEY_NAME_MAX];
    for (size_t i = 0; key != SVCB_NO_KEY && i < rdata->count; i++) {
        struct str head, value;
        str_split(rdata->tokens[i].text, '=', &head, &value);
        if (!rdata->tokens[i].is_glued && str_eq_text(head, svcb_key_format((unsigned)key, name)))
            return &rdata->tokens[i];
    }
    return type;
}

static bool check_service(struct parser *parser, const struct token *type)
{
    struct svcb_problem problem;
    enum svcb_verdict verdict = svcb_check(parser->rdata.bytes, parser->rdata.len, &problem);
    if (verdict == SVCB_GOOD)
        return true;
    const struct token *at = find_parameter(&parser->rdata, problem.key, type);
    if (verdict == SVCB_ODD)
        diag_warning(here(parser), at->line, at->column, "%s", problem.text);
    else
        diag_error(here(parser), at->line, at->column, "%s", problem.text);
    return verdict == SVCB_ODD;
}

/* The record's data into parser->rdata; false after a report. */
static bool read_data(struct parser *parser, const struct token *tokens, size_t count,
                      const struct record_head *head)
{
    char shown[ZONE_TOKEN_TEXT_MAX];
    struct rdata_text *rdata = &parser->rdata;
    const struct token *type_token = &tokens[head->data_at - 1];
    rdata->type = head->type;
    rdata->origin = &parser->origin;
    rdata->tokens = tokens + head->data_at;
    rdata->count = count - head->data_at;
    if (type_name_is_meta(head->type)) {
        diag_error(here(parser), type_token->line, type_token->column,
                   "type %s cannot stand in a zone", zone_token_text(type_token->text, shown));
        return false;
    }
    if (!rdata_text_parse(rdata)) {
        const struct token *at =
            rdata->at < rdata->count ? &rdata->tokens[rdata->at] : &tokens[count - 1];
        diag_error(here(parser), at->line, at->column, "%s: %s",
                   zone_token_text(type_token->text, shown), rdata->problem);
        return false;
    }
    if (rdata->undotted != NULL)
        warn_undotted(parser, rdata->undotted);
    return (head->type != TYPE_SVCB && head->type != TYPE_HTTPS) ||
           check_service(parser, type_token);
}

static void add_record(struct parser *parser, const struct record_head *head, uint32_t ttl_s,
                       uint32_t line)
{
    struct zone_record record = {
        .owner = parser->owner,
        .owner_len = parser->owner_len,
        .type = head->type,
        .ttl_s = ttl_s,
        .bytes = parser->rdata.bytes,
        .len = (uint16_t)parser->rdata.len,
        .file = current_file(parser),
        .line = line,
    };
    if (zone_builder_add(parser->builder, &record) == ERR_OK)
        return;
    parser->is_over = true;
    diag_error(here(parser), line, 0, "more than %d records or names in all zones",
               ZONE_RECORD_MAX);
}

static void read_record(struct parser *parser, const struct token *tokens, size_t count,
                        bool starts_blank)
{
    struct record_head head;
    uint32_t ttl_s;
    if (!starts_blank)
        read_owner(parser, &tokens[0]);
    if (parser->owner_state == OWNER_NONE) {
        diag_error(here(parser), tokens[0].line, tokens[0].column,
                   "a line that begins with white space goes on with the owner above, and there "
                   "is none");
        parser->owner_state = OWNER_BROKEN;
    }
    if (!read_head(parser, tokens, count, starts_blank ? 0 : 1, &head))
        return;
    if (is_dnssec(head.type)) {
        skip_dnssec(parser, &tokens[0]);
        return;
    }
    bool is_good =
        read_data(parser, tokens, count, &head) && choose_ttl(parser, &head, &tokens[0], &ttl_s);
    if (is_good && parser->owner_state == OWNER_GOOD) {
        add_record(parser, &head, ttl_s, tokens[0].line);
        return;
    }
    parser->seen->soa = parser->seen->soa || head.type == TYPE_SOA;
    parser->seen->ns = parser->seen->ns || head.type == TYPE_NS;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void parse_text(struct parser *parser, struct str text)
{
    struct lexer lexer;
    enum lexer_result result;
    lexer_init(&lexer, text);
    while (!parser->is_over && (result = lexer_next(&lexer)) != LEXER_END) {
        if (result == LEXER_PROBLEM)
            diag_error(here(parser), lexer.problem_line, lexer.problem_column, "%s", lexer.problem);
        else if (!lexer.starts_blank && !lexer.tokens[0].is_quoted &&
                 lexer.tokens[0].text.ptr[0] == '$')
            read_directive(parser, lexer.tokens, lexer.count);
        else
            read_record(parser, lexer.tokens, lexer.count, lexer.starts_blank);
        if (zone_report_error_count(parser->report) >= ZONE_REPORT_ERRORS_MAX) {
            diag_error(here(parser), lexer.line, 0,
                       "too many errors; the rest of the zone is not read");
            parser->is_over = true;
        }
    }
    lexer_fini(&lexer);
}

static void refuse_size(struct parser *parser, const char *path, struct diag *diag, uint32_t line)
{
    diag_error(diag, line, 0, "'%s': a zone with all its files is at most %d MiB", path,
               ZONE_FILE_MAX_BYTES >> 20);
    parser->is_over = true;
}

/* Whether `path` may be opened; `*out_file` says which file it is. */
static bool admit_file(struct parser *parser, const char *path, struct diag *diag, uint32_t line,
                       struct open_file *out_file)
{
    struct stat status;
    struct open_file file = { .path = path };
    if (stat(path, &status) != 0) {
        diag_error(diag, line, 0, "cannot read '%s': %s", path, strerror(errno));
        return false;
    }
    /* A pipe would be waited for without end. */
    if (!S_ISREG(status.st_mode)) {
        diag_error(diag, line, 0, "cannot read '%s': not a regular file", path);
        return false;
    }
    if ((uint64_t)status.st_size > parser->bytes_left) {
        refuse_size(parser, path, diag, line);
        return false;
    }
    file.device = status.st_dev;
    file.inode = status.st_ino;
    for (size_t i = 0; i < parser->depth; i++) {
        if (parser->open[i].device == file.device && parser->open[i].inode == file.inode) {
            diag_error(diag, line, 0, "'%s' includes itself", path);
            return false;
        }
    }
    *out_file = file;
    return true;
}

/* Which file to open next is known: reads it with the limits that are left. */
static void read_file(struct parser *parser, const struct open_file *file, struct diag *diag,
                      uint32_t line)
{
    struct buf content;
    buf_init(&content, parser->bytes_left);
    enum err err = file_read(file->path, &content);
    if (err == ERR_TOO_LARGE) {
        refuse_size(parser, file->path, diag, line); /* it has grown since */
    } else if (err != ERR_OK) {
        diag_error(diag, line, 0, "cannot read '%s': %s", file->path, strerror(errno));
        parser->is_incomplete = true;
    } else {
        parser->bytes_left -= content.len;
        parser->open[parser->depth++] = *file;
        parse_text(parser, buf_str(&content));
        parser->depth--;
    }
    buf_fini(&content);
}

/* `at` is the token that names the file, NULL for the zone's own file. */
static void parse_file(struct parser *parser, const char *path, const struct token *at)
{
    struct open_file file;
    uint32_t line = at != NULL ? at->line : 0;
    struct diag *diag = at != NULL ? here(parser) : zone_report_at(parser->report, 0);
    if (parser->depth > ZONE_INCLUDE_DEPTH_MAX) {
        diag_error(diag, line, 0, "$INCLUDE more than %d files deep", ZONE_INCLUDE_DEPTH_MAX);
        parser->is_incomplete = true;
        return;
    }
    if (parser->report->count >= ZONE_REPORT_FILES_MAX) {
        diag_error(diag, line, 0, "more than %d files in one zone", ZONE_REPORT_FILES_MAX);
        parser->is_over = true;
        return;
    }
    if (!admit_file(parser, path, diag, line, &file)) {
        parser->is_incomplete = true;
        return;
    }
    if (at != NULL)
        file.number = zone_report_add_file(parser->report, path);
    read_file(parser, &file, diag, line);
}

void zone_parser_run(const char *path, const struct zone *zone, struct zone_builder *builder,
                     struct zone_report *report, struct zone_parser_seen *out_seen)
{
    /* Too large for a stack: it holds the longest possible record data. */
    struct parser *parser = mem_calloc(1, sizeof(*parser));
    *out_seen = (struct zone_parser_seen){ .soa = false };
    parser->zone = zone;
    parser->builder = builder;
    parser->report = report;
    parser->seen = out_seen;
    parser->bytes_left = ZONE_FILE_MAX_BYTES;
    parser->origin.len = zone->origin_len;
    memcpy(parser->origin.wire, zone->origin, zone->origin_len);
    zone_report_add_file(report, path);
    parse_file(parser, path, NULL);
    if (parser->dnssec_count > 0)
        diag_warning(zone_report_at(report, parser->dnssec_file), parser->dnssec_line, 0,
                     "%zu DNSSEC records (RRSIG, NSEC, DNSKEY, ...) left out: the zone is served "
                     "unsigned, so its parent must hold no DS for it",
                     parser->dnssec_count);
    /* What was not read is not missing. */
    if (parser->is_over || parser->is_incomplete)
        *out_seen = (struct zone_parser_seen){ .soa = true, .ns = true };
    free(parser);
}
