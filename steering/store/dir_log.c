/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "steering/base/mem.h"
#include "steering/store/dir_priv.h"

/* Room for the records of all kept documents, unless they are huge; never less than two lines. */
enum { TAIL_BYTES = 4 * STORE_RECORD_MAX_BYTES };

/* ---- the end of the log ------------------------------------------------------------------ */

void log_tail_init(struct log_tail *tail)
{
    *tail = (struct log_tail){ .last = NULL };
    buf_init(&tail->text, TAIL_BYTES);
}

void log_tail_fini(struct log_tail *tail)
{
    buf_fini(&tail->text);
    json_decref(tail->last);
    tail->last = NULL;
}

static json_t *parse_record(struct str line)
{
    json_t *value = NULL;
    struct diag ignored;
    diag_init(&ignored);
    if (json_parse(line, &ignored, &value) == ERR_OK && !json_is_object(value)) {
        json_decref(value);
        value = NULL;
    }
    diag_fini(&ignored);
    return value;
}

static enum err read_window(int fd, uint64_t from, uint64_t size, struct buf *out)
{
    char piece[4096];
    buf_clear(out);
    while (from < size) {
        size_t wanted = size - from < sizeof(piece) ? (size_t)(size - from) : sizeof(piece);
        ssize_t got = pread(fd, piece, wanted, (off_t)from);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? err_from_errno(errno) : ERR_OK;
        buf_append(out, piece, (size_t)got);
        from += (uint64_t)got;
    }
    return ERR_OK;
}

/* Cuts the last line, without its break, off `text`, which ends with one. */
static struct str pop_line(struct str *text)
{
    size_t end = text->len - 1;
    size_t start = end;
    while (start > 0 && text->ptr[start - 1] != '\n')
        start--;
    text->len = start;
    return (struct str){ .ptr = text->ptr + start, .len = end - start };
}

bool log_pop_record(struct str *text, json_t **out_record)
{
    if (text->len == 0)
        return false;
    *out_record = parse_record(pop_line(text));
    return true;
}

static void forget_last(struct log_tail *tail)
{
    json_decref(tail->last);
    tail->last = NULL;
    tail->last_digest[0] = '\0';
    tail->last_start = 0;
}

static enum err find_last(struct log_tail *tail, uint64_t from)
{
    struct str whole = buf_str(&tail->text);
    while (whole.len > 0 && whole.ptr[whole.len - 1] != '\n')
        whole.len--;
    tail->end = from + whole.len;
    tail->text.len = whole.len;
    if (tail->size - tail->end > STORE_RECORD_MAX_BYTES)
        return ERR_CORRUPT; /* no torn record of ours: not to be cut off */
    if (whole.len == 0)
        return ERR_OK;
    struct str line = pop_line(&whole);
    if (whole.len == 0 && from > 0)
        return ERR_CORRUPT; /* longer than the window: nothing that we wrote */
    struct digest digest = digest_of(line.ptr, line.len);
    digest_format(&digest, tail->last_digest);
    tail->last_start = from + whole.len;
    tail->last = parse_record(line);
    return ERR_OK;
}

enum err log_tail_read(struct log_tail *tail, int fd)
{
    struct stat status;
    forget_last(tail);
    if (fstat(fd, &status) != 0)
        return err_from_errno(errno);
    tail->size = (uint64_t)status.st_size;
    uint64_t from = tail->size > TAIL_BYTES ? tail->size - TAIL_BYTES : 0;
    enum err err = read_window(fd, from, tail->size, &tail->text);
    if (err != ERR_OK)
        return err;
    err = find_last(tail, from);
    /* Half a line may stand in front of the window: it is no record of it. */
    if (err == ERR_OK && from > 0) {
        const char *first_break = memchr(tail->text.bytes, '\n', tail->text.len);
        buf_consume(&tail->text, (size_t)(first_break - (const char *)tail->text.bytes) + 1);
    }
    return err;
}

/* ---- writing a record -------------------------------------------------------------------- */

