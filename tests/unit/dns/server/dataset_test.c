/* SPDX-License-Identifier: Apache-2.0 */
/* What a reload of steer-dns cannot change. (Of what both servers have: node_common_test.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dns/server/dataset.h"
#include "steering/base/mem.h"

static char first[] = "first", second[] = "second";
static struct schema_listen at = { .port = 53 };

static void change_name(struct node *node)
{
    node->common.name = second;
}
static void change_listen(struct node *node)
{
    node->dns.listen = (struct schema_listens){ .items = &at, .count = 1 };
}
static void change_workers(struct node *node)
{
    node->dns.workers++;
}
static void change_user(struct node *node)
{
    node->dns.user = second;
}
static void change_connections(struct node *node)
{
    node->dns.tcp.connections++;
}
static void change_per_client(struct node *node)
{
    node->dns.tcp.per_client++;
}
static void change_idle(struct node *node)
{
    node->dns.tcp.idle_ms++;
}
static void change_write(struct node *node)
{
    node->dns.tcp.write_ms++;
}
static void change_pipeline(struct node *node)
{
    node->dns.tcp.pipeline++;
}
static void change_what_reloads(struct node *node)
{
    node->common.log = LOG_LEVEL_DEBUG;
    node->dns.identity = second;
    node->dns.version = second;
    node->dns.edns_size++;
    node->dns.has_chaos = !node->dns.has_chaos;
    node->dns.uses_ecs = !node->dns.uses_ecs;
    node->zone_count++;
}

static void test_warn_restart_names_what_changed(void **state)
{
    static const struct row {
        const char *key; /* NULL: a reload takes it over */
        void (*change)(struct node *node);
    } rows[] = {
        { NULL, change_what_reloads },    { "node", change_name },
        { "dns.listen", change_listen },  { "dns.workers", change_workers },
        { "dns.user", change_user },      { "dns.tcp", change_connections },
        { "dns.tcp", change_per_client }, { "dns.tcp", change_idle },
        { "dns.tcp", change_write },      { "dns.tcp", change_pipeline },
    };
    const struct node started = { .common = { .name = first }, .dns = { .user = first } };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        static const char rest[] = " has changed; that takes effect after a restart";
        struct node now = started;
        struct diag diag;
        diag_init(&diag);
        rows[i].change(&now);
        dataset_warn_restart(&started, &now, &diag);
        assert_int_equal(diag.error_count, 0);
        assert_int_equal(diag.warning_count, rows[i].key != NULL);
        if (rows[i].key != NULL) {
            const char *text = diag.entries[0].text;
            size_t len = strlen(rows[i].key);
            if (strncmp(text, rows[i].key, len) != 0 || strcmp(text + len, rest) != 0)
                fail_msg("row %zu: wanted %s, got: %s", i, rows[i].key, text);
        }
        diag_fini(&diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_warn_restart_names_what_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
