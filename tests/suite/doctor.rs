//! `doctor`: every line with the real thing in its way, and nothing written.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::changed_nothing::{equal, snapshot};
use crate::traps::Trap;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Asks as somebody whose keys lie in the laboratory.
fn doctor(trap: &Trap, args: &[&str]) -> Output {
    let mut command = trap.command(assert_cmd::cargo::cargo_bin("cutgate").as_ref());
    command.env("GNUPGHOME", trap.path("keys/home")).arg("doctor").args(args).output().unwrap()
}

/// The lines that are not ok, by what they are about, and the exit code.
fn wrong(output: &Output) -> (i32, Vec<(String, String)>) {
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    let lines = answer["lines"].as_array().unwrap();
    assert!(lines.len() > 15);
    let word = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
    for line in lines {
        assert_eq!(word(line, "next").is_empty(), word(line, "verdict") == "ok", "{line}");
    }
    let wrong = lines.iter().filter(|line| line["verdict"] != "ok");
    let code = output.status.code().unwrap();
    assert_eq!(answer["exit"], code);
    (code, wrong.map(|line| (word(line, "what"), word(line, "verdict"))).collect())
}

fn one(what: &str, verdict: &str) -> Vec<(String, String)> {
    vec![(what.to_owned(), verdict.to_owned())]
}

#[test]
fn a_place_where_cutgate_can_work_is_told_and_left_as_it_was() {
    let trap = Trap::new();
    let home = tempfile::tempdir().unwrap();
    let before = snapshot(&trap.lab.dir);
    let program = assert_cmd::cargo::cargo_bin("cutgate");
    let mut command = trap.command(program.as_ref());
    command.env("HOME", home.path()).env("GNUPGHOME", trap.path("keys/home"));
    let output = command.arg("doctor").output().unwrap();
    let shown = text(&output.stdout);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{shown}");
    for expected in [
        "+ report folder ",
        "+ gpg ",
        "+ gpg-agent ",
        "+ signing key ",
        "+ database ",
        "+ trust.keyring ",
        "+ paths.knowledge_base ",
        "+ tool python3 of the gates ",
        "+ clock ",
        "cutgate can do its work here; this is about cutgate, not about the host",
    ] {
        assert!(shown.contains(expected), "{expected} is not in\n{shown}");
    }
    // Without a home of gpg there is nobody who signs, and none is made.
    let output = trap.command(program.as_ref()).env("HOME", home.path()).args(["doctor", "--format", "json"]).output();
    assert_eq!(wrong(&output.unwrap()), (1, one("signing key", "problem")));
    equal(&before, &snapshot(&trap.lab.dir));
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing was made in the home");
}

/// It judges the auditor: what a gate would find open is no problem of its own.
#[test]
fn what_the_gates_judge_is_left_to_them() {
    let trap = Trap::new();
    trap.shell("rm -r host/var/lib/cutter records/drills/* host/etc/cutter/cutter.env; sqlite3 governance.db 'DELETE FROM target'");
    assert_eq!(wrong(&doctor(&trap, &["--format", "json"])), (0, vec![]));
    assert_ne!(trap.cutgate(&["audit", "--only", "GAP-5"]).status.code(), Some(0));
}

