"""Phase 2, leg A: the data rows, one unit and one version for each clause."""

from cutter.adapters.prod_iu_adapter_canonical import ProdInformationUnitAdapter
from cutter.context import RunContext
from cutter.errors import CutterError
from cutter.mode import Mode
from cutter.phases.base import Phase, PhaseResult
from cutter.sealed import require_sealed
from cutter.switch import require_execution_enabled


class CutLegAPhase(Phase):
    """The units go in as drafts."""

    name = "cut_leg_a"

    def run(self, ctx: RunContext) -> PhaseResult:
        if ctx.mode is Mode.LIVE:
            require_execution_enabled(ctx.run_id)
            require_sealed(ctx.dump, ctx.run_id)
            written = ProdInformationUnitAdapter(ctx.connection).write_units(ctx.change_set_id, ctx.units)
            return self.passed({"information_unit": written, "unit_version": written})
        if ctx.mode is Mode.DRYRUN:
            ctx.note(self.name, f"{len(ctx.units)} units are planned in memory")
            return self.passed(self.discoverer.simulate_cut_leg_a(ctx))
        raise CutterError(f"{self.name} knows no mode {ctx.mode}")
