//! What the answers mean: modes, switches, commands, states.

use super::*;

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
        assert_eq!(answer(&phase, "live_write"), expected, "{body}: {}", reasons(&phase));
        assert_eq!(answer(&phase, "guarded"), "true", "{body}: {}", reasons(&phase));
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
        (answer(phase(&fact, "p"), "guarded").to_owned(), found)
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
