# SPDX-License-Identifier: Apache-2.0
"""Evacuations while dnsperf runs: nothing lost, nothing wrong after the acknowledgement.

How long the acknowledgement took is printed, never judged here (tests/bench/evacuate reports it).
"""

import os
import re
import socket
import subprocess
import threading
import time

import dns.message

from fleet import DEADLINE_S, addresses_of, make_query

EAST, WEST = "192.0.2.1", "192.0.2.2"
CLIENT = "203.0.113.0/24"
CYCLES = 5


class Prober(threading.Thread):
    """Asks one server over and over; remembers when each question was sent and what came back."""

    def __init__(self, server):
        super().__init__()
        self.server, self.records, self.lost = server, [], 0
        self.done = threading.Event()

    def run(self):
        payload = make_query("api.example.com", ecs=CLIENT).to_wire()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect((self.server.address, self.server.port))
            while not self.done.is_set():
                sent = time.monotonic()
                sock.send(payload)
                try:
                    reply = dns.message.from_wire(sock.recv(4096))
                except socket.timeout:
                    self.lost += 1
                    continue
                self.records.append((sent, addresses_of(reply)[0]))


def start_dnsperf(server, folder):
    queries = folder / "queries.txt"
    queries.write_text("api.example.com A\nwww.example.com AAAA\ngone.example.com A\n")
    return subprocess.Popen(
        ["dnsperf", "-s", server.address, "-p", str(server.port), "-d", str(queries), "-l", "3600",
         "-q", "20", "-c", "4", "-t", str(DEADLINE_S), "-Q", "3000"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )


def test_nothing_is_lost_or_wrong_after_the_acknowledgement(fleet):
    servers = [fleet.start("dns-1"), fleet.start("dns-2")]
    load = [start_dnsperf(server, fleet.folder) for server in servers]
    probers = [Prober(server) for server in servers]
    for prober in probers:
        prober.start()
    windows = []
    try:
        for _ in range(CYCLES):
            fleet.restore("us-east")
            done = fleet.steer("evacuate", "us-east", "--reason", "load", "--json", check=0).json()
            acknowledged = time.monotonic()
            print(f"acknowledged after {done['applied_ms']} ms")
            for prober in probers:  # until each has asked again since
                before = len(prober.records)
                while len(prober.records) < before + 20 and prober.is_alive():
                    time.sleep(0.001)
            windows.append((acknowledged, time.monotonic()))
    finally:
        for prober in probers:
            prober.done.set()
            prober.join()
        for process in load:
            process.send_signal(2)
    for process in load:
        output = process.communicate(timeout=DEADLINE_S)[0]
        completed = int(re.search(r"Queries completed:\s+(\d+)", output).group(1))
        assert completed > 0, output
        lost = int(re.search(r"Queries lost:\s+(\d+)", output).group(1))
        interrupted = re.search(r"Queries interrupted:\s+(\d+)", output)
        assert lost == 0, (output, interrupted)
    for prober in probers:
        assert prober.lost == 0
        checked = 0
        for sent, answer in prober.records:
            if any(begin <= sent <= end for begin, end in windows):
                assert answer == WEST, "answered with an evacuated site after the acknowledgement"
                checked += 1
        assert checked >= 20 * CYCLES
        assert EAST in {answer for _, answer in prober.records}


def test_killed_during_the_write_leaves_old_or_new(fleet):
    """SIGKILL to the command at random moments: the store is whole and the server follows it."""
    server = fleet.start()
    fleet.evacuate("us-east")  # so that there is an old document
    fleet.restore("us-east")
    for attempt in range(20):
        verb = "evacuate" if attempt % 2 == 0 else "restore"
        process = subprocess.Popen(
            [os.fspath(fleet.binary("steer")), "--store", str(fleet.store), verb, "us-east", "--reason", "kill"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.001 * attempt)  # the moment of death is the variable of this test
        process.kill()
        process.wait()
        fleet.steer("wait", "--timeout", "60s", check=0)
        expected = {True: [WEST], False: [EAST]}[fleet.is_evacuated("us-east")]
        assert server.addresses("api.example.com", ecs=CLIENT) == expected
    fleet.evacuate("us-east")
    fleet.steer("history", check=0)
