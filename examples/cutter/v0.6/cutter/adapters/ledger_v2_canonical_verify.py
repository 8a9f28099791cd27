"""Verifies a recorded cut from the rows themselves, and enacts it."""

import hashlib
from datetime import datetime, timezone

from cutter.adapters.dialect import spell
from cutter.errors import IntegrityError

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

    def __init__(self, connection):
        self.connection = connection

    def verify(self, change_set_id):
        """Hashes every body again, compares with the manifest, and records the outcome."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(spell(self.connection, SELECT_VERSIONS), (change_set_id,))
            found = [(unit_id, digest(body), pinned) for unit_id, body, pinned in cursor.fetchall()]
            lines = sorted(f"{now_is}  {unit_id}\n" for unit_id, now_is, _ in found)
            manifest = hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()
            cursor.execute(spell(self.connection, SELECT_MANIFEST), (change_set_id,))
            sealed = cursor.fetchone()
            equal = bool(found) and sealed is not None and sealed[0] == manifest
            outcome = "PASS" if equal and all(now_is == pinned for _, now_is, pinned in found) else "FAIL"
            at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            cursor.execute(
                spell(self.connection, INSERT_RESULT), (change_set_id, outcome, len(found), manifest, at)
            )
            self.connection.commit()
        except Exception:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        if outcome != "PASS":
            raise IntegrityError(f"{change_set_id}: what was written is not what was sealed")
        return len(found)

    def enact(self, change_set_id):
        """Moves the drafts of a change set to enacted and returns how many moved."""
        cursor = self.connection.cursor()
        try:
            cursor.execute(spell(self.connection, ENACT), (change_set_id,))
            moved = cursor.rowcount
            self.connection.commit()
        except Exception:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        return moved


def digest(body):
    """SHA-256 of a body's UTF-8."""
    return hashlib.sha256(body.encode("utf-8")).hexdigest()
