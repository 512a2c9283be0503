/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files: read with a ceiling, replace without ever leaving half of one behind.
 *
 * Threads:   any. All calls block; never from a worker.
 */
#pragma once

#include "steering/base/buf.h"
#include "steering/base/err.h"

/* Reads all of `path` into `out` (cleared first; its max_bytes is the ceiling).
 * ERR_NOT_FOUND, ERR_TOO_LARGE, ERR_DENIED, ERR_IO; `errno` is kept for the message. */
MUST_USE enum err file_read(const char *path, struct buf *out);

/* The same for a folder that others write in: a pipe or device put in the file's place would hold
 * up its reader for ever. ERR_DENIED for what is no regular file. */
MUST_USE enum err file_read_regular(const char *path, struct buf *out);

/* Opens a new file at `path` for writing, in place of whatever was there: the rest of a killed
 * writer, perhaps another user's, or a link or pipe that somebody put there to catch one. -1 with
 * `errno`. */
int file_create(const char *path);

/* Replaces `path` atomically: temporary file beside it, write, fsync, rename, fsync of the
 * folder. On failure the old file stands and the temporary is gone; only when the folder could
 * not be synced (a dying disk) may the new one. ERR_NO_SPACE, ERR_DENIED, ERR_IO; `errno` is kept.
 * `is_durable` false leaves out both fsyncs. */
MUST_USE enum err file_replace(const char *path, struct str content, bool is_durable);

/* What was made in a folder that several users write in (the operators of a store) must not depend
 * on whose umask it was: the file or folder `fd` gets the read and search permissions of `folder`,
 * its group and that group's right to write, unless everybody may write there (sticky); what root
 * makes belongs to the folder's owner. Nothing happens to what is somebody else's. */
void file_take_after(int fd, const char *folder);

/* mkdir -p; what is missing takes after the folder above it, with 0755 at most but for the group.
 * ERR_EXISTS when a file is in the way, ERR_DENIED, ERR_NO_SPACE, ERR_NOT_FOUND for the empty path,
 * ERR_IO; `errno` is kept. */
MUST_USE enum err file_make_folders(const char *path);
/* The folder of `path`, joined with `name` unless `name` is absolute. Owned by the caller. */
char *file_beside(const char *path, const char *name);
/* "folder/name"; owned by the caller. */
char *file_join(const char *folder, const char *name);
/* `path` itself when absolute, else behind the working directory; owned by the caller. */
char *file_absolute(const char *path);

/* First of all in a program: descriptors 0, 1 and 2 that whoever started it left closed are taken,
 * or the next file or socket would get their numbers and what is meant for standard error would be
 * written into it. Writing to one of them goes on to fail. */
void file_reserve_standard(void);
