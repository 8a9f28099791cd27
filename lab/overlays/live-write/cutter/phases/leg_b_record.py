"""Phase 3, leg B: the ledger rows that say which cut this was."""

from cutter.adapters.ledger_v2_canonical_cut import LedgerV2Cut
from cutter.context import RunContext
from cutter.discoverer import manifest_digest, pair_digest
from cutter.errors import CutterError
from cutter.mode import Mode
from cutter.phases.base import Phase
from cutter.switch import require_execution_enabled


class LegBRecordPhase(Phase):
    """Change set, manifest envelope, review decision, pair of signatures."""

    name = "leg_b_record"

    def run(self, ctx: RunContext):
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
            manifest = manifest_digest([{"unit_id": unit.unit_id, "body_sha256": unit.sha256} for unit in ctx.units])
            written = LedgerV2Cut(ctx.connection).record(
                ctx.change_set_id,
                ctx.target,
                ctx.run_id,
                "live",
                manifest,
                pair_digest(ctx.target.content_sha256, manifest),
                len(ctx.units),
                (ctx.review_decision_id, "accept", "sovereign"),
            )
            return self.passed({"ledger": written})
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, f"ledger rows are planned for {ctx.change_set_id}")
            return self.passed(self.discoverer.simulate_leg_b_record(ctx))
        raise CutterError(f"{self.name} knows no mode {ctx.mode}")
