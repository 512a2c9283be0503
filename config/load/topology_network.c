/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load/cidr_file.h"
#include "config/load/topology_load.h"
#include "config/load/topology_load_priv.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

uint32_t loader_add_network(struct loader *loader, const struct network *network)
{
    struct topology *topology = loader->topology;
    topology->networks = mem_grow(topology->networks, topology->network_count,
                                  &loader->network_capacity, sizeof(topology->networks[0]));
    topology->networks[topology->network_count] = *network;
    return (uint32_t)topology->network_count++;
}

/* Name, NUL, length, NUL, content: no other set of files has the same digest. */
static void digest_file(struct loader *loader, const char *name, struct str content)
{
    char len[32];
    int digits = snprintf(len, sizeof(len), "%zu", content.len);
    digest_update(loader->digest, "", 1);
    digest_update(loader->digest, name, strlen(name) + 1);
    digest_update(loader->digest, len, (size_t)digits + 1);
    digest_update(loader->digest, content.ptr, content.len);
}

static void read_cidr_file(struct loader *loader, const struct schema_text *name,
                           struct cidr_list *list)
{
    struct buf content;
    char *path = file_beside(loader->path, name->text);
    buf_init(&content, TOPOLOGY_CIDR_FILE_MAX_BYTES);
    if (file_read(path, &content) != ERR_OK) {
        diag_error(loader->diag, name->mark.line, name->mark.column, "cannot read '%s': %s", path,
                   strerror(errno));
    } else {
        digest_file(loader, name->text, buf_str(&content));
        diag_set_file(loader->diag, path);
        enum err err = cidr_file_parse(buf_str(&content), TOPOLOGY_CIDR_MAX, loader->diag, list);
        (void)err; /* everything is in diag */
        diag_set_file(loader->diag, loader->path);
    }
    buf_fini(&content);
    free(path);
}

static void build_network(struct loader *loader, const struct raw_network *raw)
{
    struct cidr_list list = { .items = NULL };
    const struct schema_head *head = &raw->head;
    for (size_t i = 0; i < raw->cidrs.count; i++) {
        list.items = mem_grow(list.items, list.count, &list.capacity, sizeof(list.items[0]));
        list.items[list.count++] = raw->cidrs.items[i];
    }
    for (size_t i = 0; i < raw->files.count; i++)
        read_cidr_file(loader, &raw->files.items[i], &list);
    if (!schema_has(head, "cidrs") && !schema_has(head, "files") && !schema_has(head, "asns"))
        diag_error(loader->diag, head->mark.line, head->mark.column,
                   "network '%.*s' needs 'cidrs', 'files' or 'asns'", STR_ARG(head->name));
    struct network network = {
        .name = mem_strndup(head->name.ptr, head->name.len),
        .cidrs = list.items,
        .cidr_count = list.count,
        .asns = mem_dup(raw->asns.items, raw->asns.count * sizeof(raw->asns.items[0])),
        .asn_count = raw->asns.count,
    };
    loader_add_network(loader, &network);
}

void loader_build_networks(struct loader *loader)
{
    for (size_t i = 0; i < loader->raw->networks.count; i++)
        build_network(loader, raw_network_at(loader->raw, i));
}
