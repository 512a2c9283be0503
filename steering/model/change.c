/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/change.h"

#include <assert.h>
#include <stdlib.h>

#include "steering/base/mem.h"
#include "steering/base/suggest.h"

static const struct verb {
    const char *name;
    enum site_kind kind;
    enum change_verb counterpart; /* the verb that does this to the other kind of site */
} verbs[] = {
    [CHANGE_EVACUATE] = { "evacuate", SITE_REGION, CHANGE_DRAIN },
    [CHANGE_RESTORE] = { "restore", SITE_REGION, CHANGE_UNDRAIN },
    [CHANGE_DRAIN] = { "drain", SITE_POP, CHANGE_EVACUATE },
    [CHANGE_UNDRAIN] = { "undrain", SITE_POP, CHANGE_RESTORE },
};
/* The fields of a site's entry that this program writes; all others are somebody else's. */
static const char *const own_fields[] = { "mode", "stray", "since", "who", "why", "plan" };

const char *change_verb_name(enum change_verb verb)
{
    return verbs[verb].name;
}

static bool world_has(const struct change_world *world, enum site_kind kind, struct str name)
{
    for (size_t i = 0; i < world->count[kind]; i++)
        if (str_eq(world->names[kind][i], name))
            return true;
    return false;
}

static enum err refuse_unknown_site(const struct change *change, const struct change_world *world,
                                    struct diag *diag)
{
    const struct verb *verb = &verbs[change->verb];
    char hint[SUGGEST_TEXT_MAX];
    struct suggest suggest = suggest_init(change->site);
    for (size_t i = 0; i < world->count[verb->kind]; i++)
        suggest_offer(&suggest, world->names[verb->kind][i]);
    diag_error(diag, 0, 0, "no %s is called '%.*s'%s", verb->kind == SITE_REGION ? "region" : "PoP",
               STR_ARG(change->site), suggest_format(&suggest, hint, sizeof(hint)));
    return ERR_UNKNOWN;
}

static enum err check_site(const struct change *change, const struct change_world *world,
                           struct diag *diag)
{
    const struct verb *verb = &verbs[change->verb];
    enum site_kind other = verb->kind == SITE_REGION ? SITE_POP : SITE_REGION;
    if (world_has(world, verb->kind, change->site))
        return ERR_OK;
    if (!world_has(world, other, change->site))
        return refuse_unknown_site(change, world, diag);
    diag_error(diag, 0, 0, "%.*s is a %s; use 'steer %s %.*s'", STR_ARG(change->site),
               other == SITE_REGION ? "region" : "PoP", verbs[verb->counterpart].name,
               STR_ARG(change->site));
    return ERR_UNKNOWN;
}

static bool is_already_so(const struct document *document, const struct change *change)
{
    const struct document_site *site =
        document_find_site(document, verbs[change->verb].kind, change->site);
    enum mode mode = site != NULL ? site->mode : MODE_ACTIVE;
    /* The answer to an earlier attempt was lost, and somebody tries again. */
    if (change->op_id.len > 0 && str_eq(change->op_id, document->op_id))
        return true;
    switch (change->verb) {
    case CHANGE_EVACUATE:
        return mode == MODE_EVACUATED &&
               (change->stray.len == 0 || str_eq(change->stray, site->stray));
    case CHANGE_DRAIN:
        return mode == MODE_DRAINING || mode == MODE_OFFLINE;
    case CHANGE_RESTORE:
    case CHANGE_UNDRAIN:
        return mode == MODE_ACTIVE;
    }
    return false;
}

/* ---- rule min-regions --------------------------------------------------------------------- */

