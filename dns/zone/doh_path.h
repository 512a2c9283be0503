/* SPDX-License-Identifier: Apache-2.0 */
/* The path of a DNS-over-HTTPS service in SVCB and HTTPS records: a URI template that makes a
 * request's path of a query, such as /dns-query{?dns}.
 * Threads:   any (pure).
 * Source:    RFC 9461 section 5, RFC 6570 section 2, RFC 3629 section 4
 */
#pragma once

#include "steering/base/str.h"

/* NULL when `path` is good, else what is wrong with it: a constant text. */
const char *doh_path_check(struct str path);
