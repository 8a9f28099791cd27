"""An executor that misbehaves as the file `mode` beside the package says. What it does well the cutter does."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

from cutter import cli
from cutter.adapters.ledger_v2_canonical_verify import LedgerV2Verify
from cutter.orchestrator import PHASES

MODE = Path("mode").read_text().strip()
ARGUMENTS = sys.argv[1:]
DATABASE = ARGUMENTS[ARGUMENTS.index("--registry") + 1]


with open("starts", "a") as starts:
    starts.write(" ".join(ARGUMENTS[2:3] + [str(os.getpid())]) + "\n")


def sql(statement):
    with sqlite3.connect(DATABASE) as connection:
        connection.execute(statement)


def honest():
    return cli.main(ARGUMENTS)


def after_leg_a(deed):
    """Runs the cutter, and does something in the middle of it."""
    phase = next(kind for kind in PHASES if kind.name == "cut_leg_a")
    run = phase.run

    def deeply(self, ctx):
        result = run(self, ctx)
        deed()
        return result

    phase.run = deeply
    return honest()


def fails(name):
    """The phase does its work, all of it committed, and then fails."""
    phase = next(kind for kind in PHASES if kind.name == name)
    run = phase.run

    def failing(self, ctx):
        run(self, ctx)
        raise RuntimeError(f"{name} broke")

    phase.run = failing
    return honest()


def dies(name):
    """The phase does its work, all of it committed, and then the process is gone."""
    phase = next(kind for kind in PHASES if kind.name == name)
    run = phase.run

    def dying(self, ctx):
        run(self, ctx)
        os.kill(os.getpid(), signal.SIGKILL)

    phase.run = dying
    return honest()


def deep():
    """Says that it is in the middle of its work, and stays there."""
    Path("deep").write_text("here")
    time.sleep(600)


def family():
    """As deep, with children of which one does not want to end, and one ran away."""
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(600)
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)
    deep()


def daemon():
    """Runs away: a session of its own, no descriptors, and a write some time later."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in range(3):
                os.close(number)
            time.sleep(6)
            sql("UPDATE source_document SET title = 'late'")
            time.sleep(600)
        os._exit(0)
    return honest()


def torn():
    """Dies in the middle of a transaction of which a part is in the file."""
    connection = sqlite3.connect(DATABASE, isolation_level=None)
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("BEGIN")
    for number in range(2000):
        connection.execute("INSERT INTO decision VALUES (?, 'x', 'open', ?, NULL)", (f"T{number}", "y" * 500))
    os.kill(os.getpid(), signal.SIGKILL)


def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)


def then(deed, status=0):
    honest()
    deed()
    return status


def orphan():
    """Kills the program that started it, in the middle of its work, and stays."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(600)


def switch_on():
    switch = Path("host/opt/cutter/v0.7/cutter/switch.py")
    switch.write_text(switch.read_text().replace("= False", "= True"))


def huge():
    piece = b"x" * (1 << 20)
    for _ in range(1024):
        os.write(1, piece)


def silent():
    for number in (0, 1, 2):
        os.close(number)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)


def enact_fails(self, change_set_id, expected):
    raise RuntimeError("enact broke before it committed")


def failing_enact():
    LedgerV2Verify.enact = enact_fails
    return honest()


def look():
    """What was handed down: descriptors, mask, group, environment."""
    descriptors = [name for name in os.listdir("/proc/self/fd") if int(name) > 2 and os.path.exists(f"/proc/self/fd/{name}")]
    mask = os.umask(0o027)
    print("descriptors", descriptors, "mask", oct(mask), "leads", os.getpgid(0) == os.getpid(), "in", os.read(0, 1))
    print("environment", sorted(os.environ))
    return honest()


MODES = {
    "honest": honest,
    "look": look,
    "nothing": lambda: 0,
    "less": lambda: then(lambda: sql("DELETE FROM unit_version WHERE unit_id = 'ICX-GLOSS/12'")),
    "more": lambda: then(lambda: sql("INSERT INTO decision VALUES ('DQ_X', 'x', 'open', NULL, NULL)")),
    "more-units": lambda: then(
        lambda: sql("INSERT INTO information_unit SELECT 'ICX-GLOSS/x', document_id, 'x', 'draft', change_set_id, created_utc FROM information_unit WHERE id = 'ICX-GLOSS/1'")
    ),
    "altered": lambda: then(lambda: sql("UPDATE unit_version SET body = body || '!' WHERE unit_id = 'ICX-GLOSS/3'")),
    "other": lambda: after_leg_a(lambda: (sql("UPDATE source_document SET title = 'other' WHERE id = 'ICX-ROLES'"), sys.exit(1))),
    "committed-exit-1": lambda: then(lambda: None, 1),
    "hang": lambda: after_leg_a(deep),
    "family": lambda: after_leg_a(family),
    "stubborn": lambda: after_leg_a(stubborn),
    "crash": lambda: after_leg_a(lambda: os.kill(os.getpid(), signal.SIGSEGV)),
    "orphan": lambda: after_leg_a(orphan),
    "daemon": daemon,
    "torn": torn,
    "huge": lambda: (huge(), honest())[1],
    "silent": lambda: (silent(), honest())[1],
    "secret": lambda: (print("the token is s3cr3t-t0ken-value", flush=True), honest())[1],
    "no-dump": lambda: then(lambda: [path.unlink() for path in Path("host/var/lib/cutter/runs").glob("*.gpg")]),
    "own-files": lambda: then(lambda: subprocess.run(["rm", "-r", "host/opt/cutter/v0.7/cutter"], check=True)),
    "residue": lambda: then(lambda: Path("host/var/lib/cutter/batches/left").write_text("x")),
    "switch": lambda: then(switch_on),
    "schema": lambda: then(lambda: sql("CREATE TABLE extra (x)")),
    "fail-enact-uncommitted": failing_enact,
}

if ARGUMENTS[2] == "revert":
    if MODE == "telling":
        print("the token is", os.environ["CUTTER_API_TOKEN"], flush=True)
    sys.exit(honest())
if MODE.startswith("die "):
    sys.exit(dies(MODE.removeprefix("die ")))
sys.exit(fails(MODE.removeprefix("fail ")) if MODE.startswith("fail ") else MODES[MODE]())
