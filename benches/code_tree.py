"""A tree of 10,000 Python files with twelve phases planted in it: five write in a live run, seven do not.

The other files are Python's own standard library, as often as it takes.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import sysconfig

FILES = 10_000

MODULES = {
    "__init__.py": "",
    "mode.py": "import enum\n\n\nclass Mode(enum.Enum):\n    DRYRUN = 'dryrun'\n    LIVE = 'live'\n",
    "switch.py": "ENABLED = False\n\n\ndef require():\n    if not ENABLED:\n        raise RuntimeError('off')\n",
    "simulator.py": "class Simulator:\n    def simulate_it(self, rows):\n        return len(rows)\n",
    "adapter.py": """import psycopg


class PlantedAdapter:
    def __init__(self, conn: psycopg.Connection):
        self.conn = conn

    def write(self, rows):
        with self.conn.cursor() as cur:
            cur.execute("INSERT INTO t (n) VALUES (%s)", (len(rows),))
        self.conn.commit()
""",
    "context.py": """import dataclasses

import psycopg
from planted.adapter import PlantedAdapter
from planted.mode import Mode
from planted.simulator import Simulator


@dataclasses.dataclass
class PlantedContext:
    mode: Mode
    conn: psycopg.Connection
    adapter: PlantedAdapter
    simulator: Simulator
    rows: list
""",
}
LIVE = "if ctx.mode is Mode.LIVE:\n    switch.require()\n    {}\n    return 1\nreturn ctx.simulator.simulate_it(ctx.rows)"
#: Bodies of phases, and whether they are closed.
PHASES = [
    (LIVE.format("ctx.adapter.write(ctx.rows)"), True),
    ("if ctx.mode is Mode.DRYRUN:\n    return ctx.simulator.simulate_it(ctx.rows)\nswitch.require()\nctx.adapter.write(ctx.rows)", True),
    ("switch.require()\nstep = ctx.adapter.write if ctx.mode == Mode.LIVE else ctx.simulator.simulate_it\nreturn step(ctx.rows)", True),
    ("switch.require()\nreturn {Mode.LIVE: ctx.adapter.write, Mode.DRYRUN: ctx.simulator.simulate_it}[ctx.mode](ctx.rows)", True),
    ("match ctx.mode:\n    case Mode.LIVE:\n        switch.require()\n        return ctx.adapter.write(ctx.rows)\n    case _:\n        return ctx.simulator.simulate_it(ctx.rows)", True),
    (LIVE.format("try:\n        ctx.adapter.write(ctx.rows)\n    except Exception:\n        pass"), False),
    (LIVE.format("if ctx.rows:\n        ctx.adapter.write(ctx.rows)"), False),
    (LIVE.format("ctx.conn.execute('INSERT INTO t VALUES (1)')"), False),
    (LIVE.format("lambda: ctx.adapter.write(ctx.rows)"), False),
    ("if ctx.mode is Mode.LIVE:\n    switch.require()\nreturn ctx.simulator.simulate_it(ctx.rows)", False),
    ("if ctx.mode is Mode.LIVE:\n    ctx.adapter.write(ctx.rows)\n    return 1\nreturn ctx.simulator.simulate_it(ctx.rows)", False),
    ("return ctx.simulator.simulate_it(ctx.rows)", False),
]


def make(folder):
    """Writes `tree` and `code-path.toml` into a folder."""
    tree = folder / "tree"
    tree.mkdir(parents=True)
    library = pathlib.Path(sysconfig.get_paths()["stdlib"])
    files = [path for path in library.rglob("*.py") if "site-packages" not in path.parts]
    for number in range(FILES):
        turn, index = divmod(number, len(files))
        to = tree / f"library{turn}" / files[index].relative_to(library)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[index], to)
    planted = tree / "planted"
    planted.mkdir()
    lines = ['[mode]\nkind = "enum"\nname = "planted.mode.Mode"\nlive = "LIVE"\ndry = "DRYRUN"\n']
    lines.append('[[kill_switch]]\nkind = "constant"\nname = "planted.switch.ENABLED"\n')
    for name, text in MODULES.items():
        (planted / name).write_text(text)
    head = "from planted import switch\nfrom planted.context import PlantedContext\nfrom planted.mode import Mode\n\n\n"
    for number, (body, _) in enumerate(PHASES, 1):
        body = "".join(f"        {line}\n" for line in body.splitlines())
        text = f"{head}class Phase:\n    def run(self, ctx: PlantedContext):\n{body}"
        (planted / f"phase{number:02}.py").write_text(text)
        entry = f"planted.phase{number:02}:Phase.run"
        lines.append(f'[phases.phase{number:02}]\nentry = "{entry}"\ncarrier = "ctx.mode"\n')
    (folder / "code-path.toml").write_text("\n".join(lines))
    return tree, folder / "code-path.toml"


def check(program, tree, config):
    """Ends the benchmark where an answer is wrong: speed without the proof is worth nothing."""
    said = subprocess.run([program, "code-path", tree, "--config", config, "--format", "json"], capture_output=True, text=True).stdout
    phases = {phase["name"]: phase for phase in json.loads(said)["phases"]}
    for number, (_, closed) in enumerate(PHASES, 1):
        phase = phases[f"phase{number:02}"]
        answers = [phase[key] for key in ("live_write", "simulator_reachable", "guarded")]
        if (answers == ["always", "false", "true"]) != closed:
            sys.exit(f"scripts/bench: planted phase {number} is {answers}")
