/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/answer/view.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/answer/view_priv.h"
#include "steering/base/mem.h"
#include "steering/model/intern.h"

/* How a site is answered. */
enum site_form { FORM_NONE, FORM_ADDRESSES, FORM_CNAME };

/* Everything of a name that shows in its answers; compared as bytes. */
struct service_key {
    uint32_t ttl_s, ttl_moving_s;
    uint32_t https; /* number of its struct view_https + 1; 0: none */
    uint16_t map;
    uint16_t uses_ecs;
};

struct builder {
    struct answer_view *view;
    const struct topology *topology;
    uint8_t *forms; /* enum site_form by site */
    struct intern site_sets, blob_keys, https, services;
    struct buf bytes;
    struct view_blob *blobs; /* by number in blob_keys */
    size_t blob_count, blob_capacity;
};

static enum site_form form_of(const struct site *site)
{
    uint8_t wire[NAME_MAX_BYTES];
    if (site->address_count > 0)
        return FORM_ADDRESSES;
    if (site->cname != NULL && name_parse(str_from(site->cname), wire) > 0)
        return FORM_CNAME;
    return FORM_NONE;
}

/* Of the sites that the map answers together, those of the first one's form: addresses and a
 * CNAME cannot stand side by side, nor two CNAMEs. */
static uint32_t put_site_set(struct builder *builder, const struct decision *decision,
                             size_t answers)
{
    struct view_site_set set;
    memset(&set, 0xFF, sizeof(set)); /* SITE_NONE */
    set.count = set.is_cname = 0;
    size_t first = 0;
    while (first < decision->count && builder->forms[decision->sites[first].n] == FORM_NONE)
        first++;
    if (first < decision->count && builder->forms[decision->sites[first].n] == FORM_CNAME) {
        set.is_cname = 1;
        answers = 1;
    }
    enum site_form form = set.is_cname ? FORM_CNAME : FORM_ADDRESSES;
    for (size_t i = first; i < decision->count && i < first + answers; i++) {
        if (builder->forms[decision->sites[i].n] == form && set.count < ANSWER_SITES_MAX)
            set.sites[set.count++] = decision->sites[i];
    }
    return intern_put(&builder->site_sets, &set);
}

static void note_site(const struct builder *builder, struct view_map *map, struct site_id id)
{
    const struct site *site = &builder->topology->sites[id.n];
    if (builder->forms[id.n] == FORM_CNAME)
        map->may_answer_cname = true;
    for (size_t i = 0; i < site->address_count; i++)
        map->has_family[site->addresses[i].family] = true;
}

static void note_sites(const struct builder *builder, struct view_map *out, const struct map *map)
{
    for (size_t i = 0; i < map->rule_count; i++)
        for (size_t j = 0; j < map->rules[i].site_count; j++)
            note_site(builder, out, map->rules[i].sites[j]);
    for (size_t i = 0; i < map->pool_count; i++)
        note_site(builder, out, map->pool[i]);
    for (size_t i = 0; i < map->all_down_site_count; i++)
        note_site(builder, out, map->all_down_sites[i]);
}

static void build_map(struct builder *builder, struct map_id id)
{
    struct answer_view *view = builder->view;
    const struct map *map = &builder->topology->maps[id.n];
    struct view_map *out = &view->maps[id.n];
    struct intern choices;
    intern_init(&choices, sizeof(struct view_choice));
    note_sites(builder, out, map);
    size_t cell_count = geo_cell_count(view->geo, id);
    out->cell_choices = mem_calloc(cell_count, sizeof(*out->cell_choices));
    for (size_t i = 0; i < cell_count; i++) {
        struct decision decision = decide(view->snapshot, id, (struct cell_id){ (uint16_t)i }, 0);
        struct view_choice choice = {
            .site_set = put_site_set(builder, &decision, map->answers),
            .is_moving = decision.is_moving,
        };
        out->cell_choices[i] = intern_put(&choices, &choice);
        if (decision.level == DECISION_NOTHING_LEFT)
            view->alarm_count++;
    }
    out->choice_count = choices.count;
    out->choices = intern_take(&choices);
}

/* Gives every name its service number. Neighbours in the file mostly agree, and texts are
 * compared by their bytes only when they differ from the one before. */
