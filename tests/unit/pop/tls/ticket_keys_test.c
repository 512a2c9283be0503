/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pop/tls/ticket_keys.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

#define ID_A "000102030405060708090a0b0c0d0e0f"
#define ID_B "100102030405060708090A0B0C0D0E0F"
#define S8 "0123abcd"
#define SECRET S8 S8 S8 S8 S8 S8 S8 S8 S8 S8 S8 S8 S8 S8 S8 S8

static void test_parse_takes_and_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;        /* 0: refused */
        const char *message; /* a part of it, with its place */
    } rows[] = {
        { "current " ID_A " " SECRET, 1, NULL },
        { "# a\n\n  current\t" ID_A "  " SECRET " # b\r\n", 1, NULL },
        { "next " ID_B " " SECRET "\ncurrent " ID_A " " SECRET "\n", 2, NULL },
        { "", 0, "no 'current' key" },
        { "# nothing\n", 0, "no 'current' key" },
        { "previous " ID_A " " SECRET "\n", 0, "no 'current' key" },
        { "\xc2\x01k\x80", 0, "1:1: error: no text, as the keys of other servers are" },
        { "curent " ID_A " " SECRET, 0, "1:1: error: 'curent' is not a kind of key" },
        { ID_A " " SECRET, 0, "1:1: error: a line begins with 'current'" },
        { "\ncurrent " ID_A, 0, "2: error: expected 'current ID SECRET'" },
        { "current " ID_A " " SECRET " x", 0, "1:171: error: expected 'current ID SECRET'" },
        { "current " ID_A "0 " SECRET, 0, "1:9: error: the id must be 32 hexadecimal digits" },
        { "current " ID_A " " S8, 0, "1:42: error: the secret must be 128 hexadecimal digits" },
        { "current " ID_A " g", 0, "1:42: error: the secret must be 128 hexadecimal" },
        { "current " ID_A " " SECRET "\ncurrent " ID_B " " SECRET, 0,
          "2: error: a second 'current' key" },
        { "current " ID_A " " SECRET "\nnext " ID_A " " SECRET, 0, "has the same id" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diag diag;
        struct buf text;
        struct ticket_keys keys = { .count = 99 };
        diag_init(&diag);
        buf_init(&text, 10000);
        enum err err = ticket_keys_parse(str_from(rows[i].text), &diag, &keys);
        diag_format(&diag, &text);
        assert_int_equal(err == ERR_OK, rows[i].count > 0);
        assert_int_equal(keys.count, rows[i].count > 0 ? rows[i].count : 99);
        if (rows[i].message != NULL && strstr(buf_text(&text), rows[i].message) == NULL)
            fail_msg("'%s' says: %s", rows[i].text, buf_text(&text));
        assert_null(strstr(buf_text(&text), S8)); /* no secret in messages */
        if (rows[i].count > 0) {
            assert_int_equal(keys.items[0].role, TICKET_KEY_CURRENT);
            assert_int_equal(keys.items[0].id[1], 0x01);
            assert_int_equal(keys.items[0].secret[2], 0xab);
        }
        buf_fini(&text);
        diag_fini(&diag);
    }
}

static void test_parse_refuses_more_than_the_most(void **state)
{
    (void)state;
    struct diag diag;
    struct buf text;
    struct ticket_keys keys;
    buf_init(&text, 100000);
    buf_append_text(&text, "current " ID_A " " SECRET "\n");
    for (int i = 1; i <= TICKET_KEYS_MAX; i++) {
        diag_init(&diag);
        assert_int_equal(ticket_keys_parse(buf_str(&text), &diag, &keys), ERR_OK);
        diag_fini(&diag);
        buf_append_format(&text, "previous %032x " SECRET "\n", i);
    }
    diag_init(&diag);
    assert_int_equal(ticket_keys_parse(buf_str(&text), &diag, &keys), ERR_INVALID);
    assert_non_null(strstr(diag_first(&diag), "more than 8 keys"));
    diag_fini(&diag);
    buf_fini(&text);
}

static void test_random_keys_differ_and_survive_a_file(void **state)
{
    (void)state;
    struct ticket_keys one, two, again;
    struct diag diag;
    struct buf text;
    diag_init(&diag);
    buf_init(&text, 1000);
    ticket_keys_random(&one);
    ticket_keys_random(&two);
    assert_memory_not_equal(one.items[0].secret, two.items[0].secret, TICKET_SECRET_BYTES);
    assert_memory_not_equal(one.items[0].id, two.items[0].id, TICKET_ID_BYTES);
    ticket_key_format(&one.items[0], &text);
    assert_int_equal(ticket_keys_parse(buf_str(&text), &diag, &again), ERR_OK);
    assert_memory_equal(&one.items[0], &again.items[0], sizeof(one.items[0]));
    ticket_keys_wipe(&again);
    assert_int_equal(again.count, 0);
    buf_fini(&text);
    diag_fini(&diag);
}

static void test_load_says_what_is_wrong_with_the_file(void **state)
{
    (void)state;
    char path[] = "/tmp/steer-ticket-keys-XXXXXX";
    struct diag diag;
    struct ticket_keys keys;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(file_replace(path, STR("current " ID_A " " SECRET "\n"), false), ERR_OK);
    assert_int_equal(chmod(path, 0640), 0);
    diag_init(&diag);
    assert_int_equal(ticket_keys_load(path, &diag, &keys), ERR_OK);
    assert_int_equal(diag.warning_count, 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(ticket_keys_load(path, &diag, &keys), ERR_OK);
    assert_int_equal(diag.warning_count, 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ticket_keys_load(path, &diag, &keys), ERR_NOT_FOUND);
    assert_non_null(strstr(diag_first(&diag), "No such file"));
    assert_int_equal(ticket_keys_load("/dev/zero", &diag, &keys), ERR_TOO_LARGE);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_takes_and_refuses),
        cmocka_unit_test(test_parse_refuses_more_than_the_most),
        cmocka_unit_test(test_random_keys_differ_and_survive_a_file),
        cmocka_unit_test(test_load_says_what_is_wrong_with_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
