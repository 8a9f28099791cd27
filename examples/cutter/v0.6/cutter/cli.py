"""The command line: ``status``, ``dry-run``, ``run`` and ``tree-digest``."""

import argparse
import sys
import uuid

from cutter import __commit__, __milestone__, __version__, config, record, units
from cutter.context import RunContext
from cutter.errors import CutterError, RegistryError
from cutter.mode import Mode
from cutter.orchestrator import Orchestrator
from cutter.registry import Registry
from cutter.switch import execution_enabled
from cutter.treedigest import tree_digest


def main(argv=None):
    """Parses, runs, and returns the exit status."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.command(arguments)
    except (CutterError, OSError) as error:
        print(f"cutter: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)


def parser():
    """The commands and their options."""
    top = argparse.ArgumentParser(prog="cutter", description="Cuts governed documents into information units.")
    top.add_argument("--root", help="root of the system that is worked on (default: where this tree is deployed)")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for name, mode, text in (
        ("dry-run", Mode.DRYRUN, "plan a run and write the record of the plan"),
        ("run", Mode.LIVE, "run; refused while the execution switch is off"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--registry", required=True, metavar="FILE", help="the registry")
        command.add_argument("--target", required=True, metavar="ID", help="a registered target")
        command.add_argument("--record", required=True, metavar="FILE", help="where the record goes")
        command.add_argument("--run-id", metavar="ID", help="the id of the run (default: a new one)")
        command.set_defaults(command=perform, mode=mode)
    commands.add_parser("status", help="what is deployed and what is missing").set_defaults(command=status)
    commands.add_parser("tree-digest", help="the digest of this tree").set_defaults(command=print_digest)
    return top


def perform(arguments):
    """A dry or a live run."""
    settings = config.load(arguments.root)
    registry = Registry(arguments.registry)
    try:
        target = registry.target(arguments.target)
        try:
            cut = units.cut(target.document_id, registry.content(target))
        except ValueError as error:
            raise RegistryError(str(error)) from error
        run_id = arguments.run_id or f"{arguments.mode.value}-{uuid.uuid4()}"
        ctx = RunContext(
            run_id=run_id,
            mode=arguments.mode,
            config=settings,
            registry=registry,
            target=target,
            units=cut,
            change_set_id=target.open_change_set or f"CCS-{run_id}",
        )
        outcome = Orchestrator().run(ctx)
    finally:
        registry.close()
    record.write(arguments.record, record.compose(ctx, outcome))
    for note in ctx.notes:
        print(note)
    for result in outcome.results:
        print(f"{result.phase}: {result.status} {result.rows}")
    passed = sum(result.status == "PASS" for result in outcome.results)
    print(f"{run_id}: {ctx.mode.name} {passed}/{len(outcome.results)} phases PASS, record {arguments.record}")
    return 0


def status(arguments):
    """What is deployed."""
    settings = config.load(arguments.root)
    print(f"cutter {__version__} ({__milestone__}), commit {__commit__}, host {settings.host}")
    print(f"execution switch: {'on' if execution_enabled() else 'off'}")
    for key in settings.missing_orchestrator_keys():
        print(f"not configured: {key}")
    return 0


def print_digest(arguments):
    """The digest that records carry."""
    print(tree_digest())
    return 0
