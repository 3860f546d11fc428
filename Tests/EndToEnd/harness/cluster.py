"""A private PostgreSQL server that dies with this process."""

import fcntl
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse

from .fleet import identifier

# Where servers live: in memory, where there is plenty, or on disk.
PLACES = (pathlib.Path("/dev/shm"), pathlib.Path("/tmp"))
PREFIX = "migrationd-e2e-"
ROOT = pathlib.Path(__file__).resolve().parents[3]
# A crash of the server loses nothing with these; one of the machine does.
THROW_AWAY = {"fsync": "off", "full_page_writes": "off"}


def postgres_programs():
    """The folder with initdb, postgres and psql: of PATH, else the newest installed version's."""
    installed = [p for p in pathlib.Path("/usr/lib/postgresql").glob("*/bin")]
    installed.sort(key=lambda p: [int(part) for part in p.parent.name.split(".")], reverse=True)
    for folder in [pathlib.Path(p) for p in os.get_exec_path()] + installed:
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres", "psql")):
            return folder
    raise RuntimeError("no PostgreSQL here: apt-get install postgresql")


def other_postgres_programs():
    """The same of another major version that is installed here, or None."""
    own = server_version().split()[2].partition(".")[0]
    ready = [
        path for root in (pathlib.Path("/var/tmp/migrationd-postgres"), ROOT / ".build-postgres")
        for path in sorted(root.glob("*/*/pginstall/bin")) if (path.parents[2] / "ready").exists()]
    for folder in [*pathlib.Path("/usr/lib/postgresql").glob("*/bin"), *ready]:
        version = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True)
        if version.stdout.split()[2].partition(".")[0] != own:
            return folder
    return None


def server_version():
    """As in `postgres (PostgreSQL) 18.6`."""
    command = [postgres_programs() / "postgres", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _server_user():
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("no user postgres or nobody to run PostgreSQL as")


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _place():
    """Memory where there is plenty: a fleet is some ten thousand files, slow to make and remove."""
    memory, disk = PLACES
    try:
        room = os.statvfs(memory)
    except FileNotFoundError:
        return disk
    return memory if room.f_bavail * room.f_frsize >= 6 << 30 else disk


def _locked(folder):
    """The open file whose lock says that the folder's process lives; None if it is held."""
    file = open(folder / "in-use", "ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def remove_leftovers(places=PLACES):
    """Removes the folders of processes that were killed: in memory, they would fill the machine."""
    for folder in [folder for place in places for folder in place.glob(PREFIX + "*")]:
        try:
            # The file is made a moment after its folder.
            if not (folder / "in-use").exists() and time.time() - folder.stat().st_mtime < 60:
                continue
            lock = _locked(folder)
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
        if lock:
            with lock:
                shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """Starts a server in a temporary folder; `stop` removes the folder again.

    With a password, TCP connections need it. The Unix socket never does: only the server's user
    and root can enter its folder.
    """

    def __init__(self, settings=None, password=None, programs=None):
        self.programs = programs or postgres_programs()
        self.user = _server_user()
        self.password = password
        self.settings = dict(settings or {})
        remove_leftovers()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX, dir=_place()))
        self._lock = _locked(self.folder)
        self.port = _free_port()
        self._process = None
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self._initialize()
        self.start()

    def _command(self, *words):
        # The server must not outlive this process, not even after SIGKILL. The signal comes when
        # the starting thread ends, which is the main thread here.
        prefix = ["setpriv", "--pdeathsig=QUIT"]
        if self.user:
            prefix += [f"--reuid={self.user.pw_uid}", f"--regid={self.user.pw_gid}"]
            prefix += ["--clear-groups"]
        return prefix + ["--"] + [str(word) for word in words]

    def _initialize(self):
        words = ["-D", self.folder / "data", "-U", "postgres", "-E", "UTF8", "--locale=C"]
        words += ["--no-sync", "--auth-local=trust"]
        if self.password is None:
            words += ["--auth-host=trust"]
        else:
            file = self.folder / "password"
            file.write_text(self.password)
            file.chmod(0o600)
            if self.user:
                os.chown(file, self.user.pw_uid, self.user.pw_gid)
            words += ["--auth-host=scram-sha-256", f"--pwfile={file}"]
        command = self._command(self.programs / "initdb", *words)
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL)

    def start(self):
        """Starts the server and waits until it accepts connections."""
        self.launch()
        self.wait_until_ready()

    def wait_until_ready(self):
        """Waits until the server accepts connections."""
        deadline = time.monotonic() + 60
        while not self.is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL does not start:\n{self.log()[-2000:]}")
            time.sleep(0.02)

    def launch(self):
        """Starts the server and does not wait for it."""
        options = ["-D", self.folder / "data", "-k", self.folder, "-p", self.port]
        options += ["-c", "listen_addresses=127.0.0.1"]
        for name, value in self.settings.items():
            options += ["-c", f"{name}={value}"]
        with open(self.folder / "server.log", "ab") as log:
            self._process = subprocess.Popen(
                self._command(self.programs / "postgres", *options),
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )

    def is_ready(self):
        """Whether it accepts connections, as a standby does in hot standby."""
        try:
            lines = (self.folder / "data" / "postmaster.pid").read_text().split("\n")
        except FileNotFoundError:
            return False
        if len(lines) <= 7 or lines[0] != str(self.pid):
            return False
        return lines[7].strip() in ("ready", "standby")

    @property
    def pid(self):
        return self._process.pid

    def end(self, mode="fast"):
        """Shuts the server down, `fast` or `immediate` (like a crash), and keeps the data."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT if mode == "fast" else signal.SIGQUIT)
            self._process.wait(timeout=60)

    def restart(self, mode="fast"):
        self.end(mode)
        self.start()

    def stop(self):
        self.end("immediate")
        # A fleet is some ten thousand files.
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)
        self._lock.close()

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def url(self, database, scheme="postgresql", user="postgres", password=None):
        """A URL over TCP; `scheme` may name a SQLAlchemy driver."""
        password = self.password if password is None else password
        secret = "" if password is None else ":" + urllib.parse.quote(password, safe="")
        return f"{scheme}://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def socket_conninfo(self, database):
        return f"host={self.folder} port={self.port} user=postgres dbname={database}"

    def psql(self, sql, database="postgres"):
        """Runs SQL and returns its rows as text: a line a row, columns separated by `|`."""
        command = [self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        command += ["-d", self.socket_conninfo(database), "-f", "-"]
        done = subprocess.run(
            [str(word) for word in command], input=sql, capture_output=True, text=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        )
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout.rstrip("\n")

    def create_database(self, name, template=None):
        clause = f' TEMPLATE "{template}"' if template else ""
        self.psql(f'CREATE DATABASE "{name}"{clause}')

    def databases(self):
        """The names of all databases."""
        return set(self.psql("SELECT datname FROM pg_database").splitlines())

    def drop_databases(self, names):
        """Drops databases, whoever uses them."""
        self.psql("".join(f"DROP DATABASE {identifier(name)} WITH (FORCE);\n" for name in names))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
