/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/mmdb_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "steering/base/limits.h"
#include "steering/base/mem.h"

enum {
    COPY_BYTES = LIMIT(1 << 20, 7),
    SEPARATOR_BYTES = 16,            /* zeros between tree and data */
    METADATA_MAX_BYTES = 128 * 1024, /* the end of the file in which metadata must begin */
    METADATA_BUDGET = 20000,
    METADATA_DEPTH_MAX = 16,
};

static const char marker[] = "\xab\xcd\xefMaxMind.com";
enum { MARKER_LEN = sizeof(marker) - 1 };

static enum err damaged(struct diag *diag, const char *what)
{
    diag_error(diag, 0, 0, "not a usable MaxMind DB file: %s", what);
    return ERR_CORRUPT;
}

/* ---- copying ------------------------------------------------------------------------------- */

static enum err write_all(int fd, const void *bytes, size_t len, struct diag *diag)
{
    const char *from = bytes;
    while (len > 0) {
        ssize_t put = write(fd, from, len);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return diag_errno(diag, errno, "cannot copy the database to memory");
        from += put;
        len -= (size_t)put;
    }
    return ERR_OK;
}

static enum err too_large(struct diag *diag)
{
    diag_error(diag, 0, 0, "the database is larger than %d MiB", MMDB_MAX_BYTES >> 20);
    return ERR_TOO_LARGE;
}

