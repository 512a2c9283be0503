/* SPDX-License-Identifier: Apache-2.0 */
/* The copies of the last documents. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/store/dir_priv.h"

char *dir_copy_path(const struct dir_store *dir, uint64_t generation)
{
    char name[32];
    snprintf(name, sizeof(name), "%llu.json", (unsigned long long)generation);
    return file_join(dir->history_folder, name);
}

enum err dir_read_copy(const struct dir_store *dir, uint64_t generation,
                       struct document **out_document)
{
    struct buf text;
    struct diag ignored;
    char *path = dir_copy_path(dir, generation);
    buf_init(&text, DOCUMENT_MAX_BYTES);
    diag_init(&ignored);
    enum err err = file_read_regular(path, &text);
    if (err == ERR_OK)
        err = store_parse(buf_str(&text), &ignored, out_document);
    diag_fini(&ignored);
    buf_fini(&text);
    free(path);
    return err;
}

static bool is_digest_of(struct str text, const char *digest)
{
    char found[DIGEST_TEXT_MAX];
    struct digest whole = digest_of(text.ptr, text.len);
    return strcmp(digest_format(&whole, found), digest) == 0;
}

/* The text as it is written here comes first: a newer steer's need not parse. */
static bool is_copy_of(struct str text, const char *digest)
{
    char found[DIGEST_TEXT_MAX];
    struct document *copy = NULL;
    struct diag ignored;
    if (is_digest_of(text, digest))
        return true;
    diag_init(&ignored);
    enum err err = store_parse(text, &ignored, &copy);
    diag_fini(&ignored);
    if (err != ERR_OK)
        return false;
    struct digest canonical = document_digest(copy);
    document_free(copy);
    return strcmp(digest_format(&canonical, found), digest) == 0;
}

enum err dir_find_copy(const struct dir_store *dir, uint64_t generation, const char *digest)
{
    struct buf text;
    char *path = dir_copy_path(dir, generation);
    buf_init(&text, DOCUMENT_MAX_BYTES);
    enum err err = file_read_regular(path, &text);
    if (err == ERR_TOO_LARGE || (err == ERR_OK && !is_copy_of(buf_str(&text), digest)))
        err = ERR_NOT_FOUND;
    int kept = errno;
    buf_fini(&text);
    free(path);
    errno = kept;
    return err;
}

bool dir_has_copy(const struct dir_store *dir, uint64_t generation, const char *digest)
{
    return dir_find_copy(dir, generation, digest) == ERR_OK;
}

enum err dir_find_unborn(const struct dir_store *dir, const json_t *record, const char *present)
{
    struct str after = json_get_str(record, "after");
    if (!str_eq_text(json_get_str(record, "before"), present) || str_eq_text(after, present))
        return ERR_NOT_FOUND;
    enum err err = dir_find_copy(dir, (uint64_t)json_get_int(record, "gen", 0), after.ptr);
    if (err == ERR_OK)
        return ERR_NOT_FOUND;
    return err == ERR_NOT_FOUND ? ERR_OK : err;
}

static bool is_copy(const char *name, uint64_t *out_generation)
{
    struct str text = str_from(name);
    if (!str_ends_with(text, STR(".json")))
        return false;
    text.len -= 5;
    return str_parse_u64(text, INT64_MAX, out_generation);
}

struct dir_copies dir_scan_copies(const struct dir_store *dir, uint64_t above, uint64_t below)
{
    struct dir_copies copies = { .count = 0 };
    DIR *folder = opendir(dir->history_folder);
    copies.is_unreadable = folder == NULL && errno != ENOENT;
    while (folder != NULL) {
        uint64_t generation;
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL) {
            copies.is_unreadable = errno != 0;
            break;
        }
        if (!is_copy(entry->d_name, &generation) || generation <= above || generation >= below)
            continue;
        copies.count++;
        if (copies.lowest == 0 || generation < copies.lowest)
            copies.lowest = generation;
        if (generation > copies.highest)
            copies.highest = generation;
    }
    if (folder != NULL)
        closedir(folder);
    return copies;
}

bool dir_has_no_copies(const struct dir_store *dir)
{
    struct dir_copies copies = dir_scan_copies(dir, 0, UINT64_MAX);
    return copies.count == 0 && !copies.is_unreadable;
}

void dir_prune_copies(const struct dir_store *dir, uint64_t newest)
{
    struct dir_copies copies = dir_scan_copies(dir, 0, UINT64_MAX);
    while (copies.count > 0 && copies.lowest + STORE_KEPT_DOCUMENTS <= newest) {
        char *path = dir_copy_path(dir, copies.lowest);
        unlink(path); /* one too many does no harm; the next write tries again */
        free(path);
        copies = dir_scan_copies(dir, copies.lowest, UINT64_MAX);
    }
}
