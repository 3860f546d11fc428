"""A network between a daemon and a server that can go silent for a while."""

import socket
import threading


class Forwarder:
    """Passes TCP connections on to `port`, from a port of its own.

    `cut` makes it silent: what is sent gets lost in the network, connections stay open, and new
    ones come about without an answer. `mend` releases everything that was held back, as TCP does
    when packets come through again.
    """

    def __init__(self, port):
        self._target = ("127.0.0.1", port)
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        self._open.clear()

    def mend(self):
        self._open.set()

    def close(self):
        # Wakes the thread that waits for a connection.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.mend()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        self._open.wait()
        try:
            server = socket.create_connection(self._target)
        except OSError:
            return client.close()
        threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
        self._pass_on(server, client)

    def _pass_on(self, source, sink):
        """One direction, to its end, which is then told."""
        try:
            while data := source.recv(65536):
                self._open.wait()
                sink.sendall(data)
        except OSError:
            pass
        self._open.wait()
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
