/* SPDX-License-Identifier: Apache-2.0 */
/* Where a request may go: its route, its client's place in the world, the mode of our own region,
 * and the regions that are left after those that it has seen. */
#include <assert.h>

#include "pop/server/exchange_priv.h"
#include "pop/server/regions.h"

/* What the snapshot says, in the numbers of our own settings' topology. */
struct view {
    struct site_id regions[CANDIDATE_MAX]; /* usable ones, best first */
    size_t count;
    enum mode own_mode;
    bool is_own_chosen; /* decide() sends clients here because nothing else is left */
    enum { STRAY_PROXY, STRAY_SERVE, STRAY_REFUSE } stray;
};

/* ---- the route ------------------------------------------------------------------------------- */

static bool refuse(struct hop_refusal *out, uint16_t status, const char *error, const char *details)
{
    *out = (struct hop_refusal){ .status = status, .error = error, .details = details };
    return false;
}

/* Max-Forwards has come to 0: the sender asks this very hop (RFC 9110 section 7.6.2). TRACE is not
 * reflected: scripts would read with it what their browser hides from them. */
static bool answer_as_last(const struct http_head *request, struct hop_refusal *out)
{
    bool is_options = str_eq(request->method, STR("OPTIONS"));
    *out = (struct hop_refusal){ .status = is_options ? 200 : 405,
                                 .details = "max_forwards",
                                 .allow = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" };
    return false;
}

static bool find_route(struct exchange *exchange, struct hop_refusal *out_refusal)
{
    const struct http_head *request = &exchange->client->request;
    const struct settings *settings = exchange->settings;
    if (str_eq(request->method, STR("CONNECT")) && request->protocol.len == 0)
        return refuse(out_refusal, 501, "http_request_denied", "connect");
    if (exchange->hop.is_last_recipient)
        return answer_as_last(request, out_refusal);
    struct str path = str_eq(request->path, STR("*")) ? STR("/") : request->path;
    long at = route_table_find(settings->routes, request->authority, path);
    if (at < 0)
        return refuse(out_refusal, 404, "destination_not_found", "no_route");
    const struct pop_route *route = &settings->node->routes[at];
    exchange->route = route;
    exchange->map_name = str_from(route->map);
    exchange->deadline_span_ms = route->deadline_ms;
    long map = exchange->exchanges->maps[at];
    assert(map >= 0); /* pop_node_check has seen to it */
    exchange->map.n = (uint16_t)map;
    if (exchange->client->is_upgrade && !route->has_websocket)
        return refuse(out_refusal, 501, "http_request_denied", "websocket");
    uint64_t stated = request->content_length < 0 ? 0 : (uint64_t)request->content_length;
    if (route->body_max_bytes != 0 && stated > route->body_max_bytes)
        return refuse(out_refusal, 413, "http_request_denied", "body_too_large");
    return true;
}

/* What hops before us have said, of which only the backbone is believed (hop_read). */
static void heed_hops(struct exchange *exchange)
{
    const struct hop_in *hop = &exchange->hop;
    const struct topology *topology = exchange->settings->world->topology;
    if (hop->deadline_ms_left != 0 && hop->deadline_ms_left < exchange->deadline_span_ms)
        exchange->deadline_span_ms = hop->deadline_ms_left;
    exchange->deadline_ms = exchange->worker->io.now_ms + exchange->deadline_span_ms;
    if (hop->map.len == 0)
        return;
    long map = topology_find_map(topology, hop->map);
    if (map < 0)
        return; /* a PoP with a newer topology: our own route's order will do */
    exchange->map.n = (uint16_t)map;
    exchange->map_name = hop->map;
}

static bool is_loop(const struct exchange *exchange)
{
    const struct hop_in *hop = &exchange->hop;
    const struct settings *settings = exchange->settings;
    if (hop->is_visited_too_long)
        return true;
    /* Over the backbone each hop has added our id once: there, the regions tell. */
    if (!hop->is_trusted)
        return hop->cdn_loops > 1;
    return settings->node->role == POP_ROLE_GATEWAY &&
           hop_has_visited(hop, str_from(settings->node->site));
}

/* ---- the snapshot ---------------------------------------------------------------------------- */

/* Snapshot and settings are replaced one after the other: for a moment they may come from two
 * topologies, in which only names mean the same. */
static struct site_id translate(const struct world *from, const struct world *to,
                                struct site_id site)
{
    if (from == to || site_is_none(site))
        return site;
    return topology_find_site(to->topology, str_from(from->topology->sites[site.n].name));
}

static void add_region(struct view *view, const struct snapshot *snapshot,
                       const struct world *world, struct site_id site)
{
    if (snapshot->world->topology->sites[site.n].kind != SITE_REGION)
        return;
    struct site_id ours = translate(snapshot->world, world, site);
    if (!site_is_none(ours) && view->count < CANDIDATE_MAX)
        view->regions[view->count++] = ours;
}

/* Nothing else is known: any region is better than none. */
static void add_all(struct view *view, const struct snapshot *snapshot, const struct world *world)
{
    for (size_t i = 0; i < snapshot->world->topology->region_count; i++)
        add_region(view, snapshot, world, (struct site_id){ (uint16_t)i });
}

static void view_own(struct view *view, const struct snapshot *snapshot, const char *site)
{
    struct str name = str_from(site);
    struct site_id own = topology_find_site(snapshot->world->topology, name);
    view->own_mode = site_is_none(own) ? MODE_ACTIVE : snapshot->states[own.n].mode;
    if (view->own_mode != MODE_EVACUATED && view->own_mode != MODE_OFFLINE)
        return;
    const struct document_site *said = document_find_site(snapshot->document, SITE_REGION, name);
    if (said == NULL)
        return;
    if (str_eq(said->stray, STR("serve")))
        view->stray = STRAY_SERVE;
    else if (str_eq(said->stray, STR("refuse")))
        view->stray = STRAY_REFUSE;
}

static void view_regions(struct view *view, const struct snapshot *snapshot,
                         const struct exchange *exchange)
{
    const struct world *world = exchange->settings->world;
    struct map_id map = exchange->map;
    if (snapshot->world != world) {
        long there = topology_find_map(snapshot->world->topology, exchange->map_name);
        if (there < 0) {
            add_all(view, snapshot, world);
            return;
        }
        map.n = (uint16_t)there;
    }
    struct regions regions;
    struct decision decision;
    regions_for_client(snapshot, map, &exchange->hop.client, &regions, &decision);
    for (size_t i = 0; i < regions.count; i++)
        add_region(view, snapshot, world, regions.items[i]);
    bool is_nothing_left = decision.level == DECISION_NOTHING_LEFT;
    for (size_t i = 0; i < view->count && is_nothing_left; i++)
        view->is_own_chosen |= site_id_eq(view->regions[i], exchange->exchanges->site);
    if (view->count == 0)
        add_all(view, snapshot, world);
}

/* A new document may say who serves again. */
static void heed_generation(struct exchanges *exchanges, const struct snapshot *snapshot)
{
    if (exchanges->generation == snapshot->document->generation)
        return;
    exchanges->generation = snapshot->document->generation;
    exchanges_forget_declined(exchanges);
}

static void look(struct exchange *exchange, struct view *out_view)
{
    struct worker *worker = exchange->worker;
    const struct world *world = exchange->settings->world;
    uint32_t class_id = geo_lookup(world->geo, &exchange->hop.client).class_id;
    exchange->cell = geo_cell(world->geo, class_id, exchange->map);
    exchange->has_place = true;
    *out_view = (struct view){ .own_mode = MODE_ACTIVE };
    const struct snapshot *snapshot = publisher_enter(worker->snapshots, worker->index);
    heed_generation(exchange->exchanges, snapshot);
    view_own(out_view, snapshot, exchange->settings->node->site);
    view_regions(out_view, snapshot, exchange);
    publisher_leave(worker->snapshots, worker->index);
}

/* ---- targets --------------------------------------------------------------------------------- */

struct targets {
    struct attempt_target items[ATTEMPT_TARGET_MAX];
    size_t count;
    size_t seen; /* regions that were left out because the request has been there */
};

static void add_targets(struct targets *targets, const struct exchange *exchange,
                        const struct view *view)
{
    const struct topology *topology = exchange->settings->world->topology;
    bool is_gateway = exchange->settings->node->role == POP_ROLE_GATEWAY;
    for (size_t i = 0; i < view->count && targets->count < ATTEMPT_TARGET_MAX; i++) {
        struct site_id region = view->regions[i];
        if (is_gateway && site_id_eq(region, exchange->exchanges->site))
            continue;
        if (hop_has_visited(&exchange->hop, str_from(topology->sites[region.n].name)))
            targets->seen++;
        else
            targets->items[targets->count++] = (struct attempt_target){ .region = region };
    }
}

static void add_origin(struct targets *targets, const struct exchange *exchange)
{
    targets->items[targets->count++] =
        (struct attempt_target){ .is_origin = true, .region = exchange->exchanges->site };
}

/* A gateway's own region comes first, unless it has been emptied. */
static bool gateway_targets(struct exchange *exchange, const struct view *view,
                            struct targets *targets, struct hop_refusal *out_refusal)
{
    bool has_origin = exchange->route->origin >= 0;
    bool is_out = view->own_mode == MODE_EVACUATED || view->own_mode == MODE_OFFLINE;
    exchange->is_stray = is_out;
    if (is_out)
        tally_add(exchange->worker->tally, TALLY_STRAYS);
    if (is_out && view->stray == STRAY_REFUSE) {
        refuse(out_refusal, 503, "destination_unavailable", "evacuated");
        out_refusal->is_unprocessed = true;
        out_refusal->retry_after_s = 1;
        return false;
    }
    bool is_served = !is_out || view->stray == STRAY_SERVE || view->is_own_chosen;
    if (has_origin && is_served)
        add_origin(targets, exchange);
    /* Reached over the backbone, the hop before us decides what follows a failure here. */
    if (is_out ? !is_served : !exchange->origin.is_backbone)
        add_targets(targets, exchange, view);
    /* Nowhere to send it: an emptied region that serves is better than none. */
    if (targets->count == 0 && targets->seen == 0 && has_origin)
        add_origin(targets, exchange);
    return true;
}

static bool refuse_nowhere(struct exchange *exchange, const struct targets *targets,
                           struct hop_refusal *out_refusal)
{
    if (targets->seen > 0) {
        tally_add(exchange->worker->tally, TALLY_LOOPS);
        return refuse(out_refusal, 508, "proxy_loop_detected", "all_regions_visited");
    }
    refuse(out_refusal, 503, "destination_unavailable", "no_region");
    out_refusal->is_unprocessed = true;
    out_refusal->retry_after_s = 1;
    return false;
}

/* The hop before us has nobody else to ask: it says so, or the world has no other region left. */
static bool is_last_resort(const struct exchange *exchange, const struct view *view)
{
    bool is_last = true;
    for (size_t i = 0; i < view->count; i++)
        is_last &= site_id_eq(view->regions[i], exchange->exchanges->site);
    return is_last || exchange->hop.is_last_resort;
}

static bool has_declined(const struct exchange *exchange, const struct attempt_target *target)
{
    const struct exchanges *exchanges = exchange->exchanges;
    return !target->is_origin &&
           exchange->worker->io.now_ms < exchanges->declined_until_ms[target->region.n];
}

/* Not left out: they may be all that there is. */
static void put_declined_last(struct targets *targets, const struct exchange *exchange)
{
    struct attempt_target declined[ATTEMPT_TARGET_MAX];
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < targets->count; i++) {
        if (has_declined(exchange, &targets->items[i]))
            declined[count++] = targets->items[i];
        else
            targets->items[kept++] = targets->items[i];
    }
    for (size_t i = 0; i < count; i++)
        targets->items[kept++] = declined[i];
}

