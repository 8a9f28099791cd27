"""PostgreSQL and the embedded registry spell three things differently: parameters, the ledger's schema, and how a
transaction that writes keeps others away."""

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


def alone(connection: Connection) -> str:
    """The statement after which nobody else writes units until the transaction ends."""
    return "BEGIN IMMEDIATE" if is_embedded(connection) else "LOCK TABLE information_unit IN EXCLUSIVE MODE"


def utc_now() -> str:
    """This instant as the registry keeps it: RFC 3339 in UTC, to the second."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
