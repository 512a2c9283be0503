/* SPDX-License-Identifier: Apache-2.0 */
#include <poll.h>
#include <sys/stat.h>

#include "steering/base/rng.h"
#include "tests/unit/steering/store/fixture.h"

static void test_cas_first_write_creates_document_and_log(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    fixture_must_step(&fixture, "op-1");
    assert_int_equal(fixture_generation(&fixture), 1);
    fixture_must_verify(&fixture, 1);
    char *log = fixture_read(&fixture, "log.ndjson");
    static const char *const parts[] = {
        "\"who\":\"ana\"",
        "\"host\":\"bastion\"",
        "\"why\":\"INC-4411\"",
        "\"gen\":1",
        "\"at\":1795224000",
        "\"op_id\":\"op-1\"",
        "\"site\":\"us-east\"",
        "\"prev\":\"\"",
        "\"before\":\"\"",
        "\"after\":\"sha256:",
        "\"overrides\":[]",
        "\"version\":\"0.1.0\"",
        "\"argv\":[\"steer\",\"evacuate\",\"us-east\"]",
    };
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        assert_non_null(strstr(log, parts[i]));
    free(log);
    fixture_fini(&fixture);
}

static void test_cas_other_generation_or_epoch_is_conflict(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-2");
    struct store_written written;
    struct document *base = NULL, *next = NULL;
    fixture_must_step(&fixture, "op-1");
    assert_int_equal(store_get(fixture.store, &fixture.diag, &base), ERR_OK);
    assert_int_equal(store_succeed(base, 2, &audit, &fixture.diag, &next), ERR_OK);
    const struct store_expected wrong[] = { { base->epoch, 0 },
                                            { base->epoch, 2 },
                                            { STR("01OTHER"), 1 } };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_int_equal(store_cas(fixture.store, &wrong[i], next, &audit, &fixture.diag, &written),
                         ERR_CONFLICT);
        assert_non_null(strstr(diag_first(&fixture.diag), "'ana'"));
    }
    assert_int_equal(fixture_generation(&fixture), 1);
    fixture_must_verify(&fixture, 1);
    struct fixture empty = fixture_init();
    const struct store_expected one = { base->epoch, 1 };
    assert_int_equal(store_cas(empty.store, &one, next, &audit, &empty.diag, &written),
                     ERR_CONFLICT);
    assert_non_null(strstr(diag_first(&empty.diag), "the store is empty, expected generation 1"));
    fixture_fini(&empty);
    document_free(next);
    document_free(base);
    fixture_fini(&fixture);
}

static void test_cas_no_successor_is_invalid(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-2");
    struct store_written written;
    struct document *base = NULL, *same = NULL;
    fixture_must_step(&fixture, "op-1");
    assert_int_equal(store_get(fixture.store, &fixture.diag, &base), ERR_OK);
    assert_int_equal(store_succeed(base, 1, &audit, &fixture.diag, &same), ERR_OK);
    struct store_expected expected = { base->epoch, 1 };
    assert_int_equal(store_cas(fixture.store, &expected, same, &audit, &fixture.diag, &written),
                     ERR_INVALID);
    fixture_must_verify(&fixture, 1);
    document_free(same);
    document_free(base);
    fixture_fini(&fixture);
}

static void test_cas_same_operation_is_done_once(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_written written;
    fixture_must_step(&fixture, "op-1");
    fixture_must_step(&fixture, "op-2");
    fixture_must_step(&fixture, "op-3");
    static const struct {
        const char *op_id;
        uint64_t generation;
    } rows[] = { { "op-3", 3 }, { "op-1", 1 }, { "op-2", 2 } };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(fixture_step(&fixture, rows[i].op_id, &written), ERR_OK);
        assert_true(written.is_repeat);
        assert_int_equal(written.generation, rows[i].generation);
    }
    assert_int_equal(fixture_generation(&fixture), 3);
    fixture_must_verify(&fixture, 3);
    fixture_fini(&fixture);
}

