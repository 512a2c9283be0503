/* SPDX-License-Identifier: Apache-2.0 */
#include "pop/tls/ticket_keys.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

enum { FILE_MAX_BYTES = 64 * 1024, WORDS_MAX = 3, WORD_QUOTED_MAX = 40 };

static const char *const role_names[] = {
    [TICKET_KEY_CURRENT] = "current", [TICKET_KEY_PREVIOUS] = "previous", [TICKET_KEY_NEXT] = "next"
};

struct word {
    struct str text;
    uint32_t column;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Words of a line up to a comment; one more than fits is counted, so that it can be refused. */
static size_t split_line(struct str line, struct word out_words[WORDS_MAX + 1])
{
    size_t count = 0, at = 0;
    while (count <= WORDS_MAX) {
        while (at < line.len && is_space(line.ptr[at]))
            at++;
        if (at == line.len || line.ptr[at] == '#')
            break;
        size_t start = at;
        while (at < line.len && !is_space(line.ptr[at]) && line.ptr[at] != '#')
            at++;
        out_words[count++] = (struct word){
            .text = { .ptr = line.ptr + start, .len = at - start },
            .column = (uint32_t)start + 1,
        };
    }
    return count;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Never quotes the word: it may be a secret. */
static enum err parse_hex(const struct word *word, uint32_t line, const char *what,
                          struct diag *diag, uint8_t *out_bytes, size_t byte_count)
{
    for (size_t i = 0; i < word->text.len; i++)
        if (hex_digit(word->text.ptr[i]) < 0)
            return diag_error(diag, line, word->column + (uint32_t)i,
                              "the %s must be %zu hexadecimal digits, but this is none", what,
                              byte_count * 2);
    if (word->text.len != byte_count * 2)
        return diag_error(diag, line, word->column,
                          "the %s must be %zu hexadecimal digits, not %zu; "
                          "'steer-pop --new-ticket-key' makes a whole line",
                          what, byte_count * 2, word->text.len);
    for (size_t i = 0; i < byte_count; i++)
        out_bytes[i] =
            (uint8_t)(hex_digit(word->text.ptr[2 * i]) << 4 | hex_digit(word->text.ptr[2 * i + 1]));
    return ERR_OK;
}

/* What `openssl rand` writes for other servers, for instance: no terminal should see it. */
static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

/* A long first word is more likely a key than a misspelt role. */
static enum err refuse_role(const struct word *word, uint32_t line, struct diag *diag)
{
    if (!is_printable(word->text))
        return diag_error(diag, line, word->column,
                          "no text, as the keys of other servers are; 'steer-pop "
                          "--new-ticket-key' makes a line of this file");
    if (word->text.len >= WORD_QUOTED_MAX / 2)
        return diag_error(diag, line, word->column,
                          "a line begins with 'current', 'previous' or 'next'");
    return diag_error(diag, line, word->column,
                      "'%.*s' is not a kind of key; expected 'current', 'previous' or 'next'",
                      STR_ARG(word->text));
}

static enum err parse_role(const struct word *word, uint32_t line, struct diag *diag,
                           enum ticket_key_role *out_role)
{
    for (size_t i = 0; i < ARRAY_SIZE(role_names); i++) {
        if (str_eq_text(word->text, role_names[i])) {
            *out_role = (enum ticket_key_role)i;
            return ERR_OK;
        }
    }
    return refuse_role(word, line, diag);
}

static enum err parse_key(const struct word *words, size_t count, uint32_t line, struct diag *diag,
                          struct ticket_key *out_key)
{
    enum err err = parse_role(&words[0], line, diag, &out_key->role);
    if (err != ERR_OK)
        return err;
    if (count != WORDS_MAX)
        return diag_error(diag, line, count > WORDS_MAX ? words[WORDS_MAX].column : 0,
                          "expected '%s ID SECRET', three words; 'steer-pop --new-ticket-key' "
                          "makes a whole line",
                          role_names[out_key->role]);
    err = parse_hex(&words[1], line, "id", diag, out_key->id, TICKET_ID_BYTES);
    if (err != ERR_OK)
        return err;
    return parse_hex(&words[2], line, "secret", diag, out_key->secret, TICKET_SECRET_BYTES);
}

/* The current one first: that is where tickets are made. */
static enum err add_key(struct ticket_keys *keys, const struct ticket_key *key, uint32_t line,
                        struct diag *diag)
{
    if (keys->count == TICKET_KEYS_MAX)
        return diag_error(diag, line, 0, "more than %d keys; remove the oldest 'previous'",
                          (int)TICKET_KEYS_MAX);
    for (size_t i = 0; i < keys->count; i++)
        if (memcmp(keys->items[i].id, key->id, TICKET_ID_BYTES) == 0)
            return diag_error(diag, line, 0, "an earlier line has the same id");
    bool has_current = keys->count > 0 && keys->items[0].role == TICKET_KEY_CURRENT;
    if (key->role != TICKET_KEY_CURRENT) {
        keys->items[keys->count++] = *key;
        return ERR_OK;
    }
    if (has_current)
        return diag_error(diag, line, 0, "a second 'current' key; make the older one 'previous'");
    memmove(&keys->items[1], &keys->items[0], keys->count * sizeof(keys->items[0]));
    keys->items[0] = *key;
    keys->count++;
    return ERR_OK;
}

static void parse_line(struct str text, uint32_t line, struct diag *diag, struct ticket_keys *keys)
{
    struct word words[WORDS_MAX + 1];
    size_t count = split_line(text, words);
    if (count == 0)
        return;
    struct ticket_key key = { .role = TICKET_KEY_CURRENT };
    if (parse_key(words, count, line, diag, &key) == ERR_OK)
        (void)add_key(keys, &key, line, diag); /* what is wrong is in `diag` */
    OPENSSL_cleanse(&key, sizeof(key));
}

enum err ticket_keys_parse(struct str text, struct diag *diag, struct ticket_keys *out_keys)
{
    struct ticket_keys keys = { .count = 0 };
    uint32_t errors_before = diag->error_count, line = 1;
    struct str rest = text, head;
    for (bool more = true; more; line++) {
        more = str_split(rest, '\n', &head, &rest);
        parse_line(head, line, diag, &keys);
    }
    enum err err = diag->error_count == errors_before ? ERR_OK : ERR_INVALID;
    if (err == ERR_OK && (keys.count == 0 || keys.items[0].role != TICKET_KEY_CURRENT))
        err = diag_error(diag, 0, 0, "no 'current' key; 'steer-pop --new-ticket-key' makes one");
    if (err == ERR_OK)
        *out_keys = keys;
    OPENSSL_cleanse(&keys, sizeof(keys));
    return err;
}

static void warn_of_readers(const char *path, struct diag *diag)
{
    struct stat found;
    if (stat(path, &found) == 0 && (found.st_mode & S_IROTH) != 0)
        diag_warning(diag, 0, 0,
                     "everybody on this machine can read these secrets; chmod 640 (or 600) '%s'",
                     path);
}

enum err ticket_keys_load(const char *path, struct diag *diag, struct ticket_keys *out_keys)
{
    struct buf text;
    buf_init(&text, FILE_MAX_BYTES);
    diag_set_file(diag, path);
    enum err err = file_read(path, &text);
    if (err == ERR_TOO_LARGE)
        (void)diag_error(diag, 0, 0, "larger than %d KiB: this is not a file of ticket keys",
                         FILE_MAX_BYTES / 1024);
    else if (err != ERR_OK)
        (void)diag_errno(diag, errno, "cannot read the ticket keys");
    else
        err = ticket_keys_parse(buf_str(&text), diag, out_keys);
    if (err == ERR_OK)
        warn_of_readers(path, diag);
    diag_set_file(diag, NULL);
    if (text.bytes != NULL)
        OPENSSL_cleanse(text.bytes, text.capacity);
    buf_fini(&text);
    return err;
}

void ticket_keys_random(struct ticket_keys *out_keys)
{
    *out_keys = (struct ticket_keys){ .count = 1 };
    struct ticket_key *key = &out_keys->items[0];
    key->role = TICKET_KEY_CURRENT;
    bool is_made = RAND_bytes(key->id, sizeof(key->id)) == 1 &&
                   RAND_priv_bytes(key->secret, sizeof(key->secret)) == 1;
    assert(is_made); /* a kernel without randomness: nothing may be signed or encrypted */
}

static void append_hex(struct buf *out, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_append_format(out, "%02x", bytes[i]);
}

void ticket_key_format(const struct ticket_key *key, struct buf *out)
{
    buf_append_format(out, "%s ", role_names[key->role]);
    append_hex(out, key->id, sizeof(key->id));
    buf_append_text(out, " ");
    append_hex(out, key->secret, sizeof(key->secret));
    buf_append_text(out, "\n");
}

void ticket_keys_wipe(struct ticket_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof(*keys));
}
