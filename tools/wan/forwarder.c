/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/forwarder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/limits.h"
#include "steering/base/mem.h"

enum {
    PACKET_MAX_BYTES = 65536,
    /* Packets of one site before the others, and the departures, get their turn. */
    BATCH_PACKETS = LIMIT(64, 1),
    SECOND_NS = 1000000000,
};

uint64_t forwarder_now(const struct forwarder *forwarder)
{
    return clock_monotonic_ns() - forwarder->start_ns;
}

static void deliver(struct forwarder *forwarder, struct packet *packet, uint64_t now_ns)
{
    size_t to = forwarder->network->matrix->links[packet->link].to;
    struct forwarder_link *link = &forwarder->links[packet->link];
    spread_add(&link->late, (int64_t)(now_ns - packet->exit_ns));
    if (write(forwarder->sites[to].tun_fd, packet->bytes, packet->len) == (ssize_t)packet->len)
        link->delivered_count++;
    else
        link->refused_count++;
    free(packet);
}

static void release_due(struct forwarder *forwarder)
{
    const struct packet *next = departures_next(&forwarder->departures);
    while (next != NULL) {
        uint64_t now_ns = forwarder_now(forwarder);
        if (next->exit_ns > now_ns)
            break;
        deliver(forwarder, departures_take(&forwarder->departures), now_ns);
        next = departures_next(&forwarder->departures);
    }
}

static void on_spin(uv_idle_t *spinning);

/* libuv's own timers count milliseconds. */
static void arm(struct forwarder *forwarder)
{
    const struct packet *next = departures_next(&forwarder->departures);
    uint64_t at_ns = next != NULL ? next->exit_ns : 0;
    if (forwarder->spin_ns > 0) {
        bool is_near = next != NULL && at_ns <= forwarder_now(forwarder) + forwarder->spin_ns;
        if (is_near)
            uv_idle_start(&forwarder->spinning, on_spin);
        else
            uv_idle_stop(&forwarder->spinning);
        at_ns = is_near || next == NULL ? 0 : at_ns - forwarder->spin_ns;
    }
    if (at_ns == forwarder->armed_ns)
        return;
    uint64_t clock_ns = at_ns != 0 ? at_ns + forwarder->start_ns : 0;
    struct itimerspec spec = { .it_value = { .tv_sec = (time_t)(clock_ns / SECOND_NS),
                                             .tv_nsec = (long)(clock_ns % SECOND_NS) } };
    timerfd_settime(forwarder->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    forwarder->armed_ns = at_ns;
}

static void on_spin(uv_idle_t *spinning)
{
    struct forwarder *forwarder = container_of(spinning, struct forwarder, spinning);
    release_due(forwarder);
    arm(forwarder);
}

static void on_timer(uv_poll_t *poll, int status, int events)
{
    struct forwarder *forwarder = container_of(poll, struct forwarder, timer);
    uint64_t expirations = 0;
    (void)status;
    (void)events;
    if (read(forwarder->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations))
        forwarder->armed_ns = 0;
    release_due(forwarder);
    arm(forwarder);
}

static void accept_packet(struct forwarder *forwarder, size_t from, const uint8_t *bytes,
                          size_t len)
{
    uint64_t exit_ns = 0;
    int32_t link = network_route(forwarder->network, from, bytes, len);
    if (link == NETWORK_NO_LINK) {
        forwarder->unroutable_count++;
        return;
    }
    if (link_offer(&forwarder->network->links[link], len, forwarder_now(forwarder), &exit_ns) !=
        LINK_PASSES)
        return;
    if (forwarder->departures.byte_count + len > FORWARDER_MAX_BYTES) {
        forwarder->overflow_count++;
        return;
    }
    struct packet *packet = packet_new(bytes, len);
    packet->exit_ns = exit_ns;
    packet->link = (size_t)link;
    departures_add(&forwarder->departures, packet);
}

static void on_packets(uv_poll_t *poll, int status, int events)
{
    struct forwarder_site *site = container_of(poll, struct forwarder_site, poll);
    struct forwarder *forwarder = site->forwarder;
    uint8_t bytes[PACKET_MAX_BYTES];
    (void)status;
    (void)events;
    for (int i = 0; i < BATCH_PACKETS; i++) {
        ssize_t len = read(site->tun_fd, bytes, sizeof(bytes));
        if (len <= 0)
            break;
        accept_packet(forwarder, site->index, bytes, (size_t)len);
        release_due(forwarder);
    }
    arm(forwarder);
}

static void open_site(struct forwarder *forwarder, size_t index, int tun_fd)
{
    struct forwarder_site *site = &forwarder->sites[index];
    *site = (struct forwarder_site){ .forwarder = forwarder, .index = index, .tun_fd = tun_fd };
    uv_poll_init(forwarder->loop, &site->poll, tun_fd);
    uv_poll_start(&site->poll, UV_READABLE, on_packets);
}

enum err forwarder_open(struct forwarder *forwarder, uv_loop_t *loop, struct network *network,
                        const struct isolation_site *sites, uint64_t spin_ns, struct diag *diag)
{
    const struct matrix *matrix = network->matrix;
    int timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer_fd < 0)
        return diag_errno(diag, errno, "cannot make a timer");
    *forwarder = (struct forwarder){ .loop = loop,
                                     .network = network,
                                     .timer_fd = timer_fd,
                                     .start_ns = clock_monotonic_ns(),
                                     .spin_ns = spin_ns };
    forwarder->sites = mem_calloc(matrix->site_count, sizeof(forwarder->sites[0]));
    forwarder->links = mem_calloc(matrix->link_count + 1, sizeof(forwarder->links[0]));
    uv_poll_init(loop, &forwarder->timer, timer_fd);
    uv_poll_start(&forwarder->timer, UV_READABLE, on_timer);
    uv_idle_init(loop, &forwarder->spinning);
    for (size_t i = 0; i < matrix->site_count; i++)
        open_site(forwarder, i, sites[i].tun_fd);
    return ERR_OK;
}

void forwarder_restart(struct forwarder *forwarder)
{
    network_restart(forwarder->network);
    departures_fini(&forwarder->departures);
    memset(forwarder->links, 0,
           forwarder->network->matrix->link_count * sizeof(forwarder->links[0]));
    forwarder->unroutable_count = forwarder->overflow_count = 0;
    forwarder->start_ns = clock_monotonic_ns();
    arm(forwarder);
}

void forwarder_close(struct forwarder *forwarder)
{
    for (size_t i = 0; i < forwarder->network->matrix->site_count; i++)
        uv_close((uv_handle_t *)&forwarder->sites[i].poll, NULL);
    uv_close((uv_handle_t *)&forwarder->timer, NULL);
    uv_close((uv_handle_t *)&forwarder->spinning, NULL);
}

void forwarder_fini(struct forwarder *forwarder)
{
    departures_fini(&forwarder->departures);
    free(forwarder->sites);
    free(forwarder->links);
    close(forwarder->timer_fd);
}
