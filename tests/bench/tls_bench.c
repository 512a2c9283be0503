/* SPDX-License-Identifier: Apache-2.0 */
/* Ways to bring OpenSSL and a socket together, side by side: what pop/tls does (a BIO of our own
 * over the caller's memory, one read and one write for all records of a turn), memory BIOs, and
 * OpenSSL on the socket itself.
 *
 *     make build/release/tests/bench/tls_bench && build/release/tests/bench/tls_bench [SECONDS]
 *
 * Ping-pong over a socket pair in one thread, without a loop: request of 100 bytes, answer of 1 KiB
 * or 64 KiB. CPU time, both ends together, in microseconds.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "pop/tls/tls.h"
#include "steering/base/mem.h"

enum { BUFFER_BYTES = 64 * 1024, RECORD_BYTES = 16 * 1024, REQUEST_BYTES = 100, PATH_BYTES = 64 };

static char folder[] = "/tmp/steer-tls-bench-XXXXXX";
static char certificate_path[PATH_BYTES], key_path[PATH_BYTES];
static uint8_t input[BUFFER_BYTES], plain[BUFFER_BYTES], message[BUFFER_BYTES];

static double cpu_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void require(bool is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "tls_bench: %s\n", what);
    exit(1);
}

/* ---- a certificate --------------------------------------------------------------------------- */

static void make_certificate(void)
{
    require(mkdtemp(folder) != NULL, "no temporary folder");
    snprintf(certificate_path, PATH_BYTES, "%s/crt", folder);
    snprintf(key_path, PATH_BYTES, "%s/key", folder);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *made = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(made), 1);
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), 3600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_UTF8,
                               (const unsigned char *)"bench.example", -1, -1, 0);
    X509_set_issuer_name(made, X509_get_subject_name(made));
    X509_set_pubkey(made, key);
    require(X509_sign(made, key, EVP_sha256()) > 0, "cannot sign");
    FILE *file = fopen(certificate_path, "w");
    require(file != NULL && PEM_write_X509(file, made) == 1, "cannot write");
    fclose(file);
    file = fopen(key_path, "w");
    require(file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
            "cannot write");
    fclose(file);
    X509_free(made);
    EVP_PKEY_free(key);
}

static void remove_certificate(void)
{
    unlink(certificate_path);
    unlink(key_path);
    rmdir(folder);
}

/* ---- the ways -------------------------------------------------------------------------------- */

/* One end of a connection; a way fills in what it needs. */
struct end {
    int fd;
    struct tls_engine *engine;
    SSL *ssl;
    BIO *in, *out;
};

struct way {
    const char *name;
    void (*open)(struct end *end, bool is_server);
    /* Reads until `want` bytes came. */
    void (*receive)(struct end *end, size_t want);
    void (*send)(struct end *end, size_t len);
    /* Goes on; true: done. */
    bool (*shake)(struct end *end);
    void (*close)(struct end *end);
};

static void write_all(int fd, const void *bytes, size_t len)
{
    const char *from = bytes;
    while (len > 0) {
        ssize_t put = write(fd, from, len);
        require(put > 0, "write");
        from += put;
        len -= (size_t)put;
    }
}

static size_t read_some(int fd)
{
    ssize_t got = recv(fd, input, sizeof(input), MSG_DONTWAIT);
    require(got > 0 || (got < 0 && errno == EAGAIN), "read");
    return got > 0 ? (size_t)got : 0;
}

/* pop/tls */

static struct tls_context *engine_server, *engine_client;

static void engine_open(struct end *end, bool is_server)
{
    end->engine =
        is_server ? tls_server_engine(engine_server) : tls_client_engine(engine_client, NULL);
}
static void engine_flush(struct end *end)
{
    struct str out = tls_take(end->engine);
    if (out.len > 0)
        write_all(end->fd, out.ptr, out.len);
    tls_sent(end->engine, out.len);
}
static void engine_receive(struct end *end, size_t want)
{
    while (want > 0) {
        size_t got = 0;
        tls_feed(end->engine, input, read_some(end->fd));
        while (tls_read(end->engine, plain, sizeof(plain), &got) == TLS_OK)
            want -= got;
    }
}
static void engine_send(struct end *end, size_t len)
{
    require(tls_write(end->engine, message, len, RECORD_BYTES), "tls_write");
    engine_flush(end);
}
static bool engine_shake(struct end *end)
{
    size_t got = 0;
    tls_feed(end->engine, input, read_some(end->fd));
    enum tls_status status = tls_handshake(end->engine);
    require(status != TLS_FAILED, "handshake");
    if (status == TLS_OK)
        (void)tls_read(end->engine, plain, sizeof(plain), &got); /* tickets */
    engine_flush(end);
    return status == TLS_OK;
}
static void engine_close(struct end *end)
{
    tls_engine_free(end->engine);
}