static void test_cas_huge_audit_is_refused(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-1");
    struct store_written written;
    struct document *empty = document_new("01EPOCH"), *next = NULL;
    char *why = mem_calloc(STORE_RECORD_MAX_BYTES + 1, 1);
    memset(why, 'x', STORE_RECORD_MAX_BYTES);
    assert_int_equal(store_succeed(empty, 1, &audit, &fixture.diag, &next), ERR_OK);
    audit.why = str_from(why);
    struct store_expected expected = { empty->epoch, 0 };
    assert_int_equal(store_cas(fixture.store, &expected, next, &audit, &fixture.diag, &written),
                     ERR_TOO_LARGE);
    assert_int_equal(fixture_generation(&fixture), 0);
    free(why);
    document_free(next);
    document_free(empty);
    fixture_fini(&fixture);
}

static void test_cas_without_folder_is_unreachable(void **state)
{
    (void)state;
    struct fixture fixture = fixture_at(file_join("/nonexistent", "steer"));
    struct store_written written;
    struct document *document = NULL;
    assert_int_equal(store_get(fixture.store, &fixture.diag, &document), ERR_NOT_FOUND);
    assert_non_null(strstr(diag_first(&fixture.diag), "steer store init"));
    assert_int_equal(fixture_step(&fixture, "op-1", &written), ERR_UNREACHABLE);
    fixture_fini(&fixture);
}

/* ---- a document that is gone or spoilt ---------------------------------------------------- */

static const struct damage {
    const char *text; /* NULL: removed */
    enum err get;
} damages[] = {
    { NULL, ERR_NOT_FOUND },
    { "", ERR_CORRUPT },
    { "\n", ERR_CORRUPT },
    { "{\"v\":1,\"ep", ERR_CORRUPT },
    { "[]", ERR_CORRUPT },
    { "{}", ERR_CORRUPT },
    { "\001\002\003", ERR_CORRUPT },
    { "{\"v\":1,\"gen\":3,\"epoch\":\"01EPOCH\",\"regions\":{\"us-east\":{\"mode\":\"evacuatd\"}}}",
      ERR_INVALID },
};

static void damage_document(const struct fixture *fixture, const struct damage *damage)
{
    if (damage->text != NULL) {
        fixture_put(fixture, "document.json", damage->text);
        return;
    }
    char *path = fixture_path(fixture, "document.json");
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void check_damage(const struct damage *damage)
{
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-repair");
    struct store_written written;
    struct document *document = NULL;
    fixture_must_step(&fixture, "op-1");
    fixture_must_step(&fixture, "op-2");
    fixture_must_step(&fixture, "op-3");
    damage_document(&fixture, damage);
    assert_int_equal(store_get(fixture.store, &fixture.diag, &document), damage->get);
    fixture_forget_diag(&fixture);
    assert_int_equal(fixture_step(&fixture, "op-4", &written), ERR_UNREACHABLE);
    assert_non_null(strstr(diag_first(&fixture.diag), "steer store repair"));
    assert_int_equal(fixture_generation(&fixture), 0); /* not overwritten */
    audit.verb = STR("repair");
    assert_int_equal(store_repair(fixture.store, NULL, &audit, &fixture.diag, &written), ERR_OK);
    assert_false(written.is_repeat);
    assert_int_equal(written.generation, 4);
    assert_int_equal(store_get(fixture.store, &fixture.diag, &document), ERR_OK);
    assert_int_equal(document->generation, 4);
    assert_true(str_eq_text(document->epoch, "01EPOCH"));
    assert_true(str_eq_text(document->op_id, "op-repair"));
    document_free(document);
    fixture_must_step(&fixture, "op-5");
    fixture_must_verify(&fixture, 5);
    fixture_fini(&fixture);
}

static void test_repair_brings_back_what_was_damaged(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++)
        check_damage(&damages[i]);
}

static void test_repair_sound_document_is_left_alone(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-repair");
    struct store_written written;
    fixture_must_step(&fixture, "op-1");
    assert_int_equal(store_repair(fixture.store, NULL, &audit, &fixture.diag, &written), ERR_OK);
    assert_true(written.is_repeat);
    fixture_must_verify(&fixture, 1);
    fixture_fini(&fixture);
}

static void test_repair_rolled_back_document(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-repair");
    struct store_written written;
    fixture_must_step(&fixture, "op-1");
    char *old = fixture_read(&fixture, "document.json");
    fixture_must_step(&fixture, "op-2");
    fixture_put(&fixture, "document.json", old);
    assert_int_equal(fixture_step(&fixture, "op-3", &written), ERR_UNREACHABLE);
    assert_non_null(strstr(diag_first(&fixture.diag), "an old copy was put back"));
    audit.verb = STR("repair");
    assert_int_equal(store_repair(fixture.store, NULL, &audit, &fixture.diag, &written), ERR_OK);
    assert_int_equal(written.generation, 3);
    fixture_must_verify(&fixture, 3);
    free(old);
    fixture_fini(&fixture);
}

