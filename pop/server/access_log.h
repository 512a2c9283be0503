/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON line per request, through a bounded ring to a thread that writes: a worker never waits
 * for a disk. A line that finds the ring full is dropped and counted.
 *
 * Shape:     worker -> [ring of bytes, one writer, one reader] -> writer thread -> file
 * Threads:   access_log_line by its worker; access_log_open_file and _use_file any; the rest by
 *            the main thread.
 */
#pragma once

#include "steering/base/buf.h"
#include "steering/base/diag.h"
#include "steering/base/limits.h"

enum { ACCESS_LOG_RING_BYTES = LIMIT(1 << 20, 4096), ACCESS_LOG_LINE_MAX = LIMIT(16384, 2048) };

struct access_log;        /* one worker's ring */
struct access_log_writer; /* the thread and its file */

/* `path`: a file (appended to), or "-". One ring per worker. */
MUST_USE enum err access_log_open(const char *path, size_t worker_count, struct diag *diag,
                                  struct access_log_writer **out_writer);
/* The same with a file that was opened before (access_log_open_file), which is taken over. */
MUST_USE enum err access_log_start(const char *path, int fd, size_t worker_count, struct diag *diag,
                                   struct access_log_writer **out_writer);
struct access_log *access_log_ring(struct access_log_writer *writer, size_t worker);
/* Opens a file for access_log_start or, in a reload, for access_log_use_file. */
MUST_USE enum err access_log_open_file(const char *path, struct diag *diag, int *out_fd);
/* What comes from now on goes there (after a rotation); the former file is closed. */
void access_log_use_file(struct access_log_writer *writer, int fd); /* takes it over */
/* Lines that were lost because the file did not take them (a full disk). */
uint64_t access_log_lost(const struct access_log_writer *writer);
/* Writes what is in the rings, then ends the thread; waits for that `limit_ms` at most, as a pipe
 * that nobody reads may take nothing for ever. Returns how many lines are left in the rings, which
 * may still be written to, for nothing. Accepts NULL. */
uint64_t access_log_end(struct access_log_writer *writer, int limit_ms);
/* After access_log_end and the last worker. A thread that could not end keeps its memory, until the
 * process ends. Accepts NULL. */
void access_log_close(struct access_log_writer *writer);

/* False: dropped. `line` without the final newline. */
bool access_log_line(struct access_log *log, struct str line);
