/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the audit log of a directory store: both readers get through them, agree with a
 * plainer reading of the chain, and what only looks changes nothing. Repair may try as it likes,
 * with a disk that refuses every write. */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/store/dir_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 3, GENERATIONS = 2 };

/* What logs of the corpus speak of. */
static const char *const documents[GENERATIONS] = {
    "{\"epoch\":\"E\",\"gen\":1,\"op\":{\"at\":1795224000,\"id\":\"01OP1\",\"who\":\"ana\","
    "\"why\":\"\"},\"pops\":{},\"regions\":{},\"v\":1}",
    "{\"epoch\":\"E\",\"gen\":2,\"op\":{\"at\":1795224001,\"id\":\"01OP2\",\"who\":\"ana\","
    "\"why\":\"INC-4411\"},\"pops\":{},\"regions\":{\"us-east\":{\"mode\":\"evacuated\","
    "\"since\":1795224001,\"stray\":\"proxy\",\"who\":\"ana\",\"why\":\"INC-4411\"}},"
    "\"topology\":\"sha256:77\",\"v\":1}",
};

/* ---- two stores: one with its document, one that has lost it ----------------------------------
 */

static char *top;
static struct store *stores[2];

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *ftw)
{
    (void)status;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static void remove_all(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(stores); i++)
        store_close(stores[i]);
    nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(top);
}

static void write_file(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    size_t written = fwrite(bytes, 1, len, file);
    int closed = fclose(file);
    assert(written == len && closed == 0);
}

static int refuse_writes(const char *step)
{
    (void)step;
    return EIO;
}

static void make_store(size_t at, const char *name, bool has_document)
{
    struct diag diag;
    char *folder = file_join(top, name);
    diag_init(&diag);
    enum err err = store_open(folder, &diag, &stores[at]);
    assert(err == ERR_OK);
    const struct dir_store *dir = dir_of(stores[at]);
    int failed = mkdir(folder, 0700) | mkdir(dir->history_folder, 0700);
    assert(failed == 0);
    for (uint64_t i = 0; i < GENERATIONS; i++) {
        char *path = dir_copy_path(dir, i + 1);
        write_file(path, documents[i], strlen(documents[i]));
        free(path);
    }
    if (has_document)
        write_file(dir->document_path, documents[GENERATIONS - 1],
                   strlen(documents[GENERATIONS - 1]));
    diag_fini(&diag);
    free(folder);
}

static void make_stores(void)
{
    const char *where = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    if (top != NULL)
        return;
    top = file_join(where, "steer-log-fuzz-XXXXXX");
    char *made = mkdtemp(top);
    assert(made != NULL);
    make_store(0, "sound", true);
    make_store(1, "lost", false);
    atexit(remove_all);
    dir_step_hook = refuse_writes;
}

/* ---- what must hold ---------------------------------------------------------------------------
 */

/* Cuts the first whole line, without its break, off `*rest`. */
static bool next_line(struct str *rest, struct str *out_line)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, '\n', rest->len) : NULL;
    if (end == NULL)
        return false;
    *out_line = (struct str){ .ptr = rest->ptr, .len = (size_t)(end - rest->ptr) };
    rest->ptr = end + 1;
    rest->len -= out_line->len + 1;
    return true;
}

static size_t count_lines(struct str text)
{
    size_t count = 0;
    struct str line;
    while (next_line(&text, &line))
        count++;
    return count;
}

static void check_tail(const struct dir_store *dir, struct str input)
{
    struct log_tail tail;
    int fd = open(dir->log_path, O_RDONLY | O_CLOEXEC);
    assert(fd >= 0);
    log_tail_init(&tail);
    enum err err = log_tail_read(&tail, fd);
    assert(err == ERR_OK || err == ERR_CORRUPT);
    if (err == ERR_OK) {
        struct str lines = buf_str(&tail.text);
        json_t *record = NULL;
        size_t count = 0;
        assert(tail.size == input.len && tail.end <= tail.size && tail.last_start <= tail.end);
        assert((tail.end == 0) == (tail.last_digest[0] == '\0'));
        while (log_pop_record(&lines, &record)) {
            assert(count > 0 || json_equal(record, tail.last) || record == tail.last);
            json_decref(record);
            count++;
        }
        assert(count <= count_lines(input));
        assert(count == count_lines(input) || tail.text.len < tail.end);
    }
    log_tail_fini(&tail);
    close(fd);
}

/* The chain as the format says it: each record names the digest of the line before it. */
static bool holds_together(struct str input, uint64_t line_count)
{
    char prev[DIGEST_TEXT_MAX] = "";
    struct str line;
    bool is_sound = true;
    for (uint64_t i = 0; is_sound && i < line_count; i++) {
        struct diag ignored;
        json_t *record = NULL;
        diag_init(&ignored);
        is_sound = next_line(&input, &line) && json_parse(line, &ignored, &record) == ERR_OK &&
                   str_eq_text(json_get_str(record, "prev"), prev);
        struct digest digest = digest_of(line.ptr, line.len);
        digest_format(&digest, prev);
        json_decref(record);
        diag_fini(&ignored);
    }
    return is_sound;
}

static void check_history(struct store *store, struct str input)
{
    struct diag diag;
    struct store_history history;
    diag_init(&diag);
    enum err err = store_history(store, RECORDS_MAX, &diag, &history);
    assert(err == ERR_OK);
    size_t lines = count_lines(input);
    /* The last may be the record of a document that never came. */
    assert(history.total_count == lines || history.total_count + 1 == lines);
    assert(json_array_size(history.records) <= RECORDS_MAX);
    assert((history.problem == NULL) == (history.problem_line == 0) || lines == 0);
    assert(history.problem_line <= lines);
    if (history.problem == NULL)
        assert(holds_together(input, history.total_count));
    store_history_fini(&history);
    diag_fini(&diag);
}

static void check_repair(struct store *store, struct str input)
{
    const struct store_audit audit = { .op_id = STR("01NEW"), .who = STR("ana") };
    struct store_written written = { .generation = 0 };
    struct diag diag;
    struct buf text;
    diag_init(&diag);
    enum err err = store_repair(store, NULL, &audit, &diag, &written);
    assert(err != ERR_OK || written.is_repeat); /* nothing can have been written */
    assert((err == ERR_OK) == (diag.error_count == 0));
    buf_init(&text, input.len + 1);
    err = file_read(dir_of(store)->log_path, &text);
    assert(err == ERR_OK && text.len == input.len);
    assert(input.len == 0 || memcmp(text.bytes, input.ptr, input.len) == 0);
    buf_fini(&text);
    diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct str input = { .ptr = (const char *)data, .len = size };
    make_stores();
    for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
        write_file(dir_of(stores[i])->log_path, data, size);
        check_tail(dir_of(stores[i]), input);
        check_history(stores[i], input);
        check_repair(stores[i], input);
    }
    return 0;
}
