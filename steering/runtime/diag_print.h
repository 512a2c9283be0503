/* SPDX-License-Identifier: Apache-2.0 */
/* Diagnostics to stdout or stderr of a daemon.
 * Threads:   any.
 */
#pragma once

#include <stdio.h>

#include "steering/base/diag.h"

/* All entries, one per line; `out` is flushed. */
void diag_print(const struct diag *diag, FILE *out);
