/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a folder of its own, for the tests beside this file. */
#pragma once

#include <ftw.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/store/dir_priv.h"

struct fixture {
    char *folder;
    struct store *store;
    struct diag diag;
};

static inline int fixture_remove_one(const char *path, const struct stat *status, int kind,
                                     struct FTW *ftw)
{
    (void)status;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline void fixture_remove(const char *folder)
{
    nftw(folder, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* In memory where that is possible: thousands of fsyncs take minutes on a disk, and what a kill
 * leaves behind is the same. TMPDIR has the last word. */
static inline char *fixture_folder(void)
{
    const char *where = getenv("TMPDIR");
    if (where == NULL)
        where = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
    char *path = file_join(where, "steer-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}

static inline struct fixture fixture_at(char *folder)
{
    struct fixture fixture = { .folder = folder };
    diag_init(&fixture.diag);
    assert_int_equal(store_open(folder, &fixture.diag, &fixture.store), ERR_OK);
    return fixture;
}

static inline struct fixture fixture_init(void)
{
    return fixture_at(fixture_folder());
}

static inline void fixture_fini(struct fixture *fixture)
{
    store_close(fixture->store);
    fixture_remove(fixture->folder);
    free(fixture->folder);
    diag_fini(&fixture->diag);
}

static inline void fixture_forget_diag(struct fixture *fixture)
{
    diag_fini(&fixture->diag);
    diag_init(&fixture->diag);
}

static inline struct store_audit fixture_audit(const char *op_id)
{
    static const struct str argv[] = { { "steer", 5 }, { "evacuate", 8 }, { "us-east", 7 } };
    return (struct store_audit){
        .op_id = str_from(op_id),
        .who = STR("ana"),
        .host = STR("bastion"),
        .why = STR("INC-4411"),
        .verb = STR("evacuate"),
        .site = STR("us-east"),
        .version = STR("0.1.0"),
        .argv = argv,
        .argc = ARRAY_SIZE(argv),
        .at_unix_s = 1795224000,
    };
}

/* Reads, makes the next generation, waits a little, swaps. */
static inline enum err fixture_step_slowly(struct fixture *fixture, const char *op_id,
                                           long linger_ns, struct store_written *out_written)
{
    struct timespec linger = { .tv_nsec = linger_ns };
    struct store_audit audit = fixture_audit(op_id);
    struct document *base = NULL, *next = NULL;
    struct diag ignored;
    diag_init(&ignored);
    if (store_get(fixture->store, &ignored, &base) != ERR_OK)
        base = document_new("01EPOCH");
    diag_fini(&ignored);
    struct store_expected expected = { base->epoch, base->generation };
    assert_int_equal(store_succeed(base, base->generation + 1, &audit, &fixture->diag, &next),
                     ERR_OK);
    if (linger_ns > 0)
        nanosleep(&linger, NULL);
    enum err err = store_cas(fixture->store, &expected, next, &audit, &fixture->diag, out_written);
    document_free(next);
    document_free(base);
    return err;
}

static inline enum err fixture_step(struct fixture *fixture, const char *op_id,
                                    struct store_written *out_written)
{
    return fixture_step_slowly(fixture, op_id, 0, out_written);
}

static inline void fixture_must_step(struct fixture *fixture, const char *op_id)
{
    struct store_written written;
    enum err err = fixture_step(fixture, op_id, &written);
    if (err != ERR_OK)
        print_error("%s: %s\n", err_name(err), diag_first(&fixture->diag));
    assert_int_equal(err, ERR_OK);
    assert_false(written.is_repeat);
}

/* 0: no sound document. */
static inline uint64_t fixture_generation(struct fixture *fixture)
{
    struct document *document = NULL;
    struct diag ignored;
    diag_init(&ignored);
    uint64_t generation = 0;
    if (store_get(fixture->store, &ignored, &document) == ERR_OK)
        generation = document->generation;
    document_free(document);
    diag_fini(&ignored);
    return generation;
}

static inline void fixture_must_verify(struct fixture *fixture, uint64_t record_count)
{
    struct store_history history;
    assert_int_equal(store_history(fixture->store, SIZE_MAX, &fixture->diag, &history), ERR_OK);
    if (history.problem != NULL)
        print_error("log line %" PRIu64 ": %s\n", history.problem_line, history.problem);
    assert_null(history.problem);
    assert_int_equal(history.total_count, record_count);
    store_history_fini(&history);
}

static inline char *fixture_path(const struct fixture *fixture, const char *name)
{
    return file_join(fixture->folder, name);
}

static inline void fixture_put(const struct fixture *fixture, const char *name, const char *text)
{
    char *path = fixture_path(fixture, name);
    assert_int_equal(file_replace(path, str_from(text), false), ERR_OK);
    free(path);
}

static inline char *fixture_read(const struct fixture *fixture, const char *name)
{
    struct buf text;
    char *path = fixture_path(fixture, name);
    buf_init(&text, 1 << 24);
    assert_int_equal(file_read(path, &text), ERR_OK);
    char *copy = mem_strdup(buf_text(&text));
    buf_fini(&text);
    free(path);
    return copy;
}