static json_t *make_array(const struct str *texts, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *holder = json_object();
        json_set_str(holder, "text", texts[i]); /* takes any bytes */
        json_array_append(array, json_object_get(holder, "text"));
        json_decref(holder);
    }
    return array;
}

void log_format_record(const struct store_audit *audit, const struct document *next,
                       const char *before, const char *prev, struct buf *out)
{
    char after[DIGEST_TEXT_MAX];
    struct digest digest = document_digest(next);
    json_t *record = json_object();
    json_set_int(record, "v", 1);
    json_set_int(record, "gen", (int64_t)next->generation);
    json_set_str(record, "epoch", next->epoch);
    json_set_str(record, "op_id", audit->op_id);
    json_set_int(record, "at", audit->at_unix_s);
    json_set_str(record, "who", audit->who);
    json_set_str(record, "host", audit->host);
    json_object_set_new(record, "argv", make_array(audit->argv, audit->argc));
    json_set_str(record, "why", audit->why);
    json_set_str(record, "verb", audit->verb);
    json_set_str(record, "site", audit->site);
    json_set_str(record, "before", str_from(before));
    json_set_str(record, "after", str_from(digest_format(&digest, after)));
    json_object_set_new(record, "overrides", make_array(audit->overrides, audit->override_count));
    json_set_str(record, "version", audit->version);
    json_set_str(record, "prev", str_from(prev));
    json_format(record, out);
    buf_append_text(out, "\n");
    json_decref(record);
}

/* ---- history, verified ------------------------------------------------------------------- */

struct verifier {
    struct store_history *history;
    size_t max_count;
    char prev[DIGEST_TEXT_MAX];  /* digest of the line before */
    char after[DIGEST_TEXT_MAX]; /* what the record before left behind */
    char epoch[64];
    uint64_t generation;
};

static void report(struct verifier *verifier, const char *problem)
{
    if (verifier->history->problem != NULL)
        return;
    verifier->history->problem = mem_strdup(problem);
    verifier->history->problem_line = verifier->history->total_count;
}

static void judge_first(struct verifier *verifier, const json_t *record)
{
    bool is_beginning =
        json_get_int(record, "gen", 0) == 1 || str_eq_text(json_get_str(record, "verb"), "repair");
    if (json_get_str(record, "prev").len > 0 || !is_beginning)
        report(verifier, "the log does not begin here: earlier records are missing");
}

static void judge_next(struct verifier *verifier, const json_t *record)
{
    bool is_same_epoch = str_eq_text(json_get_str(record, "epoch"), verifier->epoch);
    uint64_t generation = (uint64_t)json_get_int(record, "gen", 0);
    if (!str_eq_text(json_get_str(record, "prev"), verifier->prev))
        report(verifier, "does not follow from the record before: one of them was changed, or "
                         "records between them are missing");
    else if (!str_eq_text(json_get_str(record, "before"), verifier->after))
        report(verifier, "the document was changed outside steer before this record");
    else if (is_same_epoch && generation <= verifier->generation)
        report(verifier, "the generation does not grow");
}

static void add_record(struct verifier *verifier, struct str line)
{
    struct store_history *history = verifier->history;
    json_t *record = parse_record(line);
    history->total_count++;
    if (record == NULL)
        report(verifier, "is not a record");
    else if (history->total_count == 1)
        judge_first(verifier, record);
    else
        judge_next(verifier, record);
    struct digest digest = digest_of(line.ptr, line.len);
    digest_format(&digest, verifier->prev);
    if (record == NULL)
        return;
    verifier->generation = (uint64_t)json_get_int(record, "gen", 0);
    snprintf(verifier->after, sizeof(verifier->after), "%.*s",
             STR_ARG(json_get_str(record, "after")));
    snprintf(verifier->epoch, sizeof(verifier->epoch), "%.*s",
             STR_ARG(json_get_str(record, "epoch")));
    json_array_append_new(history->records, record);
    if (json_array_size(history->records) > verifier->max_count)
        json_array_remove(history->records, 0);
}

