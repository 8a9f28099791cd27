"""What every phase has: a name, a discoverer, and one result."""

from dataclasses import dataclass, field
from typing import Dict


@dataclass(frozen=True)
class PhaseResult:
    """What a phase did or would do."""

    phase: str
    status: str
    rows: Dict[str, object] = field(default_factory=dict)


class Phase:
    """Base of the phases."""

    name = "phase"

    def __init__(self, discoverer):
        self.discoverer = discoverer

    def run(self, ctx):
        raise NotImplementedError

    def passed(self, rows):
        """A result without complaint."""
        return PhaseResult(self.name, "PASS", rows)
