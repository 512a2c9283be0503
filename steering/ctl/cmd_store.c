/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"
#include "steering/ctl/command.h"
#include "steering/ctl/actor.h"
#include "steering/store/presence.h"

static enum err tell_written(struct ctl *ctl, const struct actor *actor,
                             const struct store_written *written, const char *done,
                             const char *nothing_to_do)
{
    ctl_set_outcome(ctl, "gen %" PRIu64 " %s", written->generation,
                    written->is_repeat ? "was there already" : "is committed");
    ctl_print(ctl, "%s gen %" PRIu64 "\n", written->is_repeat ? nothing_to_do : done,
              written->generation);
    json_t *answer = ctl_new_answer(true);
    json_object_set_new(answer, "already", json_boolean(written->is_repeat));
    json_set_str(answer, "op_id", str_from(written->is_repeat ? "" : actor->op_id));
    json_set_int(answer, "gen", (int64_t)written->generation);
    json_set_str(answer, "store", str_from(store_where(ctl->store)));
    ctl_answer(ctl, answer);
    return ERR_OK;
}

/* ---- init ------------------------------------------------------------------------------------ */

static bool overrides_epoch(const struct ctl *ctl)
{
    for (size_t i = 0; i < ctl->args.rule_count; i++)
        if (str_eq_text(ctl->args.rules[i], "epoch"))
            return true;
    return false;
}

/* A new epoch under nodes that have one: all would refuse it. */
static enum err check_epoch(struct ctl *ctl)
{
    struct presences nodes = { .items = NULL };
    struct document *document = NULL;
    struct diag ignored;
    diag_init(&ignored);
    bool has_document = store_get(ctl->store, &ignored, &document) == ERR_OK;
    diag_fini(&ignored);
    document_free(document);
    if (has_document || overrides_epoch(ctl))
        return ERR_OK;
    enum err err = ctl_list_nodes(ctl, &nodes);
    for (size_t i = 0; err == ERR_OK && i < nodes.count; i++) {
        const struct presence *node = &nodes.items[i];
        if (!node->is_alive || node->generation == 0 || node->epoch.len == 0)
            continue;
        diag_error(&ctl->diag, 0, 0,
                   "rule epoch: node %s obeys generation %" PRIu64 " of epoch %.*s and will refuse "
                   "a new epoch. 'steer store repair --from FILE' brings the lost document back; "
                   "--override epoch insists",
                   node->id, node->generation, STR_ARG(node->epoch));
        err = ERR_BLOCKED;
    }
    presences_fini(&nodes);
    return err;
}

static enum err init(struct ctl *ctl, struct actor *actor)
{
    struct store_written written = { .generation = 0 };
    struct store_audit audit = actor_audit(actor, ctl, STR("init"), STR(""));
    enum err err = check_epoch(ctl);
    if (err == ERR_OK)
        err = store_init(ctl->store, &audit, &ctl->diag, &written);
    if (err != ERR_OK)
        return err;
    if (written.is_repeat)
        ctl_print(ctl, "'%s' ", store_where(ctl->store));
    return tell_written(ctl, actor, &written, "made a new store,", "is a store already,");
}

/* ---- repair ---------------------------------------------------------------------------------- */

static enum err read_from(struct ctl *ctl, struct document **out_document)
{
    struct buf text;
    if (ctl->args.from == NULL)
        return ERR_OK;
    buf_init(&text, DOCUMENT_MAX_BYTES);
    enum err err = file_read(ctl->args.from, &text);
    if (err != ERR_OK)
        diag_errno(&ctl->diag, errno, "cannot read '%s'", ctl->args.from);
    diag_set_file(&ctl->diag, ctl->args.from);
    if (err == ERR_OK)
        err = document_parse(buf_str(&text), &ctl->diag, out_document);
    diag_set_file(&ctl->diag, NULL);
    buf_fini(&text);
    return err;
}

static enum err repair(struct ctl *ctl, struct actor *actor)
{
    struct store_written written = { .generation = 0 };
    struct document *from = NULL;
    struct store_audit audit = actor_audit(actor, ctl, STR("repair"), STR(""));
    enum err err = read_from(ctl, &from);
    if (err == ERR_OK) {
        err = store_repair(ctl->store, from, &audit, &ctl->diag, &written);
        if (err == ERR_NOT_FOUND)
            err = ERR_UNREACHABLE; /* no copy: nothing was written */
    }
    document_free(from);
    return err == ERR_OK
               ? tell_written(ctl, actor, &written, "repaired, committed", "nothing to repair at")
               : err;
}

static enum err path(struct ctl *ctl, struct actor *actor)
{
    (void)actor;
    ctl_print(ctl, "%s\n", store_where(ctl->store));
    json_t *answer = ctl_new_answer(true);
    json_set_str(answer, "store", str_from(store_where(ctl->store)));
    ctl_answer(ctl, answer);
    return ERR_OK;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static const struct verb {
    const char *name;
    enum err (*run)(struct ctl *ctl, struct actor *actor);
} verbs[] = { { "init", init }, { "repair", repair }, { "path", path } };

static enum err refuse_unknown_verb(struct ctl *ctl, const char *name)
{
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(str_from(name));
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        suggest_offer(&suggest, str_from(verbs[i].name));
    diag_error(&ctl->diag, 0, 0, "'steer store %s': expected init, repair or path%s", name,
               suggest_format(&suggest, hint, sizeof(hint)));
    return ERR_UNKNOWN;
}

static enum err run_verb(struct ctl *ctl, const struct verb *verb)
{
    struct actor actor;
    ctl_survive_pipe();
    actor_init(&actor, ctl);
    enum err err = ctl_open_store(ctl);
    if (err == ERR_OK)
        err = verb->run(ctl, &actor);
    actor_fini(&actor);
    return err;
}

static enum err run(struct ctl *ctl)
{
    const char *name = ctl->args.words[0];
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i].name, name) == 0)
            return run_verb(ctl, &verbs[i]);
    return refuse_unknown_verb(ctl, name);
}

const struct command cmd_store = {
    .name = "store",
    .words = "init|repair|path",
    .min_words = 1,
    .max_words = 1,
    .options = ARGS_FROM,
    .from_value = "FILE",
    .from_about = "repair: take this document, not a copy of the store's own",
    .summary = "make, repair or name the store",
    .about = "init    makes the folders and the first document (everything active).\n"
             "repair  brings a missing, damaged or rolled back document back, as a newer\n"
             "        generation: the newest copy that the audit log vouches for, or --from FILE,\n"
             "        for instance a node's last good one.\n"
             "path    prints where the store is.",
    .examples = "  steer store init --store /var/lib/steer/store\n"
                "  steer store repair --from /var/lib/steer/state/document-....json",
    .run = run,
};
