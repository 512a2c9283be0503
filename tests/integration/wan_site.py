# SPDX-License-Identifier: Apache-2.0
"""What test_wan.py runs at the sites of an emulated network: wan_site.py FUNCTION WORD..."""

import json
import os
import socket
import sys
import threading
import time

READY_SECONDS = 30


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve_echo(address):
    udp = socket.socket(family_of(address), socket.SOCK_DGRAM)
    udp.bind((address, 7))
    tcp = socket.create_server((address, 7), family=family_of(address))

    def serve_tcp():
        while True:
            connection, _ = tcp.accept()
            while data := connection.recv(65536):
                connection.sendall(data)
            connection.close()

    threading.Thread(target=serve_tcp, daemon=True).start()
    print("ready", flush=True)
    while True:
        data, peer = udp.recvfrom(65536)
        udp.sendto(data, peer)


def measure_udp(address, count):
    udp = socket.socket(family_of(address), socket.SOCK_DGRAM)
    udp.connect((address, 7))
    sent, trips = {}, []
    for number in range(int(count)):
        sent[number] = time.monotonic()
        udp.send(number.to_bytes(4, "big"))
        time.sleep(0.0002)
    # What is lost never comes; what is not, comes long before.
    udp.settimeout(2)
    try:
        while len(trips) < len(sent):
            number = int.from_bytes(udp.recv(100), "big")
            trips.append(time.monotonic() - sent[number])
    except TimeoutError:
        pass
    print(json.dumps(trips))


def fetch_tcp(address, count):
    with socket.create_connection((address, 7), timeout=READY_SECONDS) as connection:
        data, left = os.urandom(1000), int(count)
        for _ in range(left):
            connection.sendall(data)
            got = b""
            while len(got) < len(data):
                got += connection.recv(65536)
            assert got == data
    print("same")


if __name__ == "__main__":
    {one.__name__: one for one in (serve_echo, measure_udp, fetch_tcp)}[sys.argv[1]](*sys.argv[2:])