/* That a generation was never reached is proven by a missing copy, not by one on a bad disk. */
static void test_cas_unreadable_copy_cuts_nothing_off(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_written written;
    fixture_must_step(&fixture, "op-1");
    char *old = fixture_read(&fixture, "document.json");
    fixture_must_step(&fixture, "op-2");
    char *log = fixture_read(&fixture, "log.ndjson");
    char *copy = fixture_path(&fixture, "history/2.json");
    fixture_put(&fixture, "document.json", old); /* an old copy was put back */
    assert_int_equal(unlink(copy), 0);
    assert_int_equal(file_make_folders(copy), ERR_OK); /* read() fails on it, for root as well */
    assert_int_equal(fixture_step(&fixture, "op-3", &written), ERR_UNREACHABLE);
    assert_non_null(strstr(diag_first(&fixture.diag), "cannot read the copy of generation 2"));
    char *now = fixture_read(&fixture, "log.ndjson");
    assert_string_equal(now, log);
    assert_int_equal(fixture_generation(&fixture), 1);
    free(now);
    free(copy);
    free(log);
    free(old);
    fixture_fini(&fixture);
}

/* A newer steer's copy does not parse here, and is one all the same. */
static void test_cas_copy_of_a_newer_steer_proves_its_generation(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_written written;
    char digest[DIGEST_TEXT_MAX];
    fixture_must_step(&fixture, "op-1");
    char *old = fixture_read(&fixture, "document.json");
    fixture_must_step(&fixture, "op-2");
    const char *newer = "{\"epoch\":\"01EPOCH\",\"gen\":2,\"v\":2}";
    struct digest of_newer = digest_of(newer, strlen(newer));
    struct buf log;
    buf_init(&log, 1 << 16);
    struct digest of_old = digest_of(old, strlen(old));
    char before[DIGEST_TEXT_MAX];
    buf_append_format(&log,
                      "{\"after\":\"%s\",\"before\":\"%s\",\"epoch\":\"01EPOCH\",\"gen\":2}\n",
                      digest_format(&of_newer, digest), digest_format(&of_old, before));
    fixture_put(&fixture, "log.ndjson", buf_text(&log));
    fixture_put(&fixture, "history/2.json", newer);
    fixture_put(&fixture, "document.json", old);
    assert_int_equal(fixture_step(&fixture, "op-3", &written), ERR_UNREACHABLE);
    assert_non_null(strstr(diag_first(&fixture.diag), "an old copy was put back"));
    char *now = fixture_read(&fixture, "log.ndjson");
    assert_string_equal(now, buf_text(&log));
    free(now);
    buf_fini(&log);
    free(old);
    fixture_fini(&fixture);
}

/* Opening a pipe waits for its other end, for ever when nobody comes. */
static void test_pipes_in_the_folder_hold_nobody_up(void **state)
{
    (void)state;
    static const char *const names[] = { "nodes/evil.json",   "nodes/evil.lock", "history/1.json",
                                         "document.json.tmp", "log.ndjson",      "lock",
                                         "document.json" };
    struct fixture fixture = fixture_init();
    struct store_written written;
    struct store_history history;
    struct presences presences = { .items = NULL };
    fixture_must_step(&fixture, "op-1");
    alarm(60); /* a hang ends here */
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *path = fixture_path(&fixture, names[i]), *folder = file_beside(path, ".");
        assert_int_equal(file_make_folders(folder), ERR_OK);
        unlink(path);
        assert_int_equal(mkfifo(path, 0666), 0);
        print_message("%s: step %s", names[i], err_name(fixture_step(&fixture, "op-x", &written)));
        print_message(", list %s",
                      err_name(presence_list(fixture.store, &fixture.diag, &presences)));
        presences_fini(&presences);
        enum err err = store_history(fixture.store, 5, &fixture.diag, &history);
        print_message(", history %s\n", err_name(err));
        if (err == ERR_OK)
            store_history_fini(&history);
        fixture_generation(&fixture);
        free(folder);
        free(path);
    }
    alarm(0);
    fixture_fini(&fixture);
}

