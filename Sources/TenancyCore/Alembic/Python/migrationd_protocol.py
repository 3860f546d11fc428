"""What both programs share: answers that nothing disturbs, errors, secrets, Alembic's config.

Importing this module imports neither Alembic nor SQLAlchemy: a program must be able to answer
where they are missing, and quickly where nothing has changed.
"""

import json
import os
import re
import sys
import threading
import traceback
import typing

TRACEBACK_LINES = 12
LENGTHS = {"message": 1000, "statement": 500, "committed": 200}
# Texts are cut to their length only when the passwords are out; until then to this.
RAW_LENGTH = 10_000
OLDEST_ALEMBIC = (1, 8)
OLDEST_SQLALCHEMY = (1, 4)
DRIVERS = ("psycopg2", "psycopg", "pg8000")
ASYNC_DRIVERS = ("asyncpg", "psycopg")
PACKAGES = ("alembic", "sqlalchemy")
DRIVER_PACKAGES = (
    "psycopg2", "psycopg2-binary", "psycopg", "pg8000", "psycopg2cffi", "asyncpg", "greenlet")
# As JSON writes it: behind a backslash that is itself escaped, the same letters are plain text.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")


class Failure(Exception):
    """An error with the kind that the daemon decides by."""

    def __init__(self, kind, message, path=None, revision=None, cause=None):
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.path = path
        self.revision = revision
        self.cause = cause

    def document(self):
        """The error as the daemon reads it; what is not known is left out."""
        document = {"kind": self.kind, "message": self.message}
        if self.path:
            document["path"] = str(self.path)
        if self.revision:
            document["revision"] = self.revision
        if self.cause is not None:
            document["traceback"] = traceback_lines(self.cause)
        return document


# MARK: Standard input and output


class Channel:
    """The daemon's end of stdin and stdout, out of the project's reach.

    Whatever the project or its children print, in Python or in C, goes to stderr, and whoever
    reads stdin finds it empty.
    """

    def __init__(self):
        self._is_forked = False
        self._requests = os.fdopen(os.dup(0), "rb")
        self._answers = os.fdopen(os.dup(1), "wb")
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._leave)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout = sys.stderr

    def _leave(self):
        """A child that a project forks has no part in the conversation, even if it comes back from
        the step as if it were the worker: its answers would be taken for the next request's."""
        self._is_forked = True
        nothing = os.open(os.devnull, os.O_RDWR)
        for file in (self._requests, self._answers):
            os.dup2(nothing, file.fileno(), inheritable=False)
        os.close(nothing)

    def read_all(self):
        """The one request of a program that gets only one."""
        return json.loads(self._requests.read())

    def read_line(self):
        """The next request, or None when the daemon has closed its end or is gone."""
        line = self._requests.readline()
        return json.loads(line) if line else None

    def answer(self, document):
        """Writes one line; a forked child ends here instead. NUL, which JSON could carry and
        PostgreSQL could not, is shown."""
        if self._is_forked:
            os._exit(1)
        text = _NUL.sub("\\1\ufffd", json.dumps(document, ensure_ascii=False))
        with self._lock:
            self._answers.write(text.encode("utf-8", "replace") + b"\n")
            self._answers.flush()

    def end(self):
        """Ends the process whatever threads and exit handlers the project has left."""
        sys.stderr.flush()
        os._exit(0)


# MARK: Secrets


class Secrets:
    """Passwords of connection URLs, which no message may repeat."""

    _IN_QUERY = re.compile(
        r"[?&](?:password|sslpassword|oauth_client_secret|scram_client_key|scram_server_key)"
        r"=([^&#]+)")
    _IN_URL = re.compile(r"(\b[\w+]+://[^\s:/@]*):[^\s/]*@")

    def __init__(self):
        self._words = []

    def add_url(self, url):
        """Learns a URL's password, as it stands there and as it reads when decoded."""
        from urllib.parse import quote, quote_plus, unquote, unquote_plus

        found = re.match(r"[\w+]+://[^:/?#]*:(?P<login>.*)@", url or "")
        words = [found.group("login")] if found else []
        words += self._IN_QUERY.findall(url or "")
        for word in words:
            plain = unquote(word)
            spellings = {word, plain, unquote_plus(word), quote(plain, safe=""), quote(plain)}
            spellings |= {quote_plus(plain), repr(plain)[1:-1], plain.replace("%", "%%")}
            self._words = sorted({*self._words, *spellings} - {""}, key=len, reverse=True)

    def scrub(self, value):
        """The same text, list or dictionary with `***` for every secret in its values."""
        if isinstance(value, str):
            value = self._IN_URL.sub(r"\1:***@", value)
            for word in self._words:
                value = value.replace(word, "***")
            return value
        if isinstance(value, dict):
            return {key: self.scrub(each) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.scrub(each) for each in value]
        return value


