"""What a driver's `connect` is given for the words of a URL's query: a table."""

import importlib.util
import ssl

import pytest

from harness.python_programs import SOURCES


def program(name):
    """A module of the daemon's Python programs that needs none of the others."""
    spec = importlib.util.spec_from_file_location(name, SOURCES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


drivers = program("migrationd_drivers")
FUNCTION = object()


@pytest.mark.parametrize("driver, given, made", [
    ("asyncpg", {"host": "h", "port": 5432}, {"host": "h", "port": 5432}),
    ("asyncpg", {"command_timeout": "60", "timeout": "2.5", "statement_cache_size": "0"},
     {"command_timeout": 60.0, "timeout": 2.5, "statement_cache_size": 0}),
    ("asyncpg", {"command_timeout": "none", "direct_tls": "true"},
     {"command_timeout": None, "direct_tls": True}),
    ("asyncpg", {"timeout": 3, "loop": FUNCTION}, {"timeout": 3, "loop": FUNCTION}),
    ("asyncpg", {"server_settings": '{"search_path": "a"}', "options": "-c jit=off"},
     {"server_settings": {"search_path": "a", "options": "-c jit=off"}}),
    ("asyncpg", {"server_settings": {"application_name": "env"}, "application_name": "url"},
     {"server_settings": {"application_name": "env"}}),
    ("asyncpg", {"ssl": "verify-full", "sslrootcert": "/ca b.pem", "sslkey": "/k"},
     {"ssl": "verify-full", "dsn": "postgresql:///?sslkey=%2Fk&sslrootcert=%2Fca+b.pem"}),
    ("psycopg", {"autocommit": "off", "prepare_threshold": "none", "options": "-c jit=off"},
     {"autocommit": False, "prepare_threshold": None, "options": "-c jit=off"}),
    ("psycopg_async", {"prepare_threshold": "0"}, {"prepare_threshold": 0}),
    ("psycopg2", {"connect_timeout": "3", "client_encoding": "utf8"},
     {"connect_timeout": "3", "client_encoding": "utf8"}),
    ("pg8000", {"timeout": "3", "tcp_keepalive": "0", "options": "-c jit=off"},
     {"timeout": 3.0, "tcp_keepalive": False, "startup_params": {"options": "-c jit=off"}}),
    ("pg8000", {"sslmode": "disable"}, {"ssl_context": False}),
    ("pg8000", {"sslmode": "prefer"}, {"ssl_context": None}),
])
def test_a_query_becomes_arguments(driver, given, made):
    assert drivers.completed(driver, given) == made


@pytest.mark.parametrize("mode, verified, named", [
    ("require", ssl.CERT_NONE, False), ("verify-ca", ssl.CERT_REQUIRED, False),
    ("verify-full", ssl.CERT_REQUIRED, True)])
def test_a_mode_of_tls_becomes_a_context(mode, verified, named):
    context = drivers.completed("pg8000", {"sslmode": mode})["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (verified, named)
