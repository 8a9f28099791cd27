//! A table of idioms, each in right and wrong forms, with the three answers.

use super::*;

/// A name, the rest of `app/phase.py`, and the three answers.
pub(super) type Case = (&'static str, &'static str, [&'static str; 3]);

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
        "assert-message-simulates",
        "def run(ctx: Ctx):\n    gate.require()\n    assert len(ctx.rows) > 1, ctx.discoverer.simulate_cut(ctx.rows)\n    return ctx.adapter.write(ctx.rows)\n",
        ["always", "true", "true"],
    ),
    (
        "many-paths-one-class",
        "def run(ctx: Ctx):\n    gate.require()\n    a = 1 if len(ctx.rows) > 0 else 2\n    b = 1 if len(ctx.rows) > 1 else 2\n    c = 1 if len(ctx.rows) > 2 else 2\n    d = 1 if len(ctx.rows) > 3 else 2\n    writer = Adapter(ctx.conn)\n    e = 1 if len(ctx.rows) > 4 else 2\n    f = 1 if len(ctx.rows) > 5 else 2\n    return writer.write(ctx.rows)\n",
        ["always", "false", "true"],
    ),
    (
        "many-paths-two-classes",
        "def run(ctx: Ctx):\n    gate.require()\n    a = 1 if len(ctx.rows) > 0 else 2\n    b = 1 if len(ctx.rows) > 1 else 2\n    c = 1 if len(ctx.rows) > 2 else 2\n    d = 1 if len(ctx.rows) > 3 else 2\n    writer = (Adapter if len(ctx.rows) > 1 else NullAdapter)(ctx.conn)\n    e = 1 if len(ctx.rows) > 4 else 2\n    f = 1 if len(ctx.rows) > 5 else 2\n    return writer.write(ctx.rows)\n",
        ["sometimes", "false", "true"],
    ),
];

#[test]
fn answers_for_each_idiom() {
    let mut wrong = String::new();
    for (name, body, expected) in all() {
        let phase = one_phase(body);
        if answers(&phase) != *expected {
            let _ = writeln!(wrong, "{name}: {:?}, not {expected:?}; {}", answers(&phase), reasons(&phase));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Every idiom.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(super::idioms_of_objects::CASES)
}