# MARK: Errors in words


def describe(error):
    """An exception as one line: what its traceback would end with."""
    if isinstance(error, SystemExit):
        return f"sys.exit({'' if error.code is None else repr(error.code)})"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    name = type(error).__name__
    text = f"{name}: {' '.join(lines[:3])}" if lines else name
    if "greenlet" in text and isinstance(error, (ImportError, ValueError)):
        text += f"; install it for {sys.executable}: pip install 'sqlalchemy[asyncio]' " \
            "(SQLAlchemy 2.1 does not bring it by itself)"
    return text[:RAW_LENGTH]


def shortened(value, length=None):
    """A document whose passwords are out, its texts cut to the length of their members' names."""
    if isinstance(value, str):
        return value if not length or len(value) <= length else value[:length - 1] + "…"
    if isinstance(value, dict):
        return {key: shortened(each, LENGTHS.get(key)) for key, each in value.items()}
    if isinstance(value, list):
        return [shortened(each, length) for each in value]
    return value


def is_own_frame(filename):
    """Whether a frame belongs to these programs or to the import machinery."""
    return filename.startswith(("<migrationd_", "<frozen ", "/dev/fd/"))


def traceback_lines(error):
    """The last lines of a traceback, without the frames of these programs."""
    shown = traceback.TracebackException.from_exception(error)
    pending = [shown]
    while pending:
        part = pending.pop()
        kept = [frame for frame in part.stack if not is_own_frame(frame.filename)]
        part.stack = traceback.StackSummary.from_list(kept)
        pending += [each for each in (part.__cause__, part.__context__) if each is not None]
    return "".join(shown.format()).rstrip().splitlines()[-TRACEBACK_LINES:]


# MARK: Versions


def versions():
    """Versions of what renders and runs migrations, found without importing any of it."""
    from importlib import metadata

    found = {"python": "{}.{}.{}".format(*sys.version_info[:3])}
    for package in (*PACKAGES, *DRIVER_PACKAGES):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            if package in PACKAGES:
                found[package] = "unknown"
    return found


def import_alembic():
    """Imports Alembic and SQLAlchemy, or says what is missing where."""
    advice = "install Alembic there, or configure the interpreter that has it"
    try:
        import alembic
        import alembic.config
        import alembic.script
        import sqlalchemy
    except Exception as error:
        raise Failure(
            "alembic_missing",
            f"{sys.executable} cannot import Alembic ({describe(error)}); {advice}",
            cause=error) from None
    for module, oldest in ((alembic, OLDEST_ALEMBIC), (sqlalchemy, OLDEST_SQLALCHEMY)):
        numbers = tuple(int(number) for number in re.findall(r"\d+", module.__version__)[:2])
        if numbers < oldest:
            raise Failure(
                "alembic_missing",
                f"{sys.executable} has {module.__name__} {module.__version__}, and "
                f"{'.'.join(map(str, oldest))} is the oldest that works; {advice}")


# MARK: Alembic's configuration for one tenant


class Address(typing.NamedTuple):
    """Where one tenant lives; no schema means a database of its own."""

    url: str
    schema: typing.Optional[str] = None
    tenant: typing.Optional[str] = None

    def settings(self):
        """Every name under which an env.py is likely to look, with its value."""
        from sqlalchemy.engine import make_url

        database = make_url(self.url).database
        names = (
            (self.url, ("url", "db_url", "database_url", "dbname")),
            (database, ("database", "db")),
            (self.schema, ("schema", "schemas", "schema_name", "tenant_schema")),
            (self.tenant, ("tenant", "tenant_id")),
        )
        return {name: value for value, each in names if value for name in each}


