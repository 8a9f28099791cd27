"""Verifies a recorded cut from the rows themselves, and enacts it."""

import hashlib
from typing import List, Set, Tuple

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

#: A unit's id, its body, and the digest that stands beside the body.
Row = Tuple[str, str, str]


class LedgerV2Verify:
    """The checking side of the ledger."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def verify(self, change_set_id: str, planned: List[Unit]) -> int:
        """Reads every body again, compares it with the plan and with the manifest, and records the outcome."""
        # What was not committed is no longer seen.
        self.connection.rollback()
        cursor = self.connection.cursor()
        try:
            cursor.execute(spell(self.connection, SELECT_VERSIONS), (change_set_id,))
            rows = cursor.fetchall()
            cursor.execute(spell(self.connection, SELECT_MANIFEST), (change_set_id,))
            sealed = cursor.fetchone()
            found = {(unit_id, digest(body)) for unit_id, body, _ in rows}
            manifest = manifest_digest(found)
            departure = compare(rows, found, planned)
            if not departure and (sealed is None or sealed[0] != manifest):
                departure = "the manifest"
            outcome = "FAIL" if departure else "PASS"
            cursor.execute(
                spell(self.connection, INSERT_RESULT), (change_set_id, outcome, len(rows), manifest, utc_now())
            )
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        if departure:
            raise IntegrityError(f"{change_set_id}: what was written is not what was planned and sealed: {departure}")
        return len(rows)

    def enact(self, change_set_id: str, expected: int) -> int:
        """Moves the drafts of a change set to enacted: as many as were verified, or none."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(spell(self.connection, ENACT), (change_set_id,))
            moved: int = cursor.rowcount
            if moved != expected:
                raise IntegrityError(f"{change_set_id}: {moved} drafts would be enacted, {expected} were verified")
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        return moved


def compare(rows: List[Row], found: Set[Tuple[str, str]], planned: List[Unit]) -> str:
    """In what the rows depart from the plan; nothing when they are equal. ``found`` has the bodies' digests by unit."""
    wanted = {(unit.unit_id, unit.sha256) for unit in planned}
    stated = {(unit_id, sha256) for unit_id, _, sha256 in rows}
    if not wanted:
        return "nothing was planned"
    if found != wanted:
        return f"units {', '.join(sorted({unit_id for unit_id, _ in found ^ wanted}))}"
    if len(rows) != len(wanted):
        return f"{len(rows)} rows for {len(wanted)} units"
    if stated != found:
        return f"the digests beside {', '.join(sorted({unit_id for unit_id, _ in stated ^ found}))}"
    return ""


def digest(body: str) -> str:
    """SHA-256 of a body's UTF-8."""
    return hashlib.sha256(body.encode("utf-8")).hexdigest()
