"""Phase 1: a full, encrypted dump before the first row changes."""

from cutter.adapters.backup_embedded_gpg import EmbeddedDumpGpgBackup
from cutter.context import RunContext
from cutter.errors import CutterError
from cutter.mode import Mode
from cutter.phases.base import Phase
from cutter.switch import require_execution_enabled


class PreWriteBackupPhase(Phase):
    """Nothing is cut before this phase has passed."""

    name = "pre_write_backup"

    def run(self, ctx: RunContext):
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
            backup = EmbeddedDumpGpgBackup(ctx.connection, ctx.backup_fingerprint, ctx.gnupg_home)
            return self.passed({"bytes": backup.write(ctx.backup_path), "encrypted_to": backup.fingerprint})
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, "no dump is made in a dry run")
            return self.passed(self.discoverer.simulate_pre_write_backup(ctx))
        raise CutterError(f"{self.name} knows no mode {ctx.mode}")
