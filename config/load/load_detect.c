/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/load_detect.h"

#include <errno.h>

#include "config/load/yaml_tree.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

/* Keys at the top that only one kind has. */
static const struct {
    const char *key;
    enum load_kind kind;
} signs[] = {
    { "regions", LOAD_TOPOLOGY }, { "pops", LOAD_TOPOLOGY },  { "maps", LOAD_TOPOLOGY },
    { "names", LOAD_TOPOLOGY },   { "areas", LOAD_TOPOLOGY }, { "networks", LOAD_TOPOLOGY },
    { "topology", LOAD_NODE },    { "zones", LOAD_NODE },     { "dns", LOAD_NODE },
    { "store", LOAD_NODE },       { "state", LOAD_NODE },     { "admin", LOAD_NODE },
};

static enum err detect(struct str text, struct diag *diag, enum load_kind *out_kind)
{
    struct yaml_tree *tree = NULL;
    size_t votes[] = { [LOAD_TOPOLOGY] = 0, [LOAD_NODE] = 0 };
    enum err err = yaml_tree_parse(text, diag, &tree);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        if (yaml_tree_find(tree->root, signs[i].key) != NULL)
            votes[signs[i].kind]++;
    yaml_tree_free(tree);
    if (votes[LOAD_TOPOLOGY] == votes[LOAD_NODE])
        return diag_error(diag, 0, 0,
                          "neither a topology (regions, areas, maps, names) nor a node file "
                          "(topology, zones, dns)");
    *out_kind = votes[LOAD_TOPOLOGY] > votes[LOAD_NODE] ? LOAD_TOPOLOGY : LOAD_NODE;
    return ERR_OK;
}

enum err load_detect(const char *path, struct diag *diag, enum load_kind *out_kind)
{
    struct buf text;
    buf_init(&text, YAML_TREE_MAX_BYTES);
    diag_set_file(diag, path);
    enum err err = file_read(path, &text);
    if (err == ERR_OK)
        err = detect(buf_str(&text), diag, out_kind);
    else
        err = diag_errno(diag, errno, "cannot read the file");
    diag_set_file(diag, NULL);
    buf_fini(&text);
    return err;
}
