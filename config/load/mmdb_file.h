/* SPDX-License-Identifier: Apache-2.0 */
/* A MaxMind DB file, copied to sealed memory and opened: metadata checked, tree and data located.
 *
 * libmaxminddb only maps files, so an overwrite in place would change what is being read or end the
 * process (SIGBUS). A sealed memory file takes the content out of everybody's reach; it is opened
 * as /proc/self/fd/N. Before libmaxminddb sees it, sizes are checked in 64 bits and the metadata is
 * expanded within a budget: version 1.7.1 multiplies node count and size in 32 bits and follows
 * every pointer of the description.
 *
 * Threads:   owner only.
 * Ownership: mmdb_file_close frees everything.
 * Source:    MaxMind DB File Format Specification, version 2.0
 */
#pragma once

#include <maxminddb.h>

#include "config/load/mmdb.h"
#include "config/load/mmdb_data.h"

struct mmdb_file {
    MMDB_s mmdb;
    uint32_t node_count; /* at least 1 */
    unsigned ip_version; /* 4 or 6 */
    struct mmdb_data data;
};

/* ERR_NOT_FOUND, ERR_DENIED, ERR_IO, ERR_TOO_LARGE for reaching it, ERR_CORRUPT for its content;
 * `diag` says more. */
MUST_USE enum err mmdb_file_open(const struct mmdb_source *source, struct diag *diag,
                                 struct mmdb_file *out_file);
void mmdb_file_close(struct mmdb_file *file);
