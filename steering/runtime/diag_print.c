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
