"""The record of a run: canonical JSON, one line, written whole or not at all."""

import json
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Dict

from cutter.context import RunContext
from cutter.mode import Mode
from cutter.orchestrator import Outcome
from cutter.treedigest import tree_digest


def compose(ctx: RunContext, outcome: Outcome) -> Dict[str, Any]:
    """The record as a value. That of a live run also says what was written, and what failed."""
    record: Dict[str, Any] = {
        "format": "cutgate-dry-run/1",
        "kind": "dry-run",
        "tree_digest": tree_digest(),
        "target": ctx.target.id,
        "host": ctx.config.host,
        "started": instant(ctx.started),
        "finished": instant(outcome.finished),
        "mode": ctx.mode.name,
        "phases": [result.phase for result in outcome.results],
        "counts_before": outcome.counts_before,
        "counts_after": outcome.counts_after,
    }
    if ctx.mode is Mode.LIVE:
        record.update(format="cutter-run/1", kind="run", run_id=ctx.run_id, change_set_id=ctx.change_set_id)
        record["results"] = {result.phase: result.rows for result in outcome.results}
        record["failed"] = None
        if outcome.failure is not None:
            record["failed"] = {"phase": outcome.failure.phase, "error": str(outcome.failure.error)}
    return record


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write(name: str, record: Dict[str, Any]) -> None:
    """Puts the record where it belongs. An older record of that name is not replaced."""
    path = Path(name)
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    handle, scratch = tempfile.mkstemp(prefix=".record-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(scratch, 0o644)
        os.link(scratch, path)
    finally:
        os.unlink(scratch)
