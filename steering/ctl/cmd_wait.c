/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "steering/base/clock.h"
#include "steering/ctl/command.h"
#include "steering/ctl/waiting.h"

/* The document need not be one that this program could carry out: waiting is about the nodes. */
static enum err read_target(struct ctl *ctl, json_t **out_value, struct converge_target *out_target)
{
    struct buf text;
    buf_init(&text, DOCUMENT_MAX_BYTES + 4096);
    enum err err = store_get_text(ctl->store, &ctl->diag, &text);
    if (err == ERR_OK)
        err = json_parse(buf_str(&text), &ctl->diag, out_value);
    if (err == ERR_OK && json_get_str(*out_value, "epoch").len == 0) {
        diag_error(&ctl->diag, 0, 0, "the document in '%s' is damaged; 'steer store repair'",
                   store_where(ctl->store));
        err = ERR_CORRUPT;
    }
    if (err == ERR_OK) {
        int64_t generation = json_get_int(*out_value, "gen", 0);
        out_target->epoch = json_get_str(*out_value, "epoch");
        out_target->generation = generation > 0 ? (uint64_t)generation : 0;
    }
    buf_fini(&text);
    return ctl_reader_err(err);
}

static enum err choose_generation(struct ctl *ctl, struct converge_target *target)
{
    if ((ctl->args.given & ARGS_GENERATION) == 0)
        return ERR_OK;
    if (ctl->args.generation > target->generation)
        return diag_error(&ctl->diag, 0, 0,
                          "generation %" PRIu64 " was never committed, the store is at %" PRIu64,
                          ctl->args.generation, target->generation);
    target->generation = ctl->args.generation;
    return ERR_OK;
}

static enum err wait_and_tell(struct ctl *ctl, const struct converge_target *target)
{
    struct waiting waiting;
    struct convergence convergence = { .nodes = NULL };
    uint64_t start_ns = clock_monotonic_ns();
    waiting_open(&waiting, ctl->store, NULL);
    enum err err = waiting_run(&waiting, target, ctl->args.timeout_ms, &ctl->diag, &convergence);
    waiting_close(&waiting);
    if (err != ERR_OK)
        return err;
    err = waiting_tell(ctl, &convergence, target, clock_monotonic_ns() - start_ns);
    json_t *answer = ctl_new_answer(err == ERR_OK);
    json_set_int(answer, "gen", (int64_t)target->generation);
    json_set_str(answer, "epoch", target->epoch);
    json_object_set_new(answer, "nodes", converge_to_json(&convergence));
    ctl_answer(ctl, answer);
    converge_fini(&convergence);
    return err;
}

static enum err run(struct ctl *ctl)
{
    json_t *value = NULL;
    struct converge_target target = { .generation = 0 };
    enum err err = ctl_open_store(ctl);
    if (err == ERR_OK)
        err = read_target(ctl, &value, &target);
    if (err == ERR_OK)
        err = choose_generation(ctl, &target);
    if (err == ERR_OK)
        err = wait_and_tell(ctl, &target);
    json_decref(value);
    return err;
}

const struct command cmd_wait = {
    .name = "wait",
    .words = "",
    .options = ARGS_GENERATION,
    .summary = "wait until all nodes obey a generation",
    .about = "Waits until every living node on the store obeys the present generation, or the one\n"
             "given by --gen. Ends with 7 when one rejected it or the time is over.",
    .examples = "  steer wait --gen 418 --timeout 10s",
    .run = run,
};
