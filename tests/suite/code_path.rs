//! The live code path: small trees with known answers; where a tree can be run, running it with a
//! recording database and simulator proves that the answer is sound.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use cutgate::evidence::{Fact, MissingState};
use serde_json::{Value, json};

use super::harness;

/// The modules around `app/phase.py` in the table below.
const FRAME: &[(&str, &str)] = &[
    ("app/__init__.py", ""),
    ("app/mode.py", "import enum\n\nclass Mode(enum.Enum):\n    DRYRUN = 'dryrun'\n    LIVE = 'live'\n"),
    (
        "app/gate.py",
        "__execution_enabled__ = False\n\nclass Refused(Exception):\n    pass\n\ndef require():\n    if not __execution_enabled__:\n        raise Refused('off')\n\ndef enabled() -> bool:\n    return bool(__execution_enabled__)\n",
    ),
    (
        "app/sim.py",
        "class Discoverer:\n    \"\"\"Simulator-only bodies; no production write path is reachable.\"\"\"\n    called = 0\n    def simulate_cut(self, rows):\n        Discoverer.called = Discoverer.called + 1\n        return {'would': len(rows)}\n",
    ),
    (
        "app/adapter.py",
        r#"import psycopg

class Adapter:
    """Writes for real."""
    def __init__(self, conn: psycopg.Connection):
        self.conn = conn

    def write(self, rows):
        with self.conn.cursor() as cur:
            cur.execute("INSERT INTO unit_version (n) VALUES (%s)", (len(rows),))
        self.conn.commit()
        return len(rows)

    def peek(self):
        cur = self.conn.cursor()
        cur.execute("SELECT 1")
        return cur.fetchone()

class NullAdapter(Adapter):
    def write(self, rows):
        return 0
"#,
    ),
    ("app/loud.py", "from app.sim import Discoverer\nDiscoverer().simulate_cut([])\n"),
    (
        "app/context.py",
        r#"import psycopg
from app.mode import Mode
from app.adapter import Adapter
from app.sim import Discoverer

class Writer(Adapter):
    def log(self):
        pass

class Ctx:
    def __init__(self, mode: Mode, conn: psycopg.Connection, discoverer: Discoverer, rows: list):
        self.mode = mode
        self.conn = conn
        self.adapter = Writer(conn)
        self.discoverer = discoverer
        self.rows = rows
"#,
    ),
];

/// What `app/phase.py` begins with in the table below.
const HEAD: &str = "import subprocess\nfrom app import gate\nfrom app.mode import Mode\nfrom app.context import Ctx\nfrom app.adapter import Adapter, NullAdapter\n\n";