/* Half a line at the end is a writer's that was killed, or is at work: no record. */
static void read_lines(FILE *file, struct verifier *verifier)
{
    struct buf line;
    bool is_too_long = false;
    buf_init(&line, STORE_RECORD_MAX_BYTES);
    for (int byte = getc_unlocked(file); byte != EOF; byte = getc_unlocked(file)) {
        char c = (char)byte;
        if (byte != '\n') {
            buf_append(&line, &c, 1);
            is_too_long = is_too_long || line.is_overflown;
            continue;
        }
        add_record(verifier, is_too_long ? STR("") : buf_str(&line));
        buf_clear(&line);
        is_too_long = false;
    }
    buf_fini(&line);
}

/* A record whose document never came is no history; the next writer cuts it off. */
static void drop_unborn(struct store_history *history)
{
    json_array_remove(history->records, json_array_size(history->records) - 1);
    history->total_count--;
}

static void judge_document(const struct dir_store *dir, struct verifier *verifier,
                           const json_t *last, const struct document *document)
{
    char text[DIGEST_TEXT_MAX];
    struct digest digest = document_digest(document);
    digest_format(&digest, text);
    if (dir_find_unborn(dir, last, text) == ERR_OK)
        drop_unborn(verifier->history);
    else if (document->generation > verifier->generation)
        report(verifier, "the log ends here, before the present document");
    else if (document->generation < verifier->generation)
        report(verifier, "the present document is older than this record");
    else if (strcmp(text, verifier->after) != 0)
        report(verifier, "the document was changed outside steer after this record");
}

/* The very first write, killed before its document was in place. */
static bool is_first_unborn(const struct dir_store *dir, const struct store_history *history)
{
    return history->total_count == 1 && dir_has_no_copies(dir);
}

static void judge_end(struct dir_store *dir, struct verifier *verifier)
{
    struct store_history *history = verifier->history;
    const json_t *last = json_array_get(history->records, json_array_size(history->records) - 1);
    struct document *document = NULL;
    struct diag ignored;
    if (last == NULL)
        return;
    diag_init(&ignored);
    enum err err = store_get(&dir->base, &ignored, &document);
    diag_fini(&ignored);
    if (err == ERR_OK)
        judge_document(dir, verifier, last, document);
    else if (err == ERR_NOT_FOUND && is_first_unborn(dir, history))
        drop_unborn(history);
    else if (err == ERR_NOT_FOUND)
        report(verifier, "the document that this record leads to is missing");
    else
        report(verifier, "the document that this record leads to cannot be read");
    document_free(document);
}

static void reverse(json_t *array)
{
    size_t count = json_array_size(array);
    for (size_t i = 0; i + 1 < count; i++) { /* the last one moves in front of the i-th */
        json_t *last = json_incref(json_array_get(array, count - 1));
        json_array_remove(array, count - 1);
        json_array_insert_new(array, i, last);
    }
}

/* NULL with errno. */
static FILE *open_for_reading(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* not to wait for a pipe */
    FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
    if (file == NULL && fd >= 0)
        close(fd);
    return file;
}

enum err dir_history(struct store *store, size_t max_count, struct diag *diag,
                     struct store_history *out_history)
{
    struct dir_store *dir = dir_of(store);
    struct store_history history = { .records = NULL };
    struct verifier verifier = { .history = &history, .max_count = max_count };
    struct diag ignored;
    int lock_fd = -1;
    FILE *file = open_for_reading(dir->log_path);
    if (file == NULL)
        return diag_errno(diag, errno, "cannot read the log '%s'", dir->log_path);
    history.records = json_array();
    /* With the lock no write is half done; without it (a read-only copy) we look as well. */
    diag_init(&ignored);
    if (dir_lock(dir, LOCK_SH, &ignored, &lock_fd) != ERR_OK)
        lock_fd = -1;
    diag_fini(&ignored);
    read_lines(file, &verifier);
    judge_end(dir, &verifier);
    if (lock_fd >= 0)
        close(lock_fd);
    fclose(file);
    reverse(history.records);
    *out_history = history;
    return ERR_OK;
}