static void remove_copies(const struct fixture *fixture)
{
    char *copies = fixture_path(fixture, "history");
    fixture_remove(copies);
    free(copies);
}

static void test_repair_from_a_file_when_no_copy_is_left(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-repair");
    struct store_written written;
    struct document *from = NULL;
    fixture_must_step(&fixture, "op-1");
    fixture_must_step(&fixture, "op-2");
    assert_int_equal(store_get(fixture.store, &fixture.diag, &from), ERR_OK);
    fixture_put(&fixture, "document.json", "");
    remove_copies(&fixture);
    assert_int_equal(store_repair(fixture.store, NULL, &audit, &fixture.diag, &written),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(diag_first(&fixture.diag), "--from FILE"));
    assert_int_equal(store_repair(fixture.store, from, &audit, &fixture.diag, &written), ERR_OK);
    assert_int_equal(fixture_generation(&fixture), 3);
    document_free(from);
    fixture_fini(&fixture);
}

static void test_repair_passes_over_spoilt_copies(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-repair");
    struct store_written written;
    struct document *document = NULL;
    for (int i = 0; i < 4; i++) {
        char op_id[16];
        snprintf(op_id, sizeof(op_id), "op-%d", i + 1);
        fixture_must_step(&fixture, op_id);
    }
    char *older = fixture_read(&fixture, "history/2.json");
    fixture_put(&fixture, "document.json", "");
    fixture_put(&fixture, "history/4.json", "");
    fixture_put(&fixture, "history/3.json", older); /* sound, but not what the log says */
    assert_int_equal(store_repair(fixture.store, NULL, &audit, &fixture.diag, &written), ERR_OK);
    assert_int_equal(store_get(fixture.store, &fixture.diag, &document), ERR_OK);
    assert_int_equal(document->generation, 5);
    document_free(document);
    free(older);
    fixture_fini(&fixture);
}

/* Without a log nothing vouches for a copy: the newest that parses has to do. */
static void test_repair_without_a_log(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-repair");
    struct store_written written;
    struct document *document = NULL;
    audit.verb = STR("repair");
    fixture_must_step(&fixture, "op-1");
    fixture_must_step(&fixture, "op-2");
    fixture_must_step(&fixture, "op-3");
    char *log = fixture_path(&fixture, "log.ndjson");
    fixture_put(&fixture, "document.json", "");
    fixture_put(&fixture, "history/2.json",
                "{\"v\":1,\"gen\":2,\"epoch\":\"01EPOCH\",\"mark\":\"second\"}");
    fixture_put(&fixture, "history/3.json", "{\"v\":1");
    assert_int_equal(unlink(log), 0);
    assert_int_equal(store_repair(fixture.store, NULL, &audit, &fixture.diag, &written), ERR_OK);
    assert_int_equal(written.generation, 4);
    assert_int_equal(store_get(fixture.store, &fixture.diag, &document), ERR_OK);
    assert_true(str_eq_text(json_get_str(document->value, "mark"), "second"));
    document_free(document);
    fixture_must_verify(&fixture, 1); /* begins with a repair */
    fixture_put(&fixture, "document.json", "");
    assert_int_equal(unlink(log), 0);
    remove_copies(&fixture);
    assert_int_equal(store_repair(fixture.store, NULL, &audit, &fixture.diag, &written),
                     ERR_NOT_FOUND);
    free(log);
    fixture_fini(&fixture);
}

static void test_repair_document_of_a_newer_steer_is_refused(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_audit audit = fixture_audit("op-repair");
    struct store_written written;
    char digest_text[DIGEST_TEXT_MAX], record[256];
    static const char newer[] = "{\"epoch\":\"01EPOCH\",\"gen\":7,\"v\":2}";
    struct digest digest = digest_of(newer, strlen(newer));
    snprintf(record, sizeof(record), "{\"after\":\"%s\",\"gen\":7}\n",
             digest_format(&digest, digest_text));
    fixture_put(&fixture, "document.json", newer);
    fixture_put(&fixture, "log.ndjson", record);
    assert_int_equal(store_repair(fixture.store, NULL, &audit, &fixture.diag, &written),
                     ERR_UNREACHABLE);
    assert_non_null(strstr(diag_first(&fixture.diag), "newer steer"));
    fixture_fini(&fixture);
}

