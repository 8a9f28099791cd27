"""The dump before the write: ``pg_dump`` piped into ``gpg``, so that no plain text ever reaches the disk."""

import os
import subprocess
from pathlib import Path

from cutter.errors import BackupError


class PgDumpGpgBackup:
    """Dumps one database, encrypted to one pinned key."""

    def __init__(self, database_url, fingerprint, gnupg_home):
        if not fingerprint:
            raise BackupError("BACKUP_GPG_FPR is not set: there is no key to encrypt the dump to")
        self.database_url = database_url
        self.fingerprint = fingerprint
        self.gnupg_home = gnupg_home

    def write(self, path):
        """Writes the dump to ``path`` and returns its size in bytes."""
        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        environment = dict(os.environ, PGDATABASE=self.database_url)
        dump = subprocess.Popen(["pg_dump", "--format=custom"], stdout=subprocess.PIPE, env=environment)
        encrypt = subprocess.Popen(
            [
                "gpg", "--homedir", str(self.gnupg_home), "--batch", "--trust-model", "always",
                "--recipient", self.fingerprint, "--output", str(partial), "--encrypt",
            ],
            stdin=dump.stdout,
        )
        dump.stdout.close()
        statuses = (encrypt.wait(), dump.wait())
        if statuses != (0, 0):
            partial.unlink(missing_ok=True)
            raise BackupError(f"gpg ended with {statuses[0]} and pg_dump with {statuses[1]}: no dump was kept")
        os.replace(partial, path)
        return path.stat().st_size
