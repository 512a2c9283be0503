/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/waiting.h"

#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/ctl/text.h"

/* A node that dies changes no file: its lock is asked for that often. */
enum { LOOK_MS = 200 };

/* Keeps a node in mind: it has said something, and may have left before the next look. */
static void expect(struct presences *missed, const struct presence *node)
{
    if (node->is_alive && node->value != NULL)
        missed->items[missed->count++] = presence_make(node->id, true, json_incref(node->value));
}

static struct presences expect_all(const struct presences *nodes)
{
    struct presences missed = { .items = NULL };
    if (nodes == NULL || nodes->count == 0)
        return missed;
    missed.items = mem_calloc(nodes->count, sizeof(missed.items[0]));
    for (size_t i = 0; i < nodes->count; i++)
        expect(&missed, &nodes->items[i]);
    return missed;
}

static void drop_arrived(struct waiting *waiting, const struct converge_target *target)
{
    struct convergence convergence;
    struct presences *missed = &waiting->missed;
    size_t kept = 0;
    converge_judge(missed, target, &convergence);
    for (size_t i = 0; i < missed->count; i++) {
        if (convergence.nodes[i].state == CONVERGE_WAITING)
            missed->items[kept++] = missed->items[i];
        else
            presence_fini(&missed->items[i]);
    }
    missed->count = kept;
    converge_fini(&convergence);
}

static int compare_ids(const void *left, const void *right)
{
    const struct presence *a = left, *b = right;
    return strcmp(a->id, b->id);
}

/* Who is missed stays so until something is read of it again. */
static void add_lost(struct waiting *waiting, const struct presences *listed,
                     struct convergence *convergence)
{
    struct presences *missed = &waiting->missed, next = { .items = NULL };
    next.items = mem_calloc(listed->count + missed->count, sizeof(next.items[0]));
    for (size_t i = 0; i < listed->count; i++)
        if (convergence->nodes[i].state == CONVERGE_WAITING)
            expect(&next, &listed->items[i]);
    for (size_t i = 0; i < missed->count; i++) {
        struct presence *node = &missed->items[i];
        const struct presence *seen = listed->count == 0
                                          ? NULL
                                          : bsearch(node, listed->items, listed->count,
                                                    sizeof(listed->items[0]), compare_ids);
        if (seen == NULL)
            converge_add_lost(convergence, node);
        if (seen == NULL || (seen->is_alive && seen->value == NULL))
            next.items[next.count++] = *node; /* moved */
        else
            presence_fini(node);
    }
    free(missed->items);
    *missed = next;
}

void waiting_open(struct waiting *waiting, struct store *store, const struct presences *nodes)
{
    struct diag ignored;
    *waiting = (struct waiting){ .store = store, .fd = -1, .missed = expect_all(nodes) };
    diag_init(&ignored);
    if (store_watch(store, STORE_WATCH_NODES, &ignored, &waiting->fd) != ERR_OK)
        waiting->fd = -1; /* no node yet, or no inotify: looking now and then has to do */
    diag_fini(&ignored);
}

static void stop_watching(struct waiting *waiting)
{
    if (waiting->fd >= 0)
        close(waiting->fd);
    waiting->fd = -1;
}

void waiting_close(struct waiting *waiting)
{
    stop_watching(waiting);
    presences_fini(&waiting->missed);
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
        stop_watching(waiting);
}

static enum err look(struct waiting *waiting, const struct converge_target *target,
                     struct diag *diag, struct convergence *out_convergence)
{
    struct presences presences;
    enum err err = presence_list(waiting->store, diag, &presences);
    if (err != ERR_OK)
        return ERR_UNREACHABLE;
    converge_judge(&presences, target, out_convergence);
    add_lost(waiting, &presences, out_convergence);
    presences_fini(&presences);
    return ERR_OK;
}

enum err waiting_run(struct waiting *waiting, const struct converge_target *target,
                     uint64_t timeout_ms, struct diag *diag, struct convergence *out_convergence)
{
    uint64_t end_ms = clock_monotonic_ms() + timeout_ms;
    drop_arrived(waiting, target);
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
