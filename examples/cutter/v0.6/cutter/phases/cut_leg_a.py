"""Phase 2, leg A: the data rows, one unit and one version for each clause."""

from cutter.mode import Mode
from cutter.phases.base import Phase


class CutLegAPhase(Phase):
    """The units go in as drafts."""

    name = "cut_leg_a"

    def run(self, ctx):
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, f"{len(ctx.units)} units are planned in memory")
        plan = self.discoverer.simulate_cut_leg_a(ctx)
        return self.passed(plan)
