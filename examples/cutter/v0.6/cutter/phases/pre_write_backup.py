"""Phase 1: a full, encrypted dump before the first row changes."""

from cutter.mode import Mode
from cutter.phases.base import Phase


class PreWriteBackupPhase(Phase):
    """Nothing is cut before this phase has passed."""

    name = "pre_write_backup"

    def run(self, ctx):
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, "no dump is made in a dry run")
        plan = self.discoverer.simulate_pre_write_backup(ctx)
        return self.passed(plan)
