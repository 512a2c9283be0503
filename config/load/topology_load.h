/* SPDX-License-Identifier: Apache-2.0 */
/* The topology file: YAML -> a validated struct topology.
 *
 * Shape:     regions, pops, networks, areas, maps, names (see config/examples/topology.yaml).
 *            Errors and warnings of the whole file are reported in one run, as
 *            file:line:column with a suggestion.
 * Threads:   any; reads files, so never from a worker.
 * Limits:    the file YAML_TREE_MAX_BYTES, a file of prefixes TOPOLOGY_CIDR_FILE_MAX_BYTES.
 */
#pragma once

#include "steering/base/diag.h"
#include "steering/model/topology.h"

enum { TOPOLOGY_CIDR_FILE_MAX_BYTES = 64 << 20, TOPOLOGY_CIDR_MAX = 1000000 };

/* `*out_topology` is owned by the caller. With warnings (lint) in `diag` the load still succeeds.
 * ERR_NOT_FOUND, ERR_DENIED, ERR_IO, ERR_TOO_LARGE for the file itself; ERR_INVALID else. */
MUST_USE enum err topology_load(const char *path, struct diag *diag,
                                struct topology **out_topology);
/* The same for a text in memory; `path` is its name and where relative files are looked for. */
MUST_USE enum err topology_load_text(struct str text, const char *path, struct diag *diag,
                                     struct topology **out_topology);
/* Every key of the file, for people. */
void topology_explain_config(struct buf *out);
