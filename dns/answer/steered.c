/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/answer/answer_priv.h"

static enum answer_slot slot_of(uint16_t qtype, const struct view_service *service)
{
    switch (qtype) {
    case TYPE_A:
        return SLOT_A;
    case TYPE_AAAA:
        return SLOT_AAAA;
    case TYPE_CNAME:
        return SLOT_CNAME;
    case TYPE_HTTPS:
        return service->has_https ? SLOT_HTTPS : SLOT_OTHER;
    default:
        return SLOT_OTHER;
    }
}

static bool trusts_ecs_of(const struct answer_view *view, const struct addr *resolver)
{
    if (view->settings.ecs_trusted_count == 0)
        return true;
    for (size_t i = 0; i < view->settings.ecs_trusted_count; i++) {
        if (cidr_has(&view->settings.ecs_trusted[i], resolver))
            return true;
    }
    return false;
}

/* The class of the client; `*out_scope` as if the data were tailored. Source 0 asks not to use
 * the client's address (RFC 7871 section 7.1.2): then the resolver's decides, for everybody
 * behind it, which is scope 0. Flat: every query comes by, and geo_lookup is short. */
static __attribute__((flatten)) uint32_t locate(const struct answer_job *job, bool uses_ecs,
                                                uint8_t *out_scope)
{
    const struct answer_view *view = job->view;
    const struct ecs *ecs = &job->query->edns.ecs;
    const struct addr *resolver = &job->request->client;
    *out_scope = 0;
    if (uses_ecs && ecs->prefix.bits > 0 && trusts_ecs_of(view, resolver)) {
        struct geo_match match = geo_lookup(view->geo, &ecs->prefix.addr);
        *out_scope = match.scope_bits;
        if (!match.is_special)
            return match.class_id;
        /* 10/8, 127/8 and their like say nothing about the place, so the resolver's address
         * decides. The scope stays that of the special block: 0 would make a cache give this
         * answer to all the world. */
    }
    return geo_lookup(view->geo, resolver).class_id;
}

static void no_data(struct answer_job *job, const struct zone_node *node, uint16_t owner_at)
{
    if (job->query->qtype == TYPE_ANY)
        lookup_minimal_any(job, owner_at);
    else
        lookup_soa(job, node->zone);
}

/* Data of the zone file that stands beside steering at the same name: SOA, NS, MX, TXT ... */
static bool put_static(struct answer_job *job, const struct zone_node *node, uint16_t owner_at)
{
    const struct rrset *rrset = zone_node_rrset(node, job->query->qtype);
    if (rrset == NULL)
        return false;
    const struct reply_owner owner = { node->name, node->name_len, owner_at };
    reply_rrset(&job->reply, REPLY_ANSWER, &owner, rrset, rrset->ttl_s);
    return true;
}

void steered_answer(struct answer_job *job, const struct zone_node *node, uint16_t owner_at)
{
    const struct answer_view *view = job->view;
    const struct view_service *service = &view->services[view->name_services[node->steered]];
    enum answer_slot slot = slot_of(job->query->qtype, service);
    if (slot == SLOT_OTHER && put_static(job, node, owner_at))
        return;
    uint8_t scope;
    uint32_t class_id = locate(job, service->uses_ecs, &scope);
    struct cell_id cell = geo_cell(view->geo, class_id, service->map);
    const struct view_tailored *tailored = &service->tailored[service->cell_choices[cell.n]];
    const struct view_blob *blob = &tailored->blobs[slot];
    job->ecs_scope = service->is_tailored[slot] ? scope : 0;
    if (blob->len == 0) {
        no_data(job, node, owner_at);
        return;
    }
    reply_encoded(&job->reply, view->bytes + blob->at, blob->len, blob->count, owner_at);
    job->note->is_steered = true;
    job->note->map = service->map;
    job->note->site_set = tailored->site_set;
}
