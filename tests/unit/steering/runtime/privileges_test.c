/* SPDX-License-Identifier: Apache-2.0 */
/* What a process may do changes for good, so every case runs in a child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steering/runtime/privileges.h"

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/privileges_test.XXXXXX");
    assert_non_null(mkdtemp(folder));
    return chmod(folder, 0755);
}

/* 0: all is well; else the number of the check that failed. */
static int in_child(int (*run)(void))
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(run());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static bool has_no_capability(void)
{
    char line[256];
    bool is_clean = true;
    FILE *file = fopen("/proc/self/status", "re");
    while (fgets(line, sizeof(line), file) != NULL) {
        unsigned long long bits = 1;
        if (strncmp(line, "CapInh:", 7) != 0 && strncmp(line, "CapPrm:", 7) != 0 &&
            strncmp(line, "CapEff:", 7) != 0 && strncmp(line, "CapAmb:", 7) != 0)
            continue;
        is_clean &= sscanf(line + 7, "%llx", &bits) == 1 && bits == 0;
    }
    fclose(file);
    return is_clean;
}

static int drop_as(const char *user, struct privileges *privileges)
{
    struct diag diag;
    diag_init(&diag);
    if (privileges_prepare(user, &diag, privileges) != ERR_OK)
        return 1;
    if (privileges_own_folder(privileges, folder, &diag) != ERR_OK)
        return 2;
    if (privileges_drop(privileges, &diag) != ERR_OK)
        return 3;
    diag_fini(&diag);
    privileges_fini(privileges);
    return 0;
}

static int become_nobody(void)
{
    struct privileges privileges;
    char path[96];
    int failed = drop_as("nobody", &privileges);
    if (failed != 0)
        return failed;
    if (getuid() != privileges.uid || geteuid() == 0 || getegid() != privileges.gid)
        return 10;
    if (!has_no_capability() || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 11;
    if (setuid(0) == 0 || open("/etc/shadow", O_RDONLY) >= 0)
        return 12;
    snprintf(path, sizeof(path), "%s/mine", folder);
    int fd = open(path, O_WRONLY | O_CREAT, 0644); /* the folder was given to us */
    return fd >= 0 ? 0 : 13;
}

static int stay_root(void)
{
    struct privileges privileges;
    int failed = drop_as("root", &privileges);
    if (failed != 0)
        return failed;
    if (getuid() != 0 || !has_no_capability())
        return 10;
    return chown(folder, 1, 1) == 0 ? 11 : 0; /* uid 0 without its powers */
}

static int drop_without_root(void)
{
    struct privileges privileges;
    if (geteuid() == 0 && setuid(65534) != 0)
        return 1;
    /* The user is not looked at: nobody but root can change it. */
    struct diag diag;
    diag_init(&diag);
    if (privileges_prepare("no-such-user", &diag, &privileges) != ERR_OK)
        return 2;
    if (privileges.is_root || !privileges.keeps_uid)
        return 3;
    if (privileges_drop(&privileges, &diag) != ERR_OK)
        return 4;
    privileges_fini(&privileges);
    diag_fini(&diag);
    return has_no_capability() ? 0 : 5;
}

static void skip_unless_root(void)
{
    if (geteuid() == 0)
        return;
    print_message("skipped: only root can become somebody else\n");
    skip();
}

static void test_drop_becomes_the_user_for_good(void **state)
{
    (void)state;
    skip_unless_root();
    assert_int_equal(in_child(become_nobody), 0);
}

static void test_drop_keeps_uid_0_without_capabilities(void **state)
{
    (void)state;
    skip_unless_root();
    assert_int_equal(in_child(stay_root), 0);
}

static void test_drop_works_for_everyone(void **state)
{
    (void)state;
    assert_int_equal(in_child(drop_without_root), 0);
}

static void test_prepare_names_the_missing_user(void **state)
{
    (void)state;
    struct privileges privileges;
    struct diag diag;
    skip_unless_root();
    diag_init(&diag);
    assert_int_equal(privileges_prepare("no-such-user", &diag, &privileges), ERR_UNKNOWN);
    assert_non_null(strstr(diag_first(&diag), "no-such-user"));
    assert_non_null(strstr(diag_first(&diag), "useradd"));
    diag_fini(&diag);
}

static void test_own_folder_refuses_a_link(void **state)
{
    (void)state;
    struct privileges privileges = { .uid = 65534, .gid = 65534, .user = folder };
    struct diag diag;
    char path[96];
    skip_unless_root();
    snprintf(path, sizeof(path), "%s/link", folder);
    assert_int_equal(symlink("/etc", path), 0);
    diag_init(&diag);
    assert_int_not_equal(privileges_own_folder(&privileges, path, &diag), ERR_OK);
    struct stat info;
    assert_int_equal(stat("/etc", &info), 0);
    assert_int_equal(info.st_uid, 0);
    diag_fini(&diag);
}

static int remove_folder(void **state)
{
    (void)state;
    char path[96];
    snprintf(path, sizeof(path), "%s/link", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/mine", folder);
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop_becomes_the_user_for_good),
        cmocka_unit_test(test_drop_keeps_uid_0_without_capabilities),
        cmocka_unit_test(test_drop_works_for_everyone),
        cmocka_unit_test(test_prepare_names_the_missing_user),
        cmocka_unit_test(test_own_folder_refuses_a_link),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
