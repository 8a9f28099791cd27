"""The dump before the write for the embedded registry: the same pipe into ``gpg`` as for PostgreSQL."""

import os
import subprocess
from pathlib import Path

from cutter.errors import BackupError


class EmbeddedDumpGpgBackup:
    """Dumps the registry as SQL, encrypted to one pinned key."""

    def __init__(self, connection, fingerprint, gnupg_home):
        if not fingerprint:
            raise BackupError("BACKUP_GPG_FPR is not set: there is no key to encrypt the dump to")
        self.connection = connection
        self.fingerprint = fingerprint
        self.gnupg_home = gnupg_home

    def write(self, path):
        """Writes the dump to ``path`` and returns its size in bytes."""
        path = Path(path)
        partial = path.with_name(path.name + ".partial")
        arguments = [
            "gpg", "--homedir", str(self.gnupg_home), "--batch", "--quiet", "--trust-model", "always",
            "--recipient", self.fingerprint, "--output", str(partial), "--encrypt",
        ]
        text = "\n".join(self.connection.iterdump()) + "\n"
        encrypt = subprocess.run(arguments, input=text.encode("utf-8"), check=False)
        if encrypt.returncode != 0:
            partial.unlink(missing_ok=True)
            raise BackupError(f"gpg ended with {encrypt.returncode}: no dump was kept, nothing was written")
        os.replace(partial, path)
        return path.stat().st_size
