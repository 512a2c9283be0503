/* SPDX-License-Identifier: Apache-2.0 */
/* evacuate, restore, drain, undrain: one way for all four.
 *
 *   who and which sites -> read -> change_apply -> ask -> compare-and-swap -> wait
 *                           ^___________ someone was faster, 3 times ______|
 */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"
#include "steering/ctl/command.h"
#include "steering/ctl/actor.h"
#include "steering/ctl/sites.h"
#include "steering/ctl/text.h"
#include "steering/ctl/waiting.h"

enum { CAS_TRIES = 4 };

static const struct verb {
    enum site_kind kind;
    enum change_verb undo;
    const char *done; /* "us-east is ... already" */
} verbs[] = {
    [CHANGE_EVACUATE] = { SITE_REGION, CHANGE_RESTORE, "evacuated" },
    [CHANGE_RESTORE] = { SITE_REGION, CHANGE_EVACUATE, "active" },
    [CHANGE_DRAIN] = { SITE_POP, CHANGE_UNDRAIN, "draining" },
    [CHANGE_UNDRAIN] = { SITE_POP, CHANGE_DRAIN, "active" },
};

/* One change on its way. */
struct operation {
    struct ctl *ctl;
    struct actor actor;
    struct sites sites;
    struct change change;
    struct document *base; /* as read; replaced when someone was faster */
    struct document *next; /* NULL: nothing to write */
    enum mode first_mode;  /* of the site, when the operator decided */
    bool is_already;
    uint64_t start_ns, committed_ns, applied_ns; /* the latter two since start; 0: not yet */
    struct convergence convergence;
};

/* ---- reading -------------------------------------------------------------------------------- */

/* Nodes that obey a document which the store no longer has: a new one would be refused by all. */
static enum err check_not_lost(struct ctl *ctl, const struct presences *nodes)
{
    for (size_t i = 0; i < nodes->count; i++) {
        const struct presence *node = &nodes->items[i];
        if (!node->is_alive || node->generation == 0 || node->epoch.len == 0)
            continue;
        diag_error(&ctl->diag, 0, 0,
                   "the store has no document, but node %s obeys generation %" PRIu64
                   " of epoch %.*s: it was lost. 'steer store repair' brings it back, with --from "
                   "FILE from a node's last good one",
                   node->id, node->generation, STR_ARG(node->epoch));
        return ERR_UNREACHABLE;
    }
    return ERR_OK;
}

static enum err read_base(struct operation *operation, const struct presences *nodes)
{
    struct ctl *ctl = operation->ctl;
    char epoch[ULID_TEXT_MAX];
    struct document *base = NULL;
    enum err err = ctl_read_document(ctl, &base);
    if (err == ERR_NOT_FOUND) {
        /* The first change ever makes the document; the store has the last word about that. */
        diag_fini(&ctl->diag);
        err = nodes != NULL ? check_not_lost(ctl, nodes) : ERR_OK;
        base = err == ERR_OK ? document_new(ulid_new(epoch)) : NULL;
    }
    if (err != ERR_OK)
        return err;
    document_free(operation->base);
    operation->base = base;
    return ERR_OK;
}

static enum mode mode_of(const struct operation *operation)
{
    return document_mode(operation->base, verbs[operation->change.verb].kind,
                         operation->change.site);
}

static enum err collect_sites(struct operation *operation, const struct presences *nodes)
{
    struct ctl *ctl = operation->ctl;
    if (ctl->args.topology != NULL)
        return sites_load(ctl->args.topology, &ctl->diag, &operation->sites);
    sites_collect(nodes, operation->base, &operation->sites);
    if (operation->sites.has_several_topologies)
        ctl_note(ctl, "steer: the nodes do not share one topology ('steer status' shows which)\n");
    if (operation->sites.count[SITE_REGION] + operation->sites.count[SITE_POP] > 0)
        return ERR_OK;
    if (access(store_where(ctl->store), F_OK) != 0) {
        diag_errno(&ctl->diag, errno, "there is no store in '%s'", store_where(ctl->store));
        return ERR_UNREACHABLE;
    }
    diag_error(&ctl->diag, 0, 0,
               "no node on the store '%s' has told yet which sites there are; name the topology "
               "with --topology FILE",
               ctl->args.store);
    return ERR_UNKNOWN;
}

