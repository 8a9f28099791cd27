"""Writes leg B: the ledger rows of a cut, in ledger version 2."""

from dataclasses import dataclass

from cutter.adapters.dialect import Connection, spell, utc_now
from cutter.errors import IntegrityError
from cutter.registry import Target

INSERT_CHANGE_SET = (
    "INSERT INTO cutter_governance.cut_change_set (id, target_id, run_id, scope, state, opened_utc)"
    " VALUES (%s, %s, %s, %s, 'recorded', %s)"
)
TAKE_OPEN_CHANGE_SET = (
    "UPDATE cutter_governance.cut_change_set SET run_id = %s, scope = %s, state = 'recorded'"
    " WHERE id = %s AND target_id = %s AND state = 'open'"
)
INSERT_ENVELOPE = (
    "INSERT INTO cutter_governance.manifest_envelope (change_set_id, manifest_sha256, units, sealed_utc)"
    " VALUES (%s, %s, %s, %s)"
)
INSERT_REVIEW = (
    "INSERT INTO cutter_governance.review_decision (id, change_set_id, verdict, reviewer, decided_utc)"
    " VALUES (%s, %s, 'accept', 'sovereign', %s)"
)
INSERT_PAIR = (
    "INSERT INTO cutter_governance.dot_pair_signature (change_set_id, left_sha256, right_sha256, pair_sha256)"
    " VALUES (%s, %s, %s, %s)"
)


@dataclass(frozen=True)
class LedgerEntry:
    """One cut, as the ledger keeps it."""

    change_set_id: str
    target: Target
    run_id: str
    scope: str
    units: int
    manifest_sha256: str
    pair_sha256: str
    review_decision_id: str


class LedgerV2Cut:
    """The cut's side of the ledger."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def record(self, entry: LedgerEntry) -> int:
        """All four rows in one transaction; returns how many there are.

        A change set that was opened for the target beforehand is taken; otherwise one is opened here.
        """
        if not entry.review_decision_id:
            raise IntegrityError(f"{entry.change_set_id}: no review decision is named")
        at = utc_now()
        key = entry.change_set_id
        cursor = self.connection.cursor()
        try:
            cursor.execute(
                spell(self.connection, TAKE_OPEN_CHANGE_SET), (entry.run_id, entry.scope, key, entry.target.id)
            )
            if cursor.rowcount == 0:
                cursor.execute(
                    spell(self.connection, INSERT_CHANGE_SET), (key, entry.target.id, entry.run_id, entry.scope, at)
                )
            cursor.execute(spell(self.connection, INSERT_ENVELOPE), (key, entry.manifest_sha256, entry.units, at))
            cursor.execute(spell(self.connection, INSERT_REVIEW), (entry.review_decision_id, key, at))
            cursor.execute(
                spell(self.connection, INSERT_PAIR),
                (key, entry.target.content_sha256, entry.manifest_sha256, entry.pair_sha256),
            )
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        return 4
