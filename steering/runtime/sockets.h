/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets that clients come in by: for each listen address, one TCP socket per worker, and one
 * UDP socket if that is wanted, all on the same port (SO_REUSEPORT: the kernel spreads clients
 * over the workers). None of them listens yet.
 *
 * Threads:   opened by the main thread; each socket then belongs to its worker.
 * Ownership: the set owns the descriptors that nobody has taken (the taker writes -1).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "steering/base/addr.h"
#include "steering/base/diag.h"

struct sockets_address {
    struct addr addr;
    uint16_t port; /* as bound, never 0 */
    bool is_wildcard;
};

struct sockets {
    struct sockets_address *addresses;
    size_t address_count;
    size_t worker_count;
    bool has_udp;
    int *udp, *tcp; /* [address * worker_count + worker]; udp -1 without `has_udp` */
};

struct sockets_wish {
    struct addr addr;
    uint16_t port; /* 0: any that is free */
};

/* Binds everything or nothing; every address that fails is reported. A port that another process
 * listens on is an error, although SO_REUSEPORT would let two processes share it by mistake. */
MUST_USE enum err sockets_open(const struct sockets_wish *wishes, size_t count, size_t worker_count,
                               bool has_udp, struct diag *diag, struct sockets *out_sockets);
void sockets_close(struct sockets *sockets);

enum { SOCKETS_TEXT_MAX = ADDR_TEXT_MAX + 8 };
/* "127.0.0.1:53" or "[::1]:53". */
const char *sockets_format(const struct sockets_address *address, char out_text[SOCKETS_TEXT_MAX]);
