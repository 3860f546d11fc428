#!/bin/sh
# A URL's query reaches asyncpg as text: its own documented keywords fail from a URL, or mean the contrary.
#
# SQLAlchemy hands each word of the query to asyncpg.connect() as a string, and makes a number of one
# only (prepared_statement_cache_size). So `?timeout=5` and `?statement_cache_size=0` end in a TypeError from inside
# asyncpg, `?direct_tls=false` asks for TLS, since the text "false" is true, and what libpq calls
# `application_name`, `options` or `sslmode` is no argument at all. The errors say nothing of the URL.
#
# In: SQLAlchemy 2.0.44 and 2.1.9 with asyncpg 0.32.0.
# A good guess: what works in a URL for asyncpg itself, or in SQLAlchemy's for psycopg, works here.
# Hurts: whoever moves DATABASE_URL from psycopg to asyncpg, or tunes asyncpg by its URL, as poolers ask for.
# `connect_args` of create_async_engine takes the numbers, and `server_settings` there the session's words.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/try.py" <<'PYTHON'
import asyncio
import sys

import asyncpg
import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

# Nobody listens on port 1: an error of another kind comes before the connection.
ARGUMENT = "unexpected keyword argument"
EXPECTED = {
    "prepared_statement_cache_size=0": "Connect call failed", "timeout=5": "'float' and 'str'",
    "statement_cache_size=0": "'str' and 'int'", "direct_tls=false": "direct TLS requires",
    "application_name=shop": ARGUMENT, "options=-c%20jit%3Doff": ARGUMENT,
    "sslmode=disable": ARGUMENT}


async def connect(query):
    engine = create_async_engine("postgresql+asyncpg://u@127.0.0.1:1/db?" + query)
    async with engine.connect():
        pass


print("SQLAlchemy", sqlalchemy.__version__, "asyncpg", asyncpg.__version__)
seen = []
for query, words in EXPECTED.items():
    try:
        asyncio.run(connect(query))
    except Exception as error:
        text = " ".join(str(error).split())
        seen.append(words in text)
        print(f"  {query:32} {type(error).__name__}: {text[:90]}")
sys.exit(seen != [True] * len(EXPECTED))
PYTHON

for version in 2.0.44 2.1.9; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "sqlalchemy[asyncio]==$version" asyncpg==0.32.0
    "$folder/$version/bin/python" "$folder/try.py"
done
