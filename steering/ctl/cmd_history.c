/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "steering/base/clock.h"
#include "steering/base/mem.h"
#include "steering/ctl/command.h"
#include "steering/ctl/table.h"
#include "steering/store/store.h"

static void add_record(const json_t *record, struct table *table)
{
    char when[CLOCK_TEXT_MAX];
    table_add_number(table, (uint64_t)json_get_int(record, "gen", 0));
    table_add_text(table, clock_format_s(json_get_int(record, "at", 0), when));
    table_add(table, json_get_str(record, "who"));
    table_add(table, json_get_str(record, "host"));
    table_add(table, json_get_str(record, "verb"));
    table_add(table, json_get_str(record, "site"));
    table_add(table, json_get_str(record, "why"));
}

static void print_records(const struct ctl *ctl, const json_t *records)
{
    static const char *const headings[] = { "GEN", "WHEN", "WHO", "HOST", "VERB", "SITE", "WHY" };
    struct table table;
    struct buf text;
    table_init(&table, headings, ARRAY_SIZE(headings));
    for (size_t i = 0; i < json_array_size(records); i++)
        add_record(json_array_get(records, i), &table);
    buf_init(&text, SIZE_MAX / 2);
    table_format(&table, ctl->has_colour, &text);
    ctl_print(ctl, "%s", buf_text(&text));
    buf_fini(&text);
    table_fini(&table);
}

static void answer(struct ctl *ctl, const struct store_history *history)
{
    json_t *answer = ctl_new_answer(history->problem == NULL), *chain = json_object();
    json_object_set_new(chain, "intact", json_boolean(history->problem == NULL));
    if (history->problem != NULL) {
        json_set_int(chain, "line", (int64_t)history->problem_line);
        json_set_str(chain, "problem", str_from(history->problem));
    }
    json_object_set_new(answer, "chain", chain);
    json_set_int(answer, "total", (int64_t)history->total_count);
    json_object_set(answer, "records", history->records);
    ctl_answer(ctl, answer);
}

static enum err show(struct ctl *ctl, const struct store_history *history)
{
    print_records(ctl, history->records);
    answer(ctl, history);
    if (history->problem == NULL) {
        ctl_note(ctl, "chain intact over %" PRIu64 " record%s\n", history->total_count,
                 history->total_count == 1 ? "" : "s");
        return ERR_OK;
    }
    diag_error(&ctl->diag, 0, 0, "the audit chain is broken at line %" PRIu64 " of the log: %s",
               history->problem_line, history->problem);
    return ERR_CORRUPT;
}

static enum err run(struct ctl *ctl)
{
    struct store_history history;
    size_t max_count = ctl->args.count == 0 ? SIZE_MAX : (size_t)ctl->args.count;
    enum err err = ctl_open_store(ctl);
    if (err != ERR_OK)
        return err;
    err = store_history(ctl->store, max_count, &ctl->diag, &history);
    if (err != ERR_OK)
        return ctl_reader_err(err);
    err = show(ctl, &history);
    store_history_fini(&history);
    return err;
}

const struct command cmd_history = {
    .name = "history",
    .words = "",
    .options = ARGS_COUNT,
    .summary = "who changed what, when and why",
    .about = "Shows the audit log, newest first, and verifies its chain of digests from the first\n"
             "record to the present document: ends with 1 when a record was changed or is "
             "missing.\n-n 0 shows all of it.",
    .examples = "  steer history -n 5",
    .run = run,
};
