/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "steering/base/mem.h"

static char folder[64];

static int setup(void **state)
{
    (void)state;
    memcpy(folder, "/tmp/steer-file-XXXXXX", sizeof("/tmp/steer-file-XXXXXX"));
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static char *inside(const char *name)
{
    return file_join(folder, name);
}

static void assert_content(const char *path, const char *expected)
{
    struct buf content;
    buf_init(&content, 1 << 20);
    assert_int_equal(file_read(path, &content), ERR_OK);
    assert_string_equal(buf_text(&content), expected);
    buf_fini(&content);
}

static unsigned count_files(void)
{
    unsigned count = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static void test_file_replace_then_read(void **state)
{
    (void)state;
    char *path = inside("doc.json");
    assert_int_equal(file_replace(path, STR("one"), true), ERR_OK);
    assert_content(path, "one");
    assert_int_equal(file_replace(path, STR("two, longer"), false), ERR_OK);
    assert_content(path, "two, longer");
    assert_int_equal(file_replace(path, STR(""), true), ERR_OK);
    assert_content(path, "");
    assert_int_equal(count_files(), 1);
    free(path);
}

static void test_file_read_ceiling(void **state)
{
    struct buf content;
    char *path = inside("big");
    (void)state;
    assert_int_equal(file_replace(path, STR("12345678"), false), ERR_OK);
    buf_init(&content, 8);
    assert_int_equal(file_read(path, &content), ERR_OK);
    assert_string_equal(buf_text(&content), "12345678");
    buf_fini(&content);
    buf_init(&content, 7);
    assert_int_equal(file_read(path, &content), ERR_TOO_LARGE);
    assert_int_equal(errno, EFBIG);
    buf_fini(&content);
    free(path);
}

static void test_file_read_failures_keep_errno(void **state)
{
    struct buf content;
    char *path = inside("absent");
    (void)state;
    buf_init(&content, 8);
    buf_append_text(&content, "old");
    assert_int_equal(file_read(path, &content), ERR_NOT_FOUND);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(content.len, 0);
    assert_int_equal(file_read(folder, &content), ERR_IO);
    assert_int_equal(errno, EISDIR);
    buf_fini(&content);
    free(path);
}

static void test_file_read_regular_refuses_pipes_and_devices(void **state)
{
    struct buf content;
    char *path = inside("pipe"), *file = inside("plain");
    (void)state;
    buf_init(&content, 8);
    alarm(60); /* a hang ends here */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(file_read_regular(path, &content), ERR_DENIED);
    assert_int_equal(errno, EPERM);
    assert_int_equal(file_read_regular("/dev/zero", &content), ERR_DENIED);
    assert_int_equal(file_read_regular(folder, &content), ERR_IO);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(file_replace(file, STR("x"), false), ERR_OK);
    assert_int_equal(file_read_regular(file, &content), ERR_OK);
    assert_string_equal(buf_text(&content), "x");
    alarm(0);
    buf_fini(&content);
    free(file);
    free(path);
}

/* A new file each time: what was there may be a pipe, or have another name elsewhere. */
static void test_file_create_replaces_what_is_there(void **state)
{
    struct buf content;
    char *path = inside("new"), *other = inside("other"), *link_path = inside("new2");
    (void)state;
    buf_init(&content, 8);
    assert_int_equal(file_replace(other, STR("secret"), false), ERR_OK);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(link(other, link_path), 0);
    const char *const paths[] = { path, link_path, path, link_path };
    alarm(60);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        int fd = file_create(paths[i]);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, "y", 1), 1);
        close(fd);
        assert_int_equal(file_read_regular(paths[i], &content), ERR_OK);
        assert_string_equal(buf_text(&content), "y");
    }
    alarm(0);
    assert_int_equal(file_read(other, &content), ERR_OK);
    assert_string_equal(buf_text(&content), "secret");
    assert_int_equal(file_create(folder), -1);
    buf_fini(&content);
    free(link_path);
    free(other);
    free(path);
}

static void test_file_replace_into_absent_folder(void **state)
{
    (void)state;
    char *path = inside("absent/doc.json");
    assert_int_equal(file_replace(path, STR("x"), true), ERR_NOT_FOUND);
    assert_int_equal(errno, ENOENT);
    free(path);
}

/* A folder stands where the file should go: rename fails, and the temporary goes. */
static void test_file_replace_failed_rename_leaves_nothing(void **state)
{
    (void)state;
    char *path = inside("taken");
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_not_equal(file_replace(path, STR("x"), true), ERR_OK);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(count_files(), 1);
    free(path);
}

/* The nearest thing to a full disk that needs no mount: a ceiling on file sizes. */
static void test_file_replace_full_disk_keeps_the_old(void **state)
{
    (void)state;
    char *path = inside("doc.json");
    assert_int_equal(file_replace(path, STR("old"), true), ERR_OK);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static char big[65536];
        struct rlimit limit = { .rlim_cur = 4096, .rlim_max = 4096 };
        struct sigaction ignore = { .sa_handler = SIG_IGN };
        sigaction(SIGXFSZ, &ignore, NULL);
        setrlimit(RLIMIT_FSIZE, &limit);
        enum err err = file_replace(path, (struct str){ big, sizeof(big) }, true);
        _exit(err == ERR_NO_SPACE && errno == EFBIG ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_content(path, "old");
    assert_int_equal(count_files(), 1);
    free(path);
}

/* kill -9 at any moment: the old content or the new one, whole. */
static void test_file_replace_survives_kill(void **state)
{
    enum { BYTES = 60000 };
    (void)state;
    char *path = inside("doc.json");
    char *content = mem_calloc(BYTES, 1);
    memset(content, 'a', BYTES);
    assert_int_equal(file_replace(path, (struct str){ content, BYTES }, false), ERR_OK);
    for (unsigned round = 0; round < 20; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            for (char letter = 'a';; letter = letter == 'z' ? 'a' : (char)(letter + 1)) {
                memset(content, letter, BYTES);
                if (file_replace(path, (struct str){ content, BYTES }, false) != ERR_OK)
                    _exit(1);
            }
        }
        usleep(500 + round * 300);
        kill(child, SIGKILL);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        struct buf read;
        buf_init(&read, 1 << 20);
        assert_int_equal(file_read(path, &read), ERR_OK);
        assert_int_equal(read.len, BYTES);
        assert_memory_equal(read.bytes, read.bytes + 1, BYTES - 1);
        buf_fini(&read);
    }
    free(content);
    free(path);
}

