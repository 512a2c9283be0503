/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/zone/lexer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

void lexer_init(struct lexer *lexer, struct str text)
{
    if (text.len == 0)
        text.ptr = ""; /* an empty buffer has no address to count from */
    /* Editors of one operating system put a byte order mark first. */
    static const struct str mark = { .ptr = "\xEF\xBB\xBF", .len = 3 };
    if (str_starts_with(text, mark)) {
        text.ptr += mark.len;
        text.len -= mark.len;
    }
    *lexer = (struct lexer){
        .at = text.ptr,
        .end = text.ptr + text.len,
        .line_start = text.ptr,
        .line = 1,
    };
}

void lexer_fini(struct lexer *lexer)
{
    free(lexer->tokens);
    lexer->tokens = NULL;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_control(char c)
{
    unsigned char u = (unsigned char)c;
    return (u < ' ' && u != '\t' && u != '\r' && u != '\n') || u == 0x7F;
}

/* Part of no line end. */
static bool is_lone_return(const struct lexer *lexer, const char *at)
{
    return *at == '\r' && at + 1 < lexer->end && at[1] != '\n';
}

/* Octets that cannot stand inside an unquoted token. */
static bool ends_word(char c)
{
    unsigned char u = (unsigned char)c;
    return u <= ' ' || c == ';' || c == '(' || c == ')' || c == '"' || u == 0x7F;
}

static uint32_t column_of(const struct lexer *lexer, const char *at)
{
    return (uint32_t)(at - lexer->line_start) + 1;
}

static enum lexer_result problem_at(struct lexer *lexer, const char *at, const char *text)
{
    snprintf(lexer->problem, sizeof(lexer->problem), "%s", text);
    lexer->problem_line = lexer->line;
    lexer->problem_column = column_of(lexer, at);
    return LEXER_PROBLEM;
}

static enum lexer_result problem_control(struct lexer *lexer, const char *at)
{
    problem_at(lexer, at, "");
    snprintf(lexer->problem, sizeof(lexer->problem),
             "control character 0x%02x in the file; write it as \\%03u", (unsigned char)*at,
             (unsigned char)*at);
    return LEXER_PROBLEM;
}

static enum lexer_result problem_return(struct lexer *lexer, const char *at)
{
    return problem_at(lexer, at, "carriage return within a line; lines end with LF or CR LF");
}

static void skip_line(struct lexer *lexer)
{
    const char *end =
        lexer->at == lexer->end ? NULL : memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));
    if (end == NULL) {
        lexer->at = lexer->end;
        return;
    }
    lexer->at = end + 1;
    lexer->line++;
    lexer->line_start = lexer->at;
}

/* Inside parentheses the next lines most likely belong to the broken entry too: goes on at the
 * first one that looks like the start of an entry, so that one mistake is told once. */
static void recover(struct lexer *lexer)
{
    skip_line(lexer);
    while (lexer->depth > 0 && lexer->at < lexer->end &&
           (is_blank(*lexer->at) || strchr(";)\n", *lexer->at) != NULL))
        skip_line(lexer);
    lexer->depth = 0;
}

static void push_token(struct lexer *lexer, const char *start, const char *end, bool is_quoted)
{
    const char *shown = is_quoted ? start - 1 : start;
    bool is_glued = false;
    if (lexer->count > 0) {
        const struct token *before = &lexer->tokens[lexer->count - 1];
        const char *behind = before->text.ptr + before->text.len + (before->is_quoted ? 1 : 0);
        is_glued = behind == shown;
    }
    lexer->tokens =
        mem_grow(lexer->tokens, lexer->count, &lexer->capacity, sizeof(lexer->tokens[0]));
    lexer->tokens[lexer->count++] = (struct token){
        .text = { .ptr = start, .len = (size_t)(end - start) },
        .line = lexer->line,
        .column = column_of(lexer, shown),
        .is_quoted = is_quoted,
        .is_glued = is_glued,
    };
}

