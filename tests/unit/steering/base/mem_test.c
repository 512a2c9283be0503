/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void test_mem_calloc_zeroes(void **state)
{
    (void)state;
    unsigned char *bytes = mem_calloc(100, 3);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(bytes[i], 0);
    free(bytes);
    void *nothing = mem_calloc(0, 8); /* never NULL, not even for nothing */
    assert_non_null(nothing);
    free(nothing);
}

static void test_mem_resize_keeps_content(void **state)
{
    (void)state;
    uint32_t *numbers = mem_resize(NULL, 2, sizeof(*numbers));
    numbers[0] = 1;
    numbers[1] = 2;
    numbers = mem_resize(numbers, 1000, sizeof(*numbers));
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 2);
    numbers = mem_resize(numbers, 0, sizeof(*numbers));
    assert_non_null(numbers);
    free(numbers);
}

static void test_mem_dup_copies(void **state)
{
    (void)state;
    char *text = mem_strdup("abc");
    char *cut = mem_strndup("abcdef", 4);
    char *empty = mem_strndup(NULL, 0);
    char *bytes = mem_dup("a\0b", 3);
    assert_string_equal(text, "abc");
    assert_string_equal(cut, "abcd");
    assert_string_equal(empty, "");
    assert_memory_equal(bytes, "a\0b", 3);
    free(text);
    free(cut);
    free(empty);
    free(bytes);
}

static void test_mem_grow_keeps_room_for_one_more(void **state)
{
    size_t capacity = 0;
    uint16_t *items = NULL;
    (void)state;
    for (size_t count = 0; count < 1000; count++) {
        items = mem_grow(items, count, &capacity, sizeof(*items));
        assert_true(capacity > count);
        items[count] = (uint16_t)count;
    }
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    free(items);
}

static void test_container_of_finds_the_owner(void **state)
{
    struct owner {
        int before, member, after;
    } owner = { 1, 2, 3 };
    (void)state;
    assert_ptr_equal(container_of(&owner.member, struct owner, member), &owner);
}

/* A size that overflows must not become a small allocation. */
static void test_mem_calloc_overflow_ends_the_process(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        volatile size_t huge = SIZE_MAX / 2;
        free(mem_calloc(huge, 3));
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mem_calloc_zeroes),
        cmocka_unit_test(test_mem_resize_keeps_content),
        cmocka_unit_test(test_mem_dup_copies),
        cmocka_unit_test(test_mem_grow_keeps_room_for_one_more),
        cmocka_unit_test(test_container_of_finds_the_owner),
        cmocka_unit_test(test_mem_calloc_overflow_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
