"""The record of a run: canonical JSON, one line, written whole or not at all."""

import json
import os
import tempfile
from pathlib import Path

from cutter.mode import Mode
from cutter.treedigest import tree_digest

FORMATS = {Mode.DRYRUN: ("cutgate-dry-run/1", "dry-run"), Mode.LIVE: ("cutter-run/1", "run")}


def compose(ctx, outcome):
    """The record as a value."""
    record_format, kind = FORMATS[ctx.mode]
    return {
        "format": record_format,
        "kind": kind,
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


def instant(moment):
    """RFC 3339 in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path, record):
    """Puts the record where it belongs. An older record of that name is not replaced."""
    path = Path(path)
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