/* Both scanners start at the token's first octet and leave `at` behind it. */
static enum lexer_result scan_quoted(struct lexer *lexer)
{
    const char *open = lexer->at++;
    for (; lexer->at < lexer->end && *lexer->at != '\n'; lexer->at++) {
        if (*lexer->at == '"') {
            push_token(lexer, open + 1, lexer->at++, true);
            return LEXER_ENTRY;
        }
        if (is_control(*lexer->at))
            return problem_control(lexer, lexer->at);
        if (is_lone_return(lexer, lexer->at))
            return problem_return(lexer, lexer->at);
        if (*lexer->at == '\\' && lexer->at + 1 < lexer->end && lexer->at[1] != '\n')
            lexer->at++;
    }
    return problem_at(lexer, open, "quote is not closed on this line");
}

static enum lexer_result scan_word(struct lexer *lexer)
{
    const char *start = lexer->at;
    for (; lexer->at < lexer->end && !ends_word(*lexer->at); lexer->at++) {
        if (*lexer->at != '\\')
            continue;
        lexer->at++;
        if (lexer->at == lexer->end || *lexer->at == '\n' || *lexer->at == '\r')
            return problem_at(lexer, lexer->at - 1, "backslash at the end of the line");
    }
    if (lexer->at < lexer->end && is_control(*lexer->at))
        return problem_control(lexer, lexer->at);
    push_token(lexer, start, lexer->at, false);
    return LEXER_ENTRY;
}

static enum lexer_result scan_parenthesis(struct lexer *lexer)
{
    const char *at = lexer->at++;
    if (*at == '(') {
        if (lexer->depth++ == 0) {
            lexer->open_line = lexer->line;
            lexer->open_column = column_of(lexer, at);
        }
        return LEXER_ENTRY;
    }
    if (lexer->depth == 0)
        return problem_at(lexer, at, "')' without '('");
    lexer->depth--;
    return LEXER_ENTRY;
}

/* One token, parenthesis, comment or run of white space; never a line end. */
static enum lexer_result scan_piece(struct lexer *lexer)
{
    char c = *lexer->at;
    if (is_lone_return(lexer, lexer->at))
        return problem_return(lexer, lexer->at);
    if (is_blank(c)) {
        lexer->at++;
        return LEXER_ENTRY;
    }
    if (c == ';') {
        const char *end = memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));
        lexer->at = end != NULL ? end : lexer->end;
        return LEXER_ENTRY;
    }
    if (c == '"')
        return scan_quoted(lexer);
    if (c == '(' || c == ')')
        return scan_parenthesis(lexer);
    return scan_word(lexer);
}

/* Up to and with the line end that closes the entry. */
static enum lexer_result scan_entry(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        if (lexer->at - lexer->entry_start > LEXER_ENTRY_MAX_BYTES)
            return problem_at(lexer, lexer->at, "record is longer than 512 KiB");
        if (*lexer->at == '\n') {
            skip_line(lexer);
            if (lexer->depth == 0)
                return LEXER_ENTRY;
        } else if (scan_piece(lexer) == LEXER_PROBLEM) {
            return LEXER_PROBLEM;
        }
    }
    if (lexer->depth == 0)
        return LEXER_ENTRY;
    problem_at(lexer, lexer->at, "parenthesis is never closed");
    lexer->problem_line = lexer->open_line;
    lexer->problem_column = lexer->open_column;
    return LEXER_PROBLEM;
}

enum lexer_result lexer_next(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        lexer->count = 0;
        lexer->entry_start = lexer->at;
        lexer->starts_blank = is_blank(*lexer->at);
        if (scan_entry(lexer) == LEXER_PROBLEM) {
            recover(lexer);
            return LEXER_PROBLEM;
        }
        if (lexer->count > 0)
            return LEXER_ENTRY;
    }
    return LEXER_END;
}
