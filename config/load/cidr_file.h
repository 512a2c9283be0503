/* SPDX-License-Identifier: Apache-2.0 */
/* A file of prefixes: one a line, '#' starts a comment, empty lines do not count.
 *
 * Threads:   any; reads a file, so never from a worker.
 * Limits:    the caller's, on bytes and on prefixes.
 */
#pragma once

#include "steering/base/cidr.h"
#include "steering/base/diag.h"

struct cidr_list {
    struct cidr *items;
    size_t count, capacity;
};

/* Appends the prefixes of `text` to `list`, at most `max` in all. Every bad line is reported as
 * FILE:LINE:COLUMN (`diag` must know the file's name), host bits with the prefix that was probably
 * meant. ERR_INVALID when there was one. */
MUST_USE enum err cidr_file_parse(struct str text, size_t max, struct diag *diag,
                                  struct cidr_list *list);