static void begin_attempts(struct exchange *exchange, const struct view *view,
                           struct targets *targets)
{
    exchange->first = targets->items[0].region;
    put_declined_last(targets, exchange);
    struct http_server_stream *client = exchange->client;
    const struct pop_route *route = exchange->route;
    struct attempts_settings settings = {
        .targets = targets->items,
        .target_count = targets->count,
        /* A tunnel has no request that could be repeated. */
        .is_idempotent = http_method_is_idempotent(client->request.method) && !client->is_upgrade,
        .retries_status = route->retries_status,
        .is_over_backbone = exchange->origin.is_backbone,
        .is_last_resort = exchange->origin.is_backbone && is_last_resort(exchange, view),
        .is_loop = targets->seen > 0,
        .max = route->attempts,
        .used = exchange->hop.attempts_used,
        .deadline_ms = exchange->deadline_ms,
        .min_try_ms = EXCHANGE_MIN_TRY_MS,
    };
    attempts_init(&exchange->attempts, &settings);
}

bool exchange_route(struct exchange *exchange, struct hop_refusal *out_refusal)
{
    if (!find_route(exchange, out_refusal))
        return false;
    heed_hops(exchange);
    if (is_loop(exchange)) {
        tally_add(exchange->worker->tally, TALLY_LOOPS);
        return refuse(out_refusal, 508, "proxy_loop_detected", "visited");
    }
    struct view view;
    look(exchange, &view);
    struct targets targets = { .count = 0 };
    if (exchange->settings->node->role == POP_ROLE_POP)
        add_targets(&targets, exchange, &view);
    else if (!gateway_targets(exchange, &view, &targets, out_refusal))
        return false;
    if (targets.count == 0)
        return refuse_nowhere(exchange, &targets, out_refusal);
    bool is_crossing = !targets.items[0].is_origin;
    if (is_crossing && exchange->hop.visited_count >= HOP_COUNT_MAX) {
        tally_add(exchange->worker->tally, TALLY_LOOPS);
        return refuse(out_refusal, 508, "proxy_loop_detected", "hops");
    }
    begin_attempts(exchange, &view, &targets);
    return true;
}
