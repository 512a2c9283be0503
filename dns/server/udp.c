/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dns/server/serving.h"
#include "steering/base/limits.h"
#include "steering/base/log.h"
#include "steering/base/mem.h"
#include "steering/runtime/thread.h"

enum {
    BATCH = LIMIT(UDP_BATCH, 1),
    /* Not a multiple of 4096: the fronts of all buffers would compete for one cache set. */
    STRIDE_BYTES = UDP_QUERY_MAX + 5 * 64,
    STOP_LOOK_US = 250000,
    TROUBLE_NAP_NS = 10000000,
};

union peer {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Room for the one control message that was asked for. */
union control {
    size_t aligned; /* as struct cmsghdr wants to be */
    uint8_t v4[CMSG_SPACE(sizeof(struct in_pktinfo))];
    uint8_t v6[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct udp {
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    union peer peers[BATCH];
    union control controls[BATCH];
    struct answer_request requests[BATCH];
    struct query queries[BATCH];
    enum query_verdict verdicts[BATCH];
    int fd;
    bool is_v6, is_wildcard;
    socklen_t control_bytes;
    struct udp_settings settings;
    uint8_t *bytes;
    pthread_t thread;
};

/* ---- answering ----------------------------------------------------------------------------- */

/* The address that was asked answers. The interface it came in by is the kernel's choice again,
 * except where an address means nothing without it. */
static void answer_from_asked(struct msghdr *header)
{
    struct cmsghdr *control = CMSG_FIRSTHDR(header);
    if (control == NULL) {
        header->msg_controllen = 0;
        return;
    }
    if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
        ((struct in_pktinfo *)(void *)CMSG_DATA(control))->ipi_ifindex = 0;
    } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo *info = (struct in6_pktinfo *)(void *)CMSG_DATA(control);
        if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
            info->ipi6_ifindex = 0;
    } else {
        header->msg_controllen = 0;
    }
}

/* First step. Sets the length of the answer to 0, which no datagram has before, where there will be
 * none. */
static void read_query(struct udp *udp, const struct serving *serving, size_t at)
{
    struct answer_request *request = &udp->requests[at];
    struct tally *tally = udp->settings.tally;
    const union peer *peer = &udp->peers[at];
    struct msghdr *header = &udp->messages[at].msg_hdr;
    if (peer->v4.sin_port == 0) { /* the same place as sin6_port; nobody could be answered */
        tally_drop(tally, TALLY_DROP_PORT_ZERO);
        udp->pieces[at].iov_len = 0;
        return;
    }
    if ((header->msg_flags & MSG_TRUNC) != 0) {
        tally_drop(tally, TALLY_DROP_OVERSIZE);
        udp->pieces[at].iov_len = 0;
        return;
    }
    if (udp->is_v6)
        memcpy(request->client.bytes, &peer->v6.sin6_addr, 16);
    else
        memcpy(request->client.bytes, &peer->v4.sin_addr, 4);
    if (udp->is_wildcard)
        answer_from_asked(header);
    request->len = udp->messages[at].msg_len;
    udp->verdicts[at] = answer_read(serving->view, request, &udp->queries[at]);
}

/* Last step. Length of the answer; 0: none. */
static size_t answer(struct udp *udp, const struct serving *serving, size_t at)
{
    struct tally *tally = udp->settings.tally;
    struct answer_note note;
    if (udp->pieces[at].iov_len == 0)
        return 0;
    size_t len = answer_finish(serving->view, &udp->requests[at], &udp->queries[at],
                               udp->verdicts[at], &note);
    if (len == 0) {
        tally_unanswered(tally, &note);
        return 0;
    }
    tally_answer(tally, &note);
    if (note.is_steered)
        serving_count(serving, udp->settings.slot, &note);
    return len;
}

/* ---- sending ------------------------------------------------------------------------------- */

static void count_failure(struct tally *tally, int errnum)
{
    switch (errnum) {
    case EAGAIN:
        tally_drop(tally, TALLY_DROP_SEND_AGAIN);
        break;
    case ENOBUFS:
    case ENOMEM:
        tally_drop(tally, TALLY_DROP_SEND_BUFFERS);
        break;
    case EPERM:
    case EACCES:
        tally_drop(tally, TALLY_DROP_SEND_DENIED);
        break;
    default:
        tally_drop(tally, TALLY_DROP_SEND_OTHER);
        log_limited(LOG_LEVEL_WARN, "udp.send", "error=\"%s\"", strerror(errnum));
    }
}

/* Datagrams [from, to) all have answers. One that cannot be sent is skipped, not tried again: the
 * client will ask again, and the others must not wait. */
static void send_run(struct udp *udp, size_t from, size_t to)
{
    while (from < to) {
        int sent = sendmmsg(udp->fd, &udp->messages[from], (unsigned)(to - from), MSG_DONTWAIT);
        if (sent > 0) {
            from += (size_t)sent;
        } else if (errno != EINTR) {
            count_failure(udp->settings.tally, errno);
            from++;
        }
    }
}

/* Runs of answers between datagrams that get none. */
static void send_runs(struct udp *udp, size_t count)
{
    size_t from = 0;
    for (size_t i = 0; i < count; i++) {
        if (udp->pieces[i].iov_len == 0) {
            send_run(udp, from, i);
            from = i + 1;
        }
    }
    send_run(udp, from, count);
}

/* ---- the loop ------------------------------------------------------------------------------ */

static uint64_t read_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void serve_batch(struct udp *udp, size_t count)
{
    uint64_t began_ns = read_clock(CLOCK_MONOTONIC);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    const struct serving *serving = publisher_enter(udp->settings.publisher, udp->settings.slot);
    for (size_t i = 0; i < count; i++) {
        udp->requests[i].now_unix_s = now.tv_sec;
        read_query(udp, serving, i);
    }
    for (size_t i = 0; i < count; i++)
        if (udp->pieces[i].iov_len > 0)
            answer_fetch(serving->view, &udp->requests[i], &udp->queries[i], udp->verdicts[i]);
    bool has_gaps = false;
    for (size_t i = 0; i < count; i++) {
        size_t len = answer(udp, serving, i);
        udp->pieces[i].iov_len = len;
        has_gaps |= len == 0;
    }
    if (has_gaps)
        send_runs(udp, count);
    else
        send_run(udp, 0, count);
    publisher_leave(udp->settings.publisher, udp->settings.slot);
    histogram_record(&udp->settings.tally->latency, read_clock(CLOCK_MONOTONIC) - began_ns, count);
}

/* What the kernel and we have changed of the first `count` slots. Names have the length of their
 * family, so the kernel leaves that as it is. */
static void reset(struct udp *udp, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        udp->pieces[i].iov_len = UDP_QUERY_MAX;
        if (udp->is_wildcard)
            udp->messages[i].msg_hdr.msg_controllen = udp->control_bytes;
    }
}

