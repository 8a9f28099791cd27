"""Phase 3, leg B: the ledger rows that say which cut this was."""

from cutter.mode import Mode
from cutter.phases.base import Phase


class LegBRecordPhase(Phase):
    """Change set, manifest envelope, review decision, pair of signatures."""

    name = "leg_b_record"

    def run(self, ctx):
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, f"ledger rows are planned for {ctx.change_set_id}")
        plan = self.discoverer.simulate_leg_b_record(ctx)
        return self.passed(plan)