static enum err copy_file(const char *path, int to, struct diag *diag)
{
    int from = open(path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return diag_errno(diag, errno, "cannot open the database");
    enum err err = ERR_OK;
    size_t total = 0;
    uint8_t *piece = mem_calloc(COPY_BYTES, 1);
    for (;;) {
        ssize_t got = read(from, piece, COPY_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            err = diag_errno(diag, errno, "cannot read the database");
        if (got <= 0)
            break;
        total += (size_t)got;
        err = total > MMDB_MAX_BYTES ? too_large(diag) : write_all(to, piece, (size_t)got, diag);
        if (err != ERR_OK)
            break;
    }
    free(piece);
    close(from);
    return err;
}

static enum err copy_to_memory(const struct mmdb_source *source, struct diag *diag, int *out_fd)
{
    int fd = memfd_create("mmdb", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return diag_errno(diag, errno, "cannot create a memory file");
    enum err err;
    if (source->bytes == NULL)
        err = copy_file(source->path, fd, diag);
    else if (source->len > MMDB_MAX_BYTES)
        err = too_large(diag);
    else
        err = write_all(fd, source->bytes, source->len, diag);
    int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (err == ERR_OK && fcntl(fd, F_ADD_SEALS, seals) != 0)
        err = diag_errno(diag, errno, "cannot seal a memory file");
    if (err != ERR_OK)
        close(fd);
    else
        *out_fd = fd;
    return err;
}

/* ---- checking ------------------------------------------------------------------------------ */

struct layout {
    uint64_t node_count, record_bits, ip_version, major_version;
    size_t metadata_at; /* behind the marker */
};

/* The last marker within the end of the file, which is the one that libmaxminddb takes. */
static bool find_metadata(const uint8_t *bytes, size_t len, size_t *out_at)
{
    size_t window = len < METADATA_MAX_BYTES ? len : METADATA_MAX_BYTES;
    for (size_t back = MARKER_LEN; back <= window; back++) {
        if (memcmp(bytes + len - back, marker, MARKER_LEN) == 0) {
            *out_at = len - back + MARKER_LEN;
            return true;
        }
    }
    return false;
}

/* Walks a value as libmaxminddb would when it copies the description: through every pointer. The
 * budget bounds the work, the depth bounds the stack. */
static bool can_expand(struct mmdb_data *data, size_t at, unsigned depth)
{
    struct mmdb_value value;
    if (depth == METADATA_DEPTH_MAX || !mmdb_data_read(data, at, &value))
        return false;
    bool is_map = value.type == MMDB_TYPE_MAP;
    if (!is_map && value.type != MMDB_TYPE_ARRAY)
        return true;
    size_t next = value.body;
    for (size_t i = 0; i < (is_map ? 2 : 1) * value.size; i++) {
        at = next;
        if (!mmdb_data_skip(data, at, &next) || !can_expand(data, at, depth + 1))
            return false;
    }
    return true;
}

static bool read_layout_key(struct mmdb_data *data, struct str name, size_t value_at,
                            struct layout *layout)
{
    const struct {
        const char *name;
        uint64_t *field;
    } wanted[] = {
        { "node_count", &layout->node_count },
        { "record_size", &layout->record_bits },
        { "ip_version", &layout->ip_version },
        { "binary_format_major_version", &layout->major_version },
    };
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        struct mmdb_value value;
        if (!str_eq_text(name, wanted[i].name))
            continue;
        /* A key that stands twice could mean one thing here and another to libmaxminddb. */
        if (*wanted[i].field != 0 || !mmdb_data_read(data, value_at, &value) ||
            !mmdb_value_number(data, &value, wanted[i].field))
            return false;
    }
    return true;
}

/* An array of texts, or a map from texts to texts. */
static bool holds_texts(struct mmdb_data *data, size_t at, enum mmdb_type wanted)
{
    struct mmdb_value list, item;
    if (!mmdb_data_read(data, at, &list) || list.type != wanted)
        return false;
    at = list.body;
    for (size_t i = 0; i < (wanted == MMDB_TYPE_MAP ? 2 : 1) * list.size; i++)
        if (!mmdb_data_read(data, at, &item) || item.type != MMDB_TYPE_TEXT ||
            !mmdb_data_skip(data, at, &at))
            return false;
    return true;
}

/* libmaxminddb 1.7.1 forgets to free what it has read when one of these is of another kind. */
static bool is_usual_key(struct mmdb_data *data, struct str name, size_t value_at)
{
    if (str_eq(name, STR("languages")))
        return holds_texts(data, value_at, MMDB_TYPE_ARRAY);
    if (str_eq(name, STR("description")))
        return holds_texts(data, value_at, MMDB_TYPE_MAP);
    return true;
}

static bool read_layout(struct mmdb_data *metadata, struct layout *layout)
{
    struct mmdb_value root;
    if (!can_expand(metadata, 0, 0) || !mmdb_data_read(metadata, 0, &root) ||
        root.type != MMDB_TYPE_MAP)
        return false;
    size_t at = root.body;
    for (size_t i = 0; i < root.size; i++) {
        struct str name;
        size_t value_at = 0;
        if (!mmdb_data_pair(metadata, &at, &name, &value_at) ||
            !is_usual_key(metadata, name, value_at) ||
            !read_layout_key(metadata, name, value_at, layout))
            return false;
    }
    return true;
}

static enum err check_layout(const uint8_t *bytes, size_t len, struct diag *diag,
                             struct mmdb_file *file)
{
    struct layout layout = { .node_count = 0 };
    if (!find_metadata(bytes, len, &layout.metadata_at))
        return damaged(diag, "it has no metadata");
    struct mmdb_data metadata = { .bytes = bytes + layout.metadata_at,
                                  .len = len - layout.metadata_at,
                                  .budget = METADATA_BUDGET };
    if (!read_layout(&metadata, &layout))
        return damaged(diag, "its metadata is damaged");
    if (layout.major_version != 2)
        return damaged(diag, "its format version is not 2");
    if (layout.ip_version != 4 && layout.ip_version != 6)
        return damaged(diag, "its IP version is neither 4 nor 6");
    if (layout.record_bits != 24 && layout.record_bits != 28 && layout.record_bits != 32)
        return damaged(diag, "its record size is not 24, 28 or 32");
    if (layout.node_count == 0 || layout.node_count > UINT32_MAX)
        return damaged(diag, "it has no search tree");
    uint64_t data_at = layout.node_count * (layout.record_bits / 4) + SEPARATOR_BYTES;
    size_t data_end = layout.metadata_at - MARKER_LEN;
    if (data_at > data_end)
        return damaged(diag, "its search tree is cut short");
    file->node_count = (uint32_t)layout.node_count;
    file->ip_version = (unsigned)layout.ip_version;
    /* `bytes` is set once libmaxminddb has mapped the file. */
    file->data = (struct mmdb_data){ .len = data_end - (size_t)data_at };
    return ERR_OK;
}

static enum err check_content(int fd, struct diag *diag, struct mmdb_file *file)
{
    off_t len = lseek(fd, 0, SEEK_END);
    if (len <= MARKER_LEN)
        return damaged(diag, len == 0 ? "it is empty" : "it has no metadata");
    void *bytes = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return diag_errno(diag, errno, "cannot map the database");
    enum err err = check_layout(bytes, (size_t)len, diag, file);
    munmap(bytes, (size_t)len);
    return err;
}

static enum err open_sealed(int fd, struct diag *diag, struct mmdb_file *file)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int status = MMDB_open(path, MMDB_MODE_MMAP, &file->mmdb);
    if (status == MMDB_SUCCESS)
        return ERR_OK;
    if (status == MMDB_FILE_OPEN_ERROR || status == MMDB_IO_ERROR)
        return diag_errno(diag, errno, "cannot open '%s' (is /proc mounted?)", path);
    return damaged(diag, MMDB_strerror(status));
}

enum err mmdb_file_open(const struct mmdb_source *source, struct diag *diag,
                        struct mmdb_file *out_file)
{
    struct mmdb_file file = { .node_count = 0 };
    int fd = -1;
    enum err err = copy_to_memory(source, diag, &fd);
    if (err != ERR_OK)
        return err;
    err = check_content(fd, diag, &file);
    if (err == ERR_OK)
        err = open_sealed(fd, diag, &file);
    close(fd); /* the mapping keeps the content */
    if (err != ERR_OK)
        return err;
    if (file.mmdb.metadata.node_count != file.node_count ||
        file.mmdb.metadata.ip_version != file.ip_version) {
        MMDB_close(&file.mmdb);
        return damaged(diag, "its metadata contradicts itself");
    }
    file.data.bytes = file.mmdb.data_section;
    *out_file = file;
    return ERR_OK;
}

void mmdb_file_close(struct mmdb_file *file)
{
    MMDB_close(&file->mmdb);
}