/// A name, the rest of `app/phase.py`, and the three answers.
type Case = (&'static str, &'static str, [&'static str; 3]);

const CASES: &[Case] = &[
    (
        "early-return",
        "def run(ctx: Ctx):\n    if ctx.mode is Mode.DRYRUN:\n        return ctx.discoverer.simulate_cut(ctx.rows)\n    gate.require()\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "if-else",
        "def run(ctx: Ctx):\n    if ctx.mode == Mode.LIVE:\n        gate.require()\n        out = ctx.adapter.write(ctx.rows)\n    else:\n        out = ctx.discoverer.simulate_cut(ctx.rows)\n    return out\n",
        ["always", "false", "true"],
    ),
    (
        "elif",
        "def run(ctx: Ctx):\n    if ctx.mode == Mode.DRYRUN:\n        return ctx.discoverer.simulate_cut(ctx.rows)\n    elif ctx.mode == Mode.LIVE:\n        gate.require()\n        return ctx.adapter.write(ctx.rows)\n    raise ValueError(ctx.mode)\n",
        ["always", "false", "true"],
    ),
    (
        "member-in-tuple",
        "def run(ctx: Ctx):\n    gate.require()\n    if ctx.mode in (Mode.LIVE,):\n        return ctx.adapter.write(ctx.rows)\n    return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "not-in",
        "def run(ctx: Ctx):\n    gate.require()\n    if ctx.mode not in {Mode.DRYRUN}:\n        return ctx.adapter.write(ctx.rows)\n    return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "match",
        "def run(ctx: Ctx):\n    match ctx.mode:\n        case Mode.LIVE:\n            gate.require()\n            return ctx.adapter.write(ctx.rows)\n        case Mode.DRYRUN | None:\n            return ctx.discoverer.simulate_cut(ctx.rows)\n        case _:\n            raise ValueError\n",
        ["always", "false", "true"],
    ),
    (
        "match-wrong-member",
        "def run(ctx: Ctx):\n    gate.require()\n    match ctx.mode:\n        case Mode.DRYRUN:\n            return ctx.adapter.write(ctx.rows)\n        case other:\n            return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["never", "true", "true"],
    ),
    (
        "conditional-expression",
        "def run(ctx: Ctx):\n    gate.require()\n    step = ctx.adapter.write if ctx.mode is Mode.LIVE else ctx.discoverer.simulate_cut\n    return step(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "boolean-operators",
        "def run(ctx: Ctx):\n    live = ctx.mode is Mode.LIVE and not ctx.mode is Mode.DRYRUN\n    if not live:\n        return ctx.discoverer.simulate_cut(ctx.rows)\n    gate.enabled() or gate.require()\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "boolean-with-data",
        "def run(ctx: Ctx):\n    gate.require()\n    if ctx.mode is Mode.LIVE and ctx.rows:\n        return ctx.adapter.write(ctx.rows)\n    return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["sometimes", "true", "true"],
    ),
    (
        "dispatch",
        "def live(ctx: Ctx):\n    gate.require()\n    return ctx.adapter.write(ctx.rows)\n\ndef dry(ctx: Ctx):\n    return ctx.discoverer.simulate_cut(ctx.rows)\n\nTABLE = {Mode.LIVE: live, Mode.DRYRUN: dry}\n\ndef run(ctx: Ctx):\n    return TABLE[ctx.mode](ctx)\n",
        ["always", "false", "true"],
    ),
    (
        "dispatch-get-falls-back",
        "def dry(ctx: Ctx):\n    return ctx.discoverer.simulate_cut(ctx.rows)\n\ndef run(ctx: Ctx):\n    gate.require()\n    return {Mode.DRYRUN: dry}.get(ctx.mode, dry)(ctx)\n",
        ["never", "true", "true"],
    ),
    (
        "falls-through",
        "def run(ctx: Ctx):\n    if ctx.mode is Mode.LIVE:\n        gate.require()\n        ctx.adapter.write(ctx.rows)\n    return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["always", "true", "true"],
    ),
    (
        "live-branch-is-pass",
        "def run(ctx: Ctx):\n    gate.require()\n    if ctx.mode is Mode.LIVE:\n        pass\n    else:\n        return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["never", "false", "true"],
    ),
    (
        "log-only",
        "import logging\nlogger = logging.getLogger(__name__)\n\ndef run(ctx: Ctx):\n    if ctx.mode is Mode.LIVE:\n        gate.require()\n        logger.info('writing %s', ctx.rows)\n        return {'written': len(ctx.rows)}\n    return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["never", "false", "true"],
    ),
    (
        "not-implemented",
        "def run(ctx: Ctx):\n    gate.require()\n    if ctx.mode is Mode.LIVE:\n        raise NotImplementedError\n    return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["never", "false", "true"],
    ),
    (
        "no-guard",
        "def run(ctx: Ctx):\n    if ctx.mode is Mode.LIVE:\n        return ctx.adapter.write(ctx.rows)\n    return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["always", "false", "false"],
    ),
    (
        "guard-after-the-write",
        "def run(ctx: Ctx):\n    out = ctx.adapter.write(ctx.rows)\n    gate.require()\n    return out\n",
        ["always", "false", "false"],
    ),
    (
        "guard-by-assert",
        "def run(ctx: Ctx):\n    assert gate.__execution_enabled__\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "false"],
    ),
    (
        "guard-returns-quietly",
        "def run(ctx: Ctx):\n    if not gate.enabled():\n        return None\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "false"],
    ),
    (
        "guard-swallowed",
        "def run(ctx: Ctx):\n    try:\n        gate.require()\n    except gate.Refused:\n        pass\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "false"],
    ),
    (
        "guard-exits",
        "import sys\n\ndef run(ctx: Ctx):\n    if not gate.enabled():\n        sys.exit(3)\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "guard-by-name",
        "from app.gate import require\n\ndef run(ctx: Ctx):\n    require()\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "switch-by-value",
        "from app.gate import __execution_enabled__ as ENABLED\n\ndef run(ctx: Ctx):\n    if not ENABLED:\n        raise RuntimeError('off')\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "false"],
    ),
    (
        "switch-read-late",
        "def run(ctx: Ctx):\n    from app.gate import __execution_enabled__ as enabled\n    if not enabled:\n        raise RuntimeError('off')\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "switch-as-default",
        "def run(ctx: Ctx):\n    return inner(ctx)\n\ndef inner(ctx: Ctx, enabled=gate.__execution_enabled__):\n    if not enabled:\n        raise RuntimeError('off')\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "false"],
    ),
    (
        "swallowed",
        "def run(ctx: Ctx):\n    gate.require()\n    try:\n        return ctx.adapter.write(ctx.rows)\n    except Exception as error:\n        print(error)\n        return None\n",
        ["sometimes", "false", "true"],
    ),
    (
        "falls-back-on-error",
        "def run(ctx: Ctx):\n    gate.require()\n    try:\n        return ctx.adapter.write(ctx.rows)\n    except Exception:\n        return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["sometimes", "true", "true"],
    ),
    (
        "raised-again",
        "def run(ctx: Ctx):\n    gate.require()\n    try:\n        return ctx.adapter.write(ctx.rows)\n    except Exception as error:\n        print(error)\n        raise\n    finally:\n        print('done')\n",
        ["always", "false", "true"],
    ),
    (
        "finally-returns",
        "def run(ctx: Ctx):\n    gate.require()\n    try:\n        ctx.adapter.write(ctx.rows)\n    finally:\n        return None\n",
        ["sometimes", "false", "true"],
    ),
    (
        "raise-from",
        "def run(ctx: Ctx):\n    gate.require()\n    try:\n        n = ctx.adapter.write(ctx.rows)\n    except (ValueError, OSError) as error:\n        raise RuntimeError('failed') from error\n    return n\n",
        ["always", "false", "true"],
    ),
    (
        "suppressed",
        "import contextlib\n\ndef run(ctx: Ctx):\n    gate.require()\n    with contextlib.suppress(Exception):\n        ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "no-commit",
        "def run(ctx: Ctx):\n    gate.require()\n    cur = ctx.conn.cursor()\n    cur.execute('INSERT INTO t VALUES (1)')\n    return 1\n",
        ["never", "false", "true"],
    ),
    (
        "rollback",
        "def run(ctx: Ctx):\n    gate.require()\n    cur = ctx.conn.cursor()\n    cur.execute('INSERT INTO t VALUES (1)')\n    ctx.conn.rollback()\n    return 1\n",
        ["never", "false", "true"],
    ),
    (
        "rollback-then-commit",
        "def run(ctx: Ctx):\n    gate.require()\n    cur = ctx.conn.cursor()\n    cur.execute('INSERT INTO t VALUES (1)')\n    ctx.conn.rollback()\n    ctx.conn.commit()\n    return 1\n",
        ["never", "false", "true"],
    ),
    (
        "commit-first",
        "def run(ctx: Ctx):\n    gate.require()\n    ctx.conn.commit()\n    ctx.conn.execute('INSERT INTO t VALUES (1)')\n",
        ["never", "false", "true"],
    ),
    (
        "read-only-statement",
        "def run(ctx: Ctx):\n    gate.require()\n    ctx.adapter.peek()\n    ctx.conn.commit()\n",
        ["never", "false", "true"],
    ),
    (
        "commit-when-rows",
        "def run(ctx: Ctx):\n    gate.require()\n    ctx.conn.execute('UPDATE t SET n = 1')\n    if ctx.rows:\n        ctx.conn.commit()\n",
        ["sometimes", "false", "true"],
    ),
    (
        "connection-as-context",
        "import psycopg\n\ndef run(ctx: Ctx):\n    gate.require()\n    with psycopg.connect('service=cutter') as conn:\n        conn.execute('UPDATE t SET n = 1')\n",
        ["always", "false", "true"],
    ),
    (
        "early-quiet-return",
        "def run(ctx: Ctx):\n    gate.require()\n    if not ctx.rows:\n        return {'rows': 0}\n    return ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "loop-zero-times",
        "def run(ctx: Ctx):\n    gate.require()\n    for row in ctx.rows:\n        ctx.conn.execute('INSERT INTO t VALUES (%s)', (row,))\n    ctx.conn.commit()\n",
        ["sometimes", "false", "true"],
    ),
    (
        "loop-checked",
        "def run(ctx: Ctx):\n    gate.require()\n    if not ctx.rows:\n        raise ValueError('nothing to cut')\n    for row in ctx.rows:\n        ctx.conn.execute('INSERT INTO t VALUES (%s)', (row,))\n    ctx.conn.commit()\n",
        ["always", "false", "true"],
    ),
    (
        "loop-checked-by-length",
        "def run(ctx: Ctx):\n    gate.require()\n    if len(ctx.rows) == 0:\n        raise ValueError('nothing to cut')\n    ctx.conn.cursor().executemany('INSERT INTO t VALUES (%s)', ctx.rows)\n    ctx.conn.commit()\n",
        ["always", "false", "true"],
    ),
    (
        "loop-checked-then-popped",
        "def run(ctx: Ctx):\n    gate.require()\n    if not ctx.rows:\n        raise ValueError('nothing to cut')\n    ctx.rows.pop()\n    for row in ctx.rows:\n        ctx.conn.execute('INSERT INTO t VALUES (%s)', (row,))\n    ctx.conn.commit()\n",
        ["sometimes", "false", "true"],
    ),
    (
        "executemany-of-nothing",
        "def run(ctx: Ctx):\n    gate.require()\n    ctx.conn.cursor().executemany('INSERT INTO t VALUES (%s)', ctx.rows)\n    ctx.conn.commit()\n",
        ["sometimes", "false", "true"],
    ),
    (
        "loop-continue",
        "def run(ctx: Ctx):\n    gate.require()\n    wrote = False\n    for row in ['a', 'b']:\n        if row == 'b':\n            continue\n        ctx.adapter.write(ctx.rows)\n        wrote = True\n    if not wrote:\n        raise ValueError\n    return wrote\n",
        ["always", "false", "true"],
    ),
    (
        "retry-gives-up-quietly",
        "def run(ctx: Ctx):\n    gate.require()\n    attempt = 0\n    while attempt < 3:\n        try:\n            return ctx.adapter.write(ctx.rows)\n        except Exception:\n            attempt += 1\n    return None\n",
        ["sometimes", "false", "true"],
    ),
    (
        "while-true",
        "def run(ctx: Ctx):\n    gate.require()\n    while True:\n        try:\n            return ctx.adapter.write(ctx.rows)\n        except ValueError:\n            continue\n",
        ["always", "false", "true"],
    ),
    (
        "null-adapter",
        "def run(ctx: Ctx):\n    gate.require()\n    return NullAdapter(ctx.conn).write(ctx.rows)\n",
        ["never", "false", "true"],
    ),
    (
        "null-adapter-as-default",
        "def run(ctx: Ctx, adapter=None):\n    gate.require()\n    adapter = adapter or NullAdapter(ctx.conn)\n    return adapter.write(ctx.rows)\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "annotated-base-has-null-subclass",
        "def run(ctx: Ctx, adapter: Adapter):\n    gate.require()\n    return adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "optional-adapter",
        "from app.context import Writer\n\ndef run(ctx: Ctx, adapter: Writer | None = None):\n    gate.require()\n    if adapter is None:\n        adapter = Writer(ctx.conn)\n    return adapter.write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "super-writes",
        "class Loud(Adapter):\n    def write(self, rows):\n        print('writing')\n        return super().write(rows)\n\ndef run(ctx: Ctx):\n    gate.require()\n    return Loud(ctx.conn).write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "override-forgets-super",
        "class Loud(Adapter):\n    def write(self, rows):\n        print('writing')\n        super().peek()\n\ndef run(ctx: Ctx):\n    gate.require()\n    return Loud(ctx.conn).write(ctx.rows)\n",
        ["never", "false", "true"],
    ),
    (
        "getattr-constant",
        "def run(ctx: Ctx):\n    gate.require()\n    return getattr(ctx.adapter, 'write')(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "getattr-computed",
        "def run(ctx: Ctx):\n    gate.require()\n    return getattr(ctx.adapter, 'wr' + str(ctx.mode.value))(ctx.rows)\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "exec",
        "def run(ctx: Ctx):\n    gate.require()\n    exec('ctx.adapter.write(ctx.rows)')\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "recursion",
        "def again(ctx: Ctx, n):\n    if n:\n        return again(ctx, n - 1)\n    return ctx.adapter.write(ctx.rows)\n\ndef run(ctx: Ctx):\n    gate.require()\n    return again(ctx, 3)\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "missing-module",
        "try:\n    from app.plugins import writer\nexcept ImportError:\n    writer = None\n\ndef run(ctx: Ctx):\n    gate.require()\n    if writer is None:\n        raise RuntimeError\n    return writer(ctx)\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "decorator-as-guard",
        "import functools\n\ndef guarded(f):\n    @functools.wraps(f)\n    def inner(*args, **kwargs):\n        gate.require()\n        return f(*args, **kwargs)\n    return inner\n\n@guarded\ndef run(ctx: Ctx):\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "decorator-forgets-to-call",
        "def traced(f):\n    def inner(*args, **kwargs):\n        gate.require()\n        print(f.__name__)\n    return inner\n\n@traced\ndef run(ctx: Ctx):\n    return ctx.adapter.write(ctx.rows)\n",
        ["never", "false", "true"],
    ),
    (
        "closure-and-partial",
        "import functools\n\ndef run(ctx: Ctx):\n    def step(rows, times):\n        return ctx.adapter.write(rows)\n    gate.require()\n    job = functools.partial(step, times=2)\n    return job(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "nested-never-called",
        "def run(ctx: Ctx):\n    gate.require()\n    def step():\n        return ctx.adapter.write(ctx.rows)\n    return step\n",
        ["never", "false", "true"],
    ),
    (
        "manager-commits",
        "import contextlib\n\n@contextlib.contextmanager\ndef transaction(conn):\n    try:\n        yield conn.cursor()\n        conn.commit()\n    except Exception:\n        conn.rollback()\n        raise\n\ndef run(ctx: Ctx):\n    gate.require()\n    with transaction(ctx.conn) as cur:\n        cur.execute('INSERT INTO t VALUES (1)')\n        return 1\n",
        ["always", "false", "true"],
    ),
    (
        "manager-swallows",
        "import contextlib\n\n@contextlib.contextmanager\ndef transaction(conn):\n    try:\n        yield conn.cursor()\n        conn.commit()\n    except Exception:\n        conn.rollback()\n\ndef run(ctx: Ctx):\n    gate.require()\n    with transaction(ctx.conn) as cur:\n        cur.execute('INSERT INTO t VALUES (1)')\n",
        ["sometimes", "false", "true"],
    ),
    (
        "manager-class-swallows",
        "class Quiet:\n    def __enter__(self):\n        return self\n    def __exit__(self, kind, error, trace):\n        return kind is not None\n\ndef run(ctx: Ctx):\n    gate.require()\n    with Quiet():\n        ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "simulator-behind-thread",
        "import threading\n\ndef run(ctx: Ctx):\n    gate.require()\n    threading.Thread(target=lambda: ctx.discoverer.simulate_cut(ctx.rows)).start()\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "unknown", "true"],
    ),
    (
        "dead-code",
        "def run(ctx: Ctx):\n    gate.require()\n    if False:\n        ctx.discoverer.simulate_cut(ctx.rows)\n    ctx.adapter.write(ctx.rows)\n    return 1\n    ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "write-only-in-a-string",
        "def run(ctx: Ctx):\n    \"\"\"ctx.adapter.write(ctx.rows) is called when Mode.LIVE.\"\"\"\n    gate.require()\n    # ctx.adapter.write(ctx.rows)\n    return 'ctx.adapter.write(ctx.rows)'\n",
        ["never", "false", "true"],
    ),
    (
        "sequence-of-steps",
        "class Steps:\n    def __init__(self, ctx: Ctx):\n        self.ctx = ctx\n        self.steps = [self.check, self.write]\n    def check(self):\n        gate.require()\n    def write(self):\n        return self.ctx.adapter.write(self.ctx.rows)\n    def run(self):\n        for step in self.steps:\n            step()\n\ndef run(ctx: Ctx):\n    Steps(ctx).run()\n",
        ["always", "false", "true"],
    ),
    (
        "mode-overwritten",
        "def run(ctx: Ctx):\n    gate.require()\n    ctx.mode = Mode.DRYRUN\n    if ctx.mode is Mode.LIVE:\n        return ctx.adapter.write(ctx.rows)\n    return ctx.discoverer.simulate_cut(ctx.rows)\n",
        ["never", "true", "true"],
    ),
    (
        "adapter-swapped",
        "def run(ctx: Ctx):\n    gate.require()\n    ctx.adapter = NullAdapter(ctx.conn)\n    return ctx.adapter.write(ctx.rows)\n",
        ["never", "false", "true"],
    ),
    (
        "done-before-in-a-set",
        "_done = set()\n\ndef run(ctx: Ctx):\n    gate.require()\n    if 'key' in _done:\n        return None\n    _done.add('key')\n    return ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "done-before-in-a-default",
        "def run(ctx: Ctx):\n    gate.require()\n    return once(ctx)\n\ndef once(ctx: Ctx, seen={}):\n    if seen.get('key'):\n        return None\n    seen['key'] = True\n    return ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "done-before-in-a-global",
        "_done = False\n\ndef run(ctx: Ctx):\n    global _done\n    gate.require()\n    if _done:\n        return None\n    _done = True\n    return ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "done-before-in-a-closure",
        "def once(f):\n    done = False\n    def inner(ctx):\n        nonlocal done\n        if done:\n            return None\n        done = True\n        return f(ctx)\n    return inner\n\n@once\ndef step(ctx: Ctx):\n    return ctx.adapter.write(ctx.rows)\n\ndef run(ctx: Ctx):\n    gate.require()\n    return step(ctx)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "done-before-in-an-object",
        "class State:\n    def __init__(self):\n        self.done = False\n    def finish(self):\n        self.done = True\n\nSTATE = State()\n\ndef run(ctx: Ctx):\n    gate.require()\n    if STATE.done:\n        return None\n    STATE.finish()\n    return ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "done-before-in-a-class",
        "class State:\n    done = False\n\ndef run(ctx: Ctx):\n    gate.require()\n    if State.done:\n        return None\n    State.done = True\n    return ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "remembered-call",
        "import functools\n\n@functools.lru_cache(maxsize=None)\ndef step(key):\n    CTX[0].adapter.write(CTX[0].rows)\n\nCTX = [None]\n\ndef run(ctx: Ctx):\n    gate.require()\n    CTX[0] = ctx\n    step('key')\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "walrus-in-comprehension",
        "def run(ctx: Ctx):\n    gate.require()\n    if any([(last := row) for row in ctx.rows]):\n        return last\n    return ctx.adapter.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
    (
        "another-process-succeeds",
        "def run(ctx: Ctx):\n    gate.require()\n    subprocess.run(['true']).check_returncode()\n",
        ["never", "false", "true"],
    ),
    (
        "argument-named-like-a-library",
        "class Shell:\n    def run(self, words, check):\n        return None\n\ndef run(ctx: Ctx, subprocess=Shell()):\n    gate.require()\n    return subprocess.run(['pg_dump'], check=True)\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "generator-never-driven",
        "def steps(ctx: Ctx):\n    yield ctx.adapter.write(ctx.rows)\n\ndef run(ctx: Ctx):\n    gate.require()\n    steps(ctx)\n",
        ["never", "false", "true"],
    ),
    (
        "generator-driven-by-join",
        "def steps(ctx: Ctx):\n    ctx.adapter.write(ctx.rows)\n    yield 'x'\n\ndef run(ctx: Ctx):\n    gate.require()\n    return ''.join(steps(ctx))\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "other-connection-commits",
        "import psycopg\n\ndef run(ctx: Ctx):\n    gate.require()\n    first = psycopg.connect('a')\n    second = psycopg.connect('b')\n    first.execute('INSERT INTO t VALUES (1)')\n    second.commit()\n",
        ["never", "false", "true"],
    ),
    (
        "error-inside-the-transaction",
        "def run(ctx: Ctx):\n    gate.require()\n    ctx.conn.execute('INSERT INTO t VALUES (1)')\n    try:\n        ctx.conn.execute('INSERT INTO u VALUES (1)')\n    except Exception:\n        pass\n    ctx.conn.commit()\n",
        ["unknown", "false", "true"],
    ),
    (
        "class-replaced-elsewhere",
        "class Target(Adapter):\n    pass\n\ndef install():\n    Target.write = lambda self, rows: None\n\ndef run(ctx: Ctx):\n    gate.require()\n    return Target(ctx.conn).write(ctx.rows)\n",
        ["unknown", "unknown", "true"],
    ),
    (
        "mangled-names",
        "class Base:\n    def __init__(self, conn):\n        self.__target = Adapter(conn)\n    def write(self, rows):\n        return self.__target.write(rows)\n\nclass Derived(Base):\n    def __init__(self, conn):\n        super().__init__(conn)\n        self.__target = NullAdapter(conn)\n\ndef run(ctx: Ctx):\n    gate.require()\n    return Derived(ctx.conn).write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "import-that-simulates",
        "def run(ctx: Ctx):\n    gate.require()\n    from app import loud\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "unknown", "true"],
    ),
];

fn write_tree(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("make the folder");
        std::fs::write(path, text).expect("write the file");
    }
}

fn config(entry: &str, carrier: &str) -> Value {
    json!({
        "mode": {"kind": "enum", "name": "app.mode.Mode", "live": "LIVE", "dry": "DRYRUN"},
        "kill_switch": [{"kind": "constant", "name": "app.gate.__execution_enabled__"}],
        "phases": {"p": {"entry": entry, "carrier": carrier}},
    })
}

fn collect(dir: &Path, config: &Value) -> Fact {
    harness::collect("code-path", dir, json!({"tree": "tree", "config": config})).expect("facts")
}

fn text<'f>(fact: &'f Fact, path: &str) -> &'f str {
    match fact.at(path) {
        Some(Fact::Text(text)) => text,
        other => panic!("{path} is {other:?}"),
    }
}

