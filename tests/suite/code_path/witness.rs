//! Proof by running: the trees are run with a recording database, and what they did is compared with the answers.

use std::collections::BTreeMap;

use super::idioms::CASES;
use super::*;

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
fn witnessed(cases: &[(String, String)], optimised: bool) -> BTreeMap<String, Vec<Value>> {
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
    let mut by_case = BTreeMap::<String, Vec<Value>>::new();
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

/// Answers that the runs of a tree contradict: an answer may say less than is so, never more.
fn contradictions([write, simulator, guarded]: [&str; 3], all: &[Value]) -> Vec<&'static str> {
    let is = |run: &&Value, key: &str| run[key] == json!(true);
    let returned = |run: &&Value| run["ended"] == json!("returned");
    let (on, off): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|run| is(run, "on"));
    let with = on.iter().any(|run| returned(run) && is(run, "wrote"));
    let without = on.iter().any(|run| returned(run) && !is(run, "wrote"));
    let escaped = off.iter().any(|run| returned(run) || is(run, "started"));
    let contradicted = [
        ("always", write == "always" && (without || !with)),
        ("never", write == "never" && with),
        ("no simulator", simulator == "false" && on.iter().any(|run| is(run, "simulated"))),
        ("guarded", guarded == "true" && escaped),
    ];
    contradicted.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect()
}

#[test]
fn hazards_are_never_answered_with_more_than_is_so() {
    let cases: Vec<(String, String)> = include_str!("hazards.txt")
        .split("=== ")
        .skip(1)
        .map(|case| {
            let (name, body) = case.split_once('\n').expect("a name and a body");
            (name.trim().to_owned(), body.to_owned())
        })
        .collect();
    assert!(cases.len() > 140, "{}", cases.len());
    let runs = witnessed(&cases, false);
    let mut wrong = String::new();
    for (name, body) in &cases {
        let phase = one_phase(body);
        let contradicted = contradictions(answers(&phase), &runs[name]);
        if !contradicted.is_empty() {
            let _ = writeln!(wrong, "{name}: {contradicted:?}; {:?}; {}", answers(&phase), reasons(&phase));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
