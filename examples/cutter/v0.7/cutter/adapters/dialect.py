"""PostgreSQL and the embedded registry spell two things differently: parameters, and the ledger's schema."""

from datetime import datetime, timezone
from typing import Any

#: A connection as PEP 249 has it: that of :mod:`sqlite3`, or of a PostgreSQL driver.
Connection = Any


def is_embedded(connection: Connection) -> bool:
    """Whether the connection is one to SQLite."""
    return type(connection).__module__.split(".")[0] == "sqlite3"


def spell(connection: Connection, statement: str) -> str:
    """A statement written for PostgreSQL, as the connection at hand wants it."""
    if is_embedded(connection):
        return statement.replace("cutter_governance.", "cutter_governance_").replace("%s", "?")
    return statement


def utc_now() -> str:
    """This instant as the registry keeps it: RFC 3339 in UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
