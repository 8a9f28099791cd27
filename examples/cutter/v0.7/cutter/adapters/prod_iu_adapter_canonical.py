"""Writes leg A: information units and their versions."""

from typing import List

from cutter.adapters.dialect import Connection, spell, utc_now
from cutter.errors import IntegrityError
from cutter.units import Unit

INSERT_UNIT = (
    "INSERT INTO information_unit (id, document_id, address, state, change_set_id, created_utc)"
    " VALUES (%s, %s, %s, 'draft', %s, %s)"
)
INSERT_VERSION = (
    "INSERT INTO unit_version (unit_id, version, body, body_sha256, created_utc) VALUES (%s, 1, %s, %s, %s)"
)


class ProdInformationUnitAdapter:
    """One connection, one change set, all units or none."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def write_units(self, change_set_id: str, units: List[Unit]) -> int:
        """Inserts every unit as a draft and returns how many were committed."""
        if not units:
            raise IntegrityError(f"{change_set_id}: there is no unit to write")
        at = utc_now()
        cursor = self.connection.cursor()
        try:
            for unit in units:
                cursor.execute(
                    spell(self.connection, INSERT_UNIT),
                    (unit.unit_id, unit.document_id, unit.address, change_set_id, at),
                )
                cursor.execute(
                    spell(self.connection, INSERT_VERSION), (unit.unit_id, unit.body, unit.sha256, at)
                )
            self.connection.commit()
        except BaseException:
            self.connection.rollback()
            raise
        finally:
            cursor.close()
        return len(units)
