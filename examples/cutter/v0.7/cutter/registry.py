"""The registry: a file of SQLite, or a database of a PostgreSQL server that is reached through ``psql``.

:class:`Registry` reads and nothing else: its connection is read-only. :func:`connect` gives one that writes.
"""

import hashlib
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Union
from urllib.parse import quote

from cutter.adapters.dialect import Connection, is_embedded, spell
from cutter.errors import IntegrityError, RegistryError

#: How the address of a server begins; any other is a file.
SERVERS = ("postgresql://", "postgres://")

#: Every table that a run may touch or must leave alone; a record counts the rows of each.
SURFACE = (
    "cutter_governance.cut_change_set",
    "cutter_governance.dot_pair_signature",
    "cutter_governance.manifest_envelope",
    "cutter_governance.review_decision",
    "cutter_governance.verify_result",
    "information_unit",
    "source_document",
    "source_version",
    "unit_version",
)


@dataclass(frozen=True)
class Target:
    """A registered target of a cut."""

    id: str
    document_id: str
    version: int
    content_sha256: str
    units: int
    open_change_set: Optional[str]


def is_server(registry: str) -> bool:
    """Whether a registry is on a server."""
    return registry.startswith(SERVERS)


def served(registry: str, read_only: bool, statement_timeout_ms: int) -> Connection:
    """A connection to a server, by the driver that is deployed beside the release."""
    try:
        import psqldb
    except ImportError as error:
        raise RegistryError(f"{registry} is on a server, and the driver psqldb is not in PYTHONPATH") from error
    return psqldb.connect(registry, read_only, statement_timeout_ms)


def address_of(registry: str) -> str:
    """A registry as permits name it: a URL as it stands, a file with its links followed."""
    return registry if is_server(registry) else os.path.realpath(registry)


def connect(registry: str, statement_timeout_ms: int) -> Connection:
    """A connection that writes. Nothing is committed unless it is told so."""
    if is_server(registry):
        return served(registry, False, statement_timeout_ms)
    connection = sqlite3.connect(registry)
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


class Registry:
    """Read access to one registry."""

    def __init__(self, registry: Union[str, Path]) -> None:
        self.name = str(registry)
        self._connection: Connection
        if is_server(self.name):
            self._connection = served(self.name, True, 0)
            return
        path = Path(registry)
        if not path.is_file():
            raise RegistryError(f"no registry at {path}")
        uri = f"file:{quote(str(path.resolve()))}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True)

    def close(self) -> None:
        """Gives it back."""
        self._connection.close()

    def _one(self, statement: str, *parameters: Any) -> Any:
        cursor = self._connection.cursor()
        try:
            cursor.execute(spell(self._connection, statement), parameters)
            return cursor.fetchone()
        except sqlite3.Error as error:
            raise RegistryError(f"{self.name}: {error}") from error
        finally:
            cursor.close()
            # Each look is a moment of its own: what others commit meanwhile is seen.
            self._connection.rollback()

    def target(self, target_id: str) -> Target:
        """The registered target of that id."""
        row = self._one(
            "SELECT id, document_id, version, content_sha256, units, open_change_set FROM target WHERE id = %s",
            target_id,
        )
        if row is None:
            raise RegistryError(f"no target {target_id} is registered in {self.name}")
        return Target(*row)

    def content(self, target: Target) -> str:
        """The text of the target's document version, checked against the registered digest."""
        row = self._one(
            "SELECT content FROM source_version WHERE document_id = %s AND version = %s",
            target.document_id,
            target.version,
        )
        if row is None:
            raise RegistryError(f"{target.document_id} has no version {target.version}")
        found = hashlib.sha256(row[0].encode("utf-8")).hexdigest()
        if found != target.content_sha256:
            raise IntegrityError(f"{target.id}: the content has sha256 {found}, registered is {target.content_sha256}")
        content: str = row[0]
        return content

    def counts(self) -> Dict[str, int]:
        """Rows of every table of the surface."""
        here = (lambda name: name.replace(".", "_")) if is_embedded(self._connection) else str
        return {here(table): self._one(f"SELECT count(*) FROM {table}")[0] for table in SURFACE}
