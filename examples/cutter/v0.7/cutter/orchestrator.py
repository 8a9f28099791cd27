"""Runs the five mutating phases in their order and keeps what each reported."""

from dataclasses import dataclass
from datetime import datetime
from typing import Dict, List, Optional, Tuple, Type

from cutter.context import RunContext, now
from cutter.discoverer import LiveDryRunDiscoverer
from cutter.errors import Stopped
from cutter.mode import Mode
from cutter.phases.base import Phase, PhaseResult
from cutter.phases.cut_leg_a import CutLegAPhase
from cutter.phases.leg_b_record import LegBRecordPhase
from cutter.phases.lifecycle_enact import LifecycleEnactPhase
from cutter.phases.pre_write_backup import PreWriteBackupPhase
from cutter.phases.write_verify import WriteVerifyPhase
from cutter.switch import require_execution_enabled

#: The order is part of the contract: no data row before the backup, nothing enacted before it was verified.
PHASES: Tuple[Type[Phase], ...] = (
    PreWriteBackupPhase,
    CutLegAPhase,
    LegBRecordPhase,
    WriteVerifyPhase,
    LifecycleEnactPhase,
)


@dataclass
class Failure:
    """The phase that failed, and its error."""

    phase: str
    error: Exception


@dataclass
class Outcome:
    """What a run came to: the phases that passed, and the one that did not."""

    results: List[PhaseResult]
    failure: Optional[Failure]
    counts_before: Dict[str, int]
    counts_after: Dict[str, int]
    finished: datetime


class Orchestrator:
    """Drives one run."""

    def __init__(self, discoverer: Optional[LiveDryRunDiscoverer] = None) -> None:
        self.discoverer = discoverer or LiveDryRunDiscoverer()

    def run(self, ctx: RunContext, until: Optional[str] = None) -> Outcome:
        """All phases, or those before the first that fails. Nothing is begun while the switch is off.

        The permit of a live run is asked before each phase. A rehearsal may end after the phase ``until``.
        """
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
        before = ctx.registry.counts()
        results: List[PhaseResult] = []
        failure = None
        for phase_class in PHASES:
            phase = phase_class(self.discoverer)
            try:
                if ctx.permit is not None:
                    ctx.permit.validate()
                    print(f"phase {phase.name} begun", flush=True)
                results.append(phase.run(ctx))
            except Exception as error:
                failure = Failure(phase.name, error)
                break
            if ctx.permit is not None:
                print(f"phase {phase.name} done", flush=True)
            if phase.name == until:
                failure = Failure(phase.name, Stopped(f"ended after {phase.name}, as the rehearsal asked"))
                break
        return Outcome(results, failure, before, ctx.registry.counts(), now())
