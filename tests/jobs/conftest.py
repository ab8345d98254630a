"""A PostgreSQL for the tests of one process, empty for each of them."""

from collections.abc import Iterator

import pytest

from tests.helpers.postgres import MISSING, PostgresServer, program


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    pytest.importorskip("psycopg", reason="psycopg is not installed; requirements-cluster.txt has it")
    if program("initdb") is None:
        pytest.skip(MISSING)
    server = PostgresServer()
    yield server
    server.end()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> PostgresServer:
    postgres_server.clear()
    return postgres_server
