"""Servers that follow another one, and servers that are busy recovering."""

import os
import subprocess

from .cluster import Cluster


class Standby(Cluster):
    """A streaming standby of `primary`, which from then on waits for it with each COMMIT.

    Otherwise a commit that was answered could be lost with the primary, and no client can help that.
    """

    def __init__(self, primary):
        self.primary = primary
        super().__init__(primary.settings, primary.password)
        primary.psql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.psql("SELECT pg_reload_conf()")

    def _initialize(self):
        words = ["-D", self.folder / "data", "-d", self.primary.socket_conninfo("postgres")]
        words += ["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        command = self._command(self.programs / "pg_basebackup", *words)
        subprocess.run(command, cwd=self.folder, check=True)

    def promote(self):
        """Makes it the primary, and waits until it is."""
        assert self.psql("SELECT pg_promote()") == "t"

    def failover_url(self, database):
        """A URL with both servers, of which libpq takes the one that can be written to."""
        place = f"@127.0.0.1:{self.port}"
        both = f"@127.0.0.1:{self.primary.port},127.0.0.1:{self.port}"
        return self.url(database).replace(place, both) + "?target_session_attrs=read-write"


class Recovery:
    """Restarts a server as after a crash, and keeps it recovering until `finish`.

    It waits for a segment from an archive, as a server does that has hours of them to replay, and
    refuses every connection meanwhile (57P03).
    """

    def __init__(self, cluster):
        self.cluster = cluster
        self.gate = cluster.folder / "archive-ends-here"
        data = cluster.folder / "data"
        cluster.end("immediate")
        self._write(data / "recovery.signal", "")
        command = f"while [ ! -e {self.gate} ]; do sleep 0.05; done; false"
        with open(data / "postgresql.auto.conf", "a") as file:
            file.write(f"restore_command = '{command}'\n")
        cluster.launch()

    def finish(self):
        """Lets recovery come to its end, and waits until the server accepts connections."""
        self._write(self.gate, "")
        self.cluster.wait_until_ready()

    def _write(self, path, text):
        path.write_text(text)
        if self.cluster.user:
            os.chown(path, self.cluster.user.pw_uid, self.cluster.user.pw_gid)
