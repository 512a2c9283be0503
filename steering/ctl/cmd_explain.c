/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "config/load/load_detect.h"
#include "config/load/node.h"
#include "config/load/pop_node.h"
#include "config/load/world_load.h"
#include "steering/base/suggest.h"
#include "steering/ctl/command.h"
#include "steering/ctl/http.h"
#include "steering/ctl/text.h"
#include "steering/model/explain.h"
#include "steering/store/last_good.h"
#include "steering/store/presence.h"
#include "steering/store/store.h"

/* ---- telling ----------------------------------------------------------------------------------
 */

static void print_one(const struct ctl *ctl, const json_t *explanation)
{
    struct buf text, clean;
    buf_init(&text, 16 << 20);
    buf_init(&clean, 16 << 20);
    explain_format(explanation, &text);
    text_append_clean_lines(&clean, buf_str(&text));
    ctl_print(ctl, "%s", buf_text(&clean));
    buf_fini(&clean);
    buf_fini(&text);
}

/* Of a prefix longer ones may be treated apart: then this was about its first address only. */
static void note_part(const struct ctl *ctl, const json_t *explanation)
{
    const char *asked = ctl->args.ecs != NULL ? ctl->args.ecs : ctl->args.from;
    struct cidr cidr;
    if (cidr_parse(str_from(asked), &cidr) == CIDR_SYNTAX ||
        json_get_int(explanation, "scope", 0) <= cidr.bits)
        return;
    ctl_note(ctl, "steer: the addresses of %s are not all treated alike; this is about its first\n",
             asked);
}

/* `answer` is what a node said: {"explanations":[...]}, or one explanation bare. Takes it. */
static void tell(struct ctl *ctl, const char *node, json_t *answer)
{
    json_t *all = json_incref(json_object_get(answer, "explanations"));
    if (!json_is_array(all)) {
        json_t *one = all != NULL ? all : json_incref(answer);
        all = json_array();
        json_array_append_new(all, one);
    }
    for (size_t i = 0; i < json_array_size(all); i++) {
        ctl_print(ctl, "%s", i > 0 ? "\n" : "");
        print_one(ctl, json_array_get(all, i));
        note_part(ctl, json_array_get(all, i));
    }
    json_t *result = ctl_new_answer(true);
    json_set_str(result, "by", str_from(node));
    json_object_set_new(result, "explanations", all);
    ctl_answer(ctl, result);
    json_decref(answer);
}

/* ---- by a node --------------------------------------------------------------------------------
 */

static bool can_answer(const struct presence *node)
{
    return node->is_alive && node->admin.len > 0;
}

static enum err refuse_unknown_node(struct ctl *ctl, const struct presences *nodes)
{
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(str_from(ctl->args.node));
    for (size_t i = 0; i < nodes->count; i++)
        if (can_answer(&nodes->items[i]))
            suggest_offer(&suggest, str_from(nodes->items[i].id));
    diag_error(&ctl->diag, 0, 0, "no living node with an admin socket is called '%s'%s",
               ctl->args.node, suggest_format(&suggest, hint, sizeof(hint)));
    return ERR_UNKNOWN;
}

/* Unless a node is asked for by name, one that answers names: a DNS server. */
static const struct presence *find_node(const struct ctl *ctl, const struct presences *nodes)
{
    const struct presence *best = NULL;
    for (size_t i = 0; i < nodes->count; i++) {
        const struct presence *node = &nodes->items[i];
        bool is_wanted = ctl->args.node == NULL || strcmp(ctl->args.node, node->id) == 0;
        if (!is_wanted || !can_answer(node))
            continue;
        if (node->site.len == 0)
            return node;
        if (best == NULL)
            best = node;
    }
    return best;
}

static enum err choose_node(struct ctl *ctl, const struct presences *nodes,
                            const struct presence **out_node)
{
    const struct presence *found = find_node(ctl, nodes);
    if (found != NULL) {
        *out_node = found;
        return ERR_OK;
    }
    if (ctl->args.node != NULL)
        return refuse_unknown_node(ctl, nodes);
    diag_error(&ctl->diag, 0, 0,
               "no living node on the store '%s' to ask; --config FILE computes it here instead",
               ctl->args.store);
    return ERR_UNREACHABLE;
}

static enum err read_answer(struct ctl *ctl, long status, const struct buf *body, json_t **out)
{
    json_t *answer = NULL;
    enum err err = json_parse(buf_str(body), &ctl->diag, &answer);
    if (err != ERR_OK)
        return ERR_UNREACHABLE;
    if (status == 200) {
        *out = answer;
        return ERR_OK;
    }
    diag_error(&ctl->diag, 0, 0, "%.*s", STR_ARG(json_get_str(answer, "error")));
    json_decref(answer);
    return status == 404 ? ERR_UNKNOWN : status < 500 ? ERR_INVALID : ERR_UNREACHABLE;
}

static enum err ask_node(struct ctl *ctl, const struct presence *node)
{
    struct buf path, body;
    long status = 0;
    json_t *answer = NULL;
    uint64_t timeout_ms = ctl->args.timeout_ms > 0 ? ctl->args.timeout_ms : 1;
    buf_init(&path, 1 << 16);
    buf_init(&body, HTTP_ANSWER_MAX_BYTES);
    buf_append_text(&path, "/explain");
    http_add_argument(&path, "name", ctl->args.words[0]);
    http_add_argument(&path, "from", ctl->args.from);
    if (ctl->args.ecs != NULL)
        http_add_argument(&path, "ecs", ctl->args.ecs);
    enum err err =
        http_get(node->admin.ptr, buf_text(&path), timeout_ms, &ctl->diag, &status, &body);
    if (err == ERR_OK)
        err = read_answer(ctl, status, &body, &answer);
    if (err == ERR_OK)
        tell(ctl, node->id, answer);
    buf_fini(&body);
    buf_fini(&path);
    return err;
}

