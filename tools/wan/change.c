/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/change.h"

#include <stdlib.h>

#include "steering/base/mem.h"

enum { NAME_MAX_BYTES = 256 };

struct change {
    struct network *network;
    struct link_settings *settings; /* of every link, as it would be */
    bool *is_selected;
};

static void on_link(void *owner, size_t link)
{
    struct change *change = owner;
    change->is_selected[link] = true;
}

static struct str next_word(struct str *rest)
{
    struct str word;
    str_split(str_trim(*rest), ' ', &word, rest);
    return word;
}

static bool select_back(struct change *change, struct str name, struct buf *out_problem)
{
    struct str from, to;
    struct buf back;
    buf_init(&back, NAME_MAX_BYTES);
    str_split(name, ':', &from, &to);
    buf_append_format(&back, "%.*s:%.*s", STR_ARG(to), STR_ARG(from));
    size_t count = network_select(change->network, buf_str(&back), on_link, change, out_problem);
    buf_fini(&back);
    return count > 0;
}

static bool apply_word(struct change *change, struct str name, struct str word,
                       struct buf *out_problem)
{
    struct str key, value;
    if (str_eq_text(word, "both"))
        return select_back(change, name, out_problem);
    if (!str_split(word, '=', &key, &value)) {
        buf_append_format(out_problem, "expected KEY=VALUE or 'both', found '%.*s'", STR_ARG(word));
        return false;
    }
    /* Into every link, that those which `both` selects later have it, too. */
    for (size_t i = 0; i < change->network->matrix->link_count; i++)
        if (!link_settings_set(&change->settings[i], key, value, out_problem))
            return false;
    return true;
}

static bool read_words(struct change *change, struct str words, struct buf *out_problem)
{
    struct str rest = words;
    struct str name = next_word(&rest);
    if (str_trim(rest).len == 0) {
        buf_append_text(out_problem, "expected FROM:TO KEY=VALUE...");
        return false;
    }
    if (network_select(change->network, name, on_link, change, out_problem) == 0)
        return false;
    while (str_trim(rest).len > 0)
        if (!apply_word(change, name, next_word(&rest), out_problem))
            return false;
    for (size_t i = 0; i < change->network->matrix->link_count; i++)
        if (change->is_selected[i] && !link_settings_check(&change->settings[i], out_problem))
            return false;
    return true;
}

bool change_apply(struct network *network, struct str words, uint64_t now_ns,
                  struct buf *out_problem, size_t *out_count)
{
    size_t link_count = network->matrix->link_count, count = 0;
    struct change change = {
        .network = network,
        .settings = mem_calloc(link_count + 1, sizeof(change.settings[0])),
        .is_selected = mem_calloc(link_count + 1, sizeof(change.is_selected[0])),
    };
    for (size_t i = 0; i < link_count; i++)
        change.settings[i] = network->links[i].settings;
    bool is_fine = read_words(&change, words, out_problem);
    for (size_t i = 0; i < link_count && is_fine; i++) {
        if (!change.is_selected[i])
            continue;
        link_change(&network->links[i], &change.settings[i], now_ns);
        count++;
    }
    free(change.settings);
    free(change.is_selected);
    if (is_fine)
        *out_count = count;
    return is_fine;
}