static enum err read_all(struct operation *operation, struct presences *out_nodes)
{
    enum err err = ctl_open_store(operation->ctl);
    if (err == ERR_OK)
        err = ctl_list_nodes(operation->ctl, out_nodes);
    if (err == ERR_OK)
        err = read_base(operation, out_nodes);
    if (err == ERR_OK)
        err = collect_sites(operation, out_nodes);
    if (err != ERR_OK)
        return err;
    operation->change.topology_digest = str_from(operation->sites.topology);
    operation->first_mode = mode_of(operation);
    return ERR_OK;
}

/* ---- deciding ------------------------------------------------------------------------------- */

static enum err make_next(struct operation *operation)
{
    struct change_world world = sites_world(&operation->sites);
    enum change_outcome outcome = CHANGE_ALREADY;
    document_free(operation->next);
    operation->next = NULL;
    enum err err = change_apply(operation->base, &operation->change, &world, &operation->ctl->diag,
                                &outcome, &operation->next);
    operation->is_already = err == ERR_OK && outcome == CHANGE_ALREADY;
    return err;
}

static void note_remaining(const struct operation *operation)
{
    const struct sites *sites = &operation->sites;
    struct buf names;
    buf_init(&names, 1 << 20);
    buf_append_text(&names, "still in use afterwards:");
    for (size_t i = 0; i < sites->count[SITE_REGION]; i++) {
        enum mode mode =
            document_mode(operation->next, SITE_REGION, str_from(sites->names[SITE_REGION][i]));
        if (!mode_is_usable(mode))
            continue;
        buf_append_text(&names, " ");
        text_append_clean(&names, str_from(sites->names[SITE_REGION][i]));
    }
    ctl_note(operation->ctl, "%s\n", buf_text(&names));
    buf_fini(&names);
}

/* True when the region's name was typed. Only ever on a terminal. */
static bool ask(const struct operation *operation)
{
    const struct ctl *ctl = operation->ctl;
    char line[256];
    ctl_note(
        ctl, "%.*s: %s -> evacuated, strays: %.*s\n", STR_ARG(operation->change.site),
        mode_name(operation->first_mode),
        STR_ARG(document_find_site(operation->next, SITE_REGION, operation->change.site)->stray));
    note_remaining(operation);
    ctl_note(ctl, "Type the region's name to evacuate it, anything else to stop: ");
    if (fgets(line, sizeof(line), stdin) == NULL)
        return false;
    return str_eq(str_trim(str_from(line)), operation->change.site);
}

