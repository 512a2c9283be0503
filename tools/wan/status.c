/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/wan/status.h"

#include <inttypes.h>

/* Rows of the text form show these settings, the JSON form shows all. */
static const char *const shown_keys[] = { "delay", "jitter", "loss", "rate" };
enum { CELL_MAX_BYTES = 256, MIN_NAME_WIDTH = 10 };

static double late_ms(const struct forwarder_link *link, double part)
{
    return (double)spread_quantile(&link->late, part) / 1e6;
}

static const char *setting_text(const struct link_settings *settings, const char *key,
                                struct buf *cell)
{
    buf_clear(cell);
    for (size_t i = 0; i < LINK_SETTINGS_KEY_COUNT; i++)
        if (str_eq_text(str_from(key), link_settings_key(i)))
            link_settings_format(settings, i, cell);
    return buf_text(cell);
}

static void append_row(const struct forwarder *forwarder, size_t at, int width, struct buf *cell,
                       struct buf *out)
{
    const struct link *link = &forwarder->network->links[at];
    const struct forwarder_link *more = &forwarder->links[at];
    buf_clear(cell);
    network_link_name(forwarder->network, at, cell);
    buf_append_format(out, "%-*s", width, buf_text(cell));
    for (size_t i = 0; i < sizeof(shown_keys) / sizeof(shown_keys[0]); i++)
        buf_append_format(out, " %10s", setting_text(&link->settings, shown_keys[i], cell));
    buf_append_format(out, " %10" PRIu64, more->delivered_count);
    for (int fate = LINK_DROPS_BLACKHOLE; fate < LINK_FATE_COUNT; fate++)
        buf_append_format(out, " %9" PRIu64, link->fate_count[fate]);
    buf_append_format(out, " %9" PRIu64 " %8.3f %8.3f%s\n", link->reordered_count,
                      late_ms(more, 0.5), late_ms(more, 0.99),
                      link->settings.is_blackhole != 0 ? "  BLACKHOLE" : "");
}

void status_text(const struct forwarder *forwarder, uint64_t seed, struct buf *out)
{
    const struct network *network = forwarder->network;
    struct buf cell;
    int width = MIN_NAME_WIDTH;
    buf_init(&cell, CELL_MAX_BYTES);
    buf_append_format(
        out,
        "seed %" PRIu64 ", %zu packets under way, %" PRIu64 " to nowhere, %" PRIu64 " too many\n",
        seed, forwarder->departures.count, forwarder->unroutable_count, forwarder->overflow_count);
    for (size_t i = 0; i < network->matrix->link_count; i++) {
        buf_clear(&cell);
        network_link_name(network, i, &cell);
        width = (int)cell.len > width ? (int)cell.len : width;
    }
    buf_append_format(out, "%-*s %10s %10s %10s %10s %10s %9s %9s %9s %9s %9s %8s %8s\n", width,
                      "link", "delay", "jitter", "loss", "rate", "delivered", "blackhole", "mtu",
                      "queue", "lost", "reordered", "late p50", "p99 ms");
    for (size_t i = 0; i < network->matrix->link_count; i++)
        append_row(forwarder, i, width, &cell, out);
    buf_fini(&cell);
}

static void append_link_json(const struct forwarder *forwarder, size_t at, struct buf *out)
{
    const struct network *network = forwarder->network;
    const struct matrix *matrix = network->matrix;
    const struct link *link = &network->links[at];
    const struct forwarder_link *more = &forwarder->links[at];
    /* Names are letters, digits, '-', '_' and '.': nothing to escape. */
    buf_append_format(out, "{\"from\":\"%s\",\"to\":\"%s\"",
                      matrix->sites[matrix->links[at].from].name,
                      matrix->sites[matrix->links[at].to].name);
    for (size_t i = 0; i < LINK_SETTINGS_KEY_COUNT; i++) {
        buf_append_format(out, ",\"%s\":\"", link_settings_key(i));
        link_settings_format(&link->settings, i, out);
        buf_append_text(out, "\"");
    }
    buf_append_format(out, ",\"packets\":{\"passed\":%" PRIu64, link->fate_count[LINK_PASSES]);
    for (int fate = LINK_DROPS_BLACKHOLE; fate < LINK_FATE_COUNT; fate++)
        buf_append_format(out, ",\"%s\":%" PRIu64, link_fate_name((enum link_fate)fate),
                          link->fate_count[fate]);
    buf_append_format(out,
                      ",\"reordered\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"refused\":%" PRIu64
                      "},\"bytes\":%" PRIu64,
                      link->reordered_count, more->delivered_count, more->refused_count,
                      link->byte_count);
    buf_append_format(out, ",\"late_ms\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f}}",
                      late_ms(more, 0.5), late_ms(more, 0.9), late_ms(more, 0.99),
                      late_ms(more, 1));
}

void status_json(const struct forwarder *forwarder, uint64_t seed, struct buf *out)
{
    buf_append_format(out,
                      "{\"seed\":%" PRIu64 ",\"under_way\":%zu,\"unroutable\":%" PRIu64
                      ",\"overflow\":%" PRIu64 ",\"links\":[",
                      seed, forwarder->departures.count, forwarder->unroutable_count,
                      forwarder->overflow_count);
    for (size_t i = 0; i < forwarder->network->matrix->link_count; i++) {
        if (i > 0)
            buf_append_text(out, ",");
        append_link_json(forwarder, i, out);
    }
    buf_append_text(out, "]}\n");
}
