/* SPDX-License-Identifier: Apache-2.0 */
/* Steered names become nodes of the zones they lie in. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "dns/wire/query.h"
#include "dns/zone/type_name.h"
#include "dns/zone/zone_set_priv.h"
#include "steering/base/mem.h"

struct wanted {
    uint8_t wire[NAME_MAX_BYTES];
    uint8_t len;
};

/* All names are judged before the first is bound, so that a refusal changes nothing. */
struct binding {
    struct zone_set *set;
    const struct zone_steered *names;
    struct wanted *wanted;
    struct name_table seen; /* -> index of a name */
};

static uint64_t hash_of_wanted(const void *context, uint32_t index)
{
    const struct binding *binding = context;
    const struct wanted *wanted = &binding->wanted[index];
    return name_hash(wanted->wire, wanted->len);
}

/* False when the name was there already. */
static bool note_name(struct binding *binding, size_t index)
{
    const struct wanted *wanted = &binding->wanted[index];
    uint64_t hash = name_hash(wanted->wire, wanted->len);
    for (uint32_t at = name_table_start(&binding->seen, hash);
         !name_table_is_empty(&binding->seen, at); at = name_table_next(&binding->seen, at)) {
        const struct wanted *other = &binding->wanted[name_table_index(&binding->seen, at)];
        if (other->len == wanted->len && memcmp(other->wire, wanted->wire, wanted->len) == 0)
            return false;
    }
    name_table_insert(&binding->seen, hash, (uint32_t)index, hash_of_wanted, binding);
    return true;
}

/* What the zone file says about the name already. */
static void judge_static(const struct zone_steered *steered, const struct zone_node *node,
                         struct diag *diag)
{
    static const uint16_t CLASHING[] = { TYPE_A, TYPE_AAAA, TYPE_CNAME, TYPE_HTTPS };
    char type[TYPE_NAME_MAX], zone[NAME_TEXT_MAX];
    name_format(node->zone->origin, zone);
    bool clashes = false;
    for (size_t i = 0; i < ARRAY_SIZE(CLASHING); i++) {
        if (zone_node_rrset(node, CLASHING[i]) == NULL ||
            (CLASHING[i] == TYPE_HTTPS && !steered->has_https))
            continue;
        clashes = true;
        diag_error(diag, 0, 0,
                   "name '%s': zone '%s' has %s records for it; remove them there, or "
                   "the name here",
                   steered->name, zone, type_name_format(CLASHING[i], type));
    }
    if (clashes || !steered->may_answer_cname)
        return;
    if (node->is_apex)
        diag_error(diag, 0, 0,
                   "name '%s' is the apex of its zone and may be answered by CNAME, which cannot "
                   "stand beside SOA and NS; give all candidate sites addresses",
                   steered->name);
    else if (node->rrset_count > 0)
        diag_error(diag, 0, 0,
                   "name '%s' may be answered by CNAME, which must be alone, but zone '%s' has %s "
                   "records for it",
                   steered->name, zone, type_name_format(node->rrsets[0].type, type));
}

static void judge_name(struct binding *binding, size_t index, struct diag *diag)
{
    const struct zone_steered *steered = &binding->names[index];
    struct wanted *wanted = &binding->wanted[index];
    char above[NAME_TEXT_MAX];
    const struct zone_node *node = NULL;
    size_t len = name_parse(str_from(steered->name), wanted->wire);
    if (len == 0) {
        diag_error(diag, 0, 0, "name '%s' is no domain name", steered->name);
        return;
    }
    name_lower(wanted->wire, len, wanted->wire);
    wanted->len = (uint8_t)len;
    if (!note_name(binding, index)) {
        diag_error(diag, 0, 0, "name '%s' is given twice", steered->name);
        return;
    }
    switch (zone_set_find(binding->set, wanted->wire, len, false, &node)) {
    case ZONE_MATCH_NONE:
        diag_error(diag, 0, 0, "name '%s' lies in no zone; add its zone under `zones:`",
                   steered->name);
        break;
    case ZONE_MATCH_CUT:
        diag_error(diag, 0, 0,
                   "name '%s' is at or below the delegation of '%s': other servers "
                   "answer for it",
                   steered->name, name_format(node->name, above));
        break;
    case ZONE_MATCH_DNAME:
        diag_error(diag, 0, 0, "name '%s' is below the DNAME at '%s'", steered->name,
                   name_format(node->name, above));
        break;
    case ZONE_MATCH_EXACT:
        judge_static(steered, node, diag);
        break;
    case ZONE_MATCH_WILDCARD:
    case ZONE_MATCH_NXDOMAIN:
        break;
    }
}

static bool is_wildcard(const uint8_t *name)
{
    return name[0] == 1 && name[1] == '*';
}

/* The node of the name, made with the empty ones above it when missing. */
static struct zone_node *node_of(struct zone_set *set, const struct wanted *wanted)
{
    uint8_t offsets[NAME_MAX_LABELS];
    struct zone_set_hit hit = zone_set_search(set, wanted->wire, wanted->len);
    unsigned count = name_labels(wanted->wire, offsets);
    struct zone_node *node = hit.node;
    if (hit.label_count == count)
        return node;
    uint8_t *copy = arena_bytes(&set->arena, wanted->len);
    memcpy(copy, wanted->wire, wanted->len);
    for (unsigned i = hit.label_count + 1; i <= count; i++) {
        const uint8_t *name = copy + offsets[count - i];
        struct zone_node *made =
            zone_set_add_node(set,
                              &(struct zone_node){
                                  .name = name,
                                  .name_len = (uint8_t)(wanted->len - offsets[count - i]),
                                  .label_count = (uint8_t)i,
                                  .is_wildcard = is_wildcard(name),
                                  .steered = NODE_NOT_STEERED,
                                  .zone = node->zone,
                              },
                              name_hash(name, wanted->len - offsets[count - i]));
        if (made->is_wildcard)
            node->wildcard = made;
        node = made;
    }
    return node;
}

enum err zone_set_bind(struct zone_set *zones, const struct zone_steered *names, size_t count,
                       struct diag *diag)
{
    assert(!zones->is_bound && count <= INT32_MAX);
    struct binding binding = { .set = zones, .names = names };
    uint32_t errors_before = diag->error_count;
    name_table_init(&binding.seen);
    binding.wanted = mem_calloc(count, sizeof(binding.wanted[0]));
    for (size_t i = 0; i < count; i++)
        judge_name(&binding, i, diag);
    bool is_good = diag->error_count == errors_before;
    for (size_t i = 0; is_good && i < count; i++)
        node_of(zones, &binding.wanted[i])->steered = (int32_t)i;
    zones->is_bound = is_good;
    name_table_fini(&binding.seen);
    free(binding.wanted);
    return is_good ? ERR_OK : ERR_INVALID;
}
