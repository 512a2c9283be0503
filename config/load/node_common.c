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

static void build_geo(const struct raw_geo *raw, const char *file, struct geo_settings *out_geo)
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

/* The admin interface changes what is served and asks for no password: loopback only. */
static void check_admin(const struct raw_admin *raw, const char *socket, struct diag *diag)
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

void node_common_build(struct raw_common *raw, const char *file, struct node_common *out_common,
                       struct diag *diag)
{
    *out_common = (struct node_common){
        .topology = node_common_path(file, raw->topology),
        .store_directory = node_common_path(file, raw->store.directory),
        .state_directory = node_common_path(file, raw->state),
        .break_glass = node_common_path(file, raw->break_glass),
        .name = raw->name != NULL ? node_common_take(&raw->name) : host_name(),
        .admin = { .socket = node_common_path(file, raw->admin.socket),
                   .listen = raw->admin.listen,
                   .listen_takes_orders = raw->admin.listen_orders },
        .log = (enum log_level)raw->log,
    };
    check_admin(&raw->admin, out_common->admin.socket, diag);
    raw->admin.listen.items = NULL; /* moved to `out_common` */
    build_geo(&raw->geo, file, &out_common->geo);
}

void node_common_fini(struct node_common *common)
{
    free(common->topology);
    free(common->store_directory);
    free(common->state_directory);
    free(common->break_glass);
    free(common->name);
    geo_settings_fini(&common->geo);
    free(common->admin.socket);
    free(common->admin.listen.items);
}

/* ---- what a running server cannot change ---------------------------------------------------- */

bool node_text_eq(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool node_listens_eq(const struct schema_listens *a, const struct schema_listens *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!schema_listen_eq(&a->items[i], &b->items[i]))
            return false;
    return true;
}

void node_settings_warn_restart(const struct node_setting *settings, size_t count,
                                struct diag *diag)
{
    for (size_t i = 0; i < count; i++)
        if (!settings[i].is_same)
            diag_warning(diag, 0, 0, "%s has changed; that takes effect after a restart",
                         settings[i].key);
}

void node_common_warn_restart(const struct node_common *started, const struct node_common *now,
                              struct diag *diag)
{
    const struct node_setting settings[] = {
        { "store.directory", node_text_eq(started->store_directory, now->store_directory) },
        { "state", node_text_eq(started->state_directory, now->state_directory) },
        { "break_glass", node_text_eq(started->break_glass, now->break_glass) },
        { "node", node_text_eq(started->name, now->name) },
        { "admin.socket", node_text_eq(started->admin.socket, now->admin.socket) },
        { "admin.listen", node_listens_eq(&started->admin.listen, &now->admin.listen) },
        { "admin.listen_orders",
          started->admin.listen_takes_orders == now->admin.listen_takes_orders },
    };
    node_settings_warn_restart(settings, ARRAY_SIZE(settings), diag);
}
