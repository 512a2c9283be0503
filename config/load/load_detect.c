/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/load_detect.h"

#include <errno.h>
#include <string.h>

#include "config/load/yaml_tree.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"

/* Keys at the top, and the kind of file that has them; both kinds of node files share some. */
enum sign { SIGN_TOPOLOGY, SIGN_ANY_NODE, SIGN_DNS, SIGN_POP, SIGN_COUNT };
static const struct {
    const char *key;
    enum sign sign;
} signs[] = {
    { "regions", SIGN_TOPOLOGY },  { "pops", SIGN_TOPOLOGY },  { "maps", SIGN_TOPOLOGY },
    { "names", SIGN_TOPOLOGY },    { "areas", SIGN_TOPOLOGY }, { "networks", SIGN_TOPOLOGY },
    { "topology", SIGN_ANY_NODE }, { "store", SIGN_ANY_NODE }, { "state", SIGN_ANY_NODE },
    { "admin", SIGN_ANY_NODE },    { "zones", SIGN_DNS },      { "dns", SIGN_DNS },
    { "role", SIGN_POP },          { "site", SIGN_POP },       { "listen", SIGN_POP },
    { "backbone", SIGN_POP },      { "origins", SIGN_POP },    { "routes", SIGN_POP },
    { "timeouts", SIGN_POP },      { "limits", SIGN_POP },
};

static bool has(struct str text, const char *word)
{
    return text.len > 0 && memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

/* Asked of what is no YAML only: a comment may well speak of such things. */
static bool is_zone_like(struct str text)
{
    return has(text, "$ORIGIN ") || has(text, "$TTL ") || has(text, " SOA ") ||
           has(text, "\tSOA\t");
}

static enum err parse(struct str text, struct diag *diag, struct yaml_tree **out_tree)
{
    struct diag ignored;
    diag_init(&ignored);
    enum err err = yaml_tree_parse(text, &ignored, out_tree);
    diag_fini(&ignored);
    if (err == ERR_OK)
        return ERR_OK;
    if (is_zone_like(text))
        return diag_error(diag, 0, 0,
                          "looks like a zone file; name the node file of the server (dns.yaml): "
                          "its zones are checked with it");
    return yaml_tree_parse(text, diag, out_tree); /* once more, for its words */
}

static enum err detect(struct str text, struct diag *diag, enum load_kind *out_kind)
{
    struct yaml_tree *tree = NULL;
    size_t votes[SIGN_COUNT] = { 0 };
    enum err err = parse(text, diag, &tree);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        if (yaml_tree_find(tree->root, signs[i].key) != NULL)
            votes[signs[i].sign]++;
    yaml_tree_free(tree);
    size_t node_votes = votes[SIGN_ANY_NODE] + votes[SIGN_DNS] + votes[SIGN_POP];
    if (votes[SIGN_TOPOLOGY] == node_votes)
        return diag_error(diag, 0, 0,
                          "neither a topology (regions, areas, maps, names) nor a node file "
                          "(topology, and zones and dns or role and routes)");
    if (votes[SIGN_TOPOLOGY] > node_votes)
        *out_kind = LOAD_TOPOLOGY;
    else
        *out_kind = votes[SIGN_POP] > votes[SIGN_DNS] ? LOAD_POP_NODE : LOAD_NODE;
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