#[test]
fn everything_that_is_in_the_way_is_told() {
    for (spoil, what, verdict) in [
        ("echo x > reports", "report folder", "problem"),
        ("mkdir reports; echo '{}' > reports/ledger.jsonl", "ledger", "problem"),
        ("rm governance.db", "database", "problem"),
        ("head -c 8192 /dev/urandom > governance.db", "database", "could not be told"),
        ("rm keys/trusted.asc", "trust.keyring", "problem"),
        ("gpg --homedir gnupg --batch --export > keys/trusted.asc", "trust.keyring", "problem"),
        ("rm keys/home/private-keys-v1.d/*", "signing key", "problem"),
        ("touch -d '+1 hour' cutgate.toml", "clock", "problem"),
    ] {
        let trap = Trap::new();
        trap.shell(spoil);
        let (code, lines) = wrong(&doctor(&trap, &["--format", "json"]));
        let word = if verdict == "problem" { "problem" } else { "unknown" };
        // A database that is gone is gone as a path, too, which is no problem there.
        assert_eq!((code, lines), (if word == "problem" { 1 } else { 3 }, one(what, word)), "{spoil}");
    }
    let trap = Trap::new();
    trap.replace("cutgate.toml", "tools = [\"gpg\"", "tools = [\"no-such-tool\", \"gpg\"");
    assert_eq!(wrong(&doctor(&trap, &["--format", "json"])), (1, one("tool no-such-tool of the gates", "problem")));
    trap.replace("cutgate.toml", "[trust]", "[truts]");
    assert_eq!(doctor(&trap, &[]).status.code(), Some(2));
}

/// By the rights of whoever asks, and as that one.
#[test]
fn rights_are_those_of_the_user_who_asks() {
    let trap = Trap::new();
    trap.shell("mkdir reports; chmod 555 reports; chmod 000 host/etc/cutter/cutter.env; mkdir out");
    let output = trap.cutgate_without_rights(&["doctor", "--format", "json", "--sign-key", "none.key"]);
    let (code, lines) = wrong(&output);
    let problem = |what: &str| (what.to_owned(), "problem".to_owned());
    // The executor's folders are for the executor's group alone.
    let state = ["paths.state_batches", "paths.state_locks", "paths.state_runs"].map(problem);
    let mut expected = vec![problem("report folder"), problem("signing key"), problem("paths.env_file")];
    expected.extend(state);
    assert_eq!((code, &lines), (1, &expected));
    let output = trap.cutgate_without_rights(&["doctor", "--out", "out", "--format", "json", "--sign-key", "none.key"]);
    assert_eq!(wrong(&output).1, expected[1..]);
}

/// The socket is where GnuPG has it, and an agent that runs is heard.
#[test]
fn an_agent_is_heard_where_gnupg_has_it() {
    let trap = Trap::new();
    let home = trap.path("keys/home");
    let gnupg = |args: &[&str]| {
        let mut command = trap.command(Path::new(args[0]));
        let output =
            command.env("GNUPGHOME", &home).args(&args[1..]).output().expect("gnupg is missing: apt-get install gnupg");
        text(&output.stdout).trim().to_owned()
    };
    let told = || {
        let answer: Value = serde_json::from_slice(&doctor(&trap, &["--format", "json"]).stdout).unwrap();
        let line = answer["lines"].as_array().unwrap().iter().find(|line| line["what"] == "agent's socket").cloned();
        line.unwrap()["said"].as_str().unwrap().to_owned()
    };
    let socket = gnupg(&["gpgconf", "--list-dirs", "agent-socket"]);
    assert_eq!(told(), format!("nobody listens at {socket}; gpg starts the agent when it signs"));
    gnupg(&["gpgconf", "--launch", "gpg-agent"]);
    assert_eq!(told(), format!("the agent answers at {socket}"));
    gnupg(&["gpgconf", "--kill", "gpg-agent"]);
}

/// With the key in a file gpg is not asked for; a file that holds none is said.
#[test]
fn a_key_in_a_file_needs_no_gpg() {
    let trap = Trap::new();
    trap.shell(
        "gpg --homedir keys/home --batch --pinentry-mode loopback --passphrase '' --export-secret-keys auditor > a.key",
    );
    let alone = |key: &str| {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin("cutgate"));
        command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(&trap.lab.dir);
        wrong(&command.args(["doctor", "--format", "json", "--sign-key", key]).output().unwrap())
    };
    assert_eq!(alone("a.key"), (0, vec![]));
    assert_eq!(alone("keys/backup.asc"), (1, one("signing key", "problem")));
}