static enum err confirm(const struct operation *operation)
{
    const struct ctl *ctl = operation->ctl;
    if (operation->is_already || operation->change.verb != CHANGE_EVACUATE || !ctl->has_terminal ||
        ctl->args.is_yes || ask(operation))
        return ERR_OK;
    diag_error(&operation->ctl->diag, 0, 0, "declined, nothing was written");
    return ERR_DECLINED;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* What the other one did, from the log or, failing that, from the document. */
static void tell_other(struct operation *operation, uint64_t lost_to_generation)
{
    struct ctl *ctl = operation->ctl;
    const struct document *now = operation->base;
    struct store_history history = { .records = NULL };
    struct diag ignored;
    char age[CLOCK_TEXT_MAX];
    struct str verb = STR("a change"), site = STR("");
    diag_init(&ignored);
    if (store_history(ctl->store, 1, &ignored, &history) == ERR_OK) {
        const json_t *record = json_array_get(history.records, 0);
        verb = json_get_str(record, "verb");
        site = json_get_str(record, "site");
    }
    clock_format_age(clock_unix_s() - now->op_at_unix_s, age);
    diag_error(&ctl->diag, 0, 0,
               "gen %" PRIu64 " -> %" PRIu64 " by %.*s %s ago: %.*s %.*s (%.*s); look at 'steer "
               "status' and decide again",
               lost_to_generation, now->generation, STR_ARG(now->op_who), age, STR_ARG(verb),
               STR_ARG(site), STR_ARG(now->op_why));
    store_history_fini(&history);
    diag_fini(&ignored);
}

/* Someone was faster: may the change go on top of what they did? */
static enum err retry(struct operation *operation, bool is_last)
{
    uint64_t lost_to = operation->base->generation;
    diag_fini(&operation->ctl->diag); /* the conflict is told below, or got over */
    enum err err = read_base(operation, NULL);
    if (err != ERR_OK)
        return err;
    if (!is_last)
        err = make_next(operation);
    if (err != ERR_OK || operation->is_already)
        return err;
    if (!is_last && mode_of(operation) == operation->first_mode)
        return ERR_OK;
    tell_other(operation, lost_to);
    return ERR_CONFLICT;
}

static enum err swap(struct operation *operation)
{
    struct ctl *ctl = operation->ctl;
    struct store_written written;
    struct store_expected expected = { operation->base->epoch, operation->base->generation };
    struct store_audit audit =
        actor_audit(&operation->actor, ctl, str_from(change_verb_name(operation->change.verb)),
                    operation->change.site);
    return store_cas(ctl->store, &expected, operation->next, &audit, &ctl->diag, &written);
}

static const struct document *result_of(const struct operation *operation)
{
    assert(operation->is_already || operation->next != NULL);
    return operation->is_already ? operation->base : operation->next;
}

static enum err write_change(struct operation *operation)
{
    enum err err = ERR_OK;
    operation->start_ns = clock_monotonic_ns();
    for (int tries = 1; err == ERR_OK && !operation->is_already; tries++) {
        assert(operation->next != NULL);
        err = swap(operation);
        if (err != ERR_CONFLICT)
            break;
        err = retry(operation, tries == CAS_TRIES);
    }
    if (err == ERR_OUTCOME_UNKNOWN)
        diag_error(&operation->ctl->diag, 0, 0,
                   "the nodes see generation %" PRIu64 " already. See to the disk, then look with "
                   "'steer history -n 1'; the same command again does no harm",
                   result_of(operation)->generation);
    if (err == ERR_OK && !operation->is_already)
        operation->committed_ns = clock_monotonic_ns() - operation->start_ns;
    return err;
}

/* ---- waiting and telling -------------------------------------------------------------------- */

static void tell_already(const struct operation *operation)
{
    const struct change *change = &operation->change;
    const struct document_site *site =
        document_find_site(operation->base, verbs[change->verb].kind, change->site);
    char age[CLOCK_TEXT_MAX];
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_append_format(&text, "%.*s is already %s (gen %" PRIu64, STR_ARG(change->site),
                      site != NULL ? mode_name(site->mode) : verbs[change->verb].done,
                      operation->base->generation);
    if (site != NULL && site->since_unix_s > 0)
        buf_append_format(&text, ", %.*s, %s ago", STR_ARG(site->who),
                          clock_format_age(clock_unix_s() - site->since_unix_s, age));
    if (site != NULL && site->why.len > 0)
        buf_append_format(&text, ": %.*s", STR_ARG(site->why));
    struct buf clean;
    buf_init(&clean, 1 << 16);
    text_append_clean(&clean, buf_str(&text));
    ctl_print(operation->ctl, "%s)\n", buf_text(&clean));
    buf_fini(&clean);
    buf_fini(&text);
}

static void tell_committed(struct operation *operation)
{
    char took[TEXT_DURATION_MAX];
    uint64_t generation = result_of(operation)->generation;
    ctl_set_outcome(operation->ctl, "gen %" PRIu64 " %s", generation,
                    operation->is_already ? "has it already" : "is committed");
    if (operation->is_already)
        tell_already(operation);
    else
        ctl_print(operation->ctl, "committed gen %" PRIu64 "  %s\n", generation,
                  text_format_duration(operation->committed_ns, took));
}

static enum err wait_for_nodes(struct operation *operation, struct waiting *waiting)
{
    struct ctl *ctl = operation->ctl;
    const struct document *result = result_of(operation);
    char text[DIGEST_TEXT_MAX];
    struct digest digest = document_digest(result);
    struct converge_target target = { .epoch = result->epoch,
                                      .generation = result->generation,
                                      .digest = str_from(digest_format(&digest, text)) };
    if (ctl->args.has_no_wait || result->generation == 0)
        return ERR_OK;
    enum err err =
        waiting_run(waiting, &target, ctl->args.timeout_ms, &ctl->diag, &operation->convergence);
    if (err != ERR_OK && !operation->is_already) {
        diag_error(&ctl->diag, 0, 0,
                   "gen %" PRIu64 " is committed, but which nodes obey it cannot be seen",
                   result->generation);
        return ERR_TIMEOUT; /* a reader's error says that nothing was written */
    }
    if (err != ERR_OK)
        return err;
    if (converge_is_reached(&operation->convergence))
        operation->applied_ns = clock_monotonic_ns() - operation->start_ns;
    return waiting_tell(ctl, &operation->convergence, &target, operation->applied_ns);
}

static void tell_undo(const struct operation *operation)
{
    if (!operation->is_already)
        ctl_print(operation->ctl, "undo      steer %s %.*s --reason ...\n",
                  change_verb_name(verbs[operation->change.verb].undo),
                  STR_ARG(operation->change.site));
}

static json_t *milliseconds(uint64_t ns)
{
    return ns == 0 ? json_null() : json_real((double)ns / 1e6);
}

static void answer(struct operation *operation, enum err err)
{
    struct ctl *ctl = operation->ctl;
    const struct document *result = result_of(operation);
    json_t *answer = ctl_new_answer(err == ERR_OK);
    json_set_str(answer, "verb", str_from(change_verb_name(operation->change.verb)));
    json_set_str(answer, "site", operation->change.site);
    json_object_set_new(answer, "already", json_boolean(operation->is_already));
    json_set_str(answer, "op_id", operation->is_already ? result->op_id : operation->change.op_id);
    json_set_str(answer, "epoch", result->epoch);
    json_set_int(answer, "gen", (int64_t)result->generation);
    json_object_set_new(answer, "committed_ms", milliseconds(operation->committed_ns));
    json_object_set_new(answer, "applied_ms", milliseconds(operation->applied_ns));
    json_object_set_new(answer, "nodes", converge_to_json(&operation->convergence));
    ctl_answer(ctl, answer);
}

static enum err finish(struct operation *operation, struct waiting *waiting)
{
    tell_committed(operation);
    fflush(stdout);
    enum err err = wait_for_nodes(operation, waiting);
    tell_undo(operation);
    answer(operation, err);
    return err;
}

/* ---- the command ---------------------------------------------------------------------------- */

static enum err check_rules(struct ctl *ctl, struct change *change)
{
    for (size_t i = 0; i < ctl->args.rule_count; i++) {
        char hint[SUGGEST_TEXT_MAX];
        struct str rule = ctl->args.rules[i];
        struct suggest suggest = suggest_init(rule);
        suggest_offer(&suggest, STR("min-regions"));
        if (!str_eq_text(rule, "min-regions")) {
            diag_error(&ctl->diag, 0, 0, "--override: no rule is called '%.*s'%s", STR_ARG(rule),
                       suggest_format(&suggest, hint, sizeof(hint)));
            return ERR_UNKNOWN;
        }
        change->overrides_min_regions = true;
    }
    return ERR_OK;
}

static enum err check_reason(struct ctl *ctl)
{
    if (ctl->args.reason != NULL)
        return ERR_OK;
    if (ctl->args.rule_count > 0)
        return diag_error(&ctl->diag, 0, 0, "--override needs --reason: say why");
    if (ctl->has_terminal)
        return ERR_OK;
    return diag_error(&ctl->diag, 0, 0, "without a terminal --reason is needed: say why");
}

/* Somebody may have thought for long: a node that has left in the meantime is not waited for. */
static void look_again(const struct operation *operation, struct presences *nodes)
{
    struct presences now = { .items = NULL };
    struct diag ignored;
    if (!operation->ctl->has_terminal)
        return;
    diag_init(&ignored);
    if (presence_list(operation->ctl->store, &ignored, &now) == ERR_OK) {
        presences_fini(nodes);
        *nodes = now;
    }
    diag_fini(&ignored);
}

static enum err carry_out(struct operation *operation)
{
    struct presences nodes = { .items = NULL };
    struct waiting waiting = { .fd = -1 };
    enum err err = read_all(operation, &nodes);
    if (err == ERR_OK)
        err = make_next(operation);
    if (err == ERR_OK)
        err = confirm(operation);
    if (err == ERR_OK) {
        look_again(operation, &nodes);
        waiting_open(&waiting, operation->ctl->store, &nodes);
        err = write_change(operation);
    }
    if (err == ERR_OK)
        err = finish(operation, &waiting);
    waiting_close(&waiting);
    presences_fini(&nodes);
    return err;
}

static enum err run(struct ctl *ctl, enum change_verb verb)
{
    struct operation operation = { .ctl = ctl };
    ctl_survive_pipe();
    actor_init(&operation.actor, ctl);
    operation.change = (struct change){
        .verb = verb,
        .site = str_from(ctl->args.words[0]),
        .stray = str_from(ctl->args.stray),
        .who = str_from(operation.actor.who),
        .why = actor_reason(ctl),
        .op_id = str_from(operation.actor.op_id),
        .at_unix_s = operation.actor.at_unix_s,
    };
    enum err err = check_reason(ctl);
    if (err == ERR_OK)
        err = check_rules(ctl, &operation.change);
    if (err == ERR_OK)
        err = carry_out(&operation);
    converge_fini(&operation.convergence);
    document_free(operation.next);
    document_free(operation.base);
    sites_fini(&operation.sites);
    actor_fini(&operation.actor);
    return err;
}

static enum err run_evacuate(struct ctl *ctl)
{
    return run(ctl, CHANGE_EVACUATE);
}

static enum err run_restore(struct ctl *ctl)
{
    return run(ctl, CHANGE_RESTORE);
}

static enum err run_drain(struct ctl *ctl)
{
    return run(ctl, CHANGE_DRAIN);
}

static enum err run_undrain(struct ctl *ctl)
{
    return run(ctl, CHANGE_UNDRAIN);
}

#define RETURNS                                                                                    \
    "Returns when every worker of every living node on the store has left the old state, and\n"    \
    "says how long that took. Nodes without a process behind them are named, not waited for."

const struct command cmd_evacuate = {
    .name = "evacuate",
    .words = "REGION",
    .min_words = 1,
    .max_words = 1,
    .options = ARGS_STRAY | ARGS_TOPOLOGY,
    .summary = "move all clients away from a region",
    .about = "Moves all clients away from REGION, to the next site of their own order.\n" RETURNS,
    .examples = "  steer evacuate us-east --reason INC-4411",
    .run = run_evacuate,
};
const struct command cmd_restore = {
    .name = "restore",
    .words = "REGION",
    .min_words = 1,
    .max_words = 1,
    .options = ARGS_TOPOLOGY,
    .summary = "bring an evacuated region back",
    .about = "Brings the clients of an evacuated REGION back to it.\n" RETURNS,
    .examples = "  steer restore us-east --reason 'INC-4411 is over'",
    .run = run_restore,
};
const struct command cmd_drain = {
    .name = "drain",
    .words = "POP",
    .min_words = 1,
    .max_words = 1,
    .options = ARGS_TOPOLOGY,
    .summary = "send no new clients to a PoP",
    .about = "Sends no new clients to POP; it goes on serving those that it has.\n" RETURNS,
    .examples = "  steer drain gru1 --reason 'kernel update'",
    .run = run_drain,
};
const struct command cmd_undrain = {
    .name = "undrain",
    .words = "POP",
    .min_words = 1,
    .max_words = 1,
    .options = ARGS_TOPOLOGY,
    .summary = "take a drained PoP into use again",
    .about = "Takes a drained POP into use again.\n" RETURNS,
    .examples = "  steer undrain gru1 --reason 'kernel update done'",
    .run = run_undrain,
};
