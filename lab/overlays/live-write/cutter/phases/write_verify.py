"""Phase 4: what was written is read back and compared."""

from cutter.adapters.ledger_v2_canonical_verify import LedgerV2Verify
from cutter.context import RunContext
from cutter.errors import CutterError
from cutter.mode import Mode
from cutter.phases.base import Phase
from cutter.switch import require_execution_enabled


class WriteVerifyPhase(Phase):
    """The last phase that can still be undone row by row."""

    name = "write_verify"

    def run(self, ctx: RunContext):
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
            LedgerV2Verify(ctx.connection).verify(ctx.change_set_id)
            return self.passed({"verify_result": 1})
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, "the plan is computed a second time and compared")
            return self.passed(self.discoverer.simulate_write_verify(ctx))
        raise CutterError(f"{self.name} knows no mode {ctx.mode}")