static void test_init_makes_folders_once(void **state)
{
    (void)state;
    char *root = fixture_folder();
    struct fixture fixture = fixture_at(file_join(root, "a"));
    struct store_audit audit = fixture_audit("op-1");
    struct store_written written;
    assert_int_equal(store_init(fixture.store, &audit, &fixture.diag, &written), ERR_OK);
    assert_false(written.is_repeat);
    assert_int_equal(written.generation, 1);
    assert_int_equal(store_init(fixture.store, &audit, &fixture.diag, &written), ERR_OK);
    assert_true(written.is_repeat);
    fixture_must_verify(&fixture, 1);
    fixture_put(&fixture, "document.json", "garbage");
    assert_int_equal(store_init(fixture.store, &audit, &fixture.diag, &written), ERR_UNREACHABLE);
    fixture_fini(&fixture);
    fixture_remove(root);
    free(root);
}

/* ---- copies and history ------------------------------------------------------------------- */

static void test_cas_keeps_the_last_documents(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    enum { WRITES = STORE_KEPT_DOCUMENTS + 5 };
    for (int i = 1; i <= WRITES; i++) {
        char op_id[16];
        snprintf(op_id, sizeof(op_id), "op-%d", i);
        fixture_must_step(&fixture, op_id);
    }
    struct dir_copies copies = dir_scan_copies(dir_of(fixture.store), 0, UINT64_MAX);
    assert_int_equal(copies.count, STORE_KEPT_DOCUMENTS);
    assert_int_equal(copies.highest, WRITES);
    assert_int_equal(copies.lowest, WRITES - STORE_KEPT_DOCUMENTS + 1);
    fixture_fini(&fixture);
}

static void test_history_newest_first_and_bounded(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_history history;
    for (int i = 1; i <= 5; i++) {
        char op_id[16];
        snprintf(op_id, sizeof(op_id), "op-%d", i);
        fixture_must_step(&fixture, op_id);
    }
    for (size_t max = 0; max <= 6; max++) {
        assert_int_equal(store_history(fixture.store, max, &fixture.diag, &history), ERR_OK);
        size_t count = max < 5 ? max : 5;
        assert_int_equal(json_array_size(history.records), count);
        assert_int_equal(history.total_count, 5);
        assert_null(history.problem);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(json_get_int(json_array_get(history.records, i), "gen", 0), 5 - i);
        store_history_fini(&history);
    }
    fixture_fini(&fixture);
}

/* Each edit of a sound log of four lines, and what verification says about which line. */
static const struct tampering {
    const char *find, *replace;
    int line; /* edited line, from 1 */
    uint64_t problem_line;
    const char *problem;
} tamperings[] = {
    { "\"who\":\"ana\"", "\"who\":\"bob\"", 2, 3, "does not follow" },
    { "\"why\":\"INC-4411\"", "\"why\":\"x\"", 1, 2, "does not follow" },
    { "{", "x", 3, 3, "not a record" },
    { NULL, NULL, 1, 1, "earlier records are missing" },
    { NULL, NULL, 2, 2, "does not follow" },
    { NULL, NULL, 4, 3, "before the present document" },
};

static char *edit_line(const char *log, const struct tampering *tampering)
{
    struct buf out;
    struct str rest = str_from(log), line;
    buf_init(&out, 1 << 20);
    for (int number = 1; rest.len > 0; number++) {
        str_split(rest, '\n', &line, &rest);
        if (number == tampering->line && tampering->find == NULL)
            continue;
        const char *at = number == tampering->line
                             ? memmem(line.ptr, line.len, tampering->find, strlen(tampering->find))
                             : NULL;
        size_t head = at != NULL ? (size_t)(at - line.ptr) : line.len;
        buf_append(&out, line.ptr, head);
        if (at != NULL) {
            buf_append_text(&out, tampering->replace);
            head += strlen(tampering->find);
            buf_append(&out, line.ptr + head, line.len - head);
        }
        buf_append_text(&out, "\n");
    }
    char *text = mem_strdup(buf_text(&out));
    buf_fini(&out);
    return text;
}

