"""The discoverer of a dry run: it answers each phase with what that phase would do."""

from typing import Dict

from cutter.context import RunContext
from cutter.errors import IntegrityError
from cutter.manifest import manifest_digest, pair_digest


class LiveDryRunDiscoverer:
    """Looks at the live registry and plans a run against it, without touching a row.

    Every ``simulate_*`` method computes, from the units and from what the registry holds, the rows that its phase would
    write, and hands the plan back to the caller. It opens no writing connection, makes no dump and signs nothing. The
    phases call it in a dry run only; a live run goes through :mod:`cutter.adapters`.
    """

    def simulate_pre_write_backup(self, ctx: RunContext) -> Dict[str, object]:
        """What a dump would have to hold: rows by table."""
        rows = ctx.registry.counts()
        return {"tables": len(rows), "rows": sum(rows.values()), "encrypted_to": None}

    def simulate_cut_leg_a(self, ctx: RunContext) -> Dict[str, object]:
        """The data rows: one unit and one version for each clause."""
        planned = [
            {"unit_id": unit.unit_id, "address": unit.address, "state": "draft", "body_sha256": unit.sha256}
            for unit in ctx.units
        ]
        ctx.planned["units"] = planned
        return {"information_unit": len(planned), "unit_version": len(planned)}

    def simulate_leg_b_record(self, ctx: RunContext) -> Dict[str, object]:
        """The ledger rows: change set, manifest, review and the pair of signatures."""
        manifest = manifest_digest((unit["unit_id"], unit["body_sha256"]) for unit in ctx.planned["units"])
        ctx.planned["manifest_sha256"] = manifest
        ctx.planned["pair"] = pair_digest(ctx.target.content_sha256, manifest)
        return {
            "cut_change_set": 1,
            "manifest_envelope": 1,
            "review_decision": 1,
            "dot_pair_signature": 1,
        }

    def simulate_write_verify(self, ctx: RunContext) -> Dict[str, object]:
        """Cuts once more and compares, as the verification would after a write."""
        again = [(unit.unit_id, unit.sha256) for unit in ctx.units]
        if manifest_digest(again) != ctx.planned["manifest_sha256"]:
            raise IntegrityError(f"run {ctx.run_id}: the plan does not repeat itself")
        if len(again) != ctx.target.units:
            raise IntegrityError(f"run {ctx.run_id}: {len(again)} units were cut, {ctx.target.units} are registered")
        return {"verify_result": 1}

    def simulate_lifecycle_enact(self, ctx: RunContext) -> Dict[str, object]:
        """The units that would move from draft to enacted."""
        draft = [unit for unit in ctx.planned["units"] if unit["state"] == "draft"]
        return {"enacted": len(draft)}
