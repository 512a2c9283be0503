/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <sys/stat.h>

#include "steering/store/last_good.h"
#include "tests/unit/steering/store/fixture.h"

struct folder {
    char *path;
    struct diag diag;
};

static struct folder folder_init(void)
{
    struct folder folder = { .path = fixture_folder() };
    diag_init(&folder.diag);
    return folder;
}

static void folder_fini(struct folder *folder)
{
    fixture_remove(folder->path);
    free(folder->path);
    diag_fini(&folder->diag);
}

static struct document *make(struct folder *folder, const char *epoch, uint64_t generation)
{
    struct store_audit audit = fixture_audit("op");
    struct document *empty = document_new(epoch), *document = NULL;
    assert_int_equal(store_succeed(empty, generation, &audit, &folder->diag, &document), ERR_OK);
    document_free(empty);
    return document;
}

static void save(struct folder *folder, const char *epoch, uint64_t generation)
{
    struct document *document = make(folder, epoch, generation);
    assert_int_equal(last_good_save(folder->path, document, &folder->diag), ERR_OK);
    document_free(document);
}

/* 0: none. */
static uint64_t load(struct folder *folder)
{
    struct document *document = NULL;
    enum err err = last_good_load(folder->path, &folder->diag, &document);
    if (err == ERR_NOT_FOUND)
        return 0;
    assert_int_equal(err, ERR_OK);
    uint64_t generation = document->generation;
    document_free(document);
    return generation;
}

struct names {
    char name[32][80];
    size_t count;
};

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static struct names list(const struct folder *folder)
{
    struct names names = { .count = 0 };
    DIR *dir = opendir(folder->path);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        if (entry->d_name[0] != '.' && names.count < 32)
            snprintf(names.name[names.count++], 80, "%.79s", entry->d_name);
    closedir(dir);
    qsort(names.name, names.count, sizeof(names.name[0]), compare_names);
    return names;
}

static void put(const struct folder *folder, const char *name, const char *text)
{
    char *path = file_join(folder->path, name);
    assert_int_equal(file_replace(path, str_from(text), false), ERR_OK);
    free(path);
}

static void test_save_keeps_the_last_and_loads_the_newest(void **state)
{
    (void)state;
    struct folder folder = folder_init();
    assert_int_equal(load(&folder), 0);
    for (uint64_t generation = 1; generation <= 12; generation++) {
        save(&folder, "E1", generation);
        assert_int_equal(load(&folder), generation);
        size_t expected = generation < LAST_GOOD_KEPT ? (size_t)generation : LAST_GOOD_KEPT;
        assert_int_equal(list(&folder).count, expected);
    }
    save(&folder, "E2", 3); /* an adopted epoch counts from the start again */
    assert_int_equal(load(&folder), 3);
    folder_fini(&folder);
}

static void test_save_same_document_writes_nothing(void **state)
{
    (void)state;
    struct folder folder = folder_init();
    save(&folder, "E1", 5);
    struct names before = list(&folder);
    save(&folder, "E1", 5);
    struct names after = list(&folder);
    assert_int_equal(after.count, 1);
    assert_string_equal(before.name[0], after.name[0]);
    put(&folder, before.name[0], "spoilt"); /* then it is written again */
    save(&folder, "E1", 5);
    assert_int_equal(list(&folder).count, 2);
    assert_int_equal(load(&folder), 5);
    folder_fini(&folder);
}

static void test_load_passes_over_what_is_damaged(void **state)
{
    (void)state;
    struct folder folder = folder_init();
    static const char *const damages[] = { "", "{", "{}", "{\"epoch\":\"E1\",\"gen\":99,\"v\":1}" };
    for (uint64_t generation = 1; generation <= 5; generation++)
        save(&folder, "E1", generation);
    struct names names = list(&folder);
    for (size_t i = 0; i < ARRAY_SIZE(damages); i++) {
        put(&folder, names.name[4 - i], damages[i]);
        assert_int_equal(load(&folder), 4 - i);
        assert_true(folder.diag.warning_count > i);
    }
    put(&folder, names.name[0], "x");
    assert_int_equal(load(&folder), 0);
    save(&folder, "E1", 6); /* goes on counting */
    assert_int_equal(load(&folder), 6);
    folder_fini(&folder);
}

/* A folder lists its files as it likes: some the one written last first, some by a hash. */
static void test_load_newest_is_by_name(void **state)
{
    (void)state;
    struct folder folder = folder_init();
    for (uint64_t generation = 1; generation <= 3; generation++)
        save(&folder, "E1", generation);
    struct names names = list(&folder);
    for (size_t i = 0; i < names.count; i++) {
        char *path = file_join(folder.path, names.name[i]);
        struct buf text;
        buf_init(&text, 1 << 20);
        assert_int_equal(file_read(path, &text), ERR_OK);
        assert_int_equal(unlink(path), 0);
        put(&folder, names.name[i], buf_text(&text));
        assert_int_equal(load(&folder), 3);
        buf_fini(&text);
        free(path);
    }
    save(&folder, "E1", 4);
    assert_int_equal(load(&folder), 4);
    folder_fini(&folder);
}

static void test_load_ignores_foreign_names(void **state)
{
    (void)state;
    struct folder folder = folder_init();
    static const char *const foreign[] = {
        "document-1.json",
        "document-99999999999999999999-0123456789abcdef.json",
        "document-00000000000000000009-0123456789abcdef.json.tmp",
        "document-0000000000000000000x-0123456789abcdef.json",
        "README",
    };
    save(&folder, "E1", 5);
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
        put(&folder, foreign[i], "{\"epoch\":\"E1\",\"gen\":99,\"v\":1}");
    assert_int_equal(load(&folder), 5);
    save(&folder, "E1", 6);
    assert_int_equal(load(&folder), 6);
    folder_fini(&folder);
}

static void test_save_makes_its_folder(void **state)
{
    (void)state;
    struct folder folder = folder_init();
    struct document *document = make(&folder, "E1", 1);
    char *deeper = file_join(folder.path, "a");
    assert_int_equal(last_good_save(deeper, document, &folder.diag), ERR_OK);
    put(&folder, "file", "");
    char *impossible = file_join(folder.path, "file/b");
    assert_int_not_equal(last_good_save(impossible, document, &folder.diag), ERR_OK);
    assert_non_null(strstr(diag_first(&folder.diag), "file/b"));
    free(impossible);
    free(deeper);
    document_free(document);
    folder_fini(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_keeps_the_last_and_loads_the_newest),
        cmocka_unit_test(test_save_same_document_writes_nothing),
        cmocka_unit_test(test_load_passes_over_what_is_damaged),
        cmocka_unit_test(test_load_newest_is_by_name),
        cmocka_unit_test(test_load_ignores_foreign_names),
        cmocka_unit_test(test_save_makes_its_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