static void on_receive_error(int errnum)
{
    struct timespec nap = { .tv_nsec = TROUBLE_NAP_NS };
    if (errnum == EAGAIN || errnum == EINTR)
        return; /* time to look whether to stop */
    log_limited(LOG_LEVEL_ERROR, "udp.receive", "error=\"%s\"", strerror(errnum));
    nanosleep(&nap, NULL);
}

static void *run(void *arg)
{
    struct udp *udp = arg;
    while (!atomic_load_explicit(udp->settings.stop, memory_order_relaxed)) {
        int count = recvmmsg(udp->fd, udp->messages, BATCH, MSG_WAITFORONE, NULL);
        if (count <= 0) {
            on_receive_error(errno);
            continue;
        }
        serve_batch(udp, (size_t)count);
        reset(udp, (size_t)count);
    }
    return NULL;
}

/* ---- starting and ending ------------------------------------------------------------------- */

static void fill_messages(struct udp *udp)
{
    for (size_t i = 0; i < BATCH; i++) {
        udp->pieces[i].iov_base = udp->bytes + i * STRIDE_BYTES;
        struct msghdr *header = &udp->messages[i].msg_hdr;
        header->msg_iov = &udp->pieces[i];
        header->msg_iovlen = 1;
        header->msg_name = &udp->peers[i];
        header->msg_namelen = udp->is_v6 ? sizeof(udp->peers[i].v6) : sizeof(udp->peers[i].v4);
        if (udp->is_wildcard)
            header->msg_control = &udp->controls[i];
    }
    reset(udp, BATCH);
}

static void udp_free(struct udp *udp)
{
    close(udp->fd);
    free(udp->bytes);
    free(udp);
}

enum err udp_start(const struct udp_settings *settings, struct udp **out_udp)
{
    struct timeval look = { .tv_usec = STOP_LOOK_US };
    struct udp *udp = mem_calloc(1, sizeof(*udp));
    udp->fd = settings->fd;
    udp->settings = *settings;
    udp->is_v6 = settings->address->addr.family == ADDR_V6;
    udp->is_wildcard = settings->address->is_wildcard;
    udp->control_bytes =
        udp->is_v6 ? CMSG_SPACE(sizeof(struct in6_pktinfo)) : CMSG_SPACE(sizeof(struct in_pktinfo));
    udp->bytes = mem_calloc(BATCH, STRIDE_BYTES);
    for (size_t i = 0; i < BATCH; i++)
        udp->requests[i] = (struct answer_request){
            .message = udp->bytes + i * STRIDE_BYTES,
            .capacity = UDP_QUERY_MAX,
            .transport = ANSWER_UDP,
            .client = { .family = settings->address->addr.family },
        };
    fill_messages(udp);
    setsockopt(udp->fd, SOL_SOCKET, SO_RCVTIMEO, &look, sizeof(look));
    enum err err = thread_start(&udp->thread, settings->name, run, udp);
    if (err != ERR_OK) {
        udp_free(udp);
        return err;
    }
    *out_udp = udp;
    return ERR_OK;
}

void udp_join(struct udp *udp)
{
    if (udp == NULL)
        return;
    pthread_join(udp->thread, NULL);
    udp_free(udp);
}
