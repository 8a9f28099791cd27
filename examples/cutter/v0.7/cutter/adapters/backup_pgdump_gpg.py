"""The dump of a PostgreSQL database: ``pg_dump`` piped into ``gpg``, so that no plain text ever reaches the disk."""

import subprocess
from pathlib import Path

from cutter.errors import BackupError
from cutter.sealed import SealedDump, seal


class PgDumpGpgBackup:
    """Dumps the database behind a URL without a password, encrypted to one pinned key."""

    def __init__(self, url: str, fingerprint: str, gnupg_home: str) -> None:
        self.url = url
        self.fingerprint = fingerprint
        self.gnupg_home = gnupg_home

    def write(self, name: str) -> SealedDump:
        """Writes the dump to that path. ``pg_restore`` takes what ``gpg --decrypt`` gives back."""
        path = Path(name)
        partial = path.with_name(path.name + ".partial")
        dump = subprocess.Popen(["pg_dump", "--no-password", "--format=custom", "--dbname", self.url], stdout=subprocess.PIPE)
        encrypt = subprocess.Popen(
            [
                "gpg", "--homedir", self.gnupg_home, "--batch", "--quiet", "--yes", "--trust-model", "always",
                "--recipient", self.fingerprint, "--output", str(partial), "--encrypt",
            ],
            stdin=dump.stdout,
        )
        if dump.stdout is not None:
            dump.stdout.close()
        encrypted, dumped = encrypt.wait(), dump.wait()
        if encrypted != 0 or dumped != 0:
            partial.unlink(missing_ok=True)
            raise BackupError(
                f"gpg ended with {encrypted} and pg_dump with {dumped}: no dump was kept, nothing was written"
            )
        return seal(partial, path, self.fingerprint)
