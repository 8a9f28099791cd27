"""What every phase has: a name, a discoverer, and one result."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Dict

from cutter.context import RunContext
from cutter.discoverer import LiveDryRunDiscoverer


@dataclass(frozen=True)
class PhaseResult:
    """What a phase did or would do."""

    phase: str
    status: str
    rows: Dict[str, object] = field(default_factory=dict)


class Phase(ABC):
    """Base of the phases."""

    name = "phase"

    def __init__(self, discoverer: LiveDryRunDiscoverer) -> None:
        self.discoverer = discoverer

    @abstractmethod
    def run(self, ctx: RunContext) -> PhaseResult:
        """Writes in a live run, plans in a dry run, and knows no other mode."""

    def passed(self, rows: Dict[str, object]) -> PhaseResult:
        """A result without complaint."""
        return PhaseResult(self.name, "PASS", rows)
