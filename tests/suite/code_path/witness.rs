//! Proof by running: the trees are run with a recording database, and what they did is compared with the answers.

use std::collections::BTreeMap;

use super::idioms::all;
use super::*;

/// Runs trees with a recording database: none, one or two rows, statements that fail, the switch on and off at import
/// and at the call. One line of JSON for each run. A tree may say beside it how its phase is called.
const DRIVER: &str = r#"
import asyncio, builtins, importlib, inspect, itertools, json, logging, os, signal, sys, warnings
base = sys.argv[1]
sys.path.insert(0, os.path.join(base, 'fake'))
import psycopg
warnings.simplefilter('ignore')
logging.disable(logging.CRITICAL)
kept = dict(vars(builtins))
devnull = open(os.devnull, 'w')
real = sys.stdout
path = list(sys.path)

class Endless(BaseException):
    pass

def stop(number, frame):
    raise Endless()

signal.signal(signal.SIGALRM, stop)

def arguments(entry, ctx, conn, home):
    given = os.path.join(home, 'calls.py')
    if os.path.exists(given):
        space = {}
        exec(open(given).read(), space)
        return space['calls'](ctx, sys.modules['app.phase'])
    from app.context import Writer
    from app.adapter import NullAdapter
    parameters = inspect.signature(entry).parameters
    if 'adapter' not in parameters:
        return [((ctx,), {})]
    calls = [((ctx,), {'adapter': Writer(conn)})]
    if parameters['adapter'].annotation is inspect.Parameter.empty or 'None' not in str(inspect.signature(entry)):
        calls.append(((ctx,), {'adapter': NullAdapter(conn)}))
    if parameters['adapter'].default is None:
        calls.append(((ctx,), {}))
    return calls

for case in sorted(os.listdir(os.path.join(base, 'cases'))):
    home = os.path.join(base, 'cases', case)
    module, name = open(os.path.join(home, 'entry')).read().split(':')
    drive = open(os.path.join(home, 'drive')).read()
    endless = False
    for at_import, on, rows, fail, again in itertools.product((False, True), (False, True), (0, 1, 2), (None, 'execute', 'commit'), (False, True)):
        sys.stdout = devnull
        if not again:
            sys.path[:] = [os.path.join(home, 'tree')] + path
            for old in [n for n, m in sys.modules.items() if n.split('.')[0] == 'app' or (getattr(m, '__file__', None) or '').startswith(base) and n != 'psycopg']:
                del sys.modules[old]
            sys.modules.pop('psycopg')
            psycopg = importlib.import_module('psycopg')
            importlib.invalidate_caches()
            gate = importlib.import_module('app.gate')
            gate.__execution_enabled__ = at_import
            importlib.import_module('app.phase')
        gate.__execution_enabled__ = on
        from app.mode import Mode
        from app.context import Ctx
        from app.sim import Discoverer
        conn = psycopg.Connection()
        ctx = Ctx(Mode.LIVE, conn, Discoverer(), ['r'] * rows)
        entry = getattr(importlib.import_module(module), name)
        for given, more in arguments(entry, ctx, conn, home):
            if endless:
                break
            psycopg.reset(fail)
            Discoverer.called = 0
            try:
                signal.setitimer(signal.ITIMER_REAL, 3, 0.1)
                made = entry(*given, **more)
                if drive == 'exhaust':
                    for _ in made:
                        pass
                elif drive == 'await':
                    asyncio.run(made)
                ended = 'returned'
            except Endless:
                ended, endless = 'endless', True
            except BaseException as error:
                ended = 'raised'
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            for name_of, value in kept.items():
                setattr(builtins, name_of, value)
            print(json.dumps({'case': case, 'on': on, 'ended': ended, 'wrote': psycopg.LASTED > 0,
                              'started': psycopg.STARTED > 0, 'simulated': Discoverer.called > 0}), file=real)
real.flush()
# Without the handlers that trees left behind.
os._exit(0)
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

/// A tree of the frame with what is its own.
struct Case {
    name: String,
    files: Vec<(String, String)>,
    /// How the phase is described, beside its name.
    phase: Value,
    /// How it is called when the tree is run.
    calls: Option<String>,
}

impl Case {
    /// From a body and the sections that follow it.
    fn new(name: &str, text: &str) -> Self {
        let mut parts = text.split("\n--- ");
        let body = parts.next().unwrap_or_default();
        let mut case = Self {
            name: name.to_owned(),
            files: vec![("app/phase.py".to_owned(), format!("{HEAD}{body}\n"))],
            phase: json!({"entry": "app.phase:run", "carrier": "ctx.mode"}),
            calls: None,
        };
        for part in parts {
            let (title, text) = part.split_once('\n').expect("a title and a text");
            match title {
                "calls" => case.calls = Some(text.to_owned()),
                "config" => {
                    let changed: serde_json::Map<String, Value> = serde_json::from_str(text).expect("JSON");
                    case.phase.as_object_mut().expect("a table").extend(changed);
                }
                path => case.files.push((path.to_owned(), format!("{text}\n"))),
            }
        }
        case
    }

