/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/measure.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "tools/wan/spread.h"

#define SECOND_NS UINT64_C(1000000000)

enum {
    MS_NS = 1000000,
    BUFFER_BYTES = 8 << 20,
    WAIT_MS = 3000, /* after the last probe is due; a busy machine is late */
    V4_OVERHEAD = 28,
    V6_OVERHEAD = 48,
};

struct probe {
    uint64_t number;
    uint64_t sent_ns; /* by the clock of the kernel's time stamps */
};

struct run {
    uint8_t family;
    int from_fd, to_fd;
    struct sockaddr_storage to;
    socklen_t to_len;
    uint64_t expected_ns;
    uint64_t interval_ns;
    uint64_t count, arrived;
    struct spread spread;
};

static uint64_t stamp_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* The first address of a site in one family; NULL: it has none. */
static const struct addr *find_address(const struct matrix_site *site, uint8_t family)
{
    for (size_t i = 0; i < site->address_count; i++)
        if (site->addresses[i].family == family)
            return &site->addresses[i];
    return NULL;
}

/* In which family both ends of a link have addresses; false when in none. */
static bool find_family(const struct matrix *matrix, const struct matrix_link *link,
                        uint8_t *out_family)
{
    for (int family = ADDR_V4; family <= ADDR_V6; family++) {
        if (find_address(&matrix->sites[link->from], (uint8_t)family) == NULL ||
            find_address(&matrix->sites[link->to], (uint8_t)family) == NULL)
            continue;
        *out_family = (uint8_t)family;
        return true;
    }
    return false;
}

static enum err open_end(const struct matrix_site *site, const struct isolation_site *network,
                         uint8_t family, struct diag *diag, int *out_fd)
{
    struct sockaddr_storage address;
    int on = 1, bytes = BUFFER_BYTES;
    if (setns(network->net_fd, CLONE_NEWNET) != 0)
        return diag_errno(diag, errno, "cannot enter '%s'", site->name);
    socklen_t len = addr_to_sockaddr(find_address(site, family), 0, &address);
    int fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0) {
        enum err err = diag_errno(diag, errno, "cannot make a socket in '%s'", site->name);
        if (fd >= 0)
            close(fd);
        return err;
    }
    /* Where it is refused, probes may be lost, which shows. */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    *out_fd = fd;
    return ERR_OK;
}

static void take(struct run *run, struct msghdr *message, const struct probe *probe)
{
    for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head != NULL;
         head = CMSG_NXTHDR(message, head)) {
        struct timespec at;
        if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_TIMESTAMPNS)
            continue;
        memcpy(&at, CMSG_DATA(head), sizeof(at));
        uint64_t at_ns = (uint64_t)at.tv_sec * SECOND_NS + (uint64_t)at.tv_nsec;
        spread_add(&run->spread, (int64_t)(at_ns - probe->sent_ns) - (int64_t)run->expected_ns);
        run->arrived++;
    }
}

static void drain(struct run *run)
{
    for (;;) {
        struct probe probe;
        char control[256];
        struct iovec piece = { .iov_base = &probe, .iov_len = sizeof(probe) };
        struct msghdr message = { .msg_iov = &piece,
                                  .msg_iovlen = 1,
                                  .msg_control = control,
                                  .msg_controllen = sizeof(control) };
        if (recvmsg(run->to_fd, &message, MSG_DONTWAIT) != (ssize_t)sizeof(probe))
            return;
        take(run, &message, &probe);
    }
}

