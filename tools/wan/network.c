/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/network.h"

#include <stdlib.h>
#include <string.h>

#include "steering/base/hash.h"
#include "steering/base/mem.h"
#include "steering/base/suggest.h"

enum {
    V4_HEADER = 20,
    V4_DESTINATION = 16,
    V6_HEADER = 40,
    V6_DESTINATION = 24,
};

static int compare_addr(const struct addr *a, const struct addr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int compare_addresses(const void *left, const void *right)
{
    const struct network_address *a = left, *b = right;
    return compare_addr(&a->addr, &b->addr);
}

static void index_addresses(struct network *network)
{
    const struct matrix *matrix = network->matrix;
    size_t count = 0;
    for (size_t i = 0; i < matrix->site_count; i++)
        count += matrix->sites[i].address_count;
    network->addresses = mem_calloc(count + 1, sizeof(network->addresses[0]));
    for (size_t i = 0; i < matrix->site_count; i++)
        for (size_t k = 0; k < matrix->sites[i].address_count; k++)
            network->addresses[network->address_count++] =
                (struct network_address){ .addr = matrix->sites[i].addresses[k], .site = i };
    qsort(network->addresses, network->address_count, sizeof(network->addresses[0]),
          compare_addresses);
}

void network_init(struct network *network, const struct matrix *matrix, uint64_t seed)
{
    size_t sites = matrix->site_count;
    *network = (struct network){ .matrix = matrix, .seed = seed };
    network->links = mem_calloc(matrix->link_count + 1, sizeof(network->links[0]));
    network->link_at = mem_calloc(sites * sites + 1, sizeof(network->link_at[0]));
    for (size_t i = 0; i < sites * sites; i++)
        network->link_at[i] = NETWORK_NO_LINK;
    for (size_t i = 0; i < matrix->link_count; i++) {
        const struct matrix_link *link = &matrix->links[i];
        network->link_at[link->from * sites + link->to] = (int32_t)i;
    }
    index_addresses(network);
    network_restart(network);
}

void network_restart(struct network *network)
{
    for (size_t i = 0; i < network->matrix->link_count; i++)
        link_init(&network->links[i], &network->matrix->links[i].settings,
                  hash_mix(network->seed + i));
}

void network_fini(struct network *network)
{
    free(network->links);
    free(network->link_at);
    free(network->addresses);
}

bool network_destination(const uint8_t *packet, size_t len, struct addr *out_addr)
{
    struct addr addr = { .family = ADDR_V4 };
    if (len >= V4_HEADER && packet[0] >> 4 == 4) {
        memcpy(addr.bytes, packet + V4_DESTINATION, 4);
    } else if (len >= V6_HEADER && packet[0] >> 4 == 6) {
        addr.family = ADDR_V6;
        memcpy(addr.bytes, packet + V6_DESTINATION, 16);
    } else {
        return false;
    }
    *out_addr = addr;
    return true;
}

int32_t network_route(const struct network *network, size_t from, const uint8_t *packet, size_t len)
{
    struct network_address wanted = { .site = 0 };
    if (!network_destination(packet, len, &wanted.addr))
        return NETWORK_NO_LINK;
    const struct network_address *found =
        bsearch(&wanted, network->addresses, network->address_count, sizeof(network->addresses[0]),
                compare_addresses);
    if (found == NULL)
        return NETWORK_NO_LINK;
    return network->link_at[from * network->matrix->site_count + found->site];
}

/* ---- names ---------------------------------------------------------------------------------- */

void network_link_name(const struct network *network, size_t link, struct buf *out)
{
    const struct matrix *matrix = network->matrix;
    buf_append_format(out, "%s:%s", matrix->sites[matrix->links[link].from].name,
                      matrix->sites[matrix->links[link].to].name);
}

static bool is_end(const struct matrix *matrix, struct str name, struct buf *out_problem)
{
    struct suggest suggest = suggest_init(name);
    char hint[SUGGEST_TEXT_MAX];
    size_t site = 0;
    if (str_eq_text(name, "*") || matrix_find_site(matrix, name, &site))
        return true;
    for (size_t i = 0; i < matrix->site_count; i++)
        suggest_offer(&suggest, str_from(matrix->sites[i].name));
    buf_append_format(out_problem, "there is no site '%.*s'%s", STR_ARG(name),
                      suggest_format(&suggest, hint, sizeof(hint)));
    return false;
}

static bool is_meant(struct str name, const char *site)
{
    return str_eq_text(name, "*") || str_eq_text(name, site);
}

size_t network_select(const struct network *network, struct str name, network_link_fn on_link,
                      void *owner, struct buf *out_problem)
{
    const struct matrix *matrix = network->matrix;
    struct str from, to;
    size_t count = 0;
    if (!str_split(name, ':', &from, &to)) {
        buf_append_format(out_problem, "a link is named FROM:TO; found '%.*s'", STR_ARG(name));
        return 0;
    }
    if (!is_end(matrix, from, out_problem) || !is_end(matrix, to, out_problem))
        return 0;
    for (size_t i = 0; i < matrix->link_count; i++) {
        const struct matrix_link *link = &matrix->links[i];
        if (!is_meant(from, matrix->sites[link->from].name) ||
            !is_meant(to, matrix->sites[link->to].name))
            continue;
        on_link(owner, i);
        count++;
    }
    if (count == 0)
        buf_append_format(out_problem, "there is no link from '%.*s' to '%.*s'", STR_ARG(from),
                          STR_ARG(to));
    return count;
}