static void build_names(struct builder *builder)
{
    const struct topology *topology = builder->topology;
    struct answer_view *view = builder->view;
    const struct steered_name *last = NULL;
    uint32_t last_https = 0;
    view->name_services = mem_calloc(topology->name_count + 1, sizeof(*view->name_services));
    for (size_t i = 0; i < topology->name_count; i++) {
        const struct steered_name *name = &topology->names[i];
        struct service_key key = {
            .ttl_s = name->ttl_s,
            .ttl_moving_s = name->ttl_moving_s,
            .map = name->map.n,
            .uses_ecs = name->uses_ecs && view->settings.uses_ecs,
        };
        if (name->https_alpn != NULL) {
            bool is_same = last != NULL && last->https_port == name->https_port &&
                           strcmp(last->https_alpn, name->https_alpn) == 0;
            struct view_https https;
            if (!is_same) {
                view_https_init(&https, name->https_alpn, name->https_port);
                last_https = intern_put(&builder->https, &https) + 1;
            }
            last = name;
            key.https = last_https;
        }
        view->name_services[i] = intern_put(&builder->services, &key);
    }
}

static struct view_blob put_blob(struct builder *builder, uint16_t type, uint32_t ttl_s,
                                 uint32_t site_set, uint32_t https)
{
    const struct view_blob_key key = { type, ttl_s, site_set, https };
    uint32_t number = intern_put(&builder->blob_keys, &key);
    if (number < builder->blob_count)
        return builder->blobs[number];
    builder->blobs = mem_grow(builder->blobs, builder->blob_count, &builder->blob_capacity,
                              sizeof(*builder->blobs));
    struct view_blob *blob = &builder->blobs[builder->blob_count++];
    *blob =
        view_encode(&builder->bytes, builder->topology, intern_at(&builder->site_sets, site_set),
                    &key, type == TYPE_HTTPS ? intern_at(&builder->https, https) : NULL);
    return *blob;
}

static void build_tailored(struct builder *builder, const struct service_key *key,
                           const struct view_choice *choice, struct view_tailored *out)
{
    const struct view_site_set *set = intern_at(&builder->site_sets, choice->site_set);
    uint32_t ttl_s = choice->is_moving ? key->ttl_moving_s : key->ttl_s;
    out->site_set = choice->site_set;
    if (set->is_cname) {
        struct view_blob cname = put_blob(builder, TYPE_CNAME, ttl_s, choice->site_set, 0);
        for (size_t slot = 0; slot < SLOT_COUNT; slot++)
            out->blobs[slot] = cname;
        return;
    }
    out->blobs[SLOT_A] = put_blob(builder, TYPE_A, ttl_s, choice->site_set, 0);
    out->blobs[SLOT_AAAA] = put_blob(builder, TYPE_AAAA, ttl_s, choice->site_set, 0);
    if (key->https != 0)
        out->blobs[SLOT_HTTPS] =
            put_blob(builder, TYPE_HTTPS, ttl_s, choice->site_set, key->https - 1);
}

static void build_service(struct builder *builder, const struct service_key *key,
                          struct view_service *out, struct view_tailored *tailored)
{
    struct answer_view *view = builder->view;
    const struct view_map *map = &view->maps[key->map];
    bool varies = !geo_is_uniform(view->geo, (struct map_id){ key->map });
    bool has_cname = map->may_answer_cname;
    *out = (struct view_service){
        .map = { key->map },
        .uses_ecs = key->uses_ecs != 0,
        .has_https = key->https != 0,
        .is_tailored = {
            [SLOT_A] = varies && (map->has_family[ADDR_V4] || has_cname),
            [SLOT_AAAA] = varies && (map->has_family[ADDR_V6] || has_cname),
            [SLOT_HTTPS] = varies,
            [SLOT_CNAME] = varies && has_cname,
            [SLOT_OTHER] = varies && has_cname,
        },
        .cell_choices = map->cell_choices,
        .tailored = tailored,
    };
    for (size_t i = 0; i < map->choice_count; i++)
        build_tailored(builder, key, &map->choices[i], &tailored[i]);
}

static void build_services(struct builder *builder)
{
    struct answer_view *view = builder->view;
    const struct service_key *keys = (const void *)builder->services.items;
    size_t count = builder->services.count, total = 0;
    for (size_t i = 0; i < count; i++)
        total += view->maps[keys[i].map].choice_count;
    view->services = mem_calloc(count + 1, sizeof(*view->services));
    view->tailored = mem_calloc(total + 1, sizeof(*view->tailored));
    struct view_tailored *next = view->tailored;
    for (size_t i = 0; i < count; i++) {
        build_service(builder, &keys[i], &view->services[i], next);
        next += view->maps[keys[i].map].choice_count;
    }
}