static void test_history_tells_where_it_was_changed(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_history history;
    for (int i = 1; i <= 4; i++) {
        char op_id[16];
        snprintf(op_id, sizeof(op_id), "op-%d", i);
        fixture_must_step(&fixture, op_id);
    }
    char *log = fixture_read(&fixture, "log.ndjson");
    for (size_t i = 0; i < ARRAY_SIZE(tamperings); i++) {
        char *edited = edit_line(log, &tamperings[i]);
        fixture_put(&fixture, "log.ndjson", edited);
        assert_int_equal(store_history(fixture.store, SIZE_MAX, &fixture.diag, &history), ERR_OK);
        assert_non_null(history.problem);
        assert_non_null(strstr(history.problem, tamperings[i].problem));
        assert_int_equal(history.problem_line, tamperings[i].problem_line);
        store_history_fini(&history);
        free(edited);
    }
    free(log);
    fixture_fini(&fixture);
}

static void test_history_document_changed_by_hand_is_told(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_history history;
    fixture_must_step(&fixture, "op-1");
    fixture_put(&fixture, "document.json",
                "{\"v\":1,\"gen\":1,\"epoch\":\"01EPOCH\",\"regions\":{}}");
    assert_int_equal(store_history(fixture.store, SIZE_MAX, &fixture.diag, &history), ERR_OK);
    assert_non_null(strstr(history.problem, "changed outside steer after"));
    store_history_fini(&history);
    fixture_must_step(&fixture, "op-2"); /* a hand edit does not block the next change ... */
    assert_int_equal(store_history(fixture.store, SIZE_MAX, &fixture.diag, &history), ERR_OK);
    assert_non_null(strstr(history.problem, "changed outside steer before")); /* ... nor vanish */
    assert_int_equal(history.problem_line, 2);
    store_history_fini(&history);
    fixture_fini(&fixture);
}

static void check_problem(struct fixture *fixture, const char *problem, uint64_t line)
{
    struct store_history history;
    assert_int_equal(store_history(fixture->store, SIZE_MAX, &fixture->diag, &history), ERR_OK);
    assert_non_null(history.problem);
    if (strstr(history.problem, problem) == NULL)
        fail_msg("'%s', want '%s'", history.problem, problem);
    assert_int_equal(history.problem_line, line);
    store_history_fini(&history);
}

static void test_history_document_that_does_not_fit_is_told(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    fixture_must_step(&fixture, "op-1");
    char *first = fixture_read(&fixture, "document.json");
    fixture_must_step(&fixture, "op-2");
    fixture_put(&fixture, "document.json", first);
    check_problem(&fixture, "older than this record", 2);
    fixture_put(&fixture, "document.json", "garbage");
    check_problem(&fixture, "cannot be read", 2);
    char *path = fixture_path(&fixture, "document.json");
    assert_int_equal(unlink(path), 0);
    check_problem(&fixture, "is missing", 2);
    free(path);
    free(first);
    fixture_fini(&fixture);
}

/* The chain of digests alone does not make it sound. */
static void test_history_log_that_is_chained_but_wrong_is_told(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_history history;
    struct buf forged;
    char prev[DIGEST_TEXT_MAX];
    fixture_must_step(&fixture, "op-1");
    char *log = fixture_read(&fixture, "log.ndjson");
    struct digest digest = digest_of(log, strlen(log) - 1);
    assert_int_equal(store_history(fixture.store, 1, &fixture.diag, &history), ERR_OK);
    struct str after = json_get_str(json_array_get(history.records, 0), "after");
    buf_init(&forged, 1 << 20);
    buf_append_format(&forged,
                      "%s{\"epoch\":\"01EPOCH\",\"gen\":1,\"prev\":\"%s\",\"before\":\"%.*s\","
                      "\"after\":\"%.*s\"}\n",
                      log, digest_format(&digest, prev), STR_ARG(after), STR_ARG(after));
    fixture_put(&fixture, "log.ndjson", buf_text(&forged));
    check_problem(&fixture, "does not grow", 2);
    store_history_fini(&history);
    /* A log that somebody moved away is begun anew, and says so. */
    char *path = fixture_path(&fixture, "log.ndjson");
    assert_int_equal(unlink(path), 0);
    fixture_must_step(&fixture, "op-2");
    check_problem(&fixture, "does not begin here", 1);
    free(path);
    free(log);
    buf_fini(&forged);
    fixture_fini(&fixture);
}

static void test_history_without_log_is_not_found(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_history history;
    assert_int_equal(store_history(fixture.store, 1, &fixture.diag, &history), ERR_NOT_FOUND);
    fixture_fini(&fixture);
}

