"""Phase 3, leg B: the ledger rows that say which cut this was."""

from cutter.adapters.ledger_v2_canonical_cut import LedgerEntry, LedgerV2Cut
from cutter.context import RunContext
from cutter.errors import CutterError
from cutter.manifest import manifest_digest, pair_digest
from cutter.mode import Mode
from cutter.phases.base import Phase, PhaseResult
from cutter.switch import require_execution_enabled


class LegBRecordPhase(Phase):
    """Change set, manifest envelope, review decision, pair of signatures."""

    name = "leg_b_record"

    def run(self, ctx: RunContext) -> PhaseResult:
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
            manifest = manifest_digest((unit.unit_id, unit.sha256) for unit in ctx.units)
            entry = LedgerEntry(
                change_set_id=ctx.change_set_id,
                target=ctx.target,
                run_id=ctx.run_id,
                scope="live",
                units=len(ctx.units),
                manifest_sha256=manifest,
                pair_sha256=pair_digest(ctx.target.content_sha256, manifest),
                review_decision_id=ctx.review_decision_id,
            )
            written = LedgerV2Cut(ctx.connection).record(entry)
            return self.passed({"ledger": written})
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, f"ledger rows are planned for {ctx.change_set_id}")
            return self.passed(self.discoverer.simulate_leg_b_record(ctx))
        raise CutterError(f"{self.name} knows no mode {ctx.mode}")
