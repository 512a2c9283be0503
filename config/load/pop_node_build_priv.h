/* SPDX-License-Identifier: Apache-2.0 */
/* Between pop_node.c (the whole) and pop_node_routes.c (origins and routes).
 *
 * Every step reports what it finds and goes on; the node counts only when there were no errors.
 * Threads: owner only.
 */
#pragma once

#include "config/load/pop_node_raw_priv.h"

void pop_node_build_origins(struct raw_pop_node *raw, struct pop_node *node, struct diag *diag);
/* After the origins and timeouts. Sorts: the most specific route first. */
void pop_node_build_routes(struct raw_pop_node *raw, struct pop_node *node, struct diag *diag);
