"""The reader of the registry. It opens the database read-only, so no method here can change a row."""

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Union
from urllib.parse import quote

from cutter.errors import IntegrityError, RegistryError

#: Every table that a run may touch or must leave alone; a record counts the rows of each.
SURFACE = (
    "cutter_governance_cut_change_set",
    "cutter_governance_dot_pair_signature",
    "cutter_governance_manifest_envelope",
    "cutter_governance_review_decision",
    "cutter_governance_verify_result",
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


class Registry:
    """Read access to one registry file."""

    def __init__(self, path: Union[str, Path]) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise RegistryError(f"no registry at {self.path}")
        uri = f"file:{quote(str(self.path.resolve()))}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True)

    def close(self) -> None:
        """Gives the file back."""
        self._connection.close()

    def _one(self, statement: str, *parameters: Any) -> Any:
        try:
            return self._connection.execute(statement, parameters).fetchone()
        except sqlite3.Error as error:
            raise RegistryError(f"{self.path}: {error}") from error

    def target(self, target_id: str) -> Target:
        """The registered target of that id."""
        row = self._one(
            "SELECT id, document_id, version, content_sha256, units, open_change_set FROM target WHERE id = ?",
            target_id,
        )
        if row is None:
            raise RegistryError(f"no target {target_id} is registered in {self.path}")
        return Target(*row)

    def content(self, target: Target) -> str:
        """The text of the target's document version, checked against the registered digest."""
        row = self._one(
            "SELECT content FROM source_version WHERE document_id = ? AND version = ?",
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
        return {table: self._one(f'SELECT count(*) FROM "{table}"')[0] for table in SURFACE}
