/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/ctl/converge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "steering/base/mem.h"

static const char *const state_names[CONVERGE_STATE_COUNT] = {
    [CONVERGE_DONE] = "done",
    [CONVERGE_WAITING] = "waiting",
    [CONVERGE_REJECTED] = "rejected",
    [CONVERGE_DEAD] = "dead",
};

const char *converge_state_name(enum converge_state state)
{
    return state_names[state];
}

bool converge_is_over(const struct convergence *convergence)
{
    return convergence->counts[CONVERGE_WAITING] == 0;
}

bool converge_is_reached(const struct convergence *convergence)
{
    return converge_is_over(convergence) && convergence->counts[CONVERGE_REJECTED] == 0;
}

/* ---- one node ------------------------------------------------------------------------------ */

static bool has_epoch(const struct presence *node, const struct converge_target *target)
{
    return target->epoch.len == 0 || str_eq(node->epoch, target->epoch);
}

static bool has_arrived(const struct presence *node, const struct converge_target *target)
{
    return has_epoch(node, target) && node->generation >= target->generation;
}

/* Same generation, but another document: two stores, or one that was set back. */
static bool has_diverged(const struct presence *node, const struct converge_target *target)
{
    return node->generation == target->generation && target->digest.len > 0 &&
           node->digest.len > 0 && !str_eq(node->digest, target->digest);
}

static enum converge_state judge(const struct presence *node, const struct converge_target *target,
                                 char out_why[CONVERGE_WHY_MAX])
{
    out_why[0] = '\0';
    if (!node->is_alive) {
        snprintf(out_why, CONVERGE_WHY_MAX, "is gone; it last had gen %" PRIu64, node->generation);
        return CONVERGE_DEAD;
    }
    if (node->value == NULL) {
        snprintf(out_why, CONVERGE_WHY_MAX, "its presence cannot be read");
        return CONVERGE_WAITING;
    }
    if (target->is_newest && has_epoch(node, target) && node->generation > target->generation) {
        snprintf(out_why, CONVERGE_WHY_MAX,
                 "obeys gen %" PRIu64 ", which is newer than the store's document",
                 node->generation);
        return CONVERGE_REJECTED;
    }
    if (has_arrived(node, target) && !has_diverged(node, target))
        return CONVERGE_DONE;
    if (has_arrived(node, target)) {
        snprintf(out_why, CONVERGE_WHY_MAX, "has gen %" PRIu64 " with another content",
                 node->generation);
        return CONVERGE_REJECTED;
    }
    if (node->has_rejected && node->rejected_generation >= target->generation) {
        snprintf(out_why, CONVERGE_WHY_MAX, "rejected gen %" PRIu64 ": %.*s",
                 node->rejected_generation, STR_ARG(node->rejected_why));
        return CONVERGE_REJECTED;
    }
    if (!has_epoch(node, target) && node->generation > 0)
        snprintf(out_why, CONVERGE_WHY_MAX, "obeys gen %" PRIu64 " of another epoch",
                 node->generation);
    else
        snprintf(out_why, CONVERGE_WHY_MAX, "still has gen %" PRIu64, node->generation);
    return CONVERGE_WAITING;
}

/* ---- all ----------------------------------------------------------------------------------- */

static void describe(const struct presence *presence, struct converge_node *out_node)
{
    struct str role = presence->role.len > 0 ? presence->role : STR("node");
    *out_node =
        (struct converge_node){ .generation = presence->generation, .workers = presence->workers };
    snprintf(out_node->id, sizeof(out_node->id), "%s", presence->id);
    snprintf(out_node->role, sizeof(out_node->role), "%.*s", STR_ARG(role));
}

void converge_judge(const struct presences *presences, const struct converge_target *target,
                    struct convergence *out_convergence)
{
    *out_convergence = (struct convergence){ .node_count = presences->count };
    out_convergence->nodes = mem_calloc(presences->count, sizeof(struct converge_node));
    for (size_t i = 0; i < presences->count; i++) {
        struct converge_node *node = &out_convergence->nodes[i];
        describe(&presences->items[i], node);
        node->state = judge(&presences->items[i], target, node->why);
        out_convergence->counts[node->state]++;
    }
}

void converge_add_lost(struct convergence *convergence, const struct presence *before)
{
    convergence->nodes =
        mem_resize(convergence->nodes, convergence->node_count + 1, sizeof(convergence->nodes[0]));
    struct converge_node *node = &convergence->nodes[convergence->node_count++];
    describe(before, node);
    node->state = CONVERGE_WAITING;
    snprintf(node->why, sizeof(node->why),
             "was there before and is not listed any more; it last had gen %" PRIu64,
             before->generation);
    convergence->counts[CONVERGE_WAITING]++;
}

void converge_fini(struct convergence *convergence)
{
    free(convergence->nodes);
    *convergence = (struct convergence){ .nodes = NULL };
}

static bool is_first_of_role(const struct convergence *convergence, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (convergence->nodes[i].state != CONVERGE_DEAD &&
            strcmp(convergence->nodes[i].role, convergence->nodes[index].role) == 0)
            return false;
    return convergence->nodes[index].state != CONVERGE_DEAD;
}

static void format_role(const struct convergence *convergence, const char *role, struct buf *out)
{
    size_t done = 0, alive = 0;
    uint64_t workers = 0;
    for (size_t i = 0; i < convergence->node_count; i++) {
        const struct converge_node *node = &convergence->nodes[i];
        if (node->state == CONVERGE_DEAD || strcmp(node->role, role) != 0)
            continue;
        alive++;
        done += node->state == CONVERGE_DONE;
        workers += node->state == CONVERGE_DONE ? node->workers : 0;
    }
    buf_append_format(out, "%s%s %zu/%zu (%" PRIu64 " worker%s)", out->len > 0 ? "  " : "", role,
                      done, alive, workers, workers == 1 ? "" : "s");
}

void converge_format_roles(const struct convergence *convergence, struct buf *out)
{
    for (size_t i = 0; i < convergence->node_count; i++)
        if (is_first_of_role(convergence, i))
            format_role(convergence, convergence->nodes[i].role, out);
}

json_t *converge_to_json(const struct convergence *convergence)
{
    json_t *nodes = json_array();
    for (size_t i = 0; i < convergence->node_count; i++) {
        const struct converge_node *node = &convergence->nodes[i];
        json_t *entry = json_object();
        json_set_str(entry, "id", str_from(node->id));
        json_set_str(entry, "role", str_from(node->role));
        json_set_str(entry, "state", str_from(converge_state_name(node->state)));
        json_set_int(entry, "gen", (int64_t)node->generation);
        json_set_int(entry, "workers", node->workers);
        json_set_str(entry, "why", str_from(node->why));
        json_array_append_new(nodes, entry);
    }
    return nodes;
}
