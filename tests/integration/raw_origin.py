# SPDX-License-Identifier: Apache-2.0
"""Origin servers that do exactly what a test says, byte by byte."""

import socket
import threading


def read_request(sock):
    """The head of the next request, with its content as it came; b"" at the end of the connection."""
    data = b""

    def fill_until(is_there):
        nonlocal data
        while not is_there():
            piece = sock.recv(1 << 16)
            if not piece:
                return False
            data += piece
        return True

    if not fill_until(lambda: b"\r\n\r\n" in data):
        return b""
    head = data.partition(b"\r\n\r\n")[0].lower()
    if b"\r\ntransfer-encoding: chunked" in head:
        is_whole = fill_until(lambda: data.endswith(b"\r\n0\r\n\r\n"))
    else:
        lengths = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        size = len(head) + 4 + (int(lengths[0].split(b":")[1]) if lengths else 0)
        is_whole = fill_until(lambda: len(data) >= size)
    return data if is_whole else b""


class RawOrigin:
    """Listens at one address and gives each connection to `serve(sock, number)`, numbers from 0."""

    def __init__(self, address, port, serve, context=None):
        self.serve, self.context, self.count, self.requests = serve, context, 0, []
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(64)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            number, self.count = self.count, self.count + 1
            threading.Thread(target=self._one, args=(sock, number), daemon=True).start()

    def _one(self, sock, number):
        try:
            if self.context is not None:
                sock = self.context.wrap_socket(sock, server_side=True)
            self.serve(sock, number)
        except OSError:
            pass
        finally:
            sock.close()

    def answer(self, sock, response):
        """Reads a request, notes it and answers; False at the end of the connection."""
        request = read_request(sock)
        if request:
            self.requests.append(request)
            sock.sendall(response)
        return bool(request)

    def close(self):
        # close alone would leave accept() waiting, and the port in use.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
