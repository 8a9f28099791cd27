"""Phase 4: what was written is read back and compared."""

from cutter.mode import Mode
from cutter.phases.base import Phase


class WriteVerifyPhase(Phase):
    """The last phase that can still be undone row by row."""

    name = "write_verify"

    def run(self, ctx):
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, "the plan is computed a second time and compared")
        plan = self.discoverer.simulate_write_verify(ctx)
        return self.passed(plan)
