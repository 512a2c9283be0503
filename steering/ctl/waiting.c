/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/waiting.h"

#include <inttypes.h>
#include <poll.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/ctl/text.h"

/* A node that dies changes no file: its lock is asked for that often. */
enum { LOOK_MS = 200 };

void waiting_open(struct waiting *waiting, struct store *store)
{
    struct diag ignored;
    *waiting = (struct waiting){ .store = store, .fd = -1 };
    diag_init(&ignored);
    if (store_watch(store, STORE_WATCH_NODES, &ignored, &waiting->fd) != ERR_OK)
        waiting->fd = -1; /* no node yet, or no inotify: looking now and then has to do */
    diag_fini(&ignored);
}

void waiting_close(struct waiting *waiting)
{
    if (waiting->fd >= 0)
        close(waiting->fd);
    waiting->fd = -1;
}

static void wait_for_change(struct waiting *waiting, uint64_t left_ms)
{
    struct pollfd poll_fd = { .fd = waiting->fd, .events = POLLIN };
    bool is_lost = false;
    poll(&poll_fd, 1, left_ms < LOOK_MS ? (int)left_ms : LOOK_MS);
    if (waiting->fd < 0)
        return;
    store_watch_drain(waiting->store, STORE_WATCH_NODES, waiting->fd, &is_lost);
    if (is_lost)
        waiting_close(waiting);
}

static enum err look(const struct waiting *waiting, const struct converge_target *target,
                     struct diag *diag, struct convergence *out_convergence)
{
    struct presences presences;
    enum err err = presence_list(waiting->store, diag, &presences);
    if (err != ERR_OK)
        return ERR_UNREACHABLE;
    converge_judge(&presences, target, out_convergence);
    presences_fini(&presences);
    return ERR_OK;
}

enum err waiting_run(struct waiting *waiting, const struct converge_target *target,
                     uint64_t timeout_ms, struct diag *diag, struct convergence *out_convergence)
{
    uint64_t end_ms = clock_monotonic_ms() + timeout_ms;
    for (;;) {
        struct convergence convergence;
        enum err err = look(waiting, target, diag, &convergence);
        if (err != ERR_OK)
            return err;
        uint64_t now_ms = clock_monotonic_ms();
        if (converge_is_over(&convergence) || now_ms >= end_ms) {
            *out_convergence = convergence;
            return ERR_OK;
        }
        converge_fini(&convergence);
        wait_for_change(waiting, end_ms - now_ms);
    }
}

/* ---- telling ------------------------------------------------------------------------------- */

static void append_nodes(const struct convergence *convergence, enum converge_state state,
                         const char *lead, struct buf *out)
{
    for (size_t i = 0; i < convergence->node_count; i++) {
        const struct converge_node *node = &convergence->nodes[i];
        if (node->state != state)
            continue;
        buf_append_format(out, "%s%s ", lead, node->id);
        text_append_clean(out, str_from(node->why));
        buf_append_text(out, "\n");
    }
}

static void tell_living(struct ctl *ctl, const struct convergence *convergence, uint64_t took_ns)
{
    char took[TEXT_DURATION_MAX];
    struct buf roles, clean;
    buf_init(&roles, 1 << 16);
    buf_init(&clean, 1 << 16);
    converge_format_roles(convergence, &roles);
    text_append_clean(&clean, buf_str(&roles));
    if (roles.len == 0)
        ctl_print(ctl, "applied   no living node on this store, nobody to wait for\n");
    else
        ctl_print(ctl, "applied   %s%s%s\n", buf_text(&clean), took_ns > 0 ? "  " : "",
                  took_ns > 0 ? text_format_duration(took_ns, took) : "");
    buf_fini(&clean);
    buf_fini(&roles);
}

static void tell_missing(struct ctl *ctl, const struct convergence *convergence,
                         const struct converge_target *target)
{
    struct buf names;
    char limit[TEXT_DURATION_MAX];
    bool is_over = converge_is_over(convergence);
    buf_init(&names, 1 << 20);
    append_nodes(convergence, CONVERGE_REJECTED, "missing   ", &names);
    append_nodes(convergence, CONVERGE_WAITING, "missing   ", &names);
    ctl_note(ctl, "%s", buf_text(&names));
    buf_fini(&names);
    text_format_duration(ctl->args.timeout_ms * 1000000, limit);
    diag_error(&ctl->diag, 0, 0, "gen %" PRIu64 " is committed, but %zu of %zu living nodes %s%s",
               target->generation,
               convergence->counts[CONVERGE_REJECTED] + convergence->counts[CONVERGE_WAITING],
               convergence->node_count - convergence->counts[CONVERGE_DEAD],
               is_over ? "refuse it" : "do not obey it after ", is_over ? "" : limit);
}

enum err waiting_tell(struct ctl *ctl, const struct convergence *convergence,
                      const struct converge_target *target, uint64_t took_ns)
{
    struct buf dead;
    tell_living(ctl, convergence, converge_is_reached(convergence) ? took_ns : 0);
    buf_init(&dead, 1 << 20);
    append_nodes(convergence, CONVERGE_DEAD, "silent    ", &dead);
    ctl_print(ctl, "%s", buf_text(&dead));
    buf_fini(&dead);
    if (converge_is_reached(convergence))
        return ERR_OK;
    tell_missing(ctl, convergence, target);
    return ERR_TIMEOUT;
}
