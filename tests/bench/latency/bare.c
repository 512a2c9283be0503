/* SPDX-License-Identifier: Apache-2.0 */
/* The least that an exchange can take: so many octets there, so many back, over plain TCP between
 * two programs that do nothing else. What the lab's rows take beyond that is the proxies', the
 * origin's and HTTP's; what this takes is the links', the kernels' and the wake-ups'.
 *
 * A question begins with two numbers of 32 bits (as the machine has them): how long it is, and how
 * long its answer shall be. The connection stays, and its first exchange is not told.
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "steering/base/clock.h"

enum { EXIT_USAGE = 2, BACKLOG = 8, BYTES_MAX = 1 << 20, NS_PER_MS = 1000000, MS_PER_S = 1000 };

struct head {
    uint32_t question_bytes, answer_bytes; /* question_bytes: at least the head's own */
};

static uint8_t bytes[BYTES_MAX];

static const char usage[] =
    "usage: bare serve ADDRESS PORT\n"
    "       bare ask ADDRESS PORT QUESTION ANSWER UNTIL SAMPLES PAUSE\n"
    "\n"
    "Answers on one connection after the other, until it is killed; or asks SAMPLES questions of\n"
    "QUESTION octets, PAUSE ms apart, and prints for each how many ms after it was written UNTIL\n"
    "octets of the ANSWER had come.\n";

static int fail(const char *doing)
{
    fprintf(stderr, "bare: %s: %s\n", doing, strerror(errno));
    return 1;
}

/* -1: errno says why. */
static int open_socket(const char *address, const char *port,
                       int (*attach)(int, const struct sockaddr *, socklen_t))
{
    const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                    .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    int yes = 1;
    if (getaddrinfo(address, port, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (fd >= 0 && attach(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)); /* inherited by accept */
    freeaddrinfo(found);
    return fd;
}

/* Until `have` octets are there; false: the peer has ended. */
static bool read_until(int fd, size_t *have, size_t wanted)
{
    while (*have < wanted) {
        ssize_t got = recv(fd, bytes + *have, BYTES_MAX - *have, 0);
        if (got <= 0)
            return false;
        *have += (size_t)got;
    }
    return true;
}

static bool write_all(int fd, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t put = send(fd, bytes + done, len - done, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

/* Questions come one at a time: nothing of a next one is read with it. */
static bool answer(int fd)
{
    struct head head;
    size_t have = 0;
    if (!read_until(fd, &have, sizeof(head)))
        return false;
    memcpy(&head, bytes, sizeof(head));
    return head.question_bytes <= BYTES_MAX && head.answer_bytes <= BYTES_MAX &&
           read_until(fd, &have, head.question_bytes) && write_all(fd, head.answer_bytes);
}

static int serve(const char *address, const char *port)
{
    int listener = open_socket(address, port, bind);
    if (listener < 0 || listen(listener, BACKLOG) != 0)
        return fail("cannot listen");
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            return fail("cannot accept");
        bool goes_on = true;
        while (goes_on)
            goes_on = answer(fd);
        close(fd);
    }
}

static void pause_ms(long ms)
{
    const struct timespec time = { .tv_sec = ms / MS_PER_S, .tv_nsec = ms % MS_PER_S * NS_PER_MS };
    nanosleep(&time, NULL);
}

struct asking {
    struct head head;
    size_t until;
    long samples, pause_ms;
};

static bool ask_once(int fd, const struct asking *asking, bool is_told)
{
    size_t have = 0;
    memcpy(bytes, &asking->head, sizeof(asking->head));
    if (!write_all(fd, asking->head.question_bytes))
        return false;
    uint64_t written_ns = clock_monotonic_ns();
    if (!read_until(fd, &have, asking->until))
        return false;
    uint64_t came_ns = clock_monotonic_ns();
    if (is_told)
        printf("%.3f\n", (double)(came_ns - written_ns) / NS_PER_MS);
    return read_until(fd, &have, asking->head.answer_bytes);
}

static int ask(const char *address, const char *port, const struct asking *asking)
{
    int fd = open_socket(address, port, connect);
    if (fd < 0)
        return fail("cannot connect");
    for (long i = 0; i <= asking->samples; i++) {
        if (!ask_once(fd, asking, i > 0))
            return fail("no answer");
        pause_ms(asking->pause_ms);
    }
    close(fd);
    return 0;
}

/* -1: not a number from `least` to BYTES_MAX. */
static long number(const char *text, long least)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    return end != text && *end == '\0' && value >= least && value <= BYTES_MAX ? value : -1;
}

int main(int argc, char *argv[])
{
    enum { SERVE_WORDS = 4, ASK_WORDS = 9 };
    if (argc == SERVE_WORDS && strcmp(argv[1], "serve") == 0)
        return serve(argv[2], argv[3]);
    if (argc == ASK_WORDS && strcmp(argv[1], "ask") == 0) {
        long question = number(argv[4], sizeof(struct head)), answer_bytes = number(argv[5], 1);
        long until = number(argv[6], 1), samples = number(argv[7], 1), pause = number(argv[8], 0);
        if (question > 0 && until > 0 && until <= answer_bytes && samples > 0 && pause >= 0) {
            const struct asking asking = { .head = { (uint32_t)question, (uint32_t)answer_bytes },
                                           .until = (size_t)until,
                                           .samples = samples,
                                           .pause_ms = pause };
            return ask(argv[2], argv[3], &asking);
        }
    }
    fputs(usage, stderr);
    return EXIT_USAGE;
}
