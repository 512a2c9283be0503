/* SPDX-License-Identifier: Apache-2.0 */
/* A list of everything that is wrong with a file, collected in one run.
 *
 * Shape:     FILE:LINE:COLUMN: error: TEXT   (line and column from 1; 0 = unknown, left out)
 * Threads:   owner only.
 * Ownership: copies all texts. `file` of diag_set_file is copied too.
 * Limits:    DIAG_MAX entries; later ones are only counted, but an error takes the place of a
 *            warning. Texts beyond 2 KiB are cut and end in "...".
 */
#pragma once

#include <stdint.h>

#include "steering/base/buf.h"
#include "steering/base/err.h"

enum { DIAG_MAX = 100 };

enum diag_severity { DIAG_ERROR, DIAG_WARNING };

struct diag_entry {
    enum diag_severity severity;
    char *file; /* NULL: not about a file */
    uint32_t line, column;
    char *text;
};

struct diag {
    struct diag_entry *entries;
    size_t count, capacity;
    uint32_t error_count, warning_count; /* counts entries beyond DIAG_MAX too */
    char *file;
};

void diag_init(struct diag *diag);
void diag_fini(struct diag *diag);
/* The file that the following entries are about; NULL for none. */
void diag_set_file(struct diag *diag, const char *file);

/* Both add an entry at line and column (0 = unknown). diag_error returns ERR_INVALID and
 * diag_errno the mapped error, so that they can stand in a return statement. */
enum err diag_error(struct diag *diag, uint32_t line, uint32_t column, const char *format, ...)
    PRINTF_LIKE(4, 5);
void diag_warning(struct diag *diag, uint32_t line, uint32_t column, const char *format, ...)
    PRINTF_LIKE(4, 5);
/* Appends ": <strerror(errnum)>" to the text. */
enum err diag_errno(struct diag *diag, int errnum, const char *format, ...) PRINTF_LIKE(3, 4);

bool diag_has_errors(const struct diag *diag);
/* All entries, one per line, in the order found. */
void diag_format(const struct diag *diag, struct buf *out);
/* The first error alone, for one-line messages; "" when there is none. Valid until the next
 * change of `diag`. */
const char *diag_first(const struct diag *diag);