/* OpenSSL's own BIOs; its contexts are set up as ours are */

static SSL_CTX *plain_server, *plain_client;

static SSL_CTX *plain_context(bool is_server)
{
    SSL_CTX *context = SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method());
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (is_server) {
        SSL_CTX_use_certificate_chain_file(context, certificate_path);
        SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM);
    }
    return context;
}
static void plain_open(struct end *end, bool is_server)
{
    end->ssl = SSL_new(is_server ? plain_server : plain_client);
    if (is_server)
        SSL_set_accept_state(end->ssl);
    else
        SSL_set_connect_state(end->ssl);
}
static void plain_close(struct end *end)
{
    SSL_free(end->ssl);
}

static void memory_open(struct end *end, bool is_server)
{
    plain_open(end, is_server);
    end->in = BIO_new(BIO_s_mem());
    end->out = BIO_new(BIO_s_mem());
    SSL_set_bio(end->ssl, end->in, end->out);
}
static void memory_flush(struct end *end)
{
    char *bytes;
    long len = BIO_get_mem_data(end->out, &bytes);
    if (len > 0)
        write_all(end->fd, bytes, (size_t)len);
    (void)BIO_reset(end->out);
}
static void memory_receive(struct end *end, size_t want)
{
    while (want > 0) {
        size_t got = 0, len = read_some(end->fd);
        if (len > 0)
            BIO_write(end->in, input, (int)len);
        ERR_clear_error();
        while (SSL_read_ex(end->ssl, plain, sizeof(plain), &got) == 1)
            want -= got;
    }
}
static void plain_write(struct end *end, size_t len)
{
    ERR_clear_error();
    for (size_t at = 0, put = 0; at < len; at += put)
        require(SSL_write_ex(end->ssl, message + at, len - at, &put) == 1, "SSL_write");
}
static void memory_send(struct end *end, size_t len)
{
    plain_write(end, len);
    memory_flush(end);
}
static bool memory_shake(struct end *end)
{
    size_t len = read_some(end->fd), got = 0;
    if (len > 0)
        BIO_write(end->in, input, (int)len);
    bool is_done = SSL_do_handshake(end->ssl) == 1;
    if (is_done)
        (void)SSL_read_ex(end->ssl, plain, sizeof(plain), &got);
    memory_flush(end);
    return is_done;
}

static void socket_open(struct end *end, bool is_server)
{
    plain_open(end, is_server);
    SSL_set_fd(end->ssl, end->fd);
}
static void ahead_open(struct end *end, bool is_server)
{
    socket_open(end, is_server);
    SSL_set_read_ahead(end->ssl, 1);
}
static void socket_receive(struct end *end, size_t want)
{
    size_t got = 0;
    while (want > 0) {
        ERR_clear_error();
        if (SSL_read_ex(end->ssl, plain, sizeof(plain), &got) == 1)
            want -= got;
    }
    /* A loop cannot know that nothing is left. */
    (void)SSL_read_ex(end->ssl, plain, sizeof(plain), &got);
}
static bool socket_shake(struct end *end)
{
    size_t got = 0;
    bool is_done = SSL_do_handshake(end->ssl) == 1;
    if (is_done)
        (void)SSL_read_ex(end->ssl, plain, sizeof(plain), &got);
    return is_done;
}

static const struct way ways[] = {
    { "pop/tls", engine_open, engine_receive, engine_send, engine_shake, engine_close },
    { "memory BIOs", memory_open, memory_receive, memory_send, memory_shake, plain_close },
    { "SSL_set_fd", socket_open, socket_receive, plain_write, socket_shake, plain_close },
    { "SSL_set_fd, read ahead", ahead_open, socket_receive, plain_write, socket_shake,
      plain_close },
};

