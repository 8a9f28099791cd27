"""What the revert of one cut needs to know of the time before it, and the revert itself.

Before a live run begins, the row of its change set is kept in a file. The revert takes back what carries the change set, in
one transaction, and puts that row back. It never deletes what was enacted.
"""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from cutter.adapters.dialect import Connection, alone, spell
from cutter.errors import CompensationRequired, IntegrityError
from cutter.record import write as write_record

FORMAT = "cutter-undo/1"

#: What carries a change set, from the last phase to the first: table and condition.
ROWS: Tuple[Tuple[str, str], ...] = (
    ("cutter_governance.verify_result", "change_set_id = %s"),
    ("cutter_governance.dot_pair_signature", "change_set_id = %s"),
    ("cutter_governance.review_decision", "change_set_id = %s"),
    ("cutter_governance.manifest_envelope", "change_set_id = %s"),
    ("unit_version", "unit_id IN (SELECT id FROM information_unit WHERE change_set_id = %s)"),
    ("information_unit", "change_set_id = %s"),
)
CHANGE_SET = "SELECT id, target_id, run_id, scope, state, opened_utc FROM cutter_governance.cut_change_set WHERE id = %s"
PUT_BACK = (
    "UPDATE cutter_governance.cut_change_set SET target_id = %s, run_id = %s, scope = %s, state = %s, opened_utc = %s"
    " WHERE id = %s"
)
GONE = "DELETE FROM cutter_governance.cut_change_set WHERE id = %s"


def keep(connection: Connection, path: Path, run_id: str, change_set_id: str) -> None:
    """Keeps what the revert needs. Stops a run whose change set carries rows already: they could not be told apart."""
    cursor = connection.cursor()
    try:
        for table, condition in ROWS:
            cursor.execute(spell(connection, f"SELECT count(*) FROM {table} WHERE {condition}"), (change_set_id,))
            (count,) = cursor.fetchone()
            if count:
                raise IntegrityError(f"{change_set_id} carries {count} rows in {table} already")
        cursor.execute(spell(connection, CHANGE_SET), (change_set_id,))
        row: Optional[Tuple[Any, ...]] = cursor.fetchone()
    finally:
        cursor.close()
        connection.rollback()
    undo = {"format": FORMAT, "run_id": run_id, "change_set_id": change_set_id, "row": list(row) if row else None}
    write_record(str(path), undo)


def load(path: Path, run_id: str) -> Optional[Dict[str, Any]]:
    """What was kept; nothing where the run had not begun to write."""
    try:
        undo: Dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    if undo.get("format") != FORMAT or undo.get("run_id") != run_id:
        raise IntegrityError(f"{path} is not of the run {run_id}")
    return undo


def take_back(connection: Connection, undo: Dict[str, Any]) -> List[str]:
    """Takes the rows of one cut back: all of them, or none. What was taken, table by table."""
    key = undo["change_set_id"]
    taken: List[str] = []
    cursor = connection.cursor()
    try:
        cursor.execute(alone(connection))
        enacted = "SELECT count(*) FROM information_unit WHERE change_set_id = %s AND state = 'enacted'"
        cursor.execute(spell(connection, enacted), (key,))
        (count,) = cursor.fetchone()
        if count:
            raise CompensationRequired(f"{count} units of {key} are enacted: they are not deleted, compensate instead")
        for table, condition in ROWS:
            cursor.execute(spell(connection, f"DELETE FROM {table} WHERE {condition}"), (key,))
            taken.append(f"{table} {cursor.rowcount}")
        if undo["row"] is None:
            cursor.execute(spell(connection, GONE), (key,))
        else:
            cursor.execute(spell(connection, PUT_BACK), (*undo["row"][1:], key))
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    finally:
        cursor.close()
    return taken
