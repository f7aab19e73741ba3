"""Where a cloud keeps what it knows: SQLite in its data directory, or a schema of PostgreSQL."""

import os
import shutil
import subprocess
import uuid

import pytest

STORES = ["sqlite", "postgres"]

# `cargo xtask test` starts a server and names it here.
SERVER = os.environ.get("MARRAM_TEST_STORE")


def server():
    """The URL of the tests' server."""
    if not SERVER:
        pytest.skip("no PostgreSQL server: MARRAM_TEST_STORE is not set (`cargo xtask test` does)")
    if shutil.which("psql") is None:
        pytest.skip("no psql: install Debian's postgresql-client")
    return SERVER


def sql(statement):
    """Runs a statement on the tests' server; gives its rows as text."""
    done = subprocess.run(
        ["psql", "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", statement, server()],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout.strip()


def fresh_url():
    """The URL of a new, empty schema."""
    schema = f"interop_{uuid.uuid4().hex}"
    sql(f"CREATE SCHEMA {schema}")
    return f"{server()}?options[search_path]={schema}"


def options(kind, folder):
    """What `marram-cloud` is started with for this kind of store."""
    if kind == "sqlite":
        return []
    file = folder / "store.url"
    file.write_text(fresh_url() + "\n")
    return ["--store-file", file]
