"""Verifies a recorded cut from the rows themselves, and enacts it."""

import hashlib
from typing import List

from cutter.adapters.dialect import Connection, spell, utc_now
from cutter.errors import IntegrityError
from cutter.manifest import manifest_digest
from cutter.units import Unit

SELECT_VERSIONS = (
    "SELECT v.unit_id, v.body, v.body_sha256 FROM unit_version v JOIN information_unit u ON u.id = v.unit_id"
    " WHERE u.change_set_id = %s ORDER BY v.unit_id"
)
SELECT_MANIFEST = "SELECT manifest_sha256 FROM cutter_governance.manifest_envelope WHERE change_set_id = %s"
INSERT_RESULT = (
    "INSERT INTO cutter_governance.verify_result (change_set_id, outcome, units, manifest_sha256, verified_utc)"
    " VALUES (%s, %s, %s, %s, %s)"
)
ENACT = "UPDATE information_unit SET state = 'enacted' WHERE change_set_id = %s AND state = 'draft'"


class LedgerV2Verify:
    """The checking side of the ledger."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def verify(self, change_set_id: str, planned: List[Unit]) -> int:
        """Reads every body again, compares it with the plan and with the manifest, and records the outcome."""
        expected = sorted((unit.unit_id, unit.sha256) for unit in planned)
        # What was not committed is no longer seen.
        self.connection.rollback()
        cursor = self.connection.cursor()
        try:
            cursor.execute(spell(self.connection, SELECT_VERSIONS), (change_set_id,))
            rows = cursor.fetchall()
            cursor.execute(spell(self.connection, SELECT_MANIFEST), (change_set_id,))
            sealed = cursor.fetchone()
            found = sorted((unit_id, digest(body)) for unit_id, body, _ in rows)
            pinned = all(digest(body) == sha256 for _, body, sha256 in rows)
            manifest = manifest_digest(found)
            equal = bool(found) and found == expected and pinned and sealed is not None and sealed[0] == manifest
            outcome = "PASS" if equal else "FAIL"
            cursor.execute(
                spell(self.connection, INSERT_RESULT), (change_set_id, outcome, len(found), manifest, utc_now())
            )
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        if not equal:
            raise IntegrityError(f"{change_set_id}: what was written is not what was planned and sealed")
        return len(found)

    def enact(self, change_set_id: str, expected: int) -> int:
        """Moves the drafts of a change set to enacted: as many as were verified, or none."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(spell(self.connection, ENACT), (change_set_id,))
            moved = cursor.rowcount
            if moved != expected:
                raise IntegrityError(f"{change_set_id}: {moved} drafts would be enacted, {expected} were verified")
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        return moved


def digest(body: str) -> str:
    """SHA-256 of a body's UTF-8."""
    return hashlib.sha256(body.encode("utf-8")).hexdigest()
