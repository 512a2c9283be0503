/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/node_raw_priv.h"

#include <stddef.h>

#include "config/load/node.h"
#include "steering/base/mem.h"

/* The `doc` texts are what `steer explain-config` and the manual page say. */

#define AT NODE_AT
#define PATH NODE_PATH
#define MINUTE_MS 60000u

static const struct schema_key zone_keys[] = {
    { .name = "zone",
      .kind = SCHEMA_STRING,
      AT(raw_zone, zone),
      .is_required = true,
      .min = 1,
      .max = 254,
      .doc = "Name of the zone." },
    { .name = "file",
      PATH,
      AT(raw_zone, file),
      .is_required = true,
      .doc = "Its records, in the form of RFC 1035." },
};
static const struct schema zone_schema = { .what = "the zone",
                                           .keys = zone_keys,
                                           .key_count = ARRAY_SIZE(zone_keys),
                                           .size = sizeof(struct raw_zone),
                                           .has_head = true };

static const struct schema_key tcp_keys[] = {
    { .name = "connections",
      .kind = SCHEMA_U32,
      AT(raw_tcp, connections),
      .min = 1,
      .max = 1000000,
      .fallback = "1000",
      .doc = "Connections open at once; beyond that the most idle one is closed." },
    { .name = "per_client",
      .kind = SCHEMA_U32,
      AT(raw_tcp, per_client),
      .min = 1,
      .max = 1000000,
      .fallback = "50",
      .doc = "Of those, from one client address." },
    { .name = "idle",
      .kind = SCHEMA_DURATION,
      AT(raw_tcp, idle_ms),
      .min = 100,
      .max = 60 * MINUTE_MS,
      .fallback = "30s",
      .doc = "A connection without a query for that long is closed." },
    { .name = "write",
      .kind = SCHEMA_DURATION,
      AT(raw_tcp, write_ms),
      .min = 100,
      .max = 60 * MINUTE_MS,
      .fallback = "10s",
      .doc = "A client that does not take its answers for that long is cut off." },
    { .name = "pipeline",
      .kind = SCHEMA_U32,
      AT(raw_tcp, pipeline),
      .min = 1,
      .max = 10000,
      .fallback = "100",
      .doc = "Queries in work at once on one connection." },
};
static const struct schema tcp_schema = { .what = "'tcp'",
                                          .keys = tcp_keys,
                                          .key_count = ARRAY_SIZE(tcp_keys),
                                          .size = sizeof(struct raw_tcp) };

static const struct schema_key dns_keys[] = {
    { .name = "listen",
      .kind = SCHEMA_LISTEN,
      AT(raw_dns, listen),
      .min = 1,
      .max = 64,
      .fallback = "[\"0.0.0.0:53\", \"[::]:53\"]",
      .doc = "Addresses and ports, for UDP and TCP. Port 0 takes a free one." },
    { .name = "workers",
      .kind = SCHEMA_U32,
      AT(raw_dns, workers),
      .min = 1,
      .max = NODE_WORKER_MAX,
      .fallback_doc = "the number of CPUs",
      .doc = "Threads that answer queries." },
    { .name = "user",
      .kind = SCHEMA_STRING,
      AT(raw_dns, user),
      .max = NODE_TEXT_MAX_BYTES,
      .fallback = "steer",
      .doc = "Whom the server becomes after binding when it was started as root; \"\" to stay "
             "root." },
    { .name = "identity",
      .kind = SCHEMA_STRING,
      AT(raw_dns, identity),
      .max = NODE_TEXT_MAX_BYTES,
      .fallback_doc = "the node's name",
      .doc = "Answer to NSID (RFC 5001) and to id.server; \"\" for none." },
    { .name = "version",
      .kind = SCHEMA_STRING,
      AT(raw_dns, version),
      .max = NODE_TEXT_MAX_BYTES,
      .fallback = "\"\"",
      .doc = "Answer to version.bind; \"\" refuses it." },
    { .name = "edns_size",
      .kind = SCHEMA_U32,
      AT(raw_dns, edns_size),
      .min = 512,
      .max = 4096,
      .fallback = "1232",
      .doc = "Largest UDP answer in bytes." },
    { .name = "chaos",
      .kind = SCHEMA_BOOL,
      AT(raw_dns, has_chaos),
      .fallback = "true",
      .doc = "Whether class CHAOS (id.server, version.bind) is answered at all." },
    { .name = "debug_txt",
      .kind = SCHEMA_BOOL,
      AT(raw_dns, has_debug_txt),
      .fallback = "true",
      .doc = "Whether _steer.ZONE TXT tells generation, digest and age." },
    { .name = "ecs",
      .kind = SCHEMA_BOOL,
      AT(raw_dns, uses_ecs),
      .fallback = "true",
      .doc = "Whether the client subnet in queries (RFC 7871) counts." },
    { .name = "ecs_trusted",
      .kind = SCHEMA_CIDRS,
      AT(raw_dns, ecs_trusted),
      .max = 10000,
      .fallback = "[]",
      .doc = "Resolvers whose client subnet counts; empty for all." },
    { .name = "tcp",
      .kind = SCHEMA_MAPPING,
      AT(raw_dns, tcp),
      .child = &tcp_schema,
      .doc = "Limits of DNS over TCP." },
};
static const struct schema dns_schema = { .what = "'dns'",
                                          .keys = dns_keys,
                                          .key_count = ARRAY_SIZE(dns_keys),
                                          .size = sizeof(struct raw_dns) };

static const struct schema_key admin_keys[] = { NODE_ADMIN_KEYS("/run/steer/dns.sock") };
static const struct schema admin_schema = { .what = "'admin'",
                                            .keys = admin_keys,
                                            .key_count = ARRAY_SIZE(admin_keys),
                                            .size = sizeof(struct raw_admin),
                                            .has_head = true };

static const struct schema_key node_keys[] = {
    NODE_FIRST_KEYS(raw_node),
    { .name = "zones",
      .kind = SCHEMA_LIST,
      AT(raw_node, zones),
      .child = &zone_schema,
      .is_required = true,
      .min = 1,
      .max = NODE_ZONE_MAX,
      .doc = "Zones that the server is authoritative for." },
    { .name = "dns",
      .kind = SCHEMA_MAPPING,
      AT(raw_node, dns),
      .child = &dns_schema,
      .doc = "The DNS server." },
    NODE_LAST_KEYS(raw_node, admin_schema),
};
const struct schema node_schema = { .what = "the node file",
                                    .keys = node_keys,
                                    .key_count = ARRAY_SIZE(node_keys),
                                    .size = sizeof(struct raw_node) };

void node_explain_config(struct buf *out)
{
    schema_explain(&node_schema, out);
}
