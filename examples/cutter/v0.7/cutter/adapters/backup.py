"""The dump before the write, of whichever database the connection leads to."""

import os
import re
from typing import Union
from urllib.parse import urlsplit

from cutter.adapters.backup_pgdump_gpg import PgDumpGpgBackup
from cutter.adapters.backup_sqlite_gpg import SqliteGpgBackup
from cutter.adapters.dialect import Connection, is_embedded
from cutter.errors import BackupError

#: A whole fingerprint, as OpenPGP has them; a short key id can be forged.
FINGERPRINT = re.compile(r"[0-9A-F]{40}([0-9A-F]{24})?")


def backup_of(
    connection: Connection, fingerprint: str, gnupg_home: str
) -> Union[SqliteGpgBackup, PgDumpGpgBackup]:
    """What dumps the database behind this connection, encrypted to that key."""
    if not FINGERPRINT.fullmatch(fingerprint):
        raise BackupError("BACKUP_GPG_FPR is not a whole fingerprint: there is no key to encrypt the dump to")
    if not gnupg_home:
        raise BackupError("GNUPGHOME is not set: there is no keyring to encrypt the dump from")
    if is_embedded(connection):
        return SqliteGpgBackup(connection, fingerprint, gnupg_home)
    # A connection of psqldb knows where it leads; that of another driver does not.
    url = getattr(connection, "url", None) or os.environ.get("CUTTER_DATABASE_URL")
    if not url:
        raise BackupError("CUTTER_DATABASE_URL is not set: there is no database to dump")
    if urlsplit(url).password:
        raise BackupError("CUTTER_DATABASE_URL holds a password, which others could see: put it into PGPASSFILE")
    return PgDumpGpgBackup(url, fingerprint, gnupg_home)