fn list<'f>(fact: &'f Fact, path: &str) -> &'f [Fact] {
    match fact.at(path) {
        Some(Fact::List(items)) => items,
        other => panic!("{path} is {other:?}"),
    }
}

fn texts(fact: &Fact, path: &str) -> Vec<String> {
    let text = |item: &Fact| match item {
        Fact::Text(text) => text.clone(),
        other => panic!("{other:?} in {path}"),
    };
    list(fact, path).iter().map(text).collect()
}

fn phase<'f>(fact: &'f Fact, name: &str) -> &'f Fact {
    list(fact, "phases").iter().find(|phase| text(phase, "name") == name).expect("the phase")
}

fn answers(phase: &Fact) -> [&str; 3] {
    [text(phase, "live_write"), text(phase, "simulator_reachable"), text(phase, "guarded")]
}

fn reasons(phase: &Fact) -> String {
    list(phase, "blocked_by")
        .iter()
        .map(|blocked| format!("{} ({})", text(blocked, "reason"), text(blocked, "place")))
        .collect::<Vec<_>>()
        .join("; ")
}

/// A tree of the frame with one phase.
fn one(files: &[(&str, &str)], config: &Value) -> (tempfile::TempDir, Fact) {
    let dir = tempfile::tempdir().expect("a folder");
    write_tree(&dir.path().join("tree"), FRAME);
    write_tree(&dir.path().join("tree"), files);
    let fact = collect(dir.path(), config);
    (dir, fact)
}

