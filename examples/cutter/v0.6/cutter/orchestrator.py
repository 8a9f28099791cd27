"""Runs the five mutating phases in their order and keeps what each reported."""

from dataclasses import dataclass
from datetime import datetime
from typing import Dict, List

from cutter.context import RunContext, now
from cutter.discoverer import LiveDryRunDiscoverer
from cutter.mode import Mode
from cutter.phases.base import PhaseResult
from cutter.phases.cut_leg_a import CutLegAPhase
from cutter.phases.leg_b_record import LegBRecordPhase
from cutter.phases.lifecycle_enact import LifecycleEnactPhase
from cutter.phases.pre_write_backup import PreWriteBackupPhase
from cutter.phases.write_verify import WriteVerifyPhase
from cutter.switch import require_execution_enabled

#: The order is part of the contract: no data row before the backup, nothing enacted before it was verified.
PHASES = (PreWriteBackupPhase, CutLegAPhase, LegBRecordPhase, WriteVerifyPhase, LifecycleEnactPhase)


@dataclass
class Outcome:
    """A run that went through all phases."""

    results: List[PhaseResult]
    counts_before: Dict[str, int]
    counts_after: Dict[str, int]
    finished: datetime


class Orchestrator:
    """Drives one run."""

    def __init__(self, discoverer=None):
        self.discoverer = discoverer or LiveDryRunDiscoverer()

    def run(self, ctx: RunContext) -> Outcome:
        """All phases, or the first error."""
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
        before = ctx.registry.counts()
        results = []
        for phase_class in PHASES:
            phase = phase_class(self.discoverer)
            results.append(phase.run(ctx))
        return Outcome(results, before, ctx.registry.counts(), now())