    fn write(&self, home: &Path) {
        let tree = home.join("tree");
        write_tree(&tree, FRAME);
        for (path, text) in &self.files {
            write_tree(&tree, &[(path, text)]);
        }
        // A method is run by the function `run` of its module, which makes the object.
        let entry = self.phase["entry"].as_str().expect("an entry");
        let (module, name) = entry.split_once(':').expect("a module and a name");
        let entry = format!("{module}:{}", if name.contains('.') { "run" } else { name });
        let drive = self.phase["drive"].as_str().unwrap_or("call");
        write_tree(home, &[("entry", &entry), ("drive", drive)]);
        if let Some(calls) = &self.calls {
            write_tree(home, &[("calls.py", calls)]);
        }
    }

    fn analysed(&self, home: &Path) -> Fact {
        let mut config = config("", "");
        config["phases"] = json!({"p": self.phase});
        phase(&collect(home, &config), "p").clone()
    }
}

/// The cases of a file of hazards.
fn hazards(text: &str) -> Vec<Case> {
    let cases = text.split("=== ").skip(1).map(|case| {
        let (name, body) = case.split_once('\n').expect("a name and a body");
        Case::new(name.trim(), body)
    });
    cases.collect()
}

/// What running trees showed, by case; they stay in the folder.
fn witnessed(dir: &Path, cases: &[Case], optimised: bool) -> BTreeMap<String, Vec<Value>> {
    write_tree(dir, &[("fake/psycopg.py", RECORDER), ("driver.py", DRIVER)]);
    for case in cases {
        case.write(&dir.join("cases").join(&case.name));
    }
    let mut python = Command::new("python3");
    python.args(optimised.then_some("-O")).arg(dir.join("driver.py")).arg(dir);
    let output = python.output().expect("python3 runs: apt-get install python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut by_case = BTreeMap::<String, Vec<Value>>::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let run: Value = serde_json::from_str(line).expect("the driver prints JSON");
        by_case.entry(run["case"].as_str().expect("a case").to_owned()).or_default().push(run);
    }
    by_case
}

#[test]
fn answers_hold_when_the_trees_are_run() {
    let mut wrong = String::new();
    let cases: Vec<_> = all().map(|(name, body, _)| Case::new(name, body)).collect();
    let dir = tempfile::tempdir().expect("a folder");
    let mut runs = witnessed(dir.path(), &cases, false);
    // Only assertions differ under -O.
    let asserting = all().filter(|(_, body, _)| body.contains("assert "));
    let asserting: Vec<_> = asserting.map(|(name, body, _)| Case::new(name, body)).collect();
    let dir = tempfile::tempdir().expect("a folder");
    for (case, more) in witnessed(dir.path(), &asserting, true) {
        runs.entry(case).or_default().extend(more);
    }
    for (name, _, answers) in all() {
        let shown = borne_out(*answers, &runs[*name]);
        if shown != [true; 3] {
            let _ = writeln!(wrong, "{name}: the runs bear out {shown:?} of {answers:?}");
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Which of the three answers the runs of a tree show to be so; one that is unknown always is.
fn borne_out([write, simulator, guarded]: [&str; 3], all: &[Value]) -> [bool; 3] {
    let is = |run: &&Value, key: &str| run[key] == json!(true);
    let returned = |run: &&Value| run["ended"] == json!("returned");
    let (on, off): (Vec<&Value>, Vec<&Value>) = all.iter().partition(|run| is(run, "on"));
    let with = on.iter().any(|run| returned(run) && is(run, "wrote"));
    let without = on.iter().any(|run| returned(run) && !is(run, "wrote"));
    let simulated = on.iter().any(|run| is(run, "simulated"));
    let escaped = off.iter().any(|run| returned(run) || is(run, "started"));
    [
        match write {
            "always" => with && !without,
            "never" => !with,
            "sometimes" => with && without,
            _ => true,
        },
        match simulator {
            "true" => simulated,
            "false" => !simulated,
            _ => true,
        },
        match guarded {
            "true" => !escaped,
            "false" => escaped,
            _ => true,
        },
    ]
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
    if all.iter().any(|run| run["ended"] == json!("endless")) {
        // What it would have come to is not known, nor what the runs after it would have.
        return Vec::new();
    }
    contradicted.into_iter().filter(|(_, holds)| *holds).map(|(name, _)| name).collect()
}

/// Judges every tree of a file and compares with what running it showed; at least `least` trees.
fn never_more_than_is_so(text: &str, least: usize) {
    let cases = hazards(text);
    assert!(cases.len() >= least, "{}", cases.len());
    let wrong = more_than_is_so(&cases);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The trees whose answers are contradicted by running them, and whether that is only since no run returned.
fn more_than_is_so(cases: &[Case]) -> Vec<(String, bool)> {
    let dir = tempfile::tempdir().expect("a folder");
    let runs = witnessed(dir.path(), cases, false);
    let mut wrong = Vec::new();
    for case in cases {
        let phase = case.analysed(&dir.path().join("cases").join(&case.name));
        let runs = &runs[&case.name];
        let contradicted = contradictions(answers(&phase), runs);
        if !contradicted.is_empty() {
            let said = format!("{}: {contradicted:?}; {:?}; {}", case.name, answers(&phase), reasons(&phase));
            let returned = |run: &Value| run["on"] == json!(true) && run["ended"] == json!("returned");
            wrong.push((said, contradicted == ["always"] && !runs.iter().any(returned)));
        }
    }
    wrong
}

#[test]
fn hazards_are_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards.txt"), 150);
}

#[test]
fn declarations_that_the_tree_contradicts_are_not_believed() {
    never_more_than_is_so(include_str!("hazards_types.txt"), 50);
}

#[test]
fn what_is_driven_is_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards_driven.txt"), 50);
}

#[test]
fn more_hazards_are_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards_more.txt"), 280);
}

#[test]
fn collections_are_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards_collections.txt"), 70);
}