/* ---- measuring ------------------------------------------------------------------------------- */

static void open_ends(const struct way *way, struct end ends[2])
{
    int fds[2], bytes = 4 * 1024 * 1024;
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0, "socketpair");
    for (int i = 0; i < 2; i++) {
        ends[i] = (struct end){ .fd = fds[i] };
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
        way->open(&ends[i], i == 1);
    }
}

static void shake_ends(const struct way *way, struct end ends[2])
{
    bool is_client_done = false, is_server_done = false;
    for (int round = 0; round < 10 && !(is_client_done && is_server_done); round++) {
        is_client_done = way->shake(&ends[0]);
        is_server_done = way->shake(&ends[1]);
    }
    require(is_client_done && is_server_done, "no handshake");
    (void)way->shake(&ends[0]); /* the tickets */
}

static void close_ends(const struct way *way, struct end ends[2])
{
    for (int i = 0; i < 2; i++) {
        way->close(&ends[i]);
        close(ends[i].fd);
    }
}

static double measure_exchange(const struct way *way, size_t answer_bytes, double seconds)
{
    struct end ends[2];
    uint64_t count = 0;
    open_ends(way, ends);
    shake_ends(way, ends);
    double begin = cpu_s(), now = begin;
    while (now - begin < seconds) {
        for (int i = 0; i < 100; i++) {
            way->send(&ends[0], REQUEST_BYTES);
            way->receive(&ends[1], REQUEST_BYTES);
            way->send(&ends[1], answer_bytes);
            way->receive(&ends[0], answer_bytes);
        }
        count += 100;
        now = cpu_s();
    }
    close_ends(way, ends);
    return (now - begin) * 1e6 / (double)count;
}

static double measure_handshakes(const struct way *way, bool is_fresh, double seconds)
{
    struct end ends[2];
    uint64_t count = 0;
    double begin = cpu_s(), now = begin;
    while (now - begin < seconds) {
        if (is_fresh && way->open == engine_open) { /* forgets the sessions */
            struct diag diag;
            const struct tls_client_settings client = { .is_http1 = true };
            diag_init(&diag);
            tls_context_unref(engine_client);
            enum err err = tls_client_new(&client, &diag, &engine_client);
            require(err == ERR_OK, "client context");
            diag_fini(&diag);
        }
        open_ends(way, ends);
        shake_ends(way, ends);
        close_ends(way, ends);
        count++;
        now = cpu_s();
    }
    return (now - begin) * 1e6 / (double)count;
}

static void open_contexts(void)
{
    struct diag diag;
    diag_init(&diag);
    const struct tls_certificate_files files = { certificate_path, key_path };
    const struct tls_server_settings server = {
        .certificates = &files, .certificate_count = 1, .is_http1 = true, .session_s = 3600
    };
    const struct tls_client_settings client = { .is_http1 = true };
    enum err err = tls_server_new(&server, NULL, (int64_t)time(NULL), &diag, &engine_server);
    if (err == ERR_OK)
        err = tls_client_new(&client, &diag, &engine_client);
    require(err == ERR_OK, diag_first(&diag));
    plain_server = plain_context(true);
    plain_client = plain_context(false);
    diag_fini(&diag);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 1.0;
    make_certificate();
    open_contexts();
    printf("%-24s %10s %10s %10s   us of CPU, both ends\n", "", "1 KiB", "16 KiB", "64 KiB");
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
        printf("%-24s %10.2f %10.2f %10.2f\n", ways[i].name,
               measure_exchange(&ways[i], 1024, seconds),
               measure_exchange(&ways[i], 16 * 1024, seconds),
               measure_exchange(&ways[i], 64 * 1024, seconds));
    printf("handshakes, pop/tls: full %.0f us, resumed %.0f us; SSL_set_fd: full %.0f us\n",
           measure_handshakes(&ways[0], true, seconds),
           measure_handshakes(&ways[0], false, seconds),
           measure_handshakes(&ways[2], true, seconds));
    SSL_CTX_free(plain_server);
    SSL_CTX_free(plain_client);
    tls_context_unref(engine_server);
    tls_context_unref(engine_client);
    remove_certificate();
    return 0;
}
