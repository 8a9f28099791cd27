"""A dump that was encrypted, pinned by the SHA-256 of its bytes."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from cutter.errors import BackupError


@dataclass(frozen=True)
class SealedDump:
    """One encrypted file and what it was when it was made."""

    path: str
    sha256: str
    size: int
    encrypted_to: str


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def seal(partial: Path, path: Path, encrypted_to: str) -> SealedDump:
    """Moves a finished dump to its place, on the disk for good, with its digest in a file beside it."""
    size = partial.stat().st_size
    if size == 0:
        partial.unlink()
        raise BackupError(f"{path} would be empty: no dump was kept, nothing was written")
    sha256 = file_sha256(partial)
    with open(partial, "rb") as file:
        os.fsync(file.fileno())
    os.replace(partial, path)
    beside = path.with_name(path.name + ".sha256")
    with open(beside, "w", encoding="utf-8") as file:
        file.write(f"{sha256}  {path.name}\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return SealedDump(str(path), sha256, size, encrypted_to)


def require_sealed(dump: Optional[SealedDump], run_id: str) -> None:
    """Stops a live run whose dump was not made, is gone, or is not the one that was pinned."""
    if dump is None:
        raise BackupError(f"run {run_id}: there is no dump, so nothing is written")
    path = Path(dump.path)
    if not path.is_file():
        raise BackupError(f"run {run_id}: the dump {path} is gone, so nothing is written")
    found = file_sha256(path)
    if found != dump.sha256:
        raise BackupError(f"run {run_id}: the dump {path} has sha256 {found}, pinned is {dump.sha256}")
