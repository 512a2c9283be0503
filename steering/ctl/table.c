/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"
#include "steering/ctl/text.h"

enum { CELL_MAX_BYTES = 4096 };

void table_init(struct table *table, const char *const *headings, size_t column_count)
{
    *table = (struct table){ .column_count = column_count };
    for (size_t i = 0; i < column_count; i++) {
        table_add_text(table, headings[i]);
        table_colour(table, "1");
    }
}

void table_fini(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table->colours);
    *table = (struct table){ .cells = NULL };
}

void table_add(struct table *table, struct str cell)
{
    struct buf text;
    buf_init(&text, (size_t)CELL_MAX_BYTES);
    text_append_clean(&text, cell);
    table->cells =
        mem_grow(table->cells, table->cell_count, &table->cell_capacity, sizeof(table->cells[0]));
    table->colours = mem_grow(table->colours, table->cell_count, &table->colour_capacity,
                              sizeof(table->colours[0]));
    table->cells[table->cell_count] = mem_strdup(buf_text(&text));
    table->colours[table->cell_count++] = NULL;
    buf_fini(&text);
}

void table_add_text(struct table *table, const char *cell)
{
    table_add(table, str_from(cell));
}

void table_add_number(struct table *table, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%" PRIu64, number);
    table_add_text(table, text);
}

void table_colour(struct table *table, const char *sgr)
{
    table->colours[table->cell_count - 1] = sgr;
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < table->cell_count; i += table->column_count) {
        size_t wide = text_width(str_from(table->cells[i]));
        width = wide > width ? wide : width;
    }
    return width;
}

static bool is_rest_empty(const struct table *table, size_t cell)
{
    do {
        cell++;
        if (cell >= table->cell_count || cell % table->column_count == 0)
            return true;
    } while (table->cells[cell][0] == '\0');
    return false;
}

static void format_cell(const struct table *table, size_t cell, bool has_colour,
                        const size_t *widths, struct buf *out)
{
    const char *text = table->cells[cell];
    const char *colour = has_colour ? table->colours[cell] : NULL;
    bool is_painted = colour != NULL && text[0] != '\0';
    buf_append_format(out, "%s%s%s%s%s", is_painted ? "\033[" : "", is_painted ? colour : "",
                      is_painted ? "m" : "", text, is_painted ? "\033[0m" : "");
    if (is_rest_empty(table, cell))
        return;
    size_t pad = widths[cell % table->column_count] + 2 - text_width(str_from(text));
    for (size_t i = 0; i < pad; i++)
        buf_append_text(out, " ");
}

void table_format(const struct table *table, bool has_colour, struct buf *out)
{
    size_t *widths = mem_calloc(table->column_count, sizeof(widths[0]));
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = column_width(table, i);
    for (size_t row = 0; row < table->cell_count; row += table->column_count) {
        for (size_t i = row; i < row + table->column_count && i < table->cell_count; i++) {
            format_cell(table, i, has_colour, widths, out);
            if (is_rest_empty(table, i))
                break;
        }
        buf_append_text(out, "\n");
    }
    free(widths);
}
