/* SPDX-License-Identifier: Apache-2.0 */
/* The last documents that a server applied, on its own disk: what it starts from when the store
 * is away. They never expire: stale steering beats no steering.
 *
 * Shape:     FOLDER/document-<20 digits, counting up>-<16 hex digits of the digest>.json
 * Threads:   one writer per folder. Blocks on the disk; never from a worker.
 * Limits:    LAST_GOOD_KEPT files; older ones are removed.
 */
#pragma once

#include "steering/base/diag.h"
#include "steering/model/document.h"

enum { LAST_GOOD_KEPT = 5 };

/* Durable when it returns ERR_OK. A document that is the newest there already is not written
 * again. On failure the older files stand. Missing folders are made. */
MUST_USE enum err last_good_save(const char *folder, const struct document *document,
                                 struct diag *diag);
/* The newest that is whole (digest matches) and parses; damaged ones are passed over with a
 * warning in `diag`. ERR_NOT_FOUND: none. `*out_document` is owned by the caller. */
MUST_USE enum err last_good_load(const char *folder, struct diag *diag,
                                 struct document **out_document);
