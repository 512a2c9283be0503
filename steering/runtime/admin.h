/* SPDX-License-Identifier: Apache-2.0 */
/* The admin server of a daemon: HTTP on a unix socket, and on loopback TCP if wanted.
 *
 * Shape:     the daemon brings a table of routes; every request ends in one admin_reply, at once
 *            or later. What is not in the table gets 404 with the list of what is. All answers
 *            but metrics are JSON. TCP knows nobody by name: only GET there, unless the
 *            settings say otherwise; the unix socket's permissions say who may POST.
 * Threads:   the main loop's own; libmicrohttpd runs inside it, without threads.
 * Ownership: admin_close frees everything once the loop has run again; requests that are still
 *            open get 503 before. The routes are borrowed until then.
 * Limits:    ADMIN_CONNECTIONS_MAX connections, 32 KiB of request head, ADMIN_BODY_MAX bytes of
 *            body (ignored, for no route takes one), ADMIN_IDLE_S seconds of silence.
 */
#pragma once

#include <uv.h>

#include "steering/base/addr.h"
#include "steering/base/diag.h"
#include "steering/base/json.h"
#include "steering/base/limits.h"

enum { ADMIN_CONNECTIONS_MAX = LIMIT(64, 4), ADMIN_BODY_MAX = 4096, ADMIN_IDLE_S = 15 };

struct admin;
struct admin_request;

struct admin_route {
    const char *method; /* "GET" (answers HEAD, too) or "POST" */
    const char *path;   /* whole: "/status.json" */
    const char *about;  /* for the list of routes */
    void (*on_request)(void *owner, struct admin_request *request);
};

struct admin_settings {
    const char *socket_path; /* NULL: none */
    bool has_tcp;
    struct addr tcp_addr;  /* loopback */
    uint16_t tcp_port;     /* 0: any */
    bool tcp_takes_orders; /* not only GET */
    const struct admin_route *routes;
    size_t route_count;
    void *owner; /* for on_request */
};

/* Binds, but does not answer before admin_start: a client that connects early waits. */
MUST_USE enum err admin_open(const struct admin_settings *settings, struct diag *diag,
                             struct admin **out_admin);
MUST_USE enum err admin_start(struct admin *admin, uv_loop_t *loop, struct diag *diag);
/* Removes the unix socket, too. Accepts NULL. */
void admin_close(struct admin *admin);
/* For those who end without more ado. Only our own: another process may have found its path free
 * and listen there by now. */
void admin_remove_socket(const struct admin *admin);

/* NULL: no unix socket. */
const char *admin_socket_path(const struct admin *admin);
/* 0: no TCP. */
uint16_t admin_tcp_port(const struct admin *admin);

/* The value behind `key` in the query string, decoded; NULL when absent. Borrowed until the
 * reply. */
const char *admin_argument(const struct admin_request *request, const char *key);

/* Ends the request. `body` is copied. */
void admin_reply(struct admin_request *request, unsigned status, const char *content_type,
                 struct str body);
/* Takes ownership of `value`. */
void admin_reply_json(struct admin_request *request, unsigned status, json_t *value);
/* {"v":1,"error":"…"} */
void admin_reply_error(struct admin_request *request, unsigned status, const char *format, ...)
    PRINTF_LIKE(3, 4);
