"""Which drivers a project works with, and what a driver's `connect` is given: tables."""

import ssl

import pytest

from harness.python_programs import load_module

drivers = load_module("migrationd_drivers")
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


@pytest.mark.parametrize("source, kinds", [
    ("engine = create_engine(url)", ["sync"]),
    ("import sqlalchemy as sa\nwith sa.engine_from_config(c).connect(): pass", ["sync"]),
    ("async def run():\n    engine = async_engine_from_config(c)", ["async"]),
    ("AsyncEngine(engine_from_config(c, future=True))", ["async"]),
    ("engine = create_async_engine(u) if a else create_engine(u)", ["async", "sync"]),
    ("from app.db import engine\nengine.connect()", []),
    ("from sqlalchemy import create_engine", []),
])
def test_the_engines_that_an_env_py_makes(source, kinds):
    assert sorted(drivers.engines(source)) == kinds


@pytest.mark.parametrize("kinds, own, installed, found", [
    (["sync"], None, "psycopg2 psycopg asyncpg", ["psycopg", "psycopg2"]),
    (["sync"], "psycopg2", "psycopg2 psycopg asyncpg", ["psycopg2", "psycopg"]),
    (["sync"], None, "pg8000 psycopg2", ["psycopg2", "pg8000"]),
    (["sync"], "psycopg", "psycopg2 psycopg", ["psycopg", "psycopg2"]),
    (["sync"], "asyncpg", "pg8000 asyncpg", ["pg8000"]),
    (["async"], None, "psycopg2 psycopg asyncpg", ["psycopg", "asyncpg"]),
    (["async"], "psycopg_async", "psycopg_async asyncpg", ["psycopg_async", "asyncpg"]),
    (["sync", "async"], None, "psycopg2 asyncpg", ["psycopg2", "asyncpg"]),
    (["sync"], None, "asyncpg", []), ([], "psycopg2", "psycopg2 asyncpg", ["psycopg2"]),
    ([], "asyncpg", "psycopg2", []), ([], None, "psycopg2 asyncpg", []),
])
def test_the_drivers_that_a_project_works_with(kinds, own, installed, found):
    assert drivers.of_project(kinds, own, "psycopg", installed.split().__contains__) == found


@pytest.mark.parametrize("kinds, found, said", [
    (["sync"], ["psycopg2"], None), ([], [], None), (["sync", "async"], ["asyncpg"], None),
    (["async"], [], "has none of asyncpg, psycopg, psycopg_async: install one of them"),
    (["sync"], ["asyncpg"], "migrations.driver is asyncpg, and env.py makes a synchronous engine"),
])
def test_a_project_whose_drivers_are_not_there(kinds, found, said):
    remark = drivers.remark(kinds, found)
    assert remark is None if said is None else said in remark
