/* SPDX-License-Identifier: Apache-2.0 */
/* Zone files for one test: written into a folder of their own, which is the working folder
 * meanwhile, so that diagnostics name them without a path. */
#pragma once

#include <assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dns/zone/zone_set.h"
#include "steering/base/file.h"

struct temp_zone {
    char folder[64];
    char before[4096];
};

static inline int temp_zone_setup(void **state)
{
    struct temp_zone *temp = calloc(1, sizeof(*temp));
    assert(temp != NULL && getcwd(temp->before, sizeof(temp->before)) != NULL);
    snprintf(temp->folder, sizeof(temp->folder), "/tmp/steer-zone-test-XXXXXX");
    assert(mkdtemp(temp->folder) != NULL && chdir(temp->folder) == 0);
    *state = temp;
    return 0;
}

static inline int temp_zone_teardown(void **state)
{
    struct temp_zone *temp = *state;
    DIR *folder = opendir(".");
    assert(folder != NULL);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        if (entry->d_name[0] != '.')
            remove(entry->d_name);
    closedir(folder);
    assert(chdir(temp->before) == 0 && rmdir(temp->folder) == 0);
    free(temp);
    return 0;
}

static inline void temp_zone_write(const char *name, const char *text, size_t len)
{
    struct str content = { .ptr = text, .len = len };
    assert(file_replace(name, content, false) == ERR_OK);
}

/* Loads `count` zones; what was reported goes to `out_text`. NULL when refused. */
static inline struct zone_set *temp_zone_load(const struct zone_source *sources, size_t count,
                                              char *out_text, size_t capacity)
{
    struct diag diag;
    struct buf text;
    struct zone_set *zones = NULL;
    diag_init(&diag);
    buf_init(&text, 1 << 20);
    enum err err = zone_set_load(sources, count, &diag, &zones);
    assert((err == ERR_OK) == !diag_has_errors(&diag) && (err == ERR_OK) == (zones != NULL));
    diag_format(&diag, &text);
    snprintf(out_text, capacity, "%s", buf_text(&text));
    buf_fini(&text);
    diag_fini(&diag);
    return zones;
}

/* One zone from a text; it must load. */
static inline struct zone_set *temp_zone_from(const char *origin, const char *text)
{
    char problems[8192];
    struct zone_source source = { .origin = origin, .file = "z" };
    temp_zone_write("z", text, strlen(text));
    struct zone_set *zones = temp_zone_load(&source, 1, problems, sizeof(problems));
    if (zones == NULL)
        fprintf(stderr, "%s", problems);
    assert(zones != NULL);
    return zones;
}

/* Searches for a name given as text (any case). */
static inline enum zone_match temp_zone_find(const struct zone_set *zones, const char *name,
                                             bool is_ds, const struct zone_node **out_node)
{
    uint8_t wire[NAME_MAX_BYTES];
    size_t len = name_parse(str_from(name), wire);
    assert(len > 0);
    name_lower(wire, len, wire);
    return zone_set_find(zones, wire, len, is_ds, out_node);
}