static void test_file_make_folders(void **state)
{
    struct stat info;
    (void)state;
    char *deep = inside("a/b//c/");
    char *below_file = inside("file/x");
    char *file = inside("file");
    assert_int_equal(file_make_folders(deep), ERR_OK);
    assert_int_equal(stat(deep, &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    assert_int_equal(file_make_folders(deep), ERR_OK);
    assert_int_equal(file_make_folders("/"), ERR_OK);
    assert_int_equal(file_make_folders("."), ERR_OK);
    assert_int_equal(file_make_folders(""), ERR_NOT_FOUND);
    assert_int_equal(file_replace(file, STR("x"), false), ERR_OK);
    assert_int_equal(file_make_folders(file), ERR_EXISTS);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(file_make_folders(below_file), ERR_EXISTS);
    free(deep);
    free(below_file);
    free(file);
}

/* Whoever made it, and whatever his umask is. */
static void test_file_take_after_the_folder(void **state)
{
    static const struct {
        mode_t folder, file, below;
    } rows[] = {
        { 0755, 0644, 0755 },   { 0700, 0600, 0700 }, { 0750, 0640, 0750 }, { 0775, 0664, 0775 },
        { 02775, 0664, 02775 }, { 0770, 0660, 0770 }, { 0777, 0664, 0775 }, /* not by everybody */
        { 01777, 0644, 0755 }, /* nor where everybody may write */
    };
    (void)state;
    char *shared = inside("shared"), *file = inside("shared/file"), *below = inside("shared/below");
    assert_int_equal(mkdir(shared, 0700), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct stat info;
        mode_t before = umask(i % 2 == 0 ? 077 : 0);
        assert_int_equal(chmod(shared, rows[i].folder), 0);
        assert_int_equal(file_replace(file, STR("x"), false), ERR_OK);
        assert_int_equal(file_make_folders(below), ERR_OK);
        umask(before);
        assert_int_equal(stat(file, &info), 0);
        assert_int_equal(info.st_mode & 07777, rows[i].file);
        assert_int_equal(stat(below, &info), 0);
        assert_int_equal(info.st_mode & 07777, rows[i].below);
        assert_int_equal(rmdir(below), 0);
    }
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(shared), 0);
    free(shared);
    free(file);
    free(below);
}

/* Root in a folder of somebody else: a link there shall catch nothing. */
static void test_file_take_after_leaves_links_alone(void **state)
{
    (void)state;
    struct stat info;
    char *caught = inside("caught"), *link_path = inside("link");
    assert_int_equal(file_replace(caught, STR("x"), false), ERR_OK);
    assert_int_equal(link(caught, link_path), 0);
    assert_int_equal(chmod(caught, 0600), 0);
    int fd = open(link_path, O_RDONLY);
    assert_true(fd >= 0);
    file_take_after(fd, ".");
    close(fd);
    assert_int_equal(stat(caught, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(unlink(link_path), 0);
    assert_int_equal(unlink(caught), 0);
    free(caught);
    free(link_path);
}

static void test_file_beside_and_join(void **state)
{
    static const struct {
        const char *path, *name, *beside;
    } rows[] = {
        { "/etc/steer/node.yaml", "geo.mmdb", "/etc/steer/geo.mmdb" },
        { "/etc/steer/node.yaml", "../geo.mmdb", "/etc/steer/../geo.mmdb" },
        { "/etc/steer/node.yaml", "/srv/geo.mmdb", "/srv/geo.mmdb" },
        { "node.yaml", "geo.mmdb", "geo.mmdb" },
        { "/node.yaml", "geo.mmdb", "/geo.mmdb" },
        { "conf/", "geo.mmdb", "conf/geo.mmdb" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *beside = file_beside(rows[i].path, rows[i].name);
        assert_string_equal(beside, rows[i].beside);
        free(beside);
    }
    char *joined = file_join("a", "b");
    assert_string_equal(joined, "a/b");
    free(joined);
}

/* In a child: the descriptors of the test's own output are not played with. */
static void test_file_reserve_standard_takes_what_is_closed(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDIN_FILENO);
        close(STDERR_FILENO);
        file_reserve_standard();
        int next = open("/", O_RDONLY | O_DIRECTORY);
        _exit(next > STDERR_FILENO && fcntl(STDERR_FILENO, F_GETFD) == 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_file_replace_then_read, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_read_ceiling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_read_failures_keep_errno, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_read_regular_refuses_pipes_and_devices, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_file_create_replaces_what_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_replace_into_absent_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_replace_failed_rename_leaves_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_file_replace_full_disk_keeps_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_replace_survives_kill, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_make_folders, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_take_after_the_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_take_after_leaves_links_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_beside_and_join, setup, teardown),
        cmocka_unit_test(test_file_reserve_standard_takes_what_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
