"""The command line: ``status``, ``dry-run``, ``run``, ``revert`` and ``tree-digest``."""

import argparse
import os
import sqlite3
import sys
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List, Optional

from cutter import __commit__, __milestone__, __version__, config, permit, record, undo, units
from cutter.config import Config
from cutter.context import RunContext
from cutter.errors import ConfigError, CutterError, PermitError, RegistryError
from cutter.lock import RunLock
from cutter.mode import Mode
from cutter.orchestrator import PHASES, Orchestrator, Outcome
from cutter.registry import Registry, connect
from cutter.switch import execution_enabled, require_execution_enabled
from cutter.treedigest import tree_digest
from cutter.units import Unit


def main(argv: Optional[List[str]] = None) -> int:
    """Parses, runs, and returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        exit_status: int = arguments.command(arguments)
        return exit_status
    except (CutterError, OSError, sqlite3.Error) as error:
        print(f"cutter: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="cutter", description="Cuts governed documents into information units.")
    top.add_argument("--root", help="root of the system that is worked on (default: where this tree is deployed)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, perform, text in (
        ("dry-run", dry_run, "plan a run and write the record of the plan"),
        ("run", live_run, "run; refused while the execution switch is off"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--registry", required=True, metavar="REGISTRY", help="the registry: a file, or a postgresql:// URL")
        command.add_argument("--target", required=True, metavar="ID", help="a registered target")
        command.add_argument("--record", required=True, metavar="FILE", help="where the record goes")
        command.add_argument("--run-id", metavar="ID", help="the id of the run (default: a new one)")
        command.add_argument("--review-decision-id", metavar="ID", help="the review that a live cut rests on")
        if perform is live_run:
            command.add_argument("--permit", metavar="FILE", help="what allows this run, with FILE.asc beside it")
            command.add_argument("--until", metavar="PHASE", help="in a rehearsal: end after this phase, with status 10")
        command.set_defaults(command=perform)
    command = commands.add_parser("revert", help="take back what one run wrote, unless it was enacted")
    for option in ("--registry", "--target", "--run-id", "--permit"):
        command.add_argument(option, required=True)
    command.set_defaults(command=revert)
    commands.add_parser("status", help="what is deployed and what is missing").set_defaults(command=status)
    commands.add_parser("tree-digest", help="the digest of this tree").set_defaults(command=print_digest)
    return top


def dry_run(arguments: argparse.Namespace) -> int:
    """Plans a run. A plan that cannot be finished leaves no record."""
    run_id = arguments.run_id or f"dryrun-{uuid.uuid4()}"
    settings = config.load(arguments.root)
    with closing(Registry(arguments.registry)) as registry:
        ctx = context(arguments, Mode.DRYRUN, run_id, settings, registry, {})
        outcome = Orchestrator().run(ctx)
    if outcome.failure is not None:
        raise outcome.failure.error
    return finish(arguments, ctx, outcome)


def live_run(arguments: argparse.Namespace) -> int:
    """Runs. Whatever happens after the first phase was begun, a record tells it."""
    run_id = arguments.run_id or f"live-{uuid.uuid4()}"
    if not arguments.permit:
        require_execution_enabled(run_id)
        raise PermitError(f"run {run_id} has no --permit: nothing was started")
    settings = config.load(arguments.root)
    allowed = permit.load(arguments.permit, settings, "run", run_id, arguments.target, arguments.registry)
    if arguments.until and not allowed.rehearsal:
        raise PermitError("--until is for rehearsals, and the permit is for a run")
    runs, locks = required(settings, arguments)
    live = {
        "backup_fingerprint": os.environ["BACKUP_GPG_FPR"],
        "gnupg_home": os.environ.get("GNUPGHOME", "/var/lib/cutter/gnupg"),
        "backup_path": str(runs / f"{run_id}.dump.gpg"),
        "review_decision_id": arguments.review_decision_id,
        "permit": allowed,
    }
    if allowed.fields["review_decision_id"] != arguments.review_decision_id:
        raise PermitError(f"the permit rests on the review {allowed.fields['review_decision_id']!r}")
    with closing(Registry(arguments.registry)) as registry, RunLock(locks, arguments.target, run_id):
        with closing(connect(arguments.registry, settings.get("orchestrator.statement_timeout_ms"))) as connection:
            ctx = context(arguments, Mode.LIVE, run_id, settings, registry, {"connection": connection, **live})
            if len(ctx.units) > settings.get("orchestrator.max_units"):
                raise ConfigError(f"{len(ctx.units)} units are more than orchestrator.max_units allows")
            undo.keep(connection, runs / f"{run_id}.undo.json", run_id, ctx.change_set_id)
            with permit.execution_enabled_by(allowed):
                outcome = Orchestrator().run(ctx, arguments.until)
    return finish(arguments, ctx, outcome)


def revert(arguments: argparse.Namespace) -> int:
    """Takes back what one run wrote: its rows, then its dump and its lock. Nothing where it had not begun to write."""
    run_id = arguments.run_id
    settings = config.load(arguments.root)
    permit.load(arguments.permit, settings, "revert", run_id, arguments.target, arguments.registry)
    runs, locks = (settings.below_root(f"orchestrator.{key}") for key in ("runs_dir", "locks_dir"))
    lock = RunLock(locks, arguments.target, run_id)
    kept = runs / f"{run_id}.undo.json"
    before = undo.load(kept, run_id)
    if before is None:
        print(f"{run_id}: nothing had been written")
    else:
        with closing(connect(arguments.registry, settings.get("orchestrator.statement_timeout_ms"))) as connection:
            for line in undo.take_back(connection, before):
                print(f"taken back: {line}")
    for name in (".dump.gpg", ".dump.gpg.sha256", ".dump.gpg.partial"):
        (runs / f"{run_id}{name}").unlink(missing_ok=True)
    lock.break_own()
    kept.unlink(missing_ok=True)
    return 0


def required(settings: Config, arguments: argparse.Namespace) -> List[Path]:
    """What a live run cannot do without; returns the folders for dumps and for locks."""
    missing = settings.missing_orchestrator_keys()
    if missing:
        raise ConfigError(f"not configured: {', '.join(missing)}")
    if settings.get("deploy.commit") != __commit__:
        raise ConfigError(f"the configuration pins commit {settings.get('deploy.commit')}, this is {__commit__}")
    if not arguments.review_decision_id:
        raise ConfigError("no --review-decision-id: a cut rests on a review that somebody made")
    if not os.environ.get("BACKUP_GPG_FPR"):
        raise ConfigError("BACKUP_GPG_FPR is not set: there is no key to encrypt the dump to")
    folders = [settings.below_root("orchestrator.runs_dir"), settings.below_root("orchestrator.locks_dir")]
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder} is not there")
    return folders


def context(
    arguments: argparse.Namespace, mode: Mode, run_id: str, settings: Config, registry: Registry, live: Dict[str, Any]
) -> RunContext:
    """The context of a run: the target, its units, and what only a live run has."""
    target = registry.target(arguments.target)
    try:
        cut: List[Unit] = units.cut(target.document_id, registry.content(target))
    except ValueError as error:
        raise RegistryError(str(error)) from error
    return RunContext(
        run_id=run_id,
        mode=mode,
        config=settings,
        registry=registry,
        target=target,
        units=cut,
        change_set_id=target.open_change_set or f"CCS-{run_id}",
        **live,
    )


def finish(arguments: argparse.Namespace, ctx: RunContext, outcome: Outcome) -> int:
    """Writes the record and says what was done."""
    record.write(arguments.record, record.compose(ctx, outcome))
    for note in ctx.notes:
        print(note)
    for result in outcome.results:
        print(f"{result.phase}: {result.status} {result.rows}")
    passed = f"{ctx.run_id}: {ctx.mode.name} {len(outcome.results)}/{len(PHASES)} phases PASS"
    if outcome.failure is not None:
        print(f"{passed}, {outcome.failure.phase} FAILED, record {arguments.record}")
        raise outcome.failure.error
    print(f"{passed}, record {arguments.record}")
    return 0


def status(arguments: argparse.Namespace) -> int:
    """What is deployed."""
    settings = config.load(arguments.root)
    print(f"cutter {__version__} ({__milestone__}), commit {__commit__}, host {settings.host}")
    print(f"execution switch: {'on' if execution_enabled() else 'off'}")
    for key in settings.missing_orchestrator_keys():
        print(f"not configured: {key}")
    return 0


def print_digest(arguments: argparse.Namespace) -> int:
    """The digest that records carry."""
    print(tree_digest())
    return 0