static enum err by_node(struct ctl *ctl)
{
    struct presences nodes = { .items = NULL };
    const struct presence *node = NULL;
    enum err err = ctl_open_store(ctl);
    if (err == ERR_OK)
        err = ctl_list_nodes(ctl, &nodes);
    if (err == ERR_OK)
        err = choose_node(ctl, &nodes, &node);
    if (err == ERR_OK)
        err = ask_node(ctl, node);
    presences_fini(&nodes);
    return err;
}

/* ---- computed here ----------------------------------------------------------------------------
 */

/* What counts of a node file, of steer-dns or of steer-pop: the other is NULL. */
struct place {
    struct node *dns;
    struct pop_node *pop;
    const struct node_common *common; /* borrowed from it */
};

static enum err place_load(const char *path, struct diag *diag, struct place *out_place)
{
    struct place place = { .dns = NULL };
    enum load_kind kind = LOAD_NODE;
    enum err err = load_detect(path, diag, &kind);
    if (err == ERR_OK && kind == LOAD_POP_NODE)
        err = pop_node_load(path, diag, &place.pop);
    else if (err == ERR_OK)
        err = node_load(path, diag, &place.dns);
    if (err != ERR_OK)
        return err;
    place.common = place.dns != NULL ? &place.dns->common : &place.pop->common;
    *out_place = place;
    return ERR_OK;
}

static void place_fini(struct place *place)
{
    node_free(place->dns);
    pop_node_free(place->pop);
}

/* As the node would at its start: the store, else its last good one, else nobody's orders; but what
 * is not the store's is said, for the answer may be another than the fleet gives. */
static struct document *find_document(const struct ctl *ctl, const struct node_common *common)
{
    const char *where =
        (ctl->args.given & ARGS_STORE) != 0 ? ctl->args.store : common->store_directory;
    struct store *store = NULL;
    struct document *document = NULL;
    struct diag diag, ignored;
    diag_init(&diag);
    diag_init(&ignored);
    if (store_open(where, &diag, &store) != ERR_OK || store_get(store, &diag, &document) != ERR_OK)
        document = NULL;
    if (document == NULL &&
        last_good_load(common->state_directory, &ignored, &document) == ERR_OK) {
        ctl_note(ctl, "steer: %s\nsteer: this is by the last good document in '%s'\n",
                 diag_first(&diag), common->state_directory);
    } else if (document == NULL) {
        document = document_new("");
        ctl_note(ctl, "steer: %s\nsteer: this is without orders, as if every site were active\n",
                 diag_first(&diag));
    }
    store_close(store);
    diag_fini(&ignored);
    diag_fini(&diag);
    return document;
}

static enum err parse_query(struct ctl *ctl, struct explain_query *out_query)
{
    struct cidr from;
    *out_query = (struct explain_query){ .name = str_from(ctl->args.words[0]) };
    if (cidr_parse(str_from(ctl->args.from), &from) == CIDR_SYNTAX)
        return diag_error(&ctl->diag, 0, 0, "--from '%s': expected an address or a prefix",
                          ctl->args.from);
    out_query->resolver = from.addr;
    if (ctl->args.ecs == NULL)
        return ERR_OK;
    out_query->has_ecs = true;
    if (cidr_parse(str_from(ctl->args.ecs), &out_query->ecs) == CIDR_SYNTAX)
        return diag_error(&ctl->diag, 0, 0, "--ecs '%s': expected a prefix such as 192.0.2.0/24",
                          ctl->args.ecs);
    return ERR_OK;
}

static enum err compute(struct ctl *ctl, const struct explain_query *query)
{
    struct place place = { .dns = NULL };
    struct world *world = NULL;
    json_t *explanation = NULL;
    enum err err = place_load(ctl->args.config, &ctl->diag, &place);
    if (err == ERR_OK)
        err = world_load(place.common->topology, &place.common->geo, &ctl->diag, NULL, &world);
    if (err == ERR_OK) {
        struct snapshot *snapshot = snapshot_new(world, find_document(ctl, place.common), NULL);
        err = explain(snapshot, query, &ctl->diag, &explanation);
        snapshot_unref(snapshot);
    }
    if (err == ERR_OK)
        tell(ctl, ctl->args.config, explanation);
    world_unref(world);
    place_fini(&place);
    return err;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static enum err run(struct ctl *ctl)
{
    struct explain_query query;
    if (ctl->args.from == NULL)
        return diag_error(&ctl->diag, 0, 0, "'steer explain' needs --from ADDRESS: who asks?");
    enum err err = parse_query(ctl, &query);
    if (err != ERR_OK)
        return err;
    return ctl->args.config != NULL ? compute(ctl, &query) : by_node(ctl);
}

const struct command cmd_explain = {
    .name = "explain",
    .words = "NAME",
    .min_words = 1,
    .max_words = 1,
    .options = ARGS_FROM | ARGS_ECS | ARGS_NODE | ARGS_CONFIG,
    .from_value = "ADDRESS[/LENGTH]",
    .from_about = "who asks",
    .summary = "why a client gets the answer that it gets",
    .about = "Tells, step by step, how a node answers NAME (a steered name, or a map) when a\n"
             "resolver at --from ADDRESS asks, with the client subnet --ecs if it sends one.\n"
             "A living node is asked; with --config FILE it is computed here from that node's "
             "file\nand its store (or --store), without its break-glass orders.",
    .examples = "  steer explain api.example.com --from 192.0.2.53 --ecs 203.0.113.0/24",
    .run = run,
};
