"""Phase 1: a full, encrypted dump before the first row changes."""

from cutter.adapters.backup import backup_of
from cutter.context import RunContext
from cutter.errors import CutterError
from cutter.mode import Mode
from cutter.phases.base import Phase, PhaseResult
from cutter.switch import require_execution_enabled


class PreWriteBackupPhase(Phase):
    """Nothing is cut before this phase has passed."""

    name = "pre_write_backup"

    def run(self, ctx: RunContext) -> PhaseResult:
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
            backup = backup_of(ctx.connection, ctx.backup_fingerprint, ctx.gnupg_home)
            ctx.dump = backup.write(ctx.backup_path)
            return self.passed(
                {"bytes": ctx.dump.size, "encrypted_to": ctx.dump.encrypted_to, "sha256": ctx.dump.sha256}
            )
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, "no dump is made in a dry run")
            return self.passed(self.discoverer.simulate_pre_write_backup(ctx))
        raise CutterError(f"{self.name} knows no mode {ctx.mode}")