/* Also one longer than the line that takes its place. */
static void test_cas_torn_log_line_is_cut_off(void **state)
{
    (void)state;
    static const int lens[] = { 1, 100, 5000 };
    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        struct fixture fixture = fixture_init();
        struct buf torn;
        fixture_must_step(&fixture, "op-1");
        char *log = fixture_read(&fixture, "log.ndjson");
        buf_init(&torn, 1 << 20);
        buf_append_format(&torn, "%s{\"why\":\"%0*d", log, lens[i], 7);
        fixture_put(&fixture, "log.ndjson", buf_text(&torn));
        fixture_must_verify(&fixture, 1);
        fixture_must_step(&fixture, "op-2");
        fixture_must_verify(&fixture, 2);
        char *healed = fixture_read(&fixture, "log.ndjson");
        assert_int_equal(healed[strlen(healed) - 1], '\n');
        free(healed);
        buf_fini(&torn);
        free(log);
        fixture_fini(&fixture);
    }
}

static void test_cas_log_without_any_line_break_is_refused(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    struct store_written written;
    static const size_t lens[] = { STORE_RECORD_MAX_BYTES + 1, 6 * STORE_RECORD_MAX_BYTES };
    fixture_must_step(&fixture, "op-1");
    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        char *garbage = mem_calloc(lens[i] + 1, 1);
        memset(garbage, 'x', lens[i]);
        fixture_put(&fixture, "log.ndjson", garbage);
        assert_int_equal(fixture_step(&fixture, "op-2", &written), ERR_UNREACHABLE);
        assert_non_null(strstr(diag_first(&fixture.diag), "Move it away"));
        assert_int_equal(fixture_generation(&fixture), 1);
        fixture_forget_diag(&fixture);
        free(garbage);
    }
    fixture_fini(&fixture);
}

/* Random damage to log and document: never a crash, never a document that is neither the old one
 * nor a proper next one. */
static void spoil(struct rng *rng, char *text, size_t *len)
{
    for (uint64_t i = rng_below(rng, 4); i > 0 && *len > 0; i--) {
        size_t at = (size_t)rng_below(rng, *len);
        switch (rng_below(rng, 3)) {
        case 0:
            text[at] = (char)rng_below(rng, 256);
            break;
        case 1:
            *len = at;
            break;
        default:
            memmove(text + at, text + at + 1, *len - at - 1);
            (*len)--;
        }
    }
}

static void spoil_file(struct rng *rng, const struct fixture *fixture, const char *name)
{
    char *text = fixture_read(fixture, name);
    size_t len = strlen(text);
    char *path = fixture_path(fixture, name);
    spoil(rng, text, &len);
    assert_int_equal(file_replace(path, (struct str){ text, len }, false), ERR_OK);
    free(path);
    free(text);
}

static void test_random_damage_is_survived(void **state)
{
    (void)state;
    enum { ROUNDS = 200 };
    uint64_t seed = rng_seed(), written_count = 0, repaired_count = 0;
    struct rng rng = rng_init(seed);
    print_message("seed %" PRIu64 "\n", seed);
    for (int round = 0; round < ROUNDS; round++) {
        struct fixture fixture = fixture_init();
        struct store_audit audit = fixture_audit("op-repair");
        struct store_history history;
        struct store_written written;
        fixture_must_step(&fixture, "op-1");
        fixture_must_step(&fixture, "op-2");
        fixture_must_step(&fixture, "op-3");
        spoil_file(&rng, &fixture, rng_below(&rng, 2) == 0 ? "log.ndjson" : "document.json");
        spoil_file(&rng, &fixture, "history/2.json");
        if (store_history(fixture.store, SIZE_MAX, &fixture.diag, &history) == ERR_OK)
            store_history_fini(&history);
        uint64_t before = fixture_generation(&fixture);
        if (fixture_step(&fixture, "op-4", &written) == ERR_OK) {
            assert_true(written.is_repeat || fixture_generation(&fixture) == before + 1);
            written_count++;
        } else {
            assert_int_equal(fixture_generation(&fixture), before);
        }
        if (store_repair(fixture.store, NULL, &audit, &fixture.diag, &written) == ERR_OK) {
            assert_true(fixture_generation(&fixture) >= 3 || written.is_repeat);
            repaired_count += !written.is_repeat;
        }
        fixture_fini(&fixture);
    }
    print_message("written %" PRIu64 ", repaired %" PRIu64 " of %d\n", written_count,
                  repaired_count, ROUNDS);
    assert_true(written_count > 0 && repaired_count > 0);
}

