/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

enum { TEXT_MAX_BYTES = 2048 };

void diag_init(struct diag *diag)
{
    *diag = (struct diag){ .entries = NULL };
}

void diag_fini(struct diag *diag)
{
    for (size_t i = 0; i < diag->count; i++) {
        free(diag->entries[i].file);
        free(diag->entries[i].text);
    }
    free(diag->entries);
    free(diag->file);
    diag_init(diag);
}

void diag_set_file(struct diag *diag, const char *file)
{
    char *copy = file != NULL ? mem_strdup(file) : NULL;
    free(diag->file);
    diag->file = copy;
}

/* Truncates: half a message says more than none. */
static void format_text(char out_text[TEXT_MAX_BYTES], const char *format, va_list args)
    PRINTF_LIKE(2, 0);
static void format_text(char out_text[TEXT_MAX_BYTES], const char *format, va_list args)
{
    int len = vsnprintf(out_text, TEXT_MAX_BYTES, format, args);
    if (len >= TEXT_MAX_BYTES)
        memcpy(out_text + TEXT_MAX_BYTES - 4, "...", 4);
}

static void drop_last_warning(struct diag *diag)
{
    size_t at = diag->count;
    while (at > 0 && diag->entries[at - 1].severity != DIAG_WARNING)
        at--;
    if (at == 0)
        return;
    free(diag->entries[at - 1].file);
    free(diag->entries[at - 1].text);
    memmove(&diag->entries[at - 1], &diag->entries[at],
            (diag->count - at) * sizeof(diag->entries[0]));
    diag->count--;
}

/* Texts quote foreign files: a line break would forge an entry, an escape sequence would reach the
 * terminal. UTF-8 passes. */
static char *copy_blunted(const char *text)
{
    char *copy = mem_strdup(text);
    for (char *at = copy; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return copy;
}

static void add(struct diag *diag, enum diag_severity severity, uint32_t line, uint32_t column,
                const char *text)
{
    if (severity == DIAG_ERROR)
        diag->error_count++;
    else
        diag->warning_count++;
    /* An error must be seen, however many warnings came before it. */
    if (diag->count == DIAG_MAX && severity == DIAG_ERROR)
        drop_last_warning(diag);
    if (diag->count == DIAG_MAX)
        return;
    diag->entries = mem_grow(diag->entries, diag->count, &diag->capacity, sizeof(diag->entries[0]));
    diag->entries[diag->count++] = (struct diag_entry){
        .severity = severity,
        .file = diag->file != NULL ? mem_strdup(diag->file) : NULL,
        .line = line,
        .column = column,
        .text = copy_blunted(text),
    };
}

enum err diag_error(struct diag *diag, uint32_t line, uint32_t column, const char *format, ...)
{
    char text[TEXT_MAX_BYTES];
    va_list args;
    va_start(args, format);
    format_text(text, format, args);
    va_end(args);
    add(diag, DIAG_ERROR, line, column, text);
    return ERR_INVALID;
}

void diag_warning(struct diag *diag, uint32_t line, uint32_t column, const char *format, ...)
{
    char text[TEXT_MAX_BYTES];
    va_list args;
    va_start(args, format);
    format_text(text, format, args);
    va_end(args);
    add(diag, DIAG_WARNING, line, column, text);
}

enum err diag_errno(struct diag *diag, int errnum, const char *format, ...)
{
    char text[TEXT_MAX_BYTES];
    char whole[TEXT_MAX_BYTES + 128];
    va_list args;
    va_start(args, format);
    format_text(text, format, args);
    va_end(args);
    snprintf(whole, sizeof(whole), "%s: %.100s", text, strerror(errnum));
    add(diag, DIAG_ERROR, 0, 0, whole);
    return err_from_errno(errnum);
}

bool diag_has_errors(const struct diag *diag)
{
    return diag->error_count > 0;
}

static void format_entry(const struct diag_entry *entry, struct buf *out)
{
    if (entry->file != NULL)
        buf_append_format(out, "%s:", entry->file);
    if (entry->line > 0)
        buf_append_format(out, "%u:", entry->line);
    if (entry->line > 0 && entry->column > 0)
        buf_append_format(out, "%u:", entry->column);
    if (entry->file != NULL || entry->line > 0)
        buf_append_text(out, " ");
    buf_append_text(out, entry->severity == DIAG_ERROR ? "error: " : "warning: ");
    buf_append_format(out, "%s\n", entry->text);
}

void diag_format(const struct diag *diag, struct buf *out)
{
    for (size_t i = 0; i < diag->count; i++)
        format_entry(&diag->entries[i], out);
    size_t total = (size_t)diag->error_count + diag->warning_count;
    if (total > diag->count)
        buf_append_format(out, "... and %zu more\n", total - diag->count);
}

const char *diag_first(const struct diag *diag)
{
    for (size_t i = 0; i < diag->count; i++)
        if (diag->entries[i].severity == DIAG_ERROR)
            return diag->entries[i].text;
    return "";
}
