"""Phase 4: what was written is read back from the database and compared."""

from cutter.adapters.ledger_v2_canonical_verify import LedgerV2Verify
from cutter.context import RunContext
from cutter.errors import CutterError
from cutter.mode import Mode
from cutter.phases.base import Phase, PhaseResult
from cutter.switch import require_execution_enabled


class WriteVerifyPhase(Phase):
    """The last phase that can still be undone row by row."""

    name = "write_verify"

    def run(self, ctx: RunContext) -> PhaseResult:
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
            compared = LedgerV2Verify(ctx.connection).verify(ctx.change_set_id, ctx.units)
            return self.passed({"verify_result": 1, "units_compared": compared})
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, "the plan is computed a second time and compared")
            return self.passed(self.discoverer.simulate_write_verify(ctx))
        raise CutterError(f"{self.name} knows no mode {ctx.mode}")