/* ---- open, watch -------------------------------------------------------------------------- */

static void test_open_unknown_scheme_is_invalid(void **state)
{
    (void)state;
    struct diag diag;
    struct store *store = NULL;
    diag_init(&diag);
    assert_int_equal(store_open("etcd://127.0.0.1", &diag, &store), ERR_INVALID);
    assert_int_equal(store_open("", &diag, &store), ERR_INVALID);
    assert_int_equal(store_open("dir:/tmp/x", &diag, &store), ERR_OK);
    assert_string_equal(store_where(store), "/tmp/x");
    store_close(store);
    diag_fini(&diag);
}

static bool is_readable(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    return poll(&poll_fd, 1, 0) == 1;
}

static void test_watch_reports_document_changes_only(void **state)
{
    (void)state;
    struct fixture fixture = fixture_init();
    bool is_lost = false;
    int fd = -1;
    fixture_must_step(&fixture, "op-1");
    assert_int_equal(store_watch(fixture.store, STORE_WATCH_DOCUMENT, &fixture.diag, &fd), ERR_OK);
    assert_false(is_readable(fd));
    assert_false(store_watch_drain(fixture.store, STORE_WATCH_DOCUMENT, fd, &is_lost));
    fixture_put(&fixture, "unrelated", "x");
    assert_false(store_watch_drain(fixture.store, STORE_WATCH_DOCUMENT, fd, &is_lost));
    fixture_must_step(&fixture, "op-2");
    assert_true(is_readable(fd));
    assert_true(store_watch_drain(fixture.store, STORE_WATCH_DOCUMENT, fd, &is_lost));
    assert_false(is_readable(fd));
    assert_false(is_lost);
    fixture_remove(fixture.folder);
    assert_true(store_watch_drain(fixture.store, STORE_WATCH_DOCUMENT, fd, &is_lost));
    assert_true(is_lost);
    close(fd);
    assert_int_equal(store_watch(fixture.store, STORE_WATCH_DOCUMENT, &fixture.diag, &fd),
                     ERR_NOT_FOUND);
    fixture_fini(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cas_first_write_creates_document_and_log),
        cmocka_unit_test(test_cas_other_generation_or_epoch_is_conflict),
        cmocka_unit_test(test_cas_no_successor_is_invalid),
        cmocka_unit_test(test_cas_same_operation_is_done_once),
        cmocka_unit_test(test_cas_huge_audit_is_refused),
        cmocka_unit_test(test_cas_without_folder_is_unreachable),
        cmocka_unit_test(test_repair_brings_back_what_was_damaged),
        cmocka_unit_test(test_repair_sound_document_is_left_alone),
        cmocka_unit_test(test_repair_rolled_back_document),
        cmocka_unit_test(test_cas_unreadable_copy_cuts_nothing_off),
        cmocka_unit_test(test_cas_copy_of_a_newer_steer_proves_its_generation),
        cmocka_unit_test(test_pipes_in_the_folder_hold_nobody_up),
        cmocka_unit_test(test_repair_from_a_file_when_no_copy_is_left),
        cmocka_unit_test(test_repair_passes_over_spoilt_copies),
        cmocka_unit_test(test_repair_without_a_log),
        cmocka_unit_test(test_repair_document_of_a_newer_steer_is_refused),
        cmocka_unit_test(test_init_makes_folders_once),
        cmocka_unit_test(test_cas_keeps_the_last_documents),
        cmocka_unit_test(test_history_newest_first_and_bounded),
        cmocka_unit_test(test_history_tells_where_it_was_changed),
        cmocka_unit_test(test_history_document_changed_by_hand_is_told),
        cmocka_unit_test(test_history_document_that_does_not_fit_is_told),
        cmocka_unit_test(test_history_log_that_is_chained_but_wrong_is_told),
        cmocka_unit_test(test_history_without_log_is_not_found),
        cmocka_unit_test(test_cas_torn_log_line_is_cut_off),
        cmocka_unit_test(test_cas_log_without_any_line_break_is_refused),
        cmocka_unit_test(test_random_damage_is_survived),
        cmocka_unit_test(test_open_unknown_scheme_is_invalid),
        cmocka_unit_test(test_watch_reports_document_changes_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
