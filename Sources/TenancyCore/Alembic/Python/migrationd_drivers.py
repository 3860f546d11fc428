"""The drivers of PostgreSQL: which a project works with, and what each takes of a URL's query.

A query is text, and SQLAlchemy hands it to the driver's `connect` as it stands. What the driver takes in
another form, or by another way, is made into that as the connection is opened.
"""

import ast
import json
import ssl
import sys
import urllib.parse

KINDS = {
    "sync": ("psycopg2", "psycopg", "pg8000", "psycopg2cffi"),
    "async": ("asyncpg", "psycopg", "psycopg_async")}
_WORDS = {"sync": "a synchronous", "async": "an asynchronous"}
_MAKERS = {
    "create_engine": "sync", "engine_from_config": "sync", "create_async_engine": "async",
    "async_engine_from_config": "async", "AsyncEngine": "async"}


# MARK: What a project works with


def engines(source):
    """The kinds of engine that env.py makes, by the functions of SQLAlchemy that it calls."""
    found, pending = [], [ast.parse(source)]
    while pending:
        node = pending.pop(0)
        name = None
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
            if name in _MAKERS:
                found.append(_MAKERS[name])
        if name != "AsyncEngine":  # What it is given is the engine inside of it.
            pending += ast.iter_child_nodes(node)
    return tuple(dict.fromkeys(found))


def of_project(kinds, own, standard, is_installed):
    """The drivers that env.py works with, the best one first; none where that is not known.

    `own` is the driver that the project's own URL names, `standard` SQLAlchemy's choice.
    """
    names = [name for kind in kinds for name in KINDS[kind]] if kinds else [own]
    names.sort(key=lambda name: (name != own, name != standard))
    return [name for name in dict.fromkeys(names) if name and is_installed(name)]


def remark(kinds, found):
    """What people should know where env.py makes an engine that no driver at hand is for, or None."""
    if not kinds or any(name in KINDS[kind] for kind in kinds for name in found):
        return None
    engine = " or ".join(_WORDS[kind] for kind in kinds) + " engine"
    names = ", ".join(dict.fromkeys(name for kind in kinds for name in KINDS[kind]))
    if found:
        return f"migrations.driver is {found[0]}, and env.py makes {engine}, which takes one of {names}"
    return (f"env.py makes {engine}, and {sys.executable} has none of {names}: install one of them")


def named(url):
    """The driver that a URL of PostgreSQL names, or None."""
    scheme = (url or "").partition("://")[0]
    return scheme.partition("+")[2] or None if scheme.startswith("postgresql+") else None


def standard():
    """The driver that SQLAlchemy takes for `postgresql://`."""
    from sqlalchemy.engine import make_url

    return make_url("postgresql://").get_dialect().driver


def is_installed(name):
    """Whether this Python has the driver, and SQLAlchemy a dialect for it."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        dialect = make_url(f"postgresql+{name}://").get_dialect()
        (getattr(dialect, "import_dbapi", None) or dialect.dbapi)()
    except (ImportError, ArgumentError):
        return False
    return True


# MARK: What a driver takes

_NUMBERS = {
    "asyncpg": {
        "timeout": float, "command_timeout": float, "statement_cache_size": int,
        "max_cached_statement_lifetime": int, "max_cacheable_statement_size": int},
    "pg8000": {"timeout": float},
    "psycopg": {"prepare_threshold": int},
}
_SWITCHES = {
    "asyncpg": ("direct_tls",), "pg8000": ("tcp_keepalive", "ssl_context"),
    "psycopg": ("autocommit",)}
_SETTINGS = {"asyncpg": "server_settings", "pg8000": "startup_params"}
_SWITCH_WORDS = {
    "true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False,
    "0": False}
# What asyncpg takes in a URL of its own only.
_IN_DSN = (
    "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslpassword", "sslnegotiation",
    "ssl_min_protocol_version", "ssl_max_protocol_version")
# What is a parameter of the session, and no argument.
_OF_SESSION = {"asyncpg": ("options", "application_name"), "pg8000": ("options",)}
_OF_TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword")


def complete(dialect, record, arguments, parameters):
    """SQLAlchemy's event `do_connect`: puts into `parameters` what the driver takes."""
    if dialect.name == "postgresql":
        made = completed(dialect.driver, parameters)
        parameters.clear()
        parameters.update(made)


def completed(driver, given):
    """The arguments of `connect` as that driver takes them; what is not text is left as it is."""
    driver = "psycopg" if driver == "psycopg_async" else driver
    made = dict(given)
    for name, number in _NUMBERS.get(driver, {}).items():
        if isinstance(given.get(name), str):
            made[name] = None if given[name].lower() == "none" else number(given[name])
    for name in _SWITCHES.get(driver, ()):
        if isinstance(given.get(name), str):
            made[name] = _SWITCH_WORDS.get(given[name].lower(), given[name])
    if driver in _SETTINGS:
        _complete_settings(driver, made)
    if driver == "asyncpg":
        words = {name: made.pop(name) for name in _IN_DSN if name in made}
        if words:
            made["dsn"] = "postgresql:///?" + urllib.parse.urlencode(words)
    elif driver == "pg8000":
        words = {name: made.pop(name) for name in _OF_TLS if name in made}
        if "sslmode" in words or "sslrootcert" in words:
            made["ssl_context"] = _tls(words)
    return made


def _complete_settings(driver, made):
    """A dictionary of the session's parameters, together with those that have words of their own."""
    name = _SETTINGS[driver]
    settings = made.pop(name, None) or {}
    settings = dict(json.loads(settings) if isinstance(settings, str) else settings)
    for word in _OF_SESSION[driver]:
        if word in made:
            settings.setdefault(word, made.pop(word))
    if settings:
        made[name] = settings


def _tls(words):
    """pg8000's `ssl_context` for what libpq calls `sslmode` (PostgreSQL manual, "SSL Support")."""
    mode = words.get("sslmode", "prefer")
    if mode in ("disable", "allow"):
        return False
    root = words.get("sslrootcert")
    if mode == "prefer" and not root:
        return None  # It tries TLS, and does without where the server has none.
    context = ssl.create_default_context(cafile=None if root == "system" else root)
    context.check_hostname = mode == "verify-full"
    if not (mode.startswith("verify") or root):
        context.verify_mode = ssl.CERT_NONE
    if "sslcert" in words:
        context.load_cert_chain(
            words["sslcert"], words.get("sslkey"), words.get("sslpassword"))
    return context
