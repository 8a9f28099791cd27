//! The second half of the table of idioms: objects, decorators, managers, and what earlier runs left behind.

use super::idioms::Case;

pub(super) const CASES: &[Case] = &[
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
        "def run(ctx: Ctx):\n    gate.require()\n    return getattr(ctx.adapter, 'wr' + str(len(ctx.rows)))(ctx.rows)\n",
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
        ["always", "false", "true"],
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
        ["unknown", "unknown", "true"],
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
        ["always", "false", "true"],
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
        ["unknown", "unknown", "true"],
    ),
];
