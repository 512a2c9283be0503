/* SPDX-License-Identifier: Apache-2.0 */
#include "dns/server/server.h"
#include "steering/base/file.h"
#include "steering/runtime/command_line.h"

static const struct command_line line = {
    .program = "steer-dns",
    .purpose = "an authoritative DNS server that sends each client to the right place",
    .examples = "  steer-dns -c /etc/steer/dns.yaml           run in the foreground\n"
                "  steer-dns --check -c /etc/steer/dns.yaml   find mistakes before a reload\n"
                "  kill -HUP $(pidof steer-dns)               reload zones and topology\n"
                "  steer explain-config                       every key of the files\n"
                "\nSIGTERM stops, SIGHUP reloads. See steer-dns(8) and steer(1).\n",
    .run = server_run,
    .check = server_check,
};

int main(int argc, char *argv[])
{
    file_reserve_standard();
    return command_line_run(&line, argc, argv);
}
