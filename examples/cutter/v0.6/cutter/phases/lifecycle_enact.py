"""Phase 5: drafts become enacted. There is no way back from here."""

from cutter.mode import Mode
from cutter.phases.base import Phase


class LifecycleEnactPhase(Phase):
    """Needs its own authorisation, SG_2."""

    name = "lifecycle_enact"

    def run(self, ctx):
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, "no unit changes its state in a dry run")
        plan = self.discoverer.simulate_lifecycle_enact(ctx)
        return self.passed(plan)
