/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics to stdout or stderr of a daemon.
 * Threads:   any.
 */
#pragma once

#include <stdio.h>

#include "steering/base/diag.h"

/* All entries, one per line; `out` is flushed. */
void diag_print(const struct diag *diag, FILE *out);
/* "FILE: 1 error, 2 warnings" */
void diag_print_counts(const struct diag *diag, const char *file, FILE *out);
