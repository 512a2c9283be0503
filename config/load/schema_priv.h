/* SPDX-License-Identifier: Apache-2.0 */
/* Between schema.c (mappings) and schema_value.c (single values). */
#pragma once

#include "config/load/schema.h"

/* Reads the value of a row that is not MAPPING, NAMED or LIST into the field `out`; reports and
 * returns false when it does not fit. */
bool schema_value_parse(const struct schema_key *key, const struct yaml_tree_node *node,
                        struct diag *diag, void *out);
void schema_value_fini(const struct schema_key *key, void *field);
/* "'KEY' must be EXPECTED, found X". Returns false. */
bool schema_value_mismatch(const struct schema_key *key, const struct yaml_tree_node *node,
                           struct diag *diag);
/* Checks a number of entries against the row's min and max. */
bool schema_value_check_count(const struct schema_key *key, const struct yaml_tree_node *node,
                              size_t count, struct diag *diag);
