/* SPDX-License-Identifier: Apache-2.0 */
#include "steering/model/area.h"

#include <assert.h>
#include <string.h>

static bool subject_in_network(const struct area_subject *subject, uint32_t network)
{
    for (size_t i = 0; i < subject->network_count; i++)
        if (subject->networks[i] == network)
            return true;
    return false;
}

static bool network_has_asn(const struct network *network, uint32_t asn)
{
    for (size_t i = 0; asn != 0 && i < network->asn_count; i++)
        if (network->asns[i] == asn)
            return true;
    return false;
}

static bool term_matches(const struct area_term *term, const struct area *areas,
                         const struct network *networks, const struct area_subject *subject)
{
    const struct location *location = subject->location;
    switch (term->kind) {
    case AREA_ANY:
        return true;
    case AREA_CONTINENT:
        return strcmp(term->code, location->continent) == 0;
    case AREA_COUNTRY:
        return strcmp(term->code, location->country) == 0;
    case AREA_SUBDIVISION:
        return strcmp(term->code, location->country) == 0 &&
               strcmp(term->subdivision, location->subdivision) == 0;
    case AREA_NETWORK:
        return subject_in_network(subject, term->index) ||
               network_has_asn(&networks[term->index], subject->asn);
    case AREA_ASN:
        return subject->asn != 0 && subject->asn == term->index;
    case AREA_AREA:
        return area_matches(&areas[term->index], areas, networks, subject);
    }
    return false;
}

bool area_matches(const struct area *area, const struct area *areas, const struct network *networks,
                  const struct area_subject *subject)
{
    bool is_in = false;
    for (size_t i = 0; i < area->term_count; i++) {
        const struct area_term *term = &area->terms[i];
        /* Only smaller indexes: so that areas cannot contain themselves. */
        assert(term->kind != AREA_AREA || &areas[term->index] < area);
        if (is_in && !term->is_except)
            continue;
        if (!term_matches(term, areas, networks, subject))
            continue;
        if (term->is_except)
            return false;
        is_in = true;
    }
    return is_in;
}
