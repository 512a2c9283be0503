/* SPDX-License-Identifier: Apache-2.0 */
/* The network of one site: loopback, a TUN device with the site's addresses, a default route.
 *
 * Threads:   the calling thread's network namespace is the one that changes.
 * Source:    netlink(7), rtnetlink(7), Documentation/networking/tuntap.rst
 */
#pragma once

#include "steering/base/diag.h"
#include "tools/wan/matrix.h"

/* Name of the device in every site. */
#define INTERFACE_NAME "wan0"

/* The device lives as long as `*out_tun_fd`, which is non-blocking and owned by the caller: what
 * the site sends is read from it, packet by packet, and what is written to it the site receives. */
MUST_USE enum err interface_open(const struct matrix_site *site, struct diag *diag,
                                 int *out_tun_fd);
