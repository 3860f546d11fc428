"""A TCP proxy between a daemon and PostgreSQL that breaks connections where the seed says.

It reads the frontend/backend protocol (PostgreSQL manual, 55.7) just far enough to know where a
message from the server begins, and which COMMIT is about to be answered.
"""

import random
import socket
import threading
import time

FAULTS = ("cut", "cut_before_commit", "cut_after_commit", "truncate", "stall", "delay", "refuse")


class FaultProxy:
    """Listens on a port of its own. `rate` is the share of connections that get a fault."""

    def __init__(self, port, seed, rate=0.1, longest_stall=4):
        self.target = ("127.0.0.1", port)
        self.random = random.Random(seed)
        self.rate = rate
        self.longest_stall = longest_stall
        self.faults = {}
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _choose(self):
        with self.lock:
            if self.random.random() >= self.rate:
                return None, 0
            fault = self.random.choice(FAULTS)
            self.faults[fault] = self.faults.get(fault, 0) + 1
            return fault, self.random.randint(1, 40)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        fault, place = self._choose()
        if fault == "refuse":
            return client.close()
        try:
            server = socket.create_connection(self.target)
        except OSError:
            return client.close()
        link = _Link(client, server, fault, place, self.longest_stall)
        threading.Thread(target=link.forward, daemon=True).start()
        link.backward()


class _Link:
    def __init__(self, client, server, fault, place, longest_stall):
        self.client, self.server = client, server
        self.fault, self.place, self.longest_stall = fault, place, longest_stall
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        for end in (self.client, self.server):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def forward(self):
        """From the daemon to the server."""
        count = 0
        try:
            while data := self.client.recv(65536):
                count += 1
                if self.fault == "cut_before_commit" and b"COMMIT" in data and count >= self.place:
                    break
                self.server.sendall(data)
                if self.fault == "cut_after_commit" and b"COMMIT" in data and count >= self.place:
                    # The server has it and continues; the answer is lost.
                    time.sleep(0.002)
                    break
        except OSError:
            pass
        self.close()

    def backward(self):
        """From the server to the daemon."""
        count = 0
        try:
            while data := self.server.recv(65536):
                count += 1
                if count == self.place:
                    if self.fault == "cut":
                        break
                    if self.fault == "truncate":
                        self.client.sendall(data[:max(1, len(data) // 2)])
                        break
                    if self.fault == "stall":
                        time.sleep(self.longest_stall)
                        break
                if self.fault == "delay":
                    time.sleep(0.02)
                self.client.sendall(data)
        except OSError:
            pass
        self.close()
