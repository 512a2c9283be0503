/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that comes from files, loaded together: node file, topology, databases, certificates,
 * ticket keys, and the access log as it is to be written from now on. A reload makes a new one,
 * whole, or none.
 *
 * Threads:   dataset_load anywhere (it reads files); afterwards the main thread's.
 * Ownership: dataset_free; each worker's settings move to the worker (dataset_take).
 */
#pragma once

#include <sys/stat.h>

#include "pop/server/settings.h"

/* What a file was like when it was read; all zero: there is none. */
struct file_mark {
    struct timespec changed;
    off_t size;
    ino_t inode;
};
/* Zero when it cannot be looked at. */
struct file_mark file_mark_of(const char *path);
bool file_mark_eq(const struct file_mark *a, const struct file_mark *b);

/* A file of certificates that is in use. */
struct dataset_certificate {
    const char *path; /* borrowed from the node */
    const char *use;  /* "clients", "backbone" or "authorities" */
    int64_t expires_unix_s;
};

struct dataset {
    struct pop_node *node; /* shared with the settings: node_refs */
    atomic_uint *node_refs;
    struct world *world;
    struct world_info info;
    struct settings **settings; /* by worker; NULL where taken */
    size_t worker_count;
    struct dataset_certificate *certificates;
    size_t certificate_count;
    struct file_mark tickets; /* of node->tls.tickets, before it was read */
    int log_fd;               /* -1: no access log, or taken */
    int64_t loaded_unix_s;
    uint64_t load_ns; /* how long it took */
};

struct dataset_wish {
    const char *node_path;
    const struct pop_node *started; /* what runs: its listeners and workers stay. NULL: a start */
    uint64_t version;               /* for the settings */
    const struct ticket_keys *keys; /* when the node file names no file of keys */
    bool has_log;                   /* open the access log */
};

/* Every problem of every file is in `diag`. */
MUST_USE enum err dataset_load(const struct dataset_wish *wish, struct diag *diag,
                               struct dataset **out_dataset);
void dataset_free(struct dataset *dataset); /* accepts NULL */
struct settings *dataset_take(struct dataset *dataset, size_t worker);
int dataset_take_log(struct dataset *dataset);

/* What differs between the node file that the proxy was started with and this one, and cannot
 * change while it runs: one warning each. */
void dataset_warn_restart(const struct pop_node *started, const struct pop_node *now,
                          struct diag *diag);
