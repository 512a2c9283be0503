/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/err.h"

#include <errno.h>
#include <stddef.h>

struct err_row {
    const char *name;
    const char *text;
    int exit_code;
};

static const struct err_row rows[] = {
#define X(row_name, row_exit, row_text)                                                            \
    [ERR_##row_name] = { .name = #row_name, .text = (row_text), .exit_code = (row_exit) },
    ERR_LIST(X)
#undef X
};

static const struct err_row *find_row(enum err err)
{
    size_t at = (size_t)err;
    return at < sizeof(rows) / sizeof(rows[0]) ? &rows[at] : &rows[ERR_INTERNAL];
}

const char *err_name(enum err err)
{
    return find_row(err)->name;
}

const char *err_text(enum err err)
{
    return find_row(err)->text;
}

int err_exit_code(enum err err)
{
    return find_row(err)->exit_code;
}

enum err err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return ERR_OK;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NO_SPACE;
    case EAGAIN:
    case EBUSY:
        return ERR_BUSY;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}
