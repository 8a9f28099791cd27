"""The dump of the embedded registry: SQL text piped into ``gpg``, so that no plain text ever reaches the disk."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from cutter.adapters.dialect import Connection
from cutter.errors import BackupError
from cutter.sealed import SealedDump, seal


class SqliteGpgBackup:
    """Dumps the registry as SQL, encrypted to one pinned key."""

    def __init__(self, connection: Connection, fingerprint: str, gnupg_home: str) -> None:
        self.connection = connection
        self.fingerprint = fingerprint
        self.gnupg_home = gnupg_home

    def write(self, name: str) -> SealedDump:
        """Writes the dump to that path. ``sqlite3 restored.db`` takes what ``gpg --decrypt`` gives back."""
        path = Path(name)
        partial = path.with_name(path.name + ".partial")
        with closing(sqlite3.connect(":memory:")) as snapshot:
            # One moment of the registry, whoever else writes meanwhile.
            self.connection.backup(snapshot)
            text = "\n".join(snapshot.iterdump()) + "\n"
        encrypt = subprocess.run(
            [
                "gpg", "--homedir", self.gnupg_home, "--batch", "--quiet", "--yes", "--trust-model", "always",
                "--recipient", self.fingerprint, "--output", str(partial), "--encrypt",
            ],
            input=text.encode("utf-8"),
            check=False,
        )
        if encrypt.returncode != 0:
            partial.unlink(missing_ok=True)
            raise BackupError(f"gpg ended with {encrypt.returncode}: no dump was kept, nothing was written")
        return seal(partial, path, self.fingerprint)
