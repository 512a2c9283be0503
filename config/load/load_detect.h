/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind of file is this? For `steer check FILE...`. */
#pragma once

#include "steering/base/diag.h"

enum load_kind { LOAD_TOPOLOGY, LOAD_NODE /* of steer-dns */, LOAD_POP_NODE };

/* Decides by the keys at the top. ERR_INVALID, with a message, for anything that is neither or is
 * not YAML; else what reading the file gave. */
MUST_USE enum err load_detect(const char *path, struct diag *diag, enum load_kind *out_kind);
