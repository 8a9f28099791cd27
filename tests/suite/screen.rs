//! What a person sees while a command works, on a real terminal that `script` makes: progress, colours, what each probe
//! read. None of it changes standard output or the exit code.

use std::fs;
use std::process::{Command, Output};

use crate::traps::Trap;

/// What a command showed on a terminal, and how it ended.
pub struct Terminal {
    pub code: i32,
    pub shown: String,
}

/// Runs a line of the shell on a terminal, in the folder of the laboratory. `cutgate` is the real program.
pub fn on_terminal(trap: &Trap, environment: &[(&str, &str)], line: &str) -> Terminal {
    let program = assert_cmd::cargo::cargo_bin("cutgate");
    let line = line.replace("cutgate ", &format!("{} ", program.display()));
    let mut command = trap.command("script".as_ref());
    command.env("TERM", "xterm").env("SHELL", "/bin/sh").envs(environment.iter().copied());
    let output = command.args(["-q", "-e", "-c", &line, "/dev/null"]).stdin(std::process::Stdio::null()).output();
    let output = output.expect("script is missing: apt-get install bsdutils");
    Terminal { code: output.status.code().unwrap(), shown: String::from_utf8(output.stdout).unwrap() }
}

fn piped(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A text without the sequences that set colours, and without what moves with every look.
fn plain(text: &str) -> String {
    let text = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap().replace_all(text, "").into_owned();
    timeless(&text)
}

fn timeless(text: &str) -> String {
    regex::Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").unwrap().replace_all(text, "<utc>").into_owned()
}

/// A laboratory in which one probe takes long enough to be seen.
fn slow() -> Trap {
    let trap = Trap::new();
    trap.tool("#!/bin/sh\nsleep 0.8\necho tool 1.0\n");
    trap
}

#[test]
fn a_terminal_sees_what_is_under_way_and_nothing_else_does() {
    let trap = slow();
    let seen = on_terminal(&trap, &[], "cutgate audit --only GAP-1 > out.txt");
    assert_eq!(seen.code, 0, "{}", seen.shown);
    // The slow probe by name, with the total and the time that went by; and all of it is taken away again.
    let line = regex::Regex::new(r"read: \d+ of \d+, \d+\.\d s").unwrap();
    assert!(line.is_match(&seen.shown), "{:?}", seen.shown);
    assert!(seen.shown.contains("deployed-artifact/host (host) 0."), "{:?}", seen.shown);
    assert!(seen.shown.trim_end().ends_with("\x1b[J"), "{:?}", seen.shown);
    let out = fs::read_to_string(trap.path("out.txt")).unwrap();
    assert!(out.starts_with("CLOSED ") && !out.contains('\x1b'), "{out:?}");
    // Not where nobody looks, not where it is not wanted, not where the cursor cannot be moved, not in a pipe.
    let line = "cutgate audit --only GAP-1 > again.txt";
    for environment in [&[("CI", "true")][..], &[("TERM", "dumb")]] {
        let seen = on_terminal(&trap, environment, line);
        assert_eq!((seen.code, seen.shown.as_str()), (0, ""), "{environment:?}");
        assert_eq!(fs::read_to_string(trap.path("again.txt")).unwrap(), out);
    }
    let seen = on_terminal(&trap, &[], "cutgate --quiet audit --only GAP-1 > again.txt");
    assert_eq!((seen.code, seen.shown.as_str()), (0, ""));
    let seen = trap.cutgate(&["audit", "--only", "GAP-1"]);
    assert_eq!((seen.status.code(), text(&seen.stdout), text(&seen.stderr)), (Some(0), out, String::new()));
}

/// Standard output and exit code are the same however much is said beside them, for every state.
#[test]
fn how_much_is_said_changes_no_result() {
    let trap = Trap::new();
    trap.shell("rmdir host/var/lib/cutter/batches");
    for (gate, code) in [("GAP-3", 0), ("GAP-5", 1)] {
        let usual = trap.cutgate(&["explain", gate]);
        assert_eq!(usual.status.code(), Some(code));
        let usual = timeless(&text(&usual.stdout));
        for manner in [&["-q"][..], &["-v"], &["--color", "never"], &["--color", "always"], &["-v", "--color=always"]] {
            let seen = trap.cutgate(&[manner, &["explain", gate]].concat());
            assert_eq!((seen.status.code(), plain(&text(&seen.stdout))), (Some(code), usual.clone()), "{manner:?}");
            assert_eq!(seen.stdout.contains(&0x1b), manner.concat().contains("always"), "{manner:?}");
        }
        let seen = on_terminal(&trap, &[], &format!("cutgate explain {gate} > out.txt"));
        assert_eq!((seen.code, timeless(&fs::read_to_string(trap.path("out.txt")).unwrap())), (code, usual.clone()));
        // On a terminal the state has its colour, unless that is not wanted; the words are the same.
        let seen = on_terminal(&trap, &[], &format!("cutgate explain {gate} 2> /dev/null"));
        assert_eq!((seen.code, plain(&seen.shown).replace('\r', "")), (code, usual.clone()));
        let colour = if code == 0 { "\x1b[32mCLOSED\x1b[0m" } else { "\x1b[31mOPEN\x1b[0m" };
        assert!(seen.shown.contains(colour), "{}", seen.shown);
        for (environment, option) in [(&[("NO_COLOR", "1")][..], ""), (&[], "--color never ")] {
            let seen = on_terminal(&trap, environment, &format!("cutgate {option}explain {gate} 2> /dev/null"));
            assert_eq!(
                (seen.code, timeless(&seen.shown).replace('\r', "")),
                (code, usual.clone()),
                "{environment:?} {option}"
            );
        }
    }
    let json = |manner: &[&str]| {
        let seen = trap.cutgate(&[manner, &["gates", "list", "--format", "json"]].concat());
        (seen.status.code(), seen.stdout)
    };
    assert!(json(&["-q"]) == json(&["-v"]) && json(&["-v"]) == json(&["--color", "always"]));
    assert_eq!(trap.cutgate(&["-q", "-v", "gates", "list"]).status.code(), Some(2));
}

/// What was read, by whom, when, and how long it took; what comes from the host cannot move the cursor there.
#[test]
fn what_was_read_is_told_when_asked() {
    let trap = Trap::new();
    let seen = trap.cutgate(&["-v", "audit", "--only", "GAP-3"]);
    let errors = text(&seen.stderr);
    let probe = regex::Regex::new(r"(?m)^read: gpg-keyring/ring \(openpgp-keyring\) in \d+\.\d{3} s$").unwrap();
    let source =
        regex::Regex::new(r"(?m)^  \d{4}-\d\d-\d\dT\S+Z \S*gnupg/pubring.kbx as \S+: \d+ bytes, sha256").unwrap();
    assert!(probe.is_match(&errors) && source.is_match(&errors), "{errors}");
    assert_eq!(seen.status.code(), Some(0));
    trap.shell("printf '%s' 'x' > \"$(printf 'kb/a\\033[2Jb.md')\"");
    let seen = trap.cutgate(&["-v", "audit", "--only", "GAP-7"]);
    assert!(!seen.stderr.contains(&0x1b), "{}", text(&seen.stderr));
    // Warnings about the package are said unless nothing is to be said; errors always.
    trap.replace("cutgate.toml", "\n[params]\n", "\n[params]\nunread = \"x\"\n");
    assert!(text(&trap.cutgate(&["explain", "GAP-3"]).stderr).contains("nothing reads params.unread"));
    assert_eq!(text(&trap.cutgate(&["-q", "explain", "GAP-3"]).stderr), "");
    assert!(text(&trap.cutgate(&["-q", "explain", "GAP-33"]).stderr).starts_with("error: "));
    let mut command = trap.command(assert_cmd::cargo::cargo_bin("cutgate").as_ref());
    assert_eq!(piped(command.args(["--color", "blue", "gates", "list"])).status.code(), Some(2));
}
