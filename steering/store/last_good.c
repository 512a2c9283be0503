/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/store/last_good.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

enum {
    SEQUENCE_DIGITS = 20,
    DIGEST_DIGITS = 16,
    NAME_CHARS = 9 + SEQUENCE_DIGITS + 1 + DIGEST_DIGITS + 5, /* document-N-D.json */
    FILES_MAX = 1000,
};

/* One file of the folder; the name tells all. */
struct kept {
    uint64_t sequence;
    char name[64];
    char digest[DIGEST_DIGITS + 1];
};

struct kept_files {
    struct kept *items; /* newest first */
    size_t count;
};

static bool parse_name(const char *name, struct kept *out)
{
    struct str rest = str_from(name), prefix = STR("document-"), suffix = STR(".json");
    struct str number, digest;
    if (!str_starts_with(rest, prefix) || !str_ends_with(rest, suffix) || rest.len != NAME_CHARS)
        return false;
    rest.ptr += prefix.len;
    rest.len -= prefix.len + suffix.len;
    if (!str_split(rest, '-', &number, &digest) || digest.len != DIGEST_DIGITS ||
        !str_parse_u64(number, UINT64_MAX - 1, &out->sequence))
        return false;
    snprintf(out->name, sizeof(out->name), "%.*s", NAME_CHARS, name);
    snprintf(out->digest, sizeof(out->digest), "%.*s", STR_ARG(digest));
    return true;
}

static int compare_kept(const void *a, const void *b)
{
    const struct kept *left = a, *right = b;
    return (left->sequence < right->sequence) - (left->sequence > right->sequence);
}

static struct kept_files scan(const char *folder)
{
    struct kept_files files = { .items = NULL };
    size_t capacity = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return files;
    for (const struct dirent *entry = readdir(dir); entry != NULL && files.count < FILES_MAX;
         entry = readdir(dir)) {
        struct kept kept;
        if (!parse_name(entry->d_name, &kept))
            continue;
        files.items = mem_grow(files.items, files.count, &capacity, sizeof(files.items[0]));
        files.items[files.count++] = kept;
    }
    closedir(dir);
    if (files.count > 1)
        qsort(files.items, files.count, sizeof(files.items[0]), compare_kept);
    return files;
}

static void format_digest(const struct document *document, char out[DIGEST_DIGITS + 1])
{
    char text[DIGEST_TEXT_MAX];
    struct digest digest = document_digest(document);
    digest_format(&digest, text);
    snprintf(out, DIGEST_DIGITS + 1, "%.*s", DIGEST_DIGITS, text + strlen("sha256:"));
}

static enum err load_one(const char *folder, const struct kept *kept, struct diag *diag,
                         struct document **out_document)
{
    struct buf text;
    struct document *document = NULL;
    char digest[DIGEST_DIGITS + 1] = "";
    char *path = file_join(folder, kept->name);
    buf_init(&text, DOCUMENT_MAX_BYTES);
    diag_set_file(diag, path);
    enum err err = file_read_regular(path, &text);
    if (err != ERR_OK)
        diag_warning(diag, 0, 0, "passed over: %s", err_text(err));
    struct diag problems;
    diag_init(&problems);
    if (err == ERR_OK && document_parse(buf_str(&text), &problems, &document) != ERR_OK) {
        diag_warning(diag, 0, 0, "passed over: %s", diag_first(&problems));
        err = ERR_CORRUPT;
    }
    diag_fini(&problems);
    if (document != NULL)
        format_digest(document, digest);
    if (document != NULL && strcmp(digest, kept->digest) != 0) {
        diag_warning(diag, 0, 0, "passed over: its content does not match its name");
        document_free(document);
        document = NULL;
        err = ERR_CORRUPT;
    }
    if (err == ERR_OK)
        *out_document = document;
    diag_set_file(diag, NULL);
    buf_fini(&text);
    free(path);
    return err;
}

enum err last_good_load(const char *folder, struct diag *diag, struct document **out_document)
{
    struct kept_files files = scan(folder);
    enum err err = ERR_NOT_FOUND;
    for (size_t i = 0; i < files.count && err != ERR_OK; i++)
        err = load_one(folder, &files.items[i], diag, out_document);
    free(files.items);
    return err == ERR_OK ? ERR_OK : ERR_NOT_FOUND;
}

static enum err write_next(const char *folder, uint64_t sequence, const char *digest,
                           const struct document *document, struct diag *diag)
{
    struct buf text;
    char name[64];
    snprintf(name, sizeof(name), "document-%020" PRIu64 "-%s.json", sequence, digest);
    char *path = file_join(folder, name);
    buf_init(&text, DOCUMENT_MAX_BYTES);
    document_format(document, &text);
    enum err err = ERR_TOO_LARGE;
    if (text.is_overflown)
        diag_error(diag, 0, 0, "the document exceeds %d bytes", DOCUMENT_MAX_BYTES);
    else
        err = file_replace(path, buf_str(&text), true);
    if (err != ERR_OK && !text.is_overflown)
        diag_errno(diag, errno, "cannot write '%s'", path);
    buf_fini(&text);
    free(path);
    return err;
}

static bool is_same(const char *folder, const struct kept *newest, const char *digest)
{
    struct document *there = NULL;
    struct diag ignored;
    if (strcmp(newest->digest, digest) != 0)
        return false;
    diag_init(&ignored);
    bool is_sound = load_one(folder, newest, &ignored, &there) == ERR_OK;
    diag_fini(&ignored);
    document_free(there);
    return is_sound;
}

enum err last_good_save(const char *folder, const struct document *document, struct diag *diag)
{
    char digest[DIGEST_DIGITS + 1];
    if (file_make_folders(folder) != ERR_OK)
        return diag_errno(diag, errno, "cannot make the folder '%s'", folder);
    format_digest(document, digest);
    struct kept_files files = scan(folder);
    enum err err = ERR_OK;
    if (files.count == 0 || !is_same(folder, &files.items[0], digest)) {
        uint64_t sequence = files.count > 0 ? files.items[0].sequence + 1 : 1;
        err = write_next(folder, sequence, digest, document, diag);
        /* One was added: of the older ones, KEPT - 1 stay. */
        for (size_t i = LAST_GOOD_KEPT - 1; err == ERR_OK && i < files.count; i++) {
            char *path = file_join(folder, files.items[i].name);
            unlink(path);
            free(path);
        }
    }
    free(files.items);
    return err;
}
