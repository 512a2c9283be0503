/* SPDX-License-Identifier: Apache-2.0 */
/* What every daemon's /status.json says of its bond with the store and of the sites.
 * Threads:   the main loop's own.
 */
#pragma once

#include "steering/runtime/steering.h"

/* The same names as in the presence where it is the same thing. */
void steering_status_add(json_t *value, const struct steering_report *report);
/* "sites":[{"name","kind","mode","source"}…] */
void steering_status_add_sites(json_t *value, const struct snapshot *snapshot);