static enum err check_min_regions(const struct document *document, const struct change *change,
                                  const struct change_world *world, struct diag *diag)
{
    bool takes_out = false;
    if (change->verb != CHANGE_EVACUATE || change->overrides_min_regions)
        return ERR_OK;
    for (size_t i = 0; i < world->count[SITE_REGION]; i++) {
        struct str name = world->names[SITE_REGION][i];
        if (!mode_is_usable(document_mode(document, SITE_REGION, name)))
            continue;
        bool is_it = str_eq(name, change->site);
        if (!is_it && (world->is_everywhere == NULL || world->is_everywhere[i]))
            return ERR_OK;
        takes_out |= is_it;
    }
    if (!takes_out) /* it is out of use already, this takes nothing away */
        return ERR_OK;
    diag_error(diag, 0, 0,
               "rule min-regions: '%.*s' is the last usable region, all clients would stay with "
               "it or get none; restore another one first, or insist with "
               "--override min-regions",
               STR_ARG(change->site));
    return ERR_BLOCKED;
}

/* ---- writing the next document ------------------------------------------------------------ */

static json_t *child_object(json_t *parent, const char *key)
{
    json_t *child = json_object_get(parent, key);
    if (child == NULL) {
        child = json_object();
        int failed = json_object_set_new(parent, key, child);
        assert(failed == 0); /* site names are ASCII: the topology saw to that */
    }
    return child;
}

static void take_out(json_t *sites, const char *name, const struct change *change)
{
    bool is_evacuation = change->verb == CHANGE_EVACUATE;
    json_t *entry = child_object(sites, name);
    for (size_t i = 0; i < ARRAY_SIZE(own_fields); i++)
        json_object_del(entry, own_fields[i]);
    json_set_str(entry, "mode",
                 str_from(mode_name(is_evacuation ? MODE_EVACUATED : MODE_DRAINING)));
    if (is_evacuation)
        json_set_str(entry, "stray", change->stray.len > 0 ? change->stray : STR("proxy"));
    json_set_int(entry, "since", change->at_unix_s);
    json_set_str(entry, "who", change->who);
    if (change->why.len > 0)
        json_set_str(entry, "why", change->why);
}

static void put_back(json_t *sites, const char *name)
{
    json_t *entry = json_object_get(sites, name);
    for (size_t i = 0; i < ARRAY_SIZE(own_fields); i++)
        json_object_del(entry, own_fields[i]);
    if (json_object_size(entry) == 0)
        json_object_del(sites, name);
}

static void write_op(json_t *value, const struct change *change)
{
    json_t *op = json_object();
    json_set_str(op, "id", change->op_id);
    json_set_str(op, "who", change->who);
    json_set_str(op, "why", change->why);
    json_set_int(op, "at", change->at_unix_s);
    json_object_set_new(value, "op", op);
}

static json_t *next_value(const struct document *document, const struct change *change)
{
    json_t *value = json_deep_copy(document->value);
    json_t *sites = child_object(value, document_sites_key(verbs[change->verb].kind));
    char *name = mem_strndup(change->site.ptr, change->site.len);
    if (change->verb == CHANGE_EVACUATE || change->verb == CHANGE_DRAIN)
        take_out(sites, name, change);
    else
        put_back(sites, name);
    free(name);
    json_set_int(value, "gen", (int64_t)document->generation + 1);
    write_op(value, change);
    if (change->topology_digest.len > 0)
        json_set_str(value, "topology", change->topology_digest);
    return value;
}

enum err change_apply(const struct document *document, const struct change *change,
                      const struct change_world *world, struct diag *diag,
                      enum change_outcome *out_outcome, struct document **out_document)
{
    enum err err = check_site(change, world, diag);
    if (err != ERR_OK)
        return err;
    if (change->stray.len > 0 && !stray_is_known(change->stray))
        return diag_error(diag, 0, 0, "'%.*s': strays are treated by 'proxy', 'serve' or 'refuse'",
                          STR_ARG(change->stray));
    if (is_already_so(document, change)) {
        *out_outcome = CHANGE_ALREADY;
        return ERR_OK;
    }
    err = check_min_regions(document, change, world, diag);
    if (err != ERR_OK)
        return err;
    err = document_from_value(next_value(document, change), diag, out_document);
    if (err == ERR_OK)
        *out_outcome = CHANGE_MADE;
    return err;
}
