/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/runtime/diag_print.h"

enum { TEXT_MAX_BYTES = 1 << 20 };

void diag_print(const struct diag *diag, FILE *out)
{
    struct buf text;
    buf_init(&text, TEXT_MAX_BYTES);
    diag_format(diag, &text);
    fputs(buf_text(&text), out);
    fflush(out);
    buf_fini(&text);
}

void diag_print_counts(const struct diag *diag, const char *file, FILE *out)
{
    fprintf(out, "%s: %u error%s, %u warning%s\n", file, diag->error_count,
            diag->error_count == 1 ? "" : "s", diag->warning_count,
            diag->warning_count == 1 ? "" : "s");
}
