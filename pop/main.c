/* SPDX-License-Identifier: Apache-2.0 */
#include "config/load/pop_node.h"
#include "pop/server/server.h"
#include "pop/tls/ticket_keys.h"
#include "pop/tls/tls.h"
#include "steering/base/file.h"
#include "steering/base/mem.h"
#include "steering/runtime/command_line.h"

static void print_config(const struct command_line *line, struct buf *out)
{
    (void)line;
    pop_node_explain_config(out);
}

static void print_ticket_key(const struct command_line *line, struct buf *out)
{
    struct ticket_keys keys;
    (void)line;
    ticket_keys_random(&keys);
    ticket_key_format(&keys.items[0], out);
    ticket_keys_wipe(&keys);
}

static const struct command_option prints[] = {
    { 'e', "explain-config", NULL, "print every key of the node file", print_config },
    { 't', "new-ticket-key", NULL, "print a line for the file of session ticket keys",
      print_ticket_key },
};

static const struct command_line line = {
    .program = "steer-pop",
    .purpose = "a TLS and HTTP proxy: a PoP near the clients, or the gateway of a region",
    .examples =
        "  steer-pop -c /etc/steer/pop.yaml            run in the foreground\n"
        "  steer-pop --check -c /etc/steer/pop.yaml    find mistakes before a reload\n"
        "  steer-pop --new-ticket-key >tickets.key     for all nodes of a fleet; umask 077\n"
        "  kill -HUP $(pidof steer-pop)                reload routes and certificates\n"
        "\nSIGTERM finishes what is in flight and stops, a second one stops at once;\n"
        "SIGHUP reloads. See steer-pop(8) and steer(1).\n",
    .prints = prints,
    .print_count = ARRAY_SIZE(prints),
    .run = server_run,
    .check = server_check,
};

int main(int argc, char *argv[])
{
    file_reserve_standard();
    tls_start();
    return command_line_run(&line, argc, argv);
}
