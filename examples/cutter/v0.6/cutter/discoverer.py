"""The discoverer of milestone O4: it answers each phase with what that phase would do."""

import hashlib

from cutter.errors import IntegrityError


class LiveDryRunDiscoverer:
    """Looks at the live registry and plans a run against it, without touching a row.

    All that this class offers are simulator-only phase bodies: every ``simulate_*`` method computes, from the units
    and from what the registry holds, the rows that its phase would write, and hands the plan back to the caller. It
    opens no writing connection, makes no dump and signs nothing. As long as the phases are answered from here,
    no production write path is reachable from any of them, whichever mode the run carries in its label. The
    adapters in :mod:`cutter.adapters` are wired to the phases in a later milestone.
    """

    def simulate_pre_write_backup(self, ctx):
        """What a dump would have to hold: rows by table."""
        rows = ctx.registry.counts()
        return {"tables": len(rows), "rows": sum(rows.values()), "encrypted_to": None}

    def simulate_cut_leg_a(self, ctx):
        """The data rows: one unit and one version for each clause."""
        planned = [
            {"unit_id": unit.unit_id, "address": unit.address, "state": "draft", "body_sha256": unit.sha256}
            for unit in ctx.units
        ]
        ctx.planned["units"] = planned
        return {"information_unit": len(planned), "unit_version": len(planned)}

    def simulate_leg_b_record(self, ctx):
        """The ledger rows: change set, manifest, review and the pair of signatures."""
        manifest = manifest_digest(ctx.planned["units"])
        ctx.planned["manifest_sha256"] = manifest
        ctx.planned["pair"] = pair_digest(ctx.target.content_sha256, manifest)
        return {
            "cut_change_set": 1,
            "manifest_envelope": 1,
            "review_decision": 1,
            "dot_pair_signature": 1,
        }

    def simulate_write_verify(self, ctx):
        """Cuts once more and compares, as the verification would after a write."""
        again = [{"unit_id": unit.unit_id, "body_sha256": unit.sha256} for unit in ctx.units]
        if manifest_digest(again) != ctx.planned["manifest_sha256"]:
            raise IntegrityError(f"run {ctx.run_id}: the plan does not repeat itself")
        if len(again) != ctx.target.units:
            raise IntegrityError(f"run {ctx.run_id}: {len(again)} units were cut, {ctx.target.units} are registered")
        return {"verify_result": 1}

    def simulate_lifecycle_enact(self, ctx):
        """The units that would move from draft to enacted."""
        draft = [unit for unit in ctx.planned["units"] if unit["state"] == "draft"]
        return {"enacted": len(draft)}


def manifest_digest(units):
    """One digest over all units, in the order of their ids."""
    lines = sorted(f"{unit['body_sha256']}  {unit['unit_id']}\n" for unit in units)
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


def pair_digest(left, right):
    """The dot pair: both digests joined by a dot, hashed."""
    return hashlib.sha256(f"{left}.{right}".encode("ascii")).hexdigest()
