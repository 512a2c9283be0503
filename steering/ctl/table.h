/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of text in columns as wide as their widest cell.
 *
 * Shape:     table_init, then table_add cell by cell, row by row, then table_format.
 * Threads:   owner only.
 * Ownership: copies all cells.
 */
#pragma once

#include "steering/base/buf.h"

struct table {
    char **cells; /* the heading first */
    const char **colours;
    size_t column_count, cell_count;
    size_t cell_capacity, colour_capacity;
};

/* `headings` are the first row. */
void table_init(struct table *table, const char *const *headings, size_t column_count);
void table_fini(struct table *table);
/* Control characters are replaced, see text.h. */
void table_add(struct table *table, struct str cell);
void table_add_text(struct table *table, const char *cell);
void table_add_number(struct table *table, uint64_t number);
/* Colours the cell added last: an SGR code such as "33", of static lifetime. */
void table_colour(struct table *table, const char *sgr);
/* Two blanks between columns, none at the end of a line. */
void table_format(const struct table *table, bool has_colour, struct buf *out);