def sqlalchemy_url(url, own=None, drivers=DRIVERS):
    """The URL as SQLAlchemy wants it, which knows `postgresql` but not `postgres`.

    Without a driver it gets the one of `own`, the project's URL; else it means SQLAlchemy's standard
    one, or the first of `drivers` that is installed.
    """
    from sqlalchemy.engine import make_url

    url = re.sub(r"^postgres(?=\+|:)", "postgresql", url)
    if url.startswith("postgresql:"):
        named = re.findall(r"^postgresql\+(\w+):", own or "")
        schemes = [f"postgresql+{driver}" for driver in (*named, *drivers)]
        if drivers == DRIVERS:
            schemes.insert(len(named), "postgresql")
        for scheme in schemes:
            dialect = make_url(f"{scheme}://").get_dialect()
            try:
                (getattr(dialect, "import_dbapi", None) or dialect.dbapi)()
            except ImportError:
                continue
            return url.replace("postgresql", scheme, 1)
    return url


def load_config(config_file, name, address, arguments=None):
    """A fresh Alembic `Config` that tells the tenant in every spelling.

    `arguments` are further attributes of the command line that env.py may look at.
    """
    from argparse import Namespace

    config = _read_config(config_file, name)
    own = config.file_config.get(name, "sqlalchemy.url", raw=True, fallback=None)
    address = address._replace(url=sqlalchemy_url(address.url, own))
    settings = address.settings()
    # fastapi-tenancy's manager gives them in a dictionary of their own, too.
    config.attributes.update(settings, x_args=dict(settings))
    given = [f"{key}={value}" for key, value in settings.items()]
    options = {"config": config_file, "name": name, "x": given, "raiseerr": True}
    config.cmd_opts = Namespace(**{**options, "quiet": False, **(arguments or {})})
    config.set_main_option("sqlalchemy.url", address.url.replace("%", "%%"))
    return config


def configured_url(config_file, name):
    """The URL that the project's own file names, unexpanded; None when there is none."""
    config = _read_config(config_file, name)
    return config.file_config.get(name, "sqlalchemy.url", raw=True, fallback=None)


def _read_config(config_file, name):
    """The project's file, with a pyproject.toml beside it as Alembic's own command has it."""
    import configparser

    from alembic.config import Config

    if not os.path.isfile(config_file):
        raise Failure("config", f"there is no file {config_file}", path=config_file)
    beside = os.path.join(os.path.dirname(config_file), "pyproject.toml")
    takes_toml = hasattr(Config, "toml_alembic_config")
    options = {"toml_file": beside} if takes_toml and os.path.isfile(beside) else {}
    is_toml = os.path.basename(config_file) == "pyproject.toml"
    if is_toml and not takes_toml:
        raise Failure(
            "config", "this Alembic does not read pyproject.toml, 1.16 or later does",
            path=config_file)
    config = Config(None if is_toml else config_file, ini_section=name, **options)
    try:
        sections = config.file_config.sections()
    except (configparser.Error, UnicodeDecodeError) as error:
        raise Failure(
            "config", f"{config_file} cannot be read: {describe(error)}", path=config_file,
            cause=error) from None
    if not is_toml and name not in sections and not options:
        raise Failure(
            "config", f"{config_file} has no section [{name}]; it has "
            f"{', '.join(f'[{each}]' for each in sections) or 'none'}", path=config_file)
    return config


def load_scripts(config, config_file):
    """The `ScriptDirectory` of a config; its revisions are not loaded yet."""
    from alembic.script import ScriptDirectory

    try:
        location = config.get_main_option("script_location") if not hasattr(
            config, "get_alembic_option") else config.get_alembic_option("script_location")
        if not location:
            raise Failure(
                "config", f"{config_file} does not say where the migrations are: "
                f"[{config.config_ini_section}] has no script_location", path=config_file)
        scripts = ScriptDirectory.from_config(config)
    except Failure:
        raise
    except (Exception, SystemExit) as error:
        raise Failure(
            "config", f"{config_file} does not lead to a migrations folder: {describe(error)}",
            path=config_file, cause=error) from None
    sys.path[:] = dict.fromkeys(sys.path)  # prepend_sys_path adds its folders each time.
    if not os.path.isfile(scripts.env_py_location):
        raise Failure(
            "config", f"there is no {scripts.env_py_location}; "
            f"script_location of {config_file} does not name a migrations folder",
            path=scripts.env_py_location)
    return scripts