static void sleep_until(uint64_t at_ns)
{
    struct timespec at = { .tv_sec = (time_t)(at_ns / SECOND_NS),
                           .tv_nsec = (long)(at_ns % SECOND_NS) };
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static void send_all(struct run *run)
{
    uint64_t start_ns = clock_monotonic_ns() + MS_NS;
    for (uint64_t i = 0; i < run->count; i++) {
        sleep_until(start_ns + i * run->interval_ns);
        struct probe probe = { .number = i, .sent_ns = stamp_ns() };
        (void)sendto(run->from_fd, &probe, sizeof(probe), MSG_DONTWAIT, (struct sockaddr *)&run->to,
                     run->to_len);
        drain(run);
    }
    uint64_t end_ns = clock_monotonic_ns() + run->expected_ns + (uint64_t)WAIT_MS * MS_NS;
    while (run->arrived < run->count && clock_monotonic_ns() < end_ns) {
        sleep_until(clock_monotonic_ns() + MS_NS);
        drain(run);
    }
}

static void plan(const struct matrix_link *link, uint32_t per_second, struct run *run)
{
    uint64_t overhead = run->family == ADDR_V4 ? V4_OVERHEAD : V6_OVERHEAD;
    uint64_t bits = (sizeof(struct probe) + overhead) * 8u;
    uint64_t rate = link->settings.rate_bit_s;
    /* Half of a narrow link, that no probe waits for another. */
    if (rate > 0 && per_second > rate / bits / 2)
        per_second = (uint32_t)(rate / bits / 2) + 1;
    run->expected_ns = link->settings.delay_ns + (rate > 0 ? bits * SECOND_NS / rate : 0);
    run->interval_ns = SECOND_NS / per_second;
    run->count = (uint64_t)per_second * MEASURE_MS / 1000;
    if (run->count == 0)
        run->count = 1;
}

static enum err measure_link(const struct matrix *matrix, const struct isolation_site *sites,
                             size_t at, struct run *run, struct diag *diag)
{
    const struct matrix_link *link = &matrix->links[at];
    const struct matrix_site *from = &matrix->sites[link->from], *to = &matrix->sites[link->to];
    run->from_fd = run->to_fd = -1;
    enum err err = open_end(from, &sites[link->from], run->family, diag, &run->from_fd);
    if (err == ERR_OK)
        err = open_end(to, &sites[link->to], run->family, diag, &run->to_fd);
    run->to_len = sizeof(run->to);
    if (err == ERR_OK && getsockname(run->to_fd, (struct sockaddr *)&run->to, &run->to_len) != 0)
        err = diag_errno(diag, errno, "cannot read the address of a socket");
    if (err == ERR_OK)
        send_all(run);
    if (run->from_fd >= 0)
        close(run->from_fd);
    if (run->to_fd >= 0)
        close(run->to_fd);
    return err;
}

static double error_ms(const struct run *run, double part)
{
    return (double)spread_quantile(&run->spread, part) / 1e6;
}

static void print_run(const struct matrix *matrix, size_t at, const struct run *run)
{
    const struct matrix_link *link = &matrix->links[at];
    char name[160];
    snprintf(name, sizeof(name), "%s:%s", matrix->sites[link->from].name,
             matrix->sites[link->to].name);
    printf("%-24s %10.3f %9" PRIu64 " %7" PRIu64 " %8" PRIu64 " %+9.3f %+9.3f %+9.3f %+9.3f\n",
           name, (double)run->expected_ns / 1e6, SECOND_NS / run->interval_ns, run->count,
           run->count - run->arrived, error_ms(run, 0.5), error_ms(run, 0.9), error_ms(run, 0.99),
           error_ms(run, 1));
    fflush(stdout);
}

enum err measure_run(const struct matrix *matrix, const struct isolation_site *sites,
                     uint32_t per_second, struct diag *diag)
{
    struct run *run = mem_calloc(1, sizeof(*run));
    struct sched_param param = { .sched_priority = 1 };
    double worst_ms = 0;
    uint64_t missing = 0;
    enum err err = ERR_OK;
    /* Where it is allowed: a sender that lost its CPU between the clock and send() would be taken
     * for a slow link. The forwarder still goes first. */
    (void)sched_setscheduler(0, SCHED_FIFO, &param);
    printf("%-24s %10s %9s %7s %8s %9s %9s %9s %9s\n", "link", "delay ms", "probes/s", "probes",
           "missing", "error p50", "p90", "p99", "max ms");
    for (size_t i = 0; i < matrix->link_count && err == ERR_OK; i++) {
        memset(run, 0, sizeof(*run));
        if (matrix->links[i].settings.is_blackhole != 0 ||
            !find_family(matrix, &matrix->links[i], &run->family))
            continue;
        plan(&matrix->links[i], per_second, run);
        err = measure_link(matrix, sites, i, run, diag);
        if (err != ERR_OK)
            break;
        print_run(matrix, i, run);
        missing += run->count - run->arrived;
        if (error_ms(run, 0.99) > worst_ms)
            worst_ms = error_ms(run, 0.99);
    }
    if (err == ERR_OK)
        printf("accurate to %.1f ms: %s (p99 of the worst link %+.3f ms, %" PRIu64
               " probes missing)\n",
               MEASURE_GOAL_NS / 1e6,
               worst_ms * 1e6 <= MEASURE_GOAL_NS && missing == 0 ? "yes" : "NO", worst_ms, missing);
    fflush(stdout);
    free(run);
    return err;
}
