"""PgBouncer in transaction mode in front of a cluster."""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

from .cluster import _free_port, _server_user


class Pooler:
    """Stops with this process at the latest. Any password will do, as behind a trusted network."""

    def __init__(self, cluster, pool_size=5):
        self.port = _free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="migrationd-pooler-"))
        password = f" password='{cluster.password}'" if cluster.password else ""
        (self.folder / "pgbouncer.ini").write_text(f"""
[databases]
* = host=127.0.0.1 port={cluster.port} user=postgres{password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = 500
logfile = {self.folder}/pgbouncer.log
pidfile = {self.folder}/pgbouncer.pid
""")
        user = _server_user()
        command = ["setpriv", "--pdeathsig=KILL"]
        if user:
            # Like PostgreSQL it refuses to run as root.
            for path in (self.folder, self.folder / "pgbouncer.ini"):
                os.chown(path, user.pw_uid, user.pw_gid)
            command += [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        program = shutil.which("pgbouncer", path=os.environ["PATH"] + ":/usr/sbin")
        self.process = subprocess.Popen(
            [*command, "--", program, str(self.folder / "pgbouncer.ini")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 20
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                assert time.monotonic() < deadline and self.process.poll() is None, "no pgbouncer"
                time.sleep(0.02)

    def url(self, database, scheme="postgresql"):
        return f"{scheme}://postgres:any@127.0.0.1:{self.port}/{database}"

    def stop(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
