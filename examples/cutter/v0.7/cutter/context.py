"""What the phases of one run share."""

import sqlite3
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Union

from cutter.config import Config
from cutter.mode import Mode
from cutter.permit import Permit
from cutter.registry import Registry, Target
from cutter.sealed import SealedDump
from cutter.units import Unit

if TYPE_CHECKING:
    import psqldb


def now() -> datetime:
    """This instant, to the second, in UTC."""
    return datetime.now(timezone.utc).replace(microsecond=0)


@dataclass
class RunContext:
    """One run: who, what, how, and what the phases have found so far."""

    run_id: str
    mode: Mode
    config: Config
    registry: Registry
    target: Target
    units: List[Unit]
    change_set_id: str
    #: What only a live run has: a connection that writes, a key and a place for the dump, and the review.
    connection: "Optional[Union[sqlite3.Connection, psqldb.Connection]]" = None
    backup_fingerprint: str = ""
    gnupg_home: str = ""
    backup_path: str = ""
    review_decision_id: str = ""
    #: What allows it, asked again before each phase.
    permit: Optional[Permit] = None
    #: The dump of this run, once it was made.
    dump: Optional[SealedDump] = None
    started: datetime = field(default_factory=now)
    notes: List[str] = field(default_factory=list)
    planned: Dict[str, Any] = field(default_factory=dict)

    def note(self, phase: str, text: str) -> None:
        """Keeps one line for the operator."""
        self.notes.append(f"{phase}: {text}")