static void build(struct answer_view *view)
{
    const struct topology *topology = view->snapshot->world->topology;
    struct builder builder = { .view = view, .topology = topology };
    intern_init(&builder.site_sets, sizeof(struct view_site_set));
    intern_init(&builder.blob_keys, sizeof(struct view_blob_key));
    intern_init(&builder.https, sizeof(struct view_https));
    intern_init(&builder.services, sizeof(struct service_key));
    buf_init(&builder.bytes, UINT32_MAX);
    builder.forms = mem_calloc(topology->site_count + 1, 1);
    for (size_t i = 0; i < topology->site_count; i++)
        builder.forms[i] = (uint8_t)form_of(&topology->sites[i]);
    view->maps = mem_calloc(topology->map_count + 1, sizeof(*view->maps));
    for (size_t i = 0; i < topology->map_count; i++)
        build_map(&builder, (struct map_id){ (uint16_t)i });
    build_names(&builder);
    build_services(&builder);
    assert(!builder.bytes.is_overflown);
    view->bytes = builder.bytes.bytes; /* moved to the view */
    view->site_set_count = builder.site_sets.count;
    view->site_sets = intern_take(&builder.site_sets);
    intern_fini(&builder.blob_keys);
    intern_fini(&builder.https);
    intern_fini(&builder.services);
    free(builder.blobs);
    free(builder.forms);
}

static void describe(struct answer_view *view)
{
    const struct document *document = view->snapshot->document;
    char digest_text[DIGEST_TEXT_MAX];
    struct digest digest = document_digest(document);
    digest_format(&digest, digest_text);
    snprintf(view->steer_head, sizeof(view->steer_head), "gen=%llu digest=%.16s ",
             (unsigned long long)document->generation, strchr(digest_text, ':') + 1);
    snprintf(view->steer_tail, sizeof(view->steer_tail), " epoch=%.*s%s%s",
             STR_ARG(document->epoch), view->identity_len > 0 ? " node=" : "",
             view->settings.identity);
    view->op_at_unix_s = document->op_at_unix_s;
}

struct answer_view *answer_view_new(struct snapshot *snapshot, struct zone_set *zones,
                                    const struct answer_settings *settings)
{
    struct answer_view *view = mem_calloc(1, sizeof(*view));
    atomic_init(&view->refs, 1);
    view->snapshot = snapshot_ref(snapshot);
    view->zones = zone_set_ref(zones);
    view->geo = snapshot->world->geo;
    view->settings = *settings;
    if (settings->ecs_trusted_count > 0)
        view->settings.ecs_trusted = mem_dup(
            settings->ecs_trusted, settings->ecs_trusted_count * sizeof(*settings->ecs_trusted));
    view->identity_len =
        (uint16_t)strnlen(view->settings.identity, sizeof(view->settings.identity) - 1);
    build(view);
    describe(view);
    return view;
}

/* A new reference is always made from one that is held: nothing to order. */
struct answer_view *answer_view_ref(struct answer_view *view)
{
    atomic_fetch_add_explicit(&view->refs, 1, memory_order_relaxed);
    return view;
}

void answer_view_unref(struct answer_view *view)
{
    /* Acquire and release: whoever frees has seen the last use of everyone else. */
    if (view == NULL || atomic_fetch_sub_explicit(&view->refs, 1, memory_order_acq_rel) > 1)
        return;
    size_t map_count = view->snapshot->world->topology->map_count;
    for (size_t i = 0; i < map_count; i++) {
        free(view->maps[i].cell_choices);
        free(view->maps[i].choices);
    }
    free(view->maps);
    free(view->services);
    free(view->tailored);
    free(view->name_services);
    free(view->site_sets);
    free(view->bytes);
    if (view->settings.ecs_trusted_count > 0)
        free(view->settings.ecs_trusted);
    zone_set_unref(view->zones);
    snapshot_unref(view->snapshot);
    free(view);
}

const struct snapshot *answer_view_snapshot(const struct answer_view *view)
{
    return view->snapshot;
}

struct zone_set *answer_view_zones(const struct answer_view *view)
{
    return view->zones;
}

size_t answer_view_site_set_count(const struct answer_view *view)
{
    return view->site_set_count;
}

const struct site_id *answer_view_site_set(const struct answer_view *view, uint32_t site_set,
                                           size_t *out_count)
{
    assert(site_set < view->site_set_count);
    *out_count = view->site_sets[site_set].count;
    return view->site_sets[site_set].sites;
}

size_t answer_view_alarm_count(const struct answer_view *view)
{
    return view->alarm_count;
}
