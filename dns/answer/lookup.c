/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/answer/answer_priv.h"

#include "steering/base/mem.h"

enum { CHAIN_MAX = 16, ANY_TTL_S = 3600 };

/* The name that is being looked up: the question's, then the target of each CNAME. */
struct chain {
    struct reply_owner owner; /* `name` is lower case, `at` never 0 */
    unsigned count;           /* CNAMEs so far */
    uint16_t owners_at[CHAIN_MAX];
    unsigned dname_count;
    const struct zone_node *dnames[CHAIN_MAX]; /* whose records are in the answer */
    uint8_t target[NAME_MAX_BYTES];            /* what `owner.name` points at once count > 0 */
};

/* The owner of records at a name at or above the one that is being looked up. */
static struct reply_owner enclosing(struct answer_job *job, const uint8_t *name, uint8_t name_len)
{
    uint16_t at = (uint16_t)(REPLY_QNAME_AT + job->query->qname_len - name_len);
    if (job->is_chased)
        at = reply_find(&job->reply, name, name_len);
    return (struct reply_owner){ name, name_len, at };
}

void lookup_soa(struct answer_job *job, const struct zone *zone)
{
    const struct rrset *soa = zone_node_rrset(zone->apex, TYPE_SOA);
    const struct reply_owner owner = enclosing(job, zone->origin, zone->origin_len);
    if (soa != NULL)
        reply_rrset(&job->reply, REPLY_AUTHORITY, &owner, soa, zone->negative_ttl_s);
}

void lookup_minimal_any(struct answer_job *job, uint16_t owner_at)
{
    static const uint8_t hinfo[] = {
        0xC0,
        REPLY_QNAME_AT,
        0,
        TYPE_HINFO,
        0,
        CLASS_IN,
        0,
        0,
        ANY_TTL_S >> 8,
        ANY_TTL_S & 0xFF,
        0,
        9,
        7,
        'R',
        'F',
        'C',
        '8',
        '4',
        '8',
        '2',
        0,
    };
    reply_encoded(&job->reply, hinfo, sizeof(hinfo), 1, owner_at);
}

static const struct zone_node *find_server(const struct answer_job *job, const struct rdata *server)
{
    uint8_t name[NAME_MAX_BYTES];
    size_t name_len = server->len;
    name_lower(server->bytes, name_len, name);
    return zone_set_find_glue(job->view->zones, name, name_len);
}

static void put_addresses(struct reply *reply, const struct zone_node *server)
{
    static const uint16_t types[] = { TYPE_A, TYPE_AAAA };
    const struct reply_owner owner = { server->name, server->name_len,
                                       reply_find(reply, server->name, server->name_len) };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        const struct rrset *rrset = zone_node_rrset(server, types[i]);
        if (rrset != NULL)
            reply_rrset(reply, REPLY_ADDITIONAL, &owner, rrset, rrset->ttl_s);
    }
}

/* Glue that the child's servers cannot be reached without must come along, or the answer is
 * truncated (RFC 9471). Returns the number of other servers whose addresses we know. */
static size_t put_needed_glue(struct answer_job *job, const struct zone_node *cut,
                              const struct rrset *servers)
{
    size_t other_count = 0;
    for (size_t i = 0; i < servers->count; i++) {
        const struct zone_node *server = find_server(job, &servers->rdata[i]);
        if (server != NULL && server->cut == cut)
            put_addresses(&job->reply, server);
        else if (server != NULL)
            other_count++;
    }
    return other_count;
}

/* Those addresses only save a query: they go in while there is room. */
static void put_other_glue(struct answer_job *job, const struct zone_node *cut,
                           const struct rrset *servers)
{
    struct reply *reply = &job->reply;
    for (size_t i = 0; i < servers->count && !reply->is_full; i++) {
        const struct zone_node *server = find_server(job, &servers->rdata[i]);
        if (server == NULL || server->cut == cut)
            continue;
        uint8_t *start = reply->at;
        uint16_t count = reply->counts[REPLY_ADDITIONAL];
        put_addresses(reply, server);
        if (reply->is_full) {
            reply->is_full = false;
            reply->at = start;
            reply->counts[REPLY_ADDITIONAL] = count;
            return; /* and no name is written after this */
        }
    }
}

static void refer(struct answer_job *job, const struct zone_node *cut)
{
    const struct rrset *servers = zone_node_rrset(cut, TYPE_NS);
    if (servers == NULL)
        return;
    const struct reply_owner owner = enclosing(job, cut->name, cut->name_len);
    reply_rrset(&job->reply, REPLY_AUTHORITY, &owner, servers, servers->ttl_s);
    if (put_needed_glue(job, cut, servers) > 0)
        put_other_glue(job, cut, servers);
}

/* Makes `target` the name to look up. False: the chain ends here, since it has come around, is too
 * long or cannot go on in this message; what was answered so far stands. */
static bool follow(struct answer_job *job, struct chain *chain, const uint8_t *target,
                   size_t target_len, uint16_t target_at)
{
    chain->owners_at[chain->count++] = chain->owner.at;
    if (job->reply.is_full || target_at == 0 || chain->count == CHAIN_MAX)
        return false;
    for (size_t i = 0; i < chain->count; i++) {
        if (reply_name_is(&job->reply, chain->owners_at[i], target))
            return false;
    }
    job->is_chased = true;
    name_lower(target, target_len, chain->target);
    chain->owner = (struct reply_owner){ chain->target, (uint8_t)target_len, target_at };
    return true;
}

