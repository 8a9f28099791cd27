//! What of a library is replaced by the tree is not the library's: in whatever way Python has for it, whether the phases import
//! the file that does it or not.

use super::*;

const MODULE: &str = "import psycopg\nfrom app import gate\nfrom app.context import Ctx\n\ndef run(ctx: Ctx, conn: psycopg.Connection):\n    gate.require()\n    conn.execute('INSERT INTO t VALUES (1)')\n    conn.commit()\n    return 1\n";

/// The answer for a run that writes with a driver, beside a file that replaces something of it.
fn answered(patch: &str, imported: bool) -> String {
    let module = if imported { format!("import app.patch\n{MODULE}") } else { MODULE.to_owned() };
    let patch = format!("import psycopg\n{patch}");
    let files = [("app/phase.py", module.as_str()), ("app/patch.py", patch.as_str())];
    let (_dir, fact) = one(&files, &config("app.phase:run", "ctx.mode"));
    answer(phase(&fact, "p"), "live_write").to_owned()
}

const REPLACING: &[(&str, &str)] = &[
    ("plain", "psycopg.Connection.execute = print\n"),
    ("setattr", "setattr(psycopg.Connection, 'execute', print)\n"),
    ("setattr-lines", "setattr(\n    psycopg.Connection,\n    'execute',\n    print,\n)\n"),
    ("setattr-alias", "put = setattr\nput(psycopg.Connection, 'execute', print)\n"),
    ("setattr-builtins", "import builtins\ngetattr(builtins, 'setattr')(psycopg.Connection, 'execute', print)\n"),
    ("setattr-const", "NAME = 'execute'\nsetattr(psycopg.Connection, NAME, print)\n"),
    ("setattr-computed", "setattr(psycopg.Connection, 'exe' + 'cute', print)\n"),
    ("setattr-loop", "for name in ('execute', 'commit'):\n    setattr(psycopg.Connection, name, print)\n"),
    ("setattr-f", "setattr(psycopg.Connection, f'execute', print)\n"),
    ("type-setattr", "type.__setattr__(psycopg.Connection, 'execute', print)\n"),
    ("type-setattr-lines", "type.__setattr__(\n    psycopg.Connection, 'execute',\n    print)\n"),
    ("continued", "psycopg.Connection \\\n    .execute = print\n"),
    ("continued2", "psycopg.Connection.\\\nexecute = print\n"),
    ("parens", "(psycopg.Connection.execute) = print\n"),
    ("parens-lines", "(psycopg\n .Connection\n .execute) = print\n"),
    ("tuple-lines", "(psycopg.Connection.execute,\n psycopg.Connection.commit) = print, print\n"),
    ("list", "[psycopg.Connection.execute] = [print]\n"),
    ("star", "[*psycopg.Connection.execute] = [print]\n"),
    ("for", "for psycopg.Connection.execute in [print]:\n    pass\n"),
    ("with", "import contextlib\nwith contextlib.nullcontext(print) as psycopg.Connection.execute:\n    pass\n"),
    (
        "with-lines",
        "import contextlib\nwith (\n    contextlib.nullcontext(print)\n    as psycopg.Connection.execute,\n):\n    pass\n",
    ),
    ("comprehension", "[0 for psycopg.Connection.execute in [print]]\n"),
    ("walrus-not", "import operator\noperator.setitem(vars(psycopg), 'Connection', object)\n"),
    ("connect", "psycopg.Connection = object\n"),
    ("class-alias", "C = psycopg.Connection\nC.execute = print\n"),
    ("patch-object", "from unittest import mock\nmock.patch.object(psycopg.Connection, 'execute', print).start()\n"),
    ("patch-text", "from unittest import mock\nmock.patch('psycopg.Connection.execute', print).start()\n"),
    ("patch-multiple", "from unittest import mock\nmock.patch.multiple(psycopg.Connection, execute=print).start()\n"),
    ("monkey", "def patch(monkeypatch):\n    monkeypatch.setattr(psycopg.Connection, 'execute', print)\n"),
    ("partial", "import functools\nfunctools.partial(setattr, psycopg.Connection)('execute', print)\n"),
    ("map", "list(map(setattr, [psycopg.Connection], ['execute'], [print]))\n"),
    ("tabs-eq", "psycopg.Connection.execute\t=\tprint\n"),
    ("eq-line", "psycopg.Connection.execute = \\\n    print\n"),
    ("chain", "x = psycopg.Connection.execute = print\n"),
    ("aug", "psycopg.Connection.execute += 1\n"),
    ("ann", "psycopg.Connection.execute: object = print\n"),
    ("if-line", "if True: psycopg.Connection.execute = print\n"),
    ("else-line", "if False: pass\nelse: psycopg.Connection.execute = print\n"),
    ("lambda", "f = lambda: setattr(psycopg.Connection, 'execute', print)\n"),
    ("walrus", "if (driver := psycopg.Connection):\n    driver.execute = print\n"),
    ("del", "del psycopg.Connection.execute\n"),
    ("del-parens", "del (psycopg.Connection.execute)\n"),
    ("del-lines", "del (\n    psycopg.Connection.execute)\n"),
    ("del-two", "del x, psycopg.Connection.execute\n"),
    ("delattr-lines", "delattr(\n    psycopg.Connection,\n    'execute')\n"),
    ("string-eq", "psycopg.Connection.execute = 'a == b'\n"),
    ("comment-eq", "psycopg.Connection.execute = print  # a\n"),
    ("nfkc", "psycopg.Connection.ｅxecute = print\n"),
    ("subclass-call", "class P(psycopg.Connection):\n    def execute(self, *a): return None\npsycopg.Connection = P\n"),
    ("bases", "class Q:\n    def execute(self,*a): return None\npsycopg.Connection.__bases__ = (Q,)\n"),
    ("sysmodules", "import sys\nsys.modules['psycopg'].Connection.execute = print\n"),
    ("match", "match {'a': print}:\n    case {'a': f}:\n        psycopg.Connection.execute = f\n"),
    ("class-body", "class K:\n    psycopg.Connection.execute = print\n"),
    ("semi", "x = 1; psycopg.Connection.execute = print\n"),
    ("import-as", "import psycopg as p\np.Connection.execute = print\n"),
    ("from-as", "from psycopg import Connection as C\nC.execute = print\n"),
    ("update", "psycopg.__dict__.update(Connection=object)\n"),
    ("dunder-set", "psycopg.Connection.__setattr__(psycopg.Connection, 'execute', print)\n"),
    ("object-setattr", "object.__setattr__(psycopg, 'Connection', object)\n"),
];

#[test]
fn what_is_replaced_in_a_library_is_not_taken_for_it() {
    for imported in [false, true] {
        let believed: Vec<&str> = REPLACING
            .iter()
            .filter(|(_, patch)| answered(patch, imported) == "always")
            .map(|(name, _)| *name)
            .collect();
        assert!(believed.is_empty(), "imported: {imported}, {believed:?}");
    }
}

#[test]
fn what_is_set_on_other_things_does_not_matter() {
    for other in [
        "",
        "def f(name):\n    return getattr(psycopg.Connection, name)\n",
        "conn = psycopg.connect()\nconn.autocommit = True\nconn.row_factory = None\n",
        "class A:\n    def __init__(self, conn: psycopg.Connection):\n        self.execute = conn.execute\n",
        "def f(thing, name):\n    setattr(thing, name, 1)\n",
        "import os\nsetattr(os, 'x' + 'y', 1)\n",
        "print('psycopg.Connection.execute')\n",
    ] {
        assert_eq!(answered(other, false), "always", "{other}");
        assert_eq!(answered(other, true), "always", "{other}");
    }
}
