"""What a PostgreSQL comes with, and another does not."""

import pytest

from .fleet import literal


def need_extension(cluster, name):
    """Skips the test on a server without contrib, such as PyPI's of PostgreSQL 16."""
    query = f"SELECT count(*) FROM pg_available_extensions WHERE name = {literal(name)}"
    if cluster.psql(query) == "0":
        pytest.skip(f"this PostgreSQL comes without the extension {name}")