fn one_phase(body: &str) -> Fact {
    let module = format!("{HEAD}{body}");
    let (_dir, fact) = one(&[("app/phase.py", &module)], &config("app.phase:run", "ctx.mode"));
    phase(&fact, "p").clone()
}

#[test]
fn answers_for_each_idiom() {
    let mut wrong = String::new();
    for (name, body, expected) in CASES {
        let phase = one_phase(body);
        if answers(&phase) != *expected {
            let _ = writeln!(wrong, "{name}: {:?}, not {expected:?}; {}", answers(&phase), reasons(&phase));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Runs every tree of the table with a recording database: none, one or two rows, statements that fail, the switch on
/// and off at import and at the call. One line of JSON for each run.
const DRIVER: &str = r#"
import importlib, inspect, itertools, json, os, subprocess, sys
base = sys.argv[1]
sys.path.insert(0, os.path.join(base, 'fake'))
import psycopg
devnull = open(os.devnull, 'w')
real = sys.stdout
seen = []
for case in sorted(os.listdir(os.path.join(base, 'cases'))):
    sys.path.insert(0, os.path.join(base, 'cases', case, 'tree'))
    for at_import, on, rows, fail, again in itertools.product((False, True), (False, True), (0, 1, 2), (None, 'execute', 'commit'), (False, True)):
        if not again:
            for name in [n for n in sys.modules if n == 'app' or n.startswith('app.')]:
                del sys.modules[name]
            importlib.invalidate_caches()
            gate = importlib.import_module('app.gate')
            gate.__execution_enabled__ = at_import
            phase = importlib.import_module('app.phase')
        gate.__execution_enabled__ = on
        from app.mode import Mode
        from app.context import Ctx, Writer
        from app.adapter import NullAdapter
        from app.sim import Discoverer
        conn = psycopg.Connection()
        extra = [{}]
        if 'adapter' in inspect.signature(phase.run).parameters:
            extra = [{'adapter': Writer(conn)}]
            if inspect.signature(phase.run).parameters['adapter'].annotation is not inspect.Parameter.empty:
                if 'None' not in str(inspect.signature(phase.run)):
                    extra.append({'adapter': NullAdapter(conn)})
            else:
                extra.append({'adapter': NullAdapter(conn)})
            if inspect.signature(phase.run).parameters['adapter'].default is None:
                extra.append({})
        for more in extra:
            psycopg.reset(fail)
            Discoverer.called = 0
            ctx = Ctx(Mode.LIVE, conn, Discoverer(), ['r'] * rows)
            sys.stdout = devnull
            try:
                phase.run(ctx, **more)
                ended = 'returned'
            except BaseException as error:
                ended = 'raised'
            sys.stdout = real
            seen.append({'case': case, 'on': on, 'ended': ended, 'wrote': psycopg.LASTED > 0,
                         'started': psycopg.STARTED > 0, 'simulated': Discoverer.called > 0})
    sys.path.pop(0)
print(json.dumps(seen))
"#;

const RECORDER: &str = r#"
LASTED = STARTED = 0
FAIL = None
class OperationalError(Exception):
    pass
def reset(fail):
    global LASTED, STARTED, FAIL
    LASTED = STARTED = 0
    FAIL = fail
class Cursor:
    def __init__(self, conn):
        self.conn = conn
    def __enter__(self):
        return self
    def __exit__(self, *why):
        return None
    def execute(self, sql, values=()):
        global STARTED
        if FAIL == 'execute':
            raise OperationalError('execute')
        if not sql.lstrip().upper().startswith('SELECT'):
            self.conn.pending += 1
            STARTED += 1
        return self
    def executemany(self, sql, rows):
        for row in rows:
            self.execute(sql, row)
    def fetchone(self):
        return (1,)
class Connection:
    def __init__(self):
        self.pending = 0
    def cursor(self):
        return Cursor(self)
    def execute(self, sql, values=()):
        return Cursor(self).execute(sql, values)
    def commit(self):
        global LASTED
        if FAIL == 'commit':
            raise OperationalError('commit')
        LASTED += self.pending
        self.pending = 0
    def rollback(self):
        self.pending = 0
    def __enter__(self):
        return self
    def __exit__(self, kind, error, trace):
        self.rollback() if kind else self.commit()
        return None
def connect(*args, **kwargs):
    return Connection()
"#;

/// What running the table's trees showed, by case.
fn witnessed(cases: &[(String, String)], optimised: bool) -> std::collections::BTreeMap<String, Vec<Value>> {
    let dir = tempfile::tempdir().expect("a folder");
    write_tree(dir.path(), &[("fake/psycopg.py", RECORDER), ("driver.py", DRIVER)]);
    // Only assertions differ under -O.
    for (name, body) in cases.iter().filter(|(_, body)| !optimised || body.contains("assert ")) {
        let tree = dir.path().join("cases").join(name).join("tree");
        write_tree(&tree, FRAME);
        write_tree(&tree, &[("app/phase.py", &format!("{HEAD}{body}"))]);
    }
    let mut python = Command::new("python3");
    python.arg("-B").args(optimised.then_some("-O")).arg(dir.path().join("driver.py")).arg(dir.path());
    let output = python.output().expect("python3 runs: apt-get install python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let runs: Vec<Value> = serde_json::from_slice(&output.stdout).expect("the driver prints JSON");
    let mut by_case = std::collections::BTreeMap::<String, Vec<Value>>::new();
    for run in runs {
        by_case.entry(run["case"].as_str().expect("a case").to_owned()).or_default().push(run);
    }
    by_case
}

#[test]
fn answers_hold_when_the_trees_are_run() {
    let mut wrong = String::new();
    let cases: Vec<_> = CASES.iter().map(|(name, body, _)| ((*name).to_owned(), (*body).to_owned())).collect();
    let mut runs = witnessed(&cases, false);
    for (case, more) in witnessed(&cases, true) {
        runs.entry(case).or_default().extend(more);
    }
    for (name, _, [write, simulator, guarded]) in CASES {
        let is = |run: &&Value, key: &str| run[key] == json!(true);
        let returned = |run: &&Value| run["ended"] == json!("returned");
        let all = &runs[*name];
        let on: Vec<&Value> = all.iter().filter(|run| is(run, "on")).collect();
        let off: Vec<&Value> = all.iter().filter(|run| !is(run, "on")).collect();
        let with = on.iter().any(|run| returned(run) && is(run, "wrote"));
        let without = on.iter().any(|run| returned(run) && !is(run, "wrote"));
        let simulated = on.iter().any(|run| is(run, "simulated"));
        let escaped = off.iter().any(|run| returned(run) || is(run, "started"));
        let shown = [
            match *write {
                "always" => with && !without,
                "never" => !with,
                "sometimes" => with && without,
                _ => true,
            },
            match *simulator {
                "true" => simulated,
                "false" => !simulated,
                _ => true,
            },
            match *guarded {
                "true" => !escaped,
                "false" => escaped,
                _ => true,
            },
        ];
        if shown != [true; 3] {
            let _ = writeln!(wrong, "{name}: the runs bear out {shown:?} of {:?}", [write, simulator, guarded]);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

const PHASES: [(&str, &str, &str); 5] = [
    ("pre_write_backup", "PreWriteBackup", "simulate_backup"),
    ("cut_leg_a", "CutLegA", "simulate_leg_a"),
    ("leg_b_record", "LegBRecord", "simulate_leg_b"),
    ("write_verify", "WriteVerify", "simulate_verify"),
    ("lifecycle_enact", "LifecycleEnact", "simulate_enact"),
];

const ORCHESTRATOR: &str = r#""""The orchestrator of the cut."""
import enum
import logging

__version__ = "0.6.0"
__milestone__ = "O4 live-dryrun-orchestration"
__execution_enabled__ = False

logger = logging.getLogger(__name__)


class Mode(enum.Enum):
    DRYRUN = "dryrun"
    LIVE = "live"


class ExecutionDisabled(RuntimeError):
    pass


def require_enabled(mode):
    if mode is Mode.LIVE and not __execution_enabled__:
        raise ExecutionDisabled("the kill switch is off")
"#;

const DISCOVERER: &str = r#"
class LiveDryRunDiscoverer:
    """Simulator-only phase bodies.

    No production write path is reachable.
    """

    def __init__(self, registry):
        self._registry = dict(registry)
        self.trace = []

    def simulate_backup(self, ctx):
        self.trace.append("backup")
        return {"phase": "backup", "simulated": True}

    def simulate_leg_a(self, ctx):
        return {"units": [u for u in ctx.units], "simulated": True}

    def simulate_leg_b(self, ctx):
        return {"simulated": True}

    def simulate_verify(self, ctx):
        return {"simulated": True}

    def simulate_enact(self, ctx):
        return {"simulated": True}
"#;

const CONTEXT: &str = r#"
from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from cutter.orchestrator import Mode

if TYPE_CHECKING:
    import psycopg
    from cutter.discoverer import LiveDryRunDiscoverer
    from cutter.prod_iu_adapter_canonical import ProdIuAdapter


@dataclasses.dataclass(frozen=True)
class RunContext:
    mode: Mode
    discoverer: LiveDryRunDiscoverer
    conn: "psycopg.Connection"
    adapter: ProdIuAdapter
    units: list[str]
    run_id: str = ""
    recipient: str | None = None
"#;

const BASE_PHASE: &str = r#"
import abc

from cutter.context import RunContext


class Phase(abc.ABC):
    name = "phase"

    @abc.abstractmethod
    def run(self, ctx: RunContext):
        """Runs the phase."""
"#;

const ADAPTER: &str = r#"
"""The write path proven in v0.5."""
import psycopg


class ProdIuAdapter:
    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn

    def write_units(self, units: list[str]) -> int:
        if not units:
            raise ValueError("nothing to cut")
        with self._conn.cursor() as cur:
            for unit in units:
                cur.execute("INSERT INTO information_unit (name) VALUES (%s)", (unit,))
        self._conn.commit()
        return len(units)

    def record(self, table: str, values: dict) -> None:
        cur = self._conn.cursor()
        cur.execute(f"INSERT INTO cutter_governance.{table} VALUES (%s)", (values,))
        self._conn.commit()
"#;

/// The deployed v0.6: every phase only simulates. With `live`, the body of each phase's live branch.
fn cutter(root: &Path, live: Option<[&str; 5]>) {
    write_tree(
        root,
        &[
            (
                "cutter/__init__.py",
                "\"\"\"The cutter, internal milestone O4.\"\"\"\nfrom cutter.orchestrator import Mode\n",
            ),
            ("cutter/orchestrator.py", ORCHESTRATOR),
            ("cutter/discoverer.py", DISCOVERER),
            ("cutter/context.py", CONTEXT),
            ("cutter/phases/__init__.py", ""),
            ("cutter/phases/base.py", BASE_PHASE),
            ("cutter/prod_iu_adapter_canonical.py", ADAPTER),
            (
                "cutter/tests/test_phases.py",
                "from cutter.prod_iu_adapter_canonical import ProdIuAdapter\n\nclass Fake(ProdIuAdapter):\n    def write_units(self, units):\n        return 0\n",
            ),
        ],
    );
    for (index, (name, class, simulate)) in PHASES.iter().enumerate() {
        let branch = live.map_or_else(String::new, |live| {
            let body: String = live[index].lines().map(|line| format!("            {line}\n")).collect();
            format!("        if ctx.mode is Mode.LIVE:\n            require_enabled(ctx.mode)\n{body}")
        });
        let module = format!(
            "import subprocess\n\nfrom ..context import RunContext\nfrom ..orchestrator import Mode, require_enabled\nfrom .base import Phase\n\n\nclass {class}(Phase):\n    name = \"{name}\"\n\n    def run(self, ctx: RunContext):\n{branch}        return ctx.discoverer.{simulate}(ctx)\n"
        );
        write_tree(root, &[(&format!("cutter/phases/{name}.py"), &module)]);
    }
}

const WIRED: [&str; 5] = [
    "subprocess.run([\"pg_dump\", \"--format=custom\", \"--file\", \"/var/lib/cutter/dump\"], check=True)\nsubprocess.run([\"gpg\", \"--encrypt\", \"/var/lib/cutter/dump\"], check=True)\nreturn {\"dump\": True}",
    "return {\"written\": ctx.adapter.write_units(ctx.units)}",
    "ctx.adapter.record(\"cut_change_set\", {\"run\": ctx.run_id})\nreturn None",
    "ctx.adapter.record(\"verify_result\", {\"run\": ctx.run_id})\nreturn None",
    "with ctx.conn.cursor() as cur:\n    cur.execute(\"UPDATE information_unit SET state = 'enacted'\")\nctx.conn.commit()\nreturn None",
];

fn cutter_config() -> Value {
    let phases: serde_json::Map<String, Value> = PHASES
        .iter()
        .map(|(name, class, _)| {
            (name.to_string(), json!({"entry": format!("cutter.phases.{name}:{class}.run"), "carrier": "ctx.mode"}))
        })
        .collect();
    json!({
        "mode": {"kind": "enum", "name": "cutter.orchestrator.Mode", "live": "LIVE", "dry": "DRYRUN"},
        "kill_switch": [{"kind": "constant", "name": "cutter.orchestrator.__execution_enabled__"}],
        "patterns": {
            "sinks": ["*.execute", "*.executemany", "cutter.prod_iu_adapter_canonical.*"],
            "command_sinks": ["pg_dump"],
            "simulators": ["*.simulate_*"],
        },
        "phases": phases,
    })
}

#[test]
fn v06_only_simulates() {
    let dir = tempfile::tempdir().expect("a folder");
    cutter(&dir.path().join("tree"), None);
    let fact = collect(dir.path(), &cutter_config());
    assert_eq!(fact.at("present"), Some(&Fact::Bool(true)));
    assert_eq!(text(&fact, "state"), "OPEN");
    assert_eq!(list(&fact, "phases").len(), 5);
    for (name, _, simulate) in PHASES {
        let phase = phase(&fact, name);
        assert_eq!(answers(phase), ["never", "true", "false"], "{name}: {}", reasons(phase));
        assert_eq!(phase.at("live_branch"), Some(&Fact::Bool(false)));
        assert_eq!(text(phase, "mode_test"), "");
        let simulator = &list(phase, "simulators")[0];
        assert_eq!(text(simulator, "call"), format!("cutter.discoverer.LiveDryRunDiscoverer.{simulate}"));
        assert_eq!(text(simulator, "place"), format!("cutter/phases/{name}.py:12:16"));
        assert!(list(phase, "writes").is_empty());
    }
    let names: Vec<String> = {
        let mut names: Vec<String> = PHASES.iter().map(|(name, ..)| (*name).to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(texts(&fact, "phases_without_live_write"), names);
    assert_eq!(texts(&fact, "phases_reaching_simulator"), names);
    assert_eq!(texts(&fact, "phases_unguarded"), names);
    assert!(texts(&fact, "phases_undecided").is_empty());
    let switch = &list(&fact, "switches")[0];
    assert_eq!(text(switch, "value"), "False");
    assert_eq!(text(switch, "place"), "cutter/orchestrator.py:7:1");
    let labels: Vec<(&str, &str)> =
        list(&fact, "labels").iter().map(|label| (text(label, "name"), text(label, "text"))).collect();
    assert_eq!(
        labels,
        [
            ("__doc__", "The cutter, internal milestone O4."),
            ("__version__", "0.6.0"),
            ("__milestone__", "O4 live-dryrun-orchestration"),
        ]
    );
    let doc = &list(&fact, "simulator_docs")[0];
    assert_eq!(text(doc, "name"), "cutter.discoverer.LiveDryRunDiscoverer");
    assert_eq!(text(doc, "doc"), "Simulator-only phase bodies.");
    assert!(list(&fact, "live_discoverers").is_empty());
    let summary = text(phase(&fact, "cut_leg_a"), "summary");
    assert!(summary.starts_with("no live run writes; it can reach the simulator"), "{summary}");
}

#[test]
fn an_adapter_that_no_phase_imports_is_unwired() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().join("tree");
    cutter(&root, None);
    write_tree(
        &root,
        &[(
            "cutter/context.py",
            &CONTEXT
                .replace("    from cutter.prod_iu_adapter_canonical import ProdIuAdapter\n", "")
                .replace("    adapter: ProdIuAdapter\n", ""),
        )],
    );
    let fact = collect(dir.path(), &cutter_config());
    let unwired: Vec<&str> = list(&fact, "unwired").iter().map(|each| text(each, "module")).collect();
    assert_eq!(unwired, ["cutter.prod_iu_adapter_canonical"]);
    assert_eq!(text(&list(&fact, "unwired")[0], "place"), "cutter/prod_iu_adapter_canonical.py:6:7");
}

#[test]
fn v07_is_closed() {
    let dir = tempfile::tempdir().expect("a folder");
    cutter(&dir.path().join("tree"), Some(WIRED));
    let fact = collect(dir.path(), &cutter_config());
    for (name, ..) in PHASES {
        let phase = phase(&fact, name);
        assert_eq!(answers(phase), ["always", "false", "true"], "{name}: {}", reasons(phase));
        assert_eq!(phase.at("live_branch"), Some(&Fact::Bool(true)));
        assert_eq!(text(phase, "mode_test"), format!("cutter/phases/{name}.py:12:12"));
        assert_eq!(list(phase, "blocked_by").len(), 0, "{}", reasons(phase));
    }
    assert_eq!(text(&fact, "state"), "CLOSED");
    for key in ["phases_without_live_write", "phases_reaching_simulator", "phases_unguarded", "phases_undecided"] {
        assert!(texts(&fact, key).is_empty(), "{key}");
    }
    assert_eq!(texts(&fact, "live_discoverers"), ["cutter.prod_iu_adapter_canonical.ProdIuAdapter"]);
    let write = &list(phase(&fact, "cut_leg_a"), "writes")[0];
    assert_eq!(text(write, "place"), "cutter/prod_iu_adapter_canonical.py:15:17");
    assert_eq!(
        texts(write, "chain"),
        [
            "cutter.phases.cut_leg_a.CutLegA.run (cutter/phases/cut_leg_a.py:11:9)",
            "cutter.prod_iu_adapter_canonical.ProdIuAdapter.write_units (cutter/phases/cut_leg_a.py:14:32)",
        ]
    );
    let labels: Vec<&str> = list(phase(&fact, "cut_leg_a"), "excerpt").iter().map(|line| text(line, "label")).collect();
    assert_eq!(labels, ["entry", "mode test", "write"]);
}

#[test]
fn each_change_of_v07_is_seen() {
    let leg_a = |body: &'static str| [WIRED[0], body, WIRED[2], WIRED[3], WIRED[4]];
    let backup = |body: &'static str| [body, WIRED[1], WIRED[2], WIRED[3], WIRED[4]];
    let changes: [(&str, [&str; 5], [&str; 3], &str); 8] = [
        ("cut_leg_a", leg_a("pass"), ["never", "true", "true"], "OPEN"),
        ("cut_leg_a", leg_a("ctx.adapter.write_units(ctx.units)"), ["always", "true", "true"], "OPEN"),
        (
            "cut_leg_a",
            leg_a("if ctx.units:\n    ctx.adapter.write_units(ctx.units)\nreturn None"),
            ["sometimes", "false", "true"],
            "PARTIAL",
        ),
        (
            "cut_leg_a",
            leg_a("try:\n    ctx.adapter.write_units(ctx.units)\nexcept Exception:\n    pass\nreturn None"),
            ["sometimes", "false", "true"],
            "PARTIAL",
        ),
        (
            "cut_leg_a",
            leg_a("eval('ctx.adapter.write_units(ctx.units)')\nreturn None"),
            ["unknown", "unknown", "true"],
            "UNKNOWN",
        ),
        (
            "pre_write_backup",
            backup("subprocess.run([\"pg_dump\"])\nreturn None"),
            ["sometimes", "false", "true"],
            "PARTIAL",
        ),
        (
            "pre_write_backup",
            backup("subprocess.run([\"echo\", \"pg_dump\"], check=True)\nreturn None"),
            ["never", "false", "true"],
            "OPEN",
        ),
        (
            "pre_write_backup",
            backup("subprocess.run(\"pg_dump | gpg -e\", shell=True, check=True)\nreturn None"),
            ["unknown", "false", "true"],
            "UNKNOWN",
        ),
    ];
    for (name, bodies, expected, state) in changes {
        let dir = tempfile::tempdir().expect("a folder");
        cutter(&dir.path().join("tree"), Some(bodies));
        let fact = collect(dir.path(), &cutter_config());
        let changed = phase(&fact, name);
        assert_eq!(answers(changed), expected, "{bodies:?}: {}", reasons(changed));
        assert_eq!(text(&fact, "state"), state, "{bodies:?}");
    }
}

#[test]
fn only_sometimes_writing_is_partial() {
    let body = "def run(ctx: Ctx):\n    gate.require()\n    if ctx.rows:\n        ctx.adapter.write(ctx.rows)\n";
    let (_dir, fact) = one(&[("app/phase.py", &format!("{HEAD}{body}"))], &config("app.phase:run", "ctx.mode"));
    assert_eq!(text(&fact, "state"), "PARTIAL");
    assert_eq!(texts(&fact, "phases_without_live_write"), ["p"]);
    assert!(texts(&fact, "phases_never_writing").is_empty());
}

#[test]
fn a_stale_switch_is_named() {
    let phase = one_phase(
        "from app.gate import __execution_enabled__ as ENABLED\n\ndef run(ctx: Ctx):\n    if not ENABLED:\n        raise RuntimeError\n    return ctx.adapter.write(ctx.rows)\n",
    );
    let stale = "the switch was imported by value: it is stale when it is tested (app/phase.py:7:1)";
    assert!(reasons(&phase).contains(stale), "{}", reasons(&phase));
}

#[test]
fn commands_count_when_they_are_seen_to_succeed() {
    let cases = [
        ("subprocess.run(['pg_dump', '-Fc'], check=True)", "always"),
        ("subprocess.check_call(['/usr/bin/pg_dump'])", "always"),
        ("subprocess.run(['sudo', '-u', 'postgres', 'pg_dump', '-Fc'], check=True)", "always"),
        ("args = ['-Fc']\n    subprocess.run(['pg_dump', *args], check=True)", "always"),
        ("subprocess.run('pg_dump -Fc cutter', shell=True, check=True)", "always"),
        ("subprocess.run(['pg_dump']).check_returncode()", "always"),
        ("done = subprocess.run(['pg_dump'])\n    if done.returncode != 0:\n        raise RuntimeError", "always"),
        ("if subprocess.call(['pg_dump']):\n        raise RuntimeError", "always"),
        ("dump = subprocess.Popen(['pg_dump'])\n    if dump.wait() != 0:\n        raise RuntimeError", "always"),
        (
            "with subprocess.Popen(['pg_dump']) as dump:\n        if dump.wait():\n            raise RuntimeError",
            "always",
        ),
        ("done = subprocess.run(['pg_dump'])\n    if done.returncode == 0:\n        raise RuntimeError", "never"),
        ("subprocess.run(['pg_dump'])", "sometimes"),
        ("subprocess.Popen(['pg_dump'])", "never"),
        (
            "dump = subprocess.Popen(['pg_dump'])\n    if not dump.poll():\n        return None\n    raise RuntimeError",
            "unknown",
        ),
        (
            "dump = subprocess.Popen(['pg_dump'])\n    if not dump.returncode:\n        return None\n    raise RuntimeError",
            "unknown",
        ),
        ("subprocess.run(['pg_dump', '--version'], check=True)", "never"),
        ("subprocess.run(['echo', 'pg_dump'], check=True)", "never"),
        ("subprocess.run(['sudo', 'echo', 'pg_dump'], check=True)", "unknown"),
        ("subprocess.run(['bash', '-c', 'pg_dump | gpg'], check=True)", "unknown"),
        ("subprocess.run('pg_dump | gpg', shell=True, check=True)", "unknown"),
        ("subprocess.run([ctx.conn.info, 'x'], check=True)", "unknown"),
        ("import os\n    os.system('pg_dump')", "unknown"),
    ];
    for (body, expected) in cases {
        let phase = one_phase(&format!("def run(ctx: Ctx):\n    gate.require()\n    {body}\n"));
        assert_eq!(text(&phase, "live_write"), expected, "{body}: {}", reasons(&phase));
        assert_eq!(text(&phase, "guarded"), "true", "{body}: {}", reasons(&phase));
    }
}

#[test]
fn modes_as_texts_and_truth_values() {
    let files = [
        ("m/__init__.py", ""),
        ("m/settings.py", "MODE = 'dry'\nENABLED = False\n"),
        (
            "m/text.py",
            "import psycopg\nfrom m import settings\n\ndef run(conn: psycopg.Connection, mode: str):\n    if not settings.ENABLED:\n        raise RuntimeError\n    if mode.lower() == 'live':\n        conn.execute('UPDATE t SET n = 1')\n        conn.commit()\n        return\n    simulate_it()\n\ndef simulate_it():\n    pass\n",
        ),
        (
            "m/flag.py",
            "import psycopg\nfrom m import settings\n\nclass Job:\n    def __init__(self, conn: psycopg.Connection, dry_run: bool = True):\n        self.conn = conn\n        self.dry_run = dry_run\n\n    async def run(self):\n        if not settings.ENABLED:\n            raise RuntimeError\n        if self.dry_run:\n            return await self.simulate_it()\n        await self.write()\n\n    async def simulate_it(self):\n        pass\n\n    async def write(self):\n        self.conn.execute('UPDATE t SET n = 1')\n        self.conn.commit()\n\n    async def forgets(self):\n        if not settings.ENABLED:\n            raise RuntimeError\n        self.write()\n\n    def steps(self):\n        if not settings.ENABLED:\n            raise RuntimeError\n        yield 'begin'\n        self.conn.execute('UPDATE t SET n = 1')\n        yield 'sent'\n        self.conn.commit()\n",
        ),
        (
            "m/variable.py",
            "import psycopg\nfrom m import settings\n\ndef run(conn: psycopg.Connection):\n    if not settings.ENABLED:\n        raise RuntimeError\n    if settings.MODE == 'live':\n        conn.execute('UPDATE t SET n = 1')\n        conn.commit()\n",
        ),
    ];
    let with = |mode: Value, entry: &str, carrier: &str, drive: &str| {
        let config = json!({
            "mode": mode,
            "kill_switch": [{"kind": "constant", "name": "m.settings.ENABLED"}],
            "phases": {"p": {"entry": entry, "carrier": carrier, "drive": drive}},
        });
        let (_dir, fact) = one(&files, &config);
        let phase = phase(&fact, "p");
        let answers = answers(phase).map(str::to_owned);
        assert!(answers != ["always", "false", "true"] || reasons(phase).is_empty(), "{}", reasons(phase));
        answers
    };
    let text = json!({"kind": "string", "name": "mode", "live": "live", "dry": "dry"});
    let flag = json!({"kind": "bool", "name": "dry_run", "live": false, "dry": true});
    let variable = json!({"kind": "string", "name": "m.settings.MODE", "live": "live", "dry": "dry"});
    assert_eq!(with(text.clone(), "m.text:run", "mode", "call"), ["always", "false", "true"]);
    assert_eq!(with(flag.clone(), "m.flag:Job.run", "self.dry_run", "await"), ["always", "false", "true"]);
    assert_eq!(with(flag.clone(), "m.flag:Job.forgets", "self.dry_run", "await"), ["never", "false", "true"]);
    assert_eq!(with(flag.clone(), "m.flag:Job.steps", "self.dry_run", "exhaust"), ["always", "false", "true"]);
    // Called and not driven, neither the write nor the guard is reached.
    assert_eq!(with(flag.clone(), "m.flag:Job.steps", "self.dry_run", "call"), ["never", "false", "false"]);
    assert_eq!(with(variable, "m.variable:run", "", "call"), ["always", "false", "true"]);
    assert_eq!(with(text, "m.text:run", "nobody.mode", "call"), ["unknown", "unknown", "unknown"]);
}

#[test]
fn switches_of_every_kind() {
    let body = "def run(ctx: Ctx):\n    if not gate.enabled():\n        raise RuntimeError\n    return ctx.adapter.write(ctx.rows)\n";
    let module = format!("{HEAD}{body}");
    let guarded = |switches: Value| {
        let mut config = config("app.phase:run", "ctx.mode");
        config["kill_switch"] = switches;
        let (_dir, fact) = one(&[("app/phase.py", &module)], &config);
        let found: Vec<Fact> =
            list(&fact, "switches").iter().map(|switch| switch.at("found").expect("found").clone()).collect();
        (text(phase(&fact, "p"), "guarded").to_owned(), found)
    };
    let constant = json!({"kind": "constant", "name": "app.gate.__execution_enabled__"});
    let function = json!({"kind": "function", "name": "app.gate.enabled"});
    let nowhere = json!({"kind": "constant", "name": "app.gate.NOWHERE"});
    let (yes, no) = (Fact::Bool(true), Fact::Bool(false));
    assert_eq!(guarded(json!([constant.clone()])), ("true".to_owned(), vec![yes.clone()]));
    assert_eq!(guarded(json!([function.clone()])), ("true".to_owned(), vec![yes.clone()]));
    // With both described the function alone decides, and the constant refuses nothing.
    assert_eq!(guarded(json!([constant, function])), ("false".to_owned(), vec![yes.clone(), yes]));
    assert_eq!(guarded(json!([nowhere])), ("unknown".to_owned(), vec![no]));
    assert_eq!(guarded(json!([])), ("unknown".to_owned(), vec![]));
}

#[test]
fn what_is_not_there_is_unknown_and_says_why() {
    let module = format!("{HEAD}def run(ctx: Ctx):\n    gate.require()\n    return ctx.adapter.write(ctx.rows)\n");
    let cases = [
        ("app.nowhere:run", "ctx.mode", "the entry's module app.nowhere is not in the tree"),
        ("app.phase:nothing", "ctx.mode", "app.phase has no nothing"),
        ("app.phase:Ctx.nothing", "ctx.mode", "app.phase has no Ctx.nothing"),
        ("app.phase:run", "context.mode", "the entry has no context.mode that could carry the mode"),
        ("app.phase:run", "", "no carrier says where the mode enters"),
    ];
    for (entry, carrier, reason) in cases {
        let (_dir, fact) = one(&[("app/phase.py", &module)], &config(entry, carrier));
        let phase = phase(&fact, "p");
        assert_eq!(answers(phase), ["unknown"; 3]);
        assert!(reasons(phase).contains(reason), "{}", reasons(phase));
        assert_eq!(text(&fact, "state"), "UNKNOWN");
        assert_eq!(texts(&fact, "phases_undecided"), ["p"]);
    }
    let mut without = config("app.phase:run", "ctx.mode");
    without["mode"]["live"] = json!("PRODUCTION");
    let (_dir, fact) = one(&[("app/phase.py", &module)], &without);
    assert_eq!(answers(phase(&fact, "p")), ["unknown"; 3]);
    without["phases"] = json!({});
    let (_dir, fact) = one(&[("app/phase.py", &module)], &without);
    assert_eq!(text(&fact, "state"), "UNKNOWN");
}

#[test]
fn a_syntax_error_matters_where_the_phase_needs_the_module() {
    let good = format!("{HEAD}def run(ctx: Ctx):\n    gate.require()\n    return ctx.adapter.write(ctx.rows)\n");
    let (_dir, fact) =
        one(&[("app/phase.py", &good), ("app/elsewhere.py", "def broken(:\n")], &config("app.phase:run", "ctx.mode"));
    assert_eq!(text(&fact, "state"), "CLOSED", "{}", reasons(phase(&fact, "p")));
    let broken = "import psycopg\n\nclass Adapter:\n    def write(self, rows)\n        return 1\n";
    let (_dir, fact) =
        one(&[("app/phase.py", &good), ("app/adapter.py", broken)], &config("app.phase:run", "ctx.mode"));
    assert_eq!(text(phase(&fact, "p"), "live_write"), "unknown");
    let failure = &list(&fact, "parse_failures")[0];
    assert_eq!(text(failure, "path"), "app/adapter.py");
    assert_eq!(text(failure, "place"), "app/adapter.py:4:26");
    let (_dir, fact) = one(&[("app/phase.py", "def run(ctx):\n  x = (\n")], &config("app.phase:run", "ctx.mode"));
    assert_eq!(answers(phase(&fact, "p")), ["unknown"; 3]);
}

#[test]
fn bytes_and_line_ends() {
    let dir = tempfile::tempdir().expect("a folder");
    let root = dir.path().join("tree");
    write_tree(&root, FRAME);
    let module = format!(
        "{HEAD}# \u{1ebf} \u{1d70b}\ndef run(ctx: Ctx):\n    gate.require(); n = '\u{1ebf}\u{1d70b}'; return ctx.adapter.write(ctx.rows)\n"
    );
    let module = format!("\u{feff}{}", module.replace('\n', "\r\n"));
    write_tree(&root, &[("app/phase.py", &module), ("app/empty.py", "")]);
    std::fs::write(root.join("app/latin.py"), b"# caf\xe9\nVERSION = '1'\n").expect("write");
    let fact = collect(dir.path(), &config("app.phase:run", "ctx.mode"));
    let phase = phase(&fact, "p");
    assert_eq!(answers(phase), ["always", "false", "true"], "{}", reasons(phase));
    assert_eq!(text(phase, "place"), "app/phase.py:8:5");
    let write = &list(phase, "writes")[0];
    assert_eq!(texts(write, "chain")[1], "app.adapter.Adapter.write (app/phase.py:9:38)");
    assert_eq!(fact.at("files"), Some(&Fact::Int(10)));
    // The same file where the phase needs it.
    let needing =
        format!("{HEAD}from app.latin import VERSION, go\n\ndef run(ctx: Ctx):\n    gate.require()\n    go()\n");
    write_tree(&root, &[("app/phase.py", &needing)]);
    let fact = collect(dir.path(), &config("app.phase:run", "ctx.mode"));
    assert_eq!(text(&list(&fact, "phases")[0], "live_write"), "unknown");
    assert!(text(&list(&fact, "parse_failures")[0], "reason").contains("not UTF-8"));
}

#[test]
fn nesting_never_overflows() {
    let n = 10_000;
    let indented: String = (0..n).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect();
    let shapes = [
        format!("X = {}1{}\n", "(".repeat(n), ")".repeat(n)),
        format!("X = {}1{}\n", "[".repeat(n), "]".repeat(n)),
        format!("X = {}1{}\n", "{".repeat(n), "}".repeat(n)),
        format!("X = {}1\n", "not ".repeat(n)),
        format!("X = {}1\n", "-".repeat(n)),
        format!("X = x{}\n", ".a".repeat(n)),
        format!("X = x{}\n", "()".repeat(n)),
        format!("X = x{}\n", " + x".repeat(n)),
        format!("X = x{}\n", " ** x".repeat(n)),
        format!("X = {}1\n", "lambda: ".repeat(n)),
        format!("X = x{}\n", " if x else x".repeat(n)),
        format!("X = {}1{}\n", "f'{".repeat(n), "}'".repeat(n)),
        format!("X = {}\n", "(".repeat(n)),
        format!("def f():\n  {}1\n", "await ".repeat(n)),
        format!("{indented}{}pass\n", " ".repeat(n)),
        format!("if x:\n  pass\n{}", "elif x:\n  pass\n".repeat(n)),
        format!("X = {}1\n", "x = ".repeat(n)),
        format!("match x:\n  case {}1{}:\n    pass\n", "[".repeat(n), "]".repeat(n)),
    ];
    for shape in &shapes {
        let head = &shape[..shape.len().min(30)];
        let module =
            format!("{HEAD}from app import odd\n\ndef run(ctx: Ctx):\n    gate.require()\n    return odd.X(ctx)\n");
        let (_dir, fact) =
            one(&[("app/phase.py", &module), ("app/odd.py", shape)], &config("app.phase:run", "ctx.mode"));
        assert_eq!(text(phase(&fact, "p"), "live_write"), "unknown", "{head}");
    }
}

#[test]
fn many_paths_and_long_chains() {
    let forks: String = (0..60).map(|i| format!("    if ctx.rows.count('{i}'):\n        v{i} = {i}\n")).collect();
    let phase =
        one_phase(&format!("def run(ctx: Ctx):\n    gate.require()\n{forks}    return ctx.adapter.write(ctx.rows)\n"));
    assert_eq!(answers(&phase), ["always", "false", "true"], "{}", reasons(&phase));
    let hops: String = (0..60).map(|i| format!("def hop{i}(ctx):\n    return hop{}(ctx)\n\n", i + 1)).collect();
    let phase = one_phase(&format!(
        "{hops}def hop60(ctx):\n    return ctx.adapter.write(ctx.rows)\n\ndef run(ctx: Ctx):\n    gate.require()\n    return hop0(ctx)\n"
    ));
    assert_eq!(answers(&phase), ["always", "false", "true"], "{}", reasons(&phase));
    let module =
        format!("{HEAD}from app import ring\n\ndef run(ctx: Ctx):\n    gate.require()\n    return ring.go(ctx)\n");
    let ring = "from app import other\n\ndef go(ctx):\n    return other.go(ctx)\n";
    let other = "from app import ring\nimport app.phase\n\ndef go(ctx):\n    return ctx.adapter.write(ctx.rows)\n";
    let (_dir, fact) = one(
        &[("app/phase.py", &module), ("app/ring.py", ring), ("app/other.py", other)],
        &config("app.phase:run", "ctx.mode"),
    );
    let around = list(&fact, "phases").first().expect("the phase");
    assert_eq!(answers(around), ["always", "false", "true"], "{}", reasons(around));
}

#[test]
fn imports_of_every_form() {
    let cases = [
        ("from .adapter import Adapter as A\n", "A"),
        ("from . import adapter\n", "adapter.Adapter"),
        ("import app.adapter\n", "app.adapter.Adapter"),
        ("import app.adapter as a\n", "a.Adapter"),
        ("from app.exports import Adapter as A\n", "A"),
        ("from app.exports import *\n", "Adapter"),
        ("import importlib\na = importlib.import_module('app.adapter')\n", "a.Adapter"),
    ];
    for (import, class) in cases {
        let module = format!(
            "{}{import}\ndef run(ctx: Ctx):\n    gate.require()\n    return {class}(ctx.conn).write(ctx.rows)\n",
            HEAD.replace("from app.adapter import Adapter, NullAdapter\n", "")
        );
        let (_dir, fact) = one(
            &[("app/phase.py", &module), ("app/exports.py", "from app.adapter import Adapter\n")],
            &config("app.phase:run", "ctx.mode"),
        );
        let phase = phase(&fact, "p");
        assert_eq!(answers(phase), ["always", "false", "true"], "{import}: {}", reasons(phase));
    }
    let unseen =
        ["from app.gone import Adapter as A\n", "from .gone import *\n", "from app.exports import Nothing as A\n"];
    for import in unseen {
        let module =
            format!("{HEAD}{import}\ndef run(ctx: Ctx):\n    gate.require()\n    return A(ctx.conn).write(ctx.rows)\n");
        let (_dir, fact) = one(
            &[("app/phase.py", &module), ("app/exports.py", "from app.adapter import Adapter\n")],
            &config("app.phase:run", "ctx.mode"),
        );
        assert_eq!(text(phase(&fact, "p"), "live_write"), "unknown", "{import}");
    }
}

#[test]
fn an_absent_tree_is_absent_and_a_closed_one_denied() {
    let dir = harness::open_dir();
    let fact = collect(dir.path(), &cutter_config());
    assert_eq!(fact.at("present"), Some(&Fact::Bool(false)));
    let state = |fact: &Fact, name: &str| match fact.at(name) {
        Some(Fact::Missing(missing)) => missing.state,
        other => panic!("{name} is {other:?}"),
    };
    assert_eq!(state(&fact, "phases"), MissingState::Absent);
    assert_eq!(state(&fact, "state"), MissingState::Absent);
    let root = dir.path().join("tree");
    cutter(&root, Some(WIRED));
    let closed = |path: &str| {
        let path = root.join(path);
        let mode = |bits| std::os::unix::fs::PermissionsExt::from_mode(bits);
        let before = std::fs::metadata(&path).expect("it is there").permissions();
        std::fs::set_permissions(&path, mode(0o000)).expect("chmod");
        let fact = harness::as_nobody(|| collect(dir.path(), &cutter_config()));
        std::fs::set_permissions(&path, before).expect("chmod");
        assert_eq!(fact.at("present"), Some(&Fact::Bool(true)));
        assert_eq!(state(&fact, "phases"), MissingState::Denied, "{}", path.display());
        assert_eq!(state(&fact, "state"), MissingState::Denied, "{}", path.display());
    };
    closed("cutter/phases/cut_leg_a.py");
    closed("cutter/phases");
    closed("cutter/tests");
    let open = harness::as_nobody(|| collect(dir.path(), &cutter_config()));
    assert_eq!(text(&open, "state"), "CLOSED");
}

#[test]
fn the_tree_is_one_source_with_a_digest() {
    let dir = tempfile::tempdir().expect("a folder");
    cutter(&dir.path().join("tree"), None);
    let first = collect(dir.path(), &cutter_config());
    assert_eq!(first, collect(dir.path(), &cutter_config()), "the same tree gives the same facts");
    write_tree(&dir.path().join("tree"), &[("cutter/extra.py", "")]);
    assert_ne!(text(&first, "digest"), text(&collect(dir.path(), &cutter_config()), "digest"));
}

#[test]
fn time_over_is_unknown() {
    let dir = tempfile::tempdir().expect("a folder");
    cutter(&dir.path().join("tree"), Some(WIRED));
    let limits = cutgate::probes::Limits { probe: std::time::Duration::from_millis(1), ..Default::default() };
    let given = json!({"tree": "tree", "config": cutter_config()});
    match harness::collect_within("code-path", dir.path(), given, limits) {
        Ok(fact) => match fact.at("state") {
            Some(Fact::Text(state)) => assert_eq!(state, "UNKNOWN", "it stops"),
            // The door's own word when its time is over while a folder is listed.
            Some(Fact::Missing(missing)) => {
                assert!(matches!(missing.state, MissingState::TimedOut | MissingState::Unreadable), "{missing}");
            }
            other => panic!("state is {other:?}"),
        },
        Err(missing) => assert_eq!(missing.state, MissingState::TimedOut),
    }
}

#[test]
fn a_wrong_description_is_refused_with_every_reason() {
    let probe = cutgate::probes::find("code-path").expect("the probe");
    let problems = |config: Value| probe.check(&harness::settings(json!({"tree": "tree", "config": config})));
    assert_eq!(problems(cutter_config()), []);
    let wrong = json!({
        "mode": {"kind": "enum", "name": "Mode", "live": "LIVE", "dry": "LIVE"},
        "kill_switch": [{"kind": "constant", "name": "enabled"}],
        "patterns": {"sinks": ["*"], "command_sinks": ["subprocess.run"], "simulators": ["**"]},
        "phases": {"p": {"entry": "cutter.phases", "carrier": "ctx mode"}},
    });
    let messages: Vec<String> = problems(wrong).into_iter().map(|problem| problem.message).collect();
    assert_eq!(
        messages,
        [
            "mode.live equals mode.dry",
            "mode.name \"Mode\" is no dotted class",
            "kill_switch.name \"enabled\" is not dotted",
            "patterns.sinks \"*\" matches everything",
            "patterns.simulators \"**\" matches everything",
            "patterns.command_sinks \"subprocess.run\" is no program's name",
            "phases.p.entry \"cutter.phases\" is no entry point",
            "phases.p.carrier \"ctx mode\" is no path",
        ]
    );
    let unknown = problems(json!({"mode": {"kind": "enum", "name": "a.B", "live": "L", "dry": "D"}, "phase": {}}));
    assert!(unknown[0].message.contains("unknown field `phase`"), "{unknown:?}");
}

#[test]
#[ignore]
fn scratch() {
    let text = std::fs::read_to_string("/tmp/adversarial.txt").unwrap();
    let cases: Vec<(String, String)> = text
        .split("=== ")
        .skip(1)
        .map(|case| {
            let (name, body) = case.split_once('\n').unwrap();
            (name.trim().to_owned(), body.to_owned())
        })
        .collect();
    let runs = witnessed(&cases, false);
    for (name, body) in &cases {
        let phase = one_phase(body);
        let [write, simulator, guarded] = answers(&phase);
        let all = &runs[name];
        let is = |run: &&Value, key: &str| run[key] == json!(true);
        let returned = |run: &&Value| run["ended"] == json!("returned");
        let on: Vec<&Value> = all.iter().filter(|run| is(run, "on")).collect();
        let off: Vec<&Value> = all.iter().filter(|run| !is(run, "on")).collect();
        let with = on.iter().any(|run| returned(run) && is(run, "wrote"));
        let without = on.iter().any(|run| returned(run) && !is(run, "wrote"));
        let simulated = on.iter().any(|run| is(run, "simulated"));
        let escaped = off.iter().any(|run| returned(run) || is(run, "started"));
        let bad = (write == "always" && (without || !with))
            || (write == "never" && with)
            || (simulator == "false" && simulated)
            || (guarded == "true" && escaped);
        eprintln!(
            "{} {name}: {write} {simulator} {guarded}; runs with={with} without={without} simulated={simulated} escaped={escaped} {}",
            if bad { "BAD" } else { "ok " },
            reasons(&phase)
        );
    }
}
