"""PostgreSQL and the embedded registry spell two things differently: parameters, and the ledger's schema."""


def is_embedded(connection):
    """Whether the connection is one to SQLite."""
    return type(connection).__module__.split(".")[0] == "sqlite3"


def spell(connection, statement):
    """A statement written for PostgreSQL, as the connection at hand wants it."""
    if is_embedded(connection):
        return statement.replace("cutter_governance.", "cutter_governance_").replace("%s", "?")
    return statement
