/* SPDX-License-Identifier: Apache-2.0 */
/* For the shell's completion: reads the store's folder and nothing else, and never complains. */
#include <string.h>

#include "config/load/schema.h"
#include "steering/base/mem.h"
#include "steering/ctl/command.h"
#include "steering/ctl/sites.h"
#include "steering/store/store.h"

/* What the store knows. */
struct known {
    struct presences nodes;
    struct sites sites;
};

/* A shell gets to see these words: what no topology would take for a name may be a command. */
static void print_sites(const struct ctl *ctl, const struct known *known, enum site_kind kind)
{
    for (size_t i = 0; i < known->sites.count[kind]; i++)
        if (schema_is_name(str_from(known->sites.names[kind][i])))
            ctl_print(ctl, "%s\n", known->sites.names[kind][i]);
}

static void print_verbs(const struct ctl *ctl)
{
    for (size_t i = 0; command_table[i] != NULL; i++)
        if (!command_table[i]->is_hidden)
            ctl_print(ctl, "%s\n", command_table[i]->name);
}

static void print_options(const struct ctl *ctl)
{
    unsigned mask = args_global_options();
    struct buf names;
    for (size_t i = 0; ctl->args.word_count > 1 && command_table[i] != NULL; i++)
        if (strcmp(command_table[i]->name, ctl->args.words[1]) == 0)
            mask |= command_table[i]->options;
    buf_init(&names, 1 << 16);
    args_format_names(mask, &names);
    ctl_print(ctl, "%s", buf_text(&names));
    buf_fini(&names);
}

static void print_nodes(const struct ctl *ctl, const struct known *known)
{
    for (size_t i = 0; i < known->nodes.count; i++)
        if (known->nodes.items[i].is_alive)
            ctl_print(ctl, "%s\n", known->nodes.items[i].id);
}

static void print_from_store(struct ctl *ctl, const char *what)
{
    struct known known = { .nodes = { .items = NULL } };
    struct document *document = NULL;
    if (ctl_open_store(ctl) != ERR_OK)
        return;
    if (store_get(ctl->store, &ctl->diag, &document) != ERR_OK)
        document = NULL;
    if (presence_list(ctl->store, &ctl->diag, &known.nodes) == ERR_OK)
        sites_collect(&known.nodes, document, &known.sites);
    if (strcmp(what, "nodes") == 0)
        print_nodes(ctl, &known);
    if (strcmp(what, "regions") == 0 || strcmp(what, "sites") == 0)
        print_sites(ctl, &known, SITE_REGION);
    if (strcmp(what, "pops") == 0 || strcmp(what, "sites") == 0)
        print_sites(ctl, &known, SITE_POP);
    sites_fini(&known.sites);
    presences_fini(&known.nodes);
    document_free(document);
}

static enum err run(struct ctl *ctl)
{
    const char *what = ctl->args.words[0];
    if (strcmp(what, "verbs") == 0)
        print_verbs(ctl);
    else if (strcmp(what, "options") == 0)
        print_options(ctl);
    else
        print_from_store(ctl, what);
    diag_fini(&ctl->diag);
    return ERR_OK;
}

const struct command cmd_complete = {
    .name = "__complete",
    .words = "verbs|options|sites|regions|pops|nodes",
    .min_words = 1,
    .max_words = 2,
    .summary = "words for the shell's completion",
    .about = "Prints words for the shell's completion, one a line.",
    .examples = "  steer __complete regions",
    .run = run,
    .is_hidden = true,
};
