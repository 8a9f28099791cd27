"""Phase 5: drafts become enacted. There is no way back from here."""

from cutter.adapters.ledger_v2_canonical_verify import LedgerV2Verify
from cutter.context import RunContext
from cutter.errors import CutterError
from cutter.mode import Mode
from cutter.phases.base import Phase, PhaseResult
from cutter.sealed import require_sealed
from cutter.switch import require_execution_enabled


class LifecycleEnactPhase(Phase):
    """Needs its own authorisation, SG_2."""

    name = "lifecycle_enact"

    def run(self, ctx: RunContext) -> PhaseResult:
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
            require_sealed(ctx.dump, ctx.run_id)
            moved = LedgerV2Verify(ctx.connection).enact(ctx.change_set_id, len(ctx.units))
            return self.passed({"enacted": moved})
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, "no unit changes its state in a dry run")
            return self.passed(self.discoverer.simulate_lifecycle_enact(ctx))
        raise CutterError(f"{self.name} knows no mode {ctx.mode}")
