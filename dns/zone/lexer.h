/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts the text of a zone file into entries: the tokens of one record or directive.
 *
 * Shape:     entry = tokens up to a line end outside of parentheses. Comments, parentheses and
 *            line ends inside them vanish here; quotes are taken off and noted; escapes stay as
 *            they are, because names and strings undo them differently.
 * Threads:   owner only.
 * Ownership: tokens point into the text, which must outlive the lexer; the token array is valid
 *            until the next lexer_next.
 * Limits:    LEXER_ENTRY_MAX_BYTES from the first to the last octet of an entry.
 * Source:    RFC 1035 section 5.1
 */
#pragma once

#include "steering/base/str.h"

enum { LEXER_ENTRY_MAX_BYTES = 512 * 1024 };

struct token {
    struct str text; /* without the quotes */
    uint32_t line, column;
    bool is_quoted;
    bool is_glued; /* no white space between it and the token before: alpn="h2" */
};

enum lexer_result {
    LEXER_ENTRY,
    LEXER_PROBLEM, /* `problem` says what; the next call goes on behind the broken entry */
    LEXER_END,
};

struct lexer {
    const char *at, *end, *line_start;
    uint32_t line;
    struct token *tokens;
    size_t count, capacity;
    bool starts_blank; /* the entry's line begins with white space: owner as before */
    const char *entry_start;
    unsigned depth; /* of parentheses */
    uint32_t open_line, open_column;
    char problem[96];
    uint32_t problem_line, problem_column;
};

void lexer_init(struct lexer *lexer, struct str text);
void lexer_fini(struct lexer *lexer);
enum lexer_result lexer_next(struct lexer *lexer);
