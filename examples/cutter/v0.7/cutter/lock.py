"""One live run of a target at a time: a file that is there from the start of a run to its end."""

import os
from pathlib import Path
from types import TracebackType
from typing import Optional, Type

from cutter.errors import LockedError


class RunLock:
    """Held inside ``with``. A lock that is left over from a killed run is for a person to look at, not taken over."""

    def __init__(self, folder: Path, target_id: str, run_id: str) -> None:
        self.path = folder / f"{target_id}.lock"
        self.run_id = run_id

    def __enter__(self) -> "RunLock":
        try:
            handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
        except FileExistsError as error:
            raise LockedError(f"{self.path} is held: {self.holder()}") from error
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(f"run {self.run_id}, process {os.getpid()}\n")
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.path.unlink()

    def holder(self) -> str:
        """What the lock says of itself."""
        try:
            return self.path.read_text(encoding="utf-8").strip()
        except OSError as error:
            return f"unreadable, {error.strerror}"

    def break_own(self) -> None:
        """Takes away the lock that this very run left, and no other."""
        if self.path.exists() and self.holder().startswith(f"run {self.run_id}, "):
            self.path.unlink()
