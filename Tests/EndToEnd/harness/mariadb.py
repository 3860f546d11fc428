"""A private MariaDB server that dies with this process."""

import os
import pathlib
import pwd
import signal
import subprocess
import tempfile
import time

import pymysql

from .cluster import _free_port

PASSWORD = "sesame-of-mariadb"


class MariaDB:
    """Starts a server in a temporary folder; `stop` removes the folder again."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="migrationd-mariadb-"))
        self.port = _free_port()
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        subprocess.run(
            self._as_user("mariadb-install-db", "--no-defaults", f"--datadir={self.folder}/data",
                          "--auth-root-authentication-method=normal", "--skip-test-db"),
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.start()
        self.run("CREATE USER app@'%%' IDENTIFIED BY %s", PASSWORD)
        self.run("GRANT ALL ON *.* TO app@'%'")

    def _as_user(self, *words):
        prefix = ["setpriv", "--pdeathsig=KILL"]
        if self._user:
            prefix += [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}",
                       "--clear-groups"]
        return prefix + ["--", *words]

    def start(self):
        """Starts the server and waits until it accepts connections."""
        path = f"{os.environ['PATH']}:/usr/sbin"
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                self._as_user(
                    "mariadbd", "--no-defaults", f"--datadir={self.folder}/data",
                    f"--socket={self.folder}/socket", f"--port={self.port}",
                    "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=2",
                    "--innodb-buffer-pool-size=32M", f"--pid-file={self.folder}/pid"),
                stdout=log, stderr=log, env={**os.environ, "PATH": path})
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.run("SELECT 1")
            except pymysql.err.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    log = (self.folder / "server.log").read_text(errors="replace")
                    raise RuntimeError(f"MariaDB does not start:\n{log[-2000:]}") from None
                time.sleep(0.05)

    def end(self):
        """Ends the server as in a crash, and keeps its data."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=60)

    def stop(self):
        self.end()
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)

    def connect(self, database=None):
        return pymysql.connect(
            unix_socket=f"{self.folder}/socket", user="root", database=database, autocommit=True)

    def run(self, sql, *parameters, database=None):
        """The rows of one statement."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql, parameters or None)
            return cursor.fetchall()

    def url(self, database):
        return f"mysql+pymysql://app:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
