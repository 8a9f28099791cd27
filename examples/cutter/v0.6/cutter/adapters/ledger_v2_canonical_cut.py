"""Writes leg B: the ledger rows of a cut, in ledger version 2."""

from datetime import datetime, timezone

from cutter.adapters.dialect import spell

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
    " VALUES (%s, %s, %s, %s, %s)"
)
INSERT_PAIR = (
    "INSERT INTO cutter_governance.dot_pair_signature (change_set_id, left_sha256, right_sha256, pair_sha256)"
    " VALUES (%s, %s, %s, %s)"
)


class LedgerV2Cut:
    """The cut's side of the ledger."""

    def __init__(self, connection):
        self.connection = connection

    def record(self, change_set_id, target, run_id, scope, manifest, pair, units, review):
        """All four rows in one transaction. ``review`` is (id, verdict, reviewer).

        A change set that was opened for the target beforehand is taken; otherwise one is opened here.
        """
        at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        review_id, verdict, reviewer = review
        rows = (
            (INSERT_ENVELOPE, (change_set_id, manifest, units, at)),
            (INSERT_REVIEW, (review_id, change_set_id, verdict, reviewer, at)),
            (INSERT_PAIR, (change_set_id, target.content_sha256, manifest, pair)),
        )
        cursor = self.connection.cursor()
        try:
            cursor.execute(spell(self.connection, TAKE_OPEN_CHANGE_SET), (run_id, scope, change_set_id, target.id))
            if cursor.rowcount == 0:
                cursor.execute(
                    spell(self.connection, INSERT_CHANGE_SET), (change_set_id, target.id, run_id, scope, at)
                )
            for statement, values in rows:
                cursor.execute(spell(self.connection, statement), values)
            self.connection.commit()
        except Exception:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        return len(rows) + 1
