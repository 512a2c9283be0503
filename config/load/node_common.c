/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/node_common_priv.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "steering/base/file.h"
#include "steering/base/mem.h"

static const struct schema_key geo_keys[] = {
    { .name = "city",
      .kind = SCHEMA_TEXTS,
      NODE_AT(raw_geo, city),
      .min = 1,
      .max = GEO_CITY_MAX,
      .fallback = GEO_EMBEDDED,
      .doc = "Geolocation databases, City or Country: 'embedded' for the built-in one, a MaxMind "
             "DB file, or a list of them, of which later ones win." },
    { .name = "asn", NODE_PATH, NODE_AT(raw_geo, asn), .doc = "MaxMind DB file with AS numbers." },
    { .name = "max_radius_km",
      .kind = SCHEMA_U32,
      NODE_AT(raw_geo, max_radius_km),
      .max = 20000,
      .fallback = "500",
      .doc = "Coordinates less exact than this are replaced by the middle of the subdivision or "
             "country." },
};
const struct schema node_common_geo_schema = { .what = "'geo'",
                                               .keys = geo_keys,
                                               .key_count = ARRAY_SIZE(geo_keys),
                                               .size = sizeof(struct raw_geo) };

static const struct schema_key store_keys[] = {
    { .name = "directory",
      NODE_PATH,
      NODE_AT(raw_store, directory),
      .fallback = "/var/lib/steer/store",
      .doc = "Folder of the store." },
};
const struct schema node_common_store_schema = { .what = "'store'",
                                                 .keys = store_keys,
                                                 .key_count = ARRAY_SIZE(store_keys),
                                                 .size = sizeof(struct raw_store) };

const char *const node_common_log_words[] = { "debug", "info", "warn", "error", NULL };

char *node_common_take(char **text)
{
    char *taken = *text;
    *text = NULL; /* moved to the caller */
    return taken;
}

char *node_common_path(const char *file, const char *path)
{
    return path != NULL ? file_beside(file, path) : NULL;
}

uint32_t node_common_cpus(uint32_t most)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return (uint32_t)count > most ? most : (uint32_t)count;
}

static char *host_name(void)
{
    char host[SCHEMA_NAME_MAX + 1] = "";
    if (gethostname(host, sizeof(host) - 1) != 0 || !schema_is_name(str_from(host)))
        return mem_strdup("localhost");
    return mem_strdup(host);
}

char *node_common_name(struct raw_common *raw)
{
    return raw->name != NULL ? node_common_take(&raw->name) : host_name();
}

void node_common_geo(struct raw_geo *raw, const char *file, struct geo_settings *out_geo)
{
    out_geo->max_radius_km = raw->max_radius_km;
    out_geo->asn = node_common_path(file, raw->asn);
    out_geo->city = mem_calloc(raw->city.count, sizeof(out_geo->city[0]));
    for (size_t i = 0; i < raw->city.count; i++) {
        const char *text = raw->city.items[i].text;
        bool is_embedded = strcmp(text, GEO_EMBEDDED) == 0;
        out_geo->city[out_geo->city_count++] =
            is_embedded ? mem_strdup(text) : node_common_path(file, text);
    }
}

static bool is_loopback(const struct addr *addr)
{
    static const struct addr v6 = { .family = ADDR_V6, .bytes = { [15] = 1 } };
    return addr->family == ADDR_V4 ? addr->bytes[0] == 127 : addr_eq(addr, &v6);
}

enum { SOCKET_PATH_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

void node_common_check_admin(const struct raw_admin *raw, const char *socket, struct diag *diag)
{
    struct schema_mark mark = schema_mark_of(&raw->head, "socket");
    if (socket != NULL && strlen(socket) > SOCKET_PATH_MAX)
        diag_error(diag, mark.line, mark.column,
                   "the path of a socket has at most %d characters, '%s' has %zu", SOCKET_PATH_MAX,
                   socket, strlen(socket));
    mark = schema_mark_of(&raw->head, "listen");
    if (raw->listen.count > 0 && !is_loopback(&raw->listen.items[0].addr))
        diag_error(diag, mark.line, mark.column,
                   "'listen' of 'admin' must be a loopback address such as \"127.0.0.1:9110\"");
}
