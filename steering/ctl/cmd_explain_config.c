/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/load/node.h"
#include "config/load/pop_node.h"
#include "config/load/topology_load.h"
#include "steering/base/mem.h"
#include "steering/ctl/command.h"

static const struct kind {
    const char *name;
    const char *title;
    void (*explain)(struct buf *out);
} kinds[] = {
    { "topology", "The topology file, the same on every node", topology_explain_config },
    { "node", "The node file of steer-dns", node_explain_config },
    { "pop", "The node file of steer-pop, for PoPs and gateways", pop_node_explain_config },
};

static enum err run(struct ctl *ctl)
{
    const char *wanted = ctl->args.word_count > 0 ? ctl->args.words[0] : NULL;
    json_t *answer = ctl_new_answer(true);
    bool is_known = wanted == NULL;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct buf text;
        if (wanted != NULL && strcmp(wanted, kinds[i].name) != 0)
            continue;
        is_known = true;
        buf_init(&text, 1 << 20);
        kinds[i].explain(&text);
        ctl_print(ctl, "%s%s:\n\n%s", i > 0 && wanted == NULL ? "\n" : "", kinds[i].title,
                  buf_text(&text));
        json_set_str(answer, kinds[i].name, buf_str(&text));
        buf_fini(&text);
    }
    if (is_known) {
        ctl_answer(ctl, answer);
        return ERR_OK;
    }
    json_decref(answer);
    diag_error(&ctl->diag, 0, 0, "'%s': expected topology, node or pop", wanted);
    return ERR_UNKNOWN;
}

const struct command cmd_explain_config = {
    .name = "explain-config",
    .words = "[topology|node|pop]",
    .max_words = 1,
    .summary = "every key of the configuration files",
    .about = "Lists every key of the topology file and of the node files (node: steer-dns; pop:\n"
             "steer-pop) with its kind, its default and what it means.",
    .examples = "  steer explain-config node",
    .run = run,
};