#[test]
fn what_is_handed_on_is_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards_handed.txt"), 160);
}

#[test]
fn special_methods_are_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards_special.txt"), 130);
}

#[test]
fn hazards_of_the_module_path_are_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards_layout.txt"), 30);
}

#[test]
fn hazards_reached_without_a_call_are_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards_reached.txt"), 110);
}

#[test]
fn programs_with_a_mistake_are_never_answered_with_more_than_is_so() {
    never_more_than_is_so(include_str!("hazards_programs.txt"), 60);
}

/// Random trees, as many as `CUTGATE_RANDOM_TREES` says and from the seed in `CUTGATE_RANDOM_SEED`.
#[test]
fn random_trees_are_never_answered_with_more_than_is_so() {
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().expect("the variable holds a number"))
    };
    let (seed, count) = (number("CUTGATE_RANDOM_SEED", 7), number("CUTGATE_RANDOM_TREES", 40));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/code_path/random_trees.py");
    let made = Command::new("python3").arg(script).args([seed.to_string(), count.to_string()]).output();
    let made = made.expect("python3 runs: apt-get install python3");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let text = String::from_utf8_lossy(&made.stdout);
    let wrong = more_than_is_so(&hazards(&text));
    // Whether any run returns at all is another question: here some raise for reasons that only running them shows.
    let wrong: Vec<_> = wrong.into_iter().filter(|(.., none_returns)| !none_returns).collect();
    assert!(wrong.is_empty(), "\n{wrong:#?}\n{text}");
}

#[test]
fn pairs_of_right_and_wrong_forms_are_told_apart() {
    told_apart(include_str!("pairs.txt"), 90);
}

#[test]
fn further_pairs_of_right_and_wrong_forms_are_told_apart() {
    told_apart(include_str!("pairs_more.txt"), 80);
}

/// Judges the labelled trees of a file, at least so many, and compares with what running them showed.
fn told_apart(text: &str, least: usize) {
    let labelled: Vec<(Case, [&str; 3])> = text
        .split("\n=== ")
        .skip(1)
        .map(|case| {
            let (title, body) = case.split_once('\n').expect("a title and a body");
            let (name, label) = title.split_once(" | ").expect("a name and its answers");
            let answers: Vec<&str> = label.split(' ').collect();
            (Case::new(name, body), answers.try_into().expect("three answers"))
        })
        .collect();
    assert!(labelled.len() >= least, "{}", labelled.len());
    let (cases, labels): (Vec<Case>, Vec<[&str; 3]>) = labelled.into_iter().unzip();
    let dir = tempfile::tempdir().expect("a folder");
    let runs = witnessed(dir.path(), &cases, false);
    let mut wrong = String::new();
    for (case, label) in cases.iter().zip(labels) {
        let (phase, all) = (case.analysed(&dir.path().join("cases").join(&case.name)), &runs[&case.name]);
        let (given, shown) = (answers(&phase), borne_out(label, all));
        let contradicted = contradictions(given, all);
        if given != label || shown != [true; 3] || !contradicted.is_empty() {
            let said = format!("{given:?}, not {label:?}; borne out {shown:?}; contradicted {contradicted:?}");
            let _ = writeln!(wrong, "{}: {said}; {}", case.name, reasons(&phase));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}