static bool at_cname(struct answer_job *job, struct chain *chain, const struct rrset *cname)
{
    const struct rdata *target = &cname->rdata[0];
    uint16_t target_at =
        reply_cname(&job->reply, &chain->owner, cname->ttl_s, target->bytes, target->len);
    return job->query->qtype != TYPE_ANY &&
           follow(job, chain, target->bytes, target->len, target_at);
}

/* A chain may come by one DNAME more than once, but no answer has a record twice. */
static void put_dname(struct answer_job *job, struct chain *chain, const struct zone_node *node,
                      const struct rrset *dname)
{
    for (unsigned i = 0; i < chain->dname_count; i++)
        if (chain->dnames[i] == node)
            return;
    chain->dnames[chain->dname_count++] = node;
    const struct reply_owner owner = enclosing(job, node->name, node->name_len);
    reply_rrset(&job->reply, REPLY_ANSWER, &owner, dname, dname->ttl_s);
}

/* RFC 6672 section 3.2: the DNAME, and the CNAME that it means for this name. */
static bool at_dname(struct answer_job *job, struct chain *chain, const struct zone_node *node)
{
    const struct rrset *dname = zone_node_rrset(node, TYPE_DNAME);
    if (dname == NULL)
        return false;
    put_dname(job, chain, node, dname);
    const struct rdata *suffix = &dname->rdata[0];
    size_t prefix_len = (size_t)(chain->owner.name_len - node->name_len);
    size_t target_len = prefix_len + suffix->len;
    if (target_len > NAME_MAX_BYTES) {
        job->rcode = RCODE_YXDOMAIN;
        return false;
    }
    uint8_t target[NAME_MAX_BYTES];
    memcpy(target, chain->owner.name, prefix_len);
    memcpy(target + prefix_len, suffix->bytes, suffix->len);
    uint16_t target_at = reply_cname(&job->reply, &chain->owner, dname->ttl_s, target, target_len);
    return job->query->qtype != TYPE_ANY && job->query->qtype != TYPE_CNAME &&
           follow(job, chain, target, target_len, target_at);
}

/* RFC 4035 section 2.5: what is asked for would stand at the alias itself. That our zones are not
 * signed is no reason to answer with the target's. */
static bool stands_beside_cname(uint16_t qtype)
{
    return qtype == TYPE_NSEC || qtype == TYPE_RRSIG;
}

/* `node` is the name, or the wildcard that covers it. */
static bool at_node(struct answer_job *job, struct chain *chain, const struct zone_node *node)
{
    uint16_t qtype = job->query->qtype;
    if (node->steered != NODE_NOT_STEERED) {
        steered_answer(job, node, chain->owner.at);
        return false;
    }
    const struct rrset *rrset = zone_node_rrset(node, qtype);
    if (rrset != NULL && qtype == TYPE_DNAME && !node->is_wildcard) {
        put_dname(job, chain, node, rrset);
        return false;
    }
    if (rrset != NULL) {
        reply_rrset(&job->reply, REPLY_ANSWER, &chain->owner, rrset, rrset->ttl_s);
        return false;
    }
    const struct rrset *cname = zone_node_rrset(node, TYPE_CNAME);
    if (cname != NULL && !stands_beside_cname(qtype))
        return at_cname(job, chain, cname);
    if (qtype == TYPE_ANY && node->rrset_count > 0)
        lookup_minimal_any(job, chain->owner.at);
    else
        lookup_soa(job, node->zone);
    return false;
}

static void refuse_foreign(struct answer_job *job)
{
    job->rcode = RCODE_REFUSED;
    job->ede = EDE_NOT_AUTHORITATIVE;
}

/* What was found for one name; true when the chain goes on. */
static bool step(struct answer_job *job, struct chain *chain, enum zone_match match,
                 const struct zone_node *node)
{
    bool is_first = chain->count == 0;
    if (match == ZONE_MATCH_NONE) {
        /* A chain that leaves our zones just ends: where it leads is not ours to say. */
        if (is_first)
            refuse_foreign(job);
        return false;
    }
    if (match == ZONE_MATCH_CUT) {
        refer(job, node);
        return false;
    }
    job->is_authoritative = true;
    if (match == ZONE_MATCH_DNAME)
        return at_dname(job, chain, node);
    if (match != ZONE_MATCH_EXACT && is_first && builtin_steer(job, node->zone))
        return false;
    if (match != ZONE_MATCH_NXDOMAIN)
        return at_node(job, chain, node);
    job->rcode = RCODE_NXDOMAIN; /* RFC 6604: of the last name, also behind CNAMEs */
    lookup_soa(job, node->zone);
    return false;
}

/* Not inlined: its stack frame is not for the short way below. */
static __attribute__((noinline)) void walk(struct answer_job *job, enum zone_match match,
                                           const struct zone_node *node)
{
    const struct query *query = job->query;
    struct chain chain;
    chain.owner = (struct reply_owner){ query->qname, query->qname_len, REPLY_QNAME_AT };
    chain.count = chain.dname_count = 0;
    while (step(job, &chain, match, node)) {
        node = NULL;
        match = zone_set_find(job->view->zones, chain.owner.name, chain.owner.name_len,
                              query->qtype == TYPE_DS, &node);
    }
}

void lookup_answer(struct answer_job *job)
{
    const struct query *query = job->query;
    const struct zone_node *node = NULL;
    enum zone_match match = zone_set_find(job->view->zones, query->qname, query->qname_len,
                                          query->qtype == TYPE_DS, &node);
    if (match == ZONE_MATCH_EXACT && node->steered != NODE_NOT_STEERED) {
        job->is_authoritative = true;
        steered_answer(job, node, REPLY_QNAME_AT);
        return;
    }
    walk(job, match, node);
}
