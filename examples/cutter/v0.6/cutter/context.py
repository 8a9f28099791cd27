"""What the phases of one run share."""

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import List

from cutter.config import Config
from cutter.mode import Mode
from cutter.registry import Registry, Target
from cutter.units import Unit


def now():
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
    started: datetime = field(default_factory=now)
    notes: List[str] = field(default_factory=list)
    planned: dict = field(default_factory=dict)

    def note(self, phase, text):
        """Keeps one line for the operator."""
        self.notes.append(f"{phase}: {text}")
