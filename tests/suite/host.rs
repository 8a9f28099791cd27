//! The probe `host` over images, over this machine, and over programs that misbehave.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cutgate::evidence::{Fact, MissingState, Reading};
use cutgate::probes::{self, Door, Limits, Place};
use serde_json::{Value, json};

use crate::harness;

fn fact<'a>(facts: &'a Fact, path: &str) -> &'a Fact {
    facts.at(path).unwrap_or_else(|| panic!("no fact {path} in {facts:?}"))
}

fn state(fact: &Fact) -> MissingState {
    let Fact::Missing(missing) = fact else { panic!("{fact:?} is not missing") };
    missing.state
}

fn said(fact: &Fact) -> &str {
    let Fact::Missing(missing) = fact else { panic!("{fact:?} is not missing") };
    &missing.said
}

fn items(fact: &Fact) -> &[Fact] {
    let Fact::List(items) = fact else { panic!("{fact:?} is not a list") };
    items
}

/// A package folder with a root prefix that holds these files.
fn image(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = harness::open_dir();
    std::fs::create_dir_all(dir.path().join("host/etc")).expect("mkdir");
    for (path, text) in files {
        let path = dir.path().join("host").join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }
    dir
}

/// A program in `dir`. It is copied into place by another process: a file that this process has just written may
/// still be open for writing in a child of another test, and then it cannot be run.
fn script(dir: &Path, name: &str, text: &str) {
    let source = dir.join(format!("{name}.source"));
    std::fs::write(&source, text).expect("write");
    let status = Command::new("install").args(["-m", "755"]).arg(&source).arg(dir.join(name)).status();
    assert!(status.expect("install (coreutils)").success());
}

/// The one tool's record.
fn tool(dir: &Path, name: &str, timeout: &str) -> Fact {
    let facts = harness::collect("host", dir, tools(dir, &[name], timeout)).expect("facts");
    items(fact(&facts, "tools"))[0].clone()
}

fn tools(dir: &Path, names: &[&str], timeout: &str) -> Value {
    let search_path = format!("{}:/usr/bin:/bin", dir.display());
    json!({ "tools": names, "search_path": search_path, "tool_timeout": timeout })
}

#[test]
fn an_image_says_who_it_is() {
    let dir = image(&[
        ("etc/hostname", "# set by the provider\nvmi3080463\n"),
        ("etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("usr/lib/os-release", "NAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\nHOME_URL=\"https://x/\"\n"),
    ]);
    std::os::unix::fs::symlink("../usr/lib/os-release", dir.path().join("host/etc/os-release")).expect("symlink");
    let facts = harness::collect("host", dir.path(), json!({})).expect("facts");
    assert_eq!(fact(&facts, "name"), &"vmi3080463".into());
    assert_eq!(fact(&facts, "machine_id"), &"0123456789abcdef0123456789abcdef".into());
    assert_eq!(fact(&facts, "os.id"), &"debian".into());
    assert_eq!(fact(&facts, "os.version"), &"12".into());
    assert_eq!(fact(&facts, "os.name"), &"Debian GNU/Linux".into());
    // An image is not the machine that audits it.
    assert_eq!(state(fact(&facts, "nodename")), MissingState::Absent);
    assert_eq!(fact(&facts, "tools"), &Fact::List(vec![]));
}

#[test]
fn what_an_image_does_not_say_is_missing() {
    let dir = image(&[("usr/lib/os-release", "ID=alpine\n")]);
    let facts = harness::collect("host", dir.path(), json!({})).expect("facts");
    assert_eq!(state(fact(&facts, "name")), MissingState::Absent, "not the auditing machine's name");
    assert_eq!(state(fact(&facts, "machine_id")), MissingState::Absent);
    assert_eq!(fact(&facts, "os.id"), &"alpine".into());
    assert_eq!(state(fact(&facts, "os.version")), MissingState::Absent);
    assert_eq!(state(fact(&facts, "os.name")), MissingState::Absent);
    let empty = image(&[]);
    let facts = harness::collect("host", empty.path(), json!({})).expect("facts");
    assert_eq!(state(fact(&facts, "os")), MissingState::Absent);
}

fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

#[test]
fn this_machine_and_this_user_are_those_that_its_own_programs_tell() {
    let dir = harness::open_dir();
    let facts = harness::collect("host", dir.path(), json!({})).expect("facts");
    assert_eq!(fact(&facts, "nodename"), &output("uname", &["-n"]).into());
    if !Path::new("/etc/hostname").exists() {
        assert_eq!(fact(&facts, "name"), fact(&facts, "nodename"));
    }
    assert_eq!(fact(&facts, "user.uid"), &Fact::Int(output("id", &["-u"]).parse().expect("a number")));
    assert_eq!(fact(&facts, "user.gid"), &Fact::Int(output("id", &["-g"]).parse().expect("a number")));
    assert_eq!(fact(&facts, "user.name"), &output("id", &["-un"]).into());
    let mut expected: Vec<String> = output("id", &["-Gn"]).split(' ').map(str::to_owned).collect();
    let mut groups: Vec<String> = items(fact(&facts, "user.groups"))
        .iter()
        .map(|group| if let Fact::Text(name) = group { name.clone() } else { panic!("{group:?}") })
        .collect();
    expected.sort();
    groups.sort();
    assert_eq!(groups, expected);
    assert!(matches!(fact(&facts, "clock.now"), Fact::Time(_)));
    assert_eq!(state(fact(&facts, "clock.synchronised")), MissingState::Error);
}

#[test]
fn programs_are_found_and_say_their_version() {
    let dir = harness::open_dir();
    script(dir.path(), "good", "#!/bin/sh\necho \"good 1.2 ($1)\"\necho more\n");
    script(dir.path(), "stderr-only", "#!/bin/sh\necho 'old 0.1' >&2\n");
    let names = ["good", "stderr-only", "no-such-program"];
    let facts = harness::collect("host", dir.path(), tools(dir.path(), &names, "5s")).expect("facts");
    let [good, stderr_only, none] = items(fact(&facts, "tools")) else { panic!("three tools") };
    assert_eq!(fact(good, "found"), &true.into());
    assert_eq!(fact(good, "path"), &dir.path().join("good").display().to_string().into());
    assert_eq!(fact(good, "version"), &"good 1.2 (--version)".into());
    assert_eq!(said(fact(stderr_only, "version")), "no output, only: old 0.1", "errors are no version");
    assert_eq!(fact(none, "name"), &"no-such-program".into());
    assert_eq!(fact(none, "found"), &false.into());
    assert_eq!(state(fact(none, "path")), MissingState::Absent);
    assert_eq!(state(fact(none, "version")), MissingState::Absent);
    assert_eq!(fact(&facts, "missing_tools"), &Fact::texts(["no-such-program"]));
}

#[test]
fn a_real_program_by_its_absolute_path() {
    let path = output("sh", &["-c", "command -v gpg"]);
    assert!(!path.is_empty(), "gpg is needed: apt-get install gnupg");
    let record = tool(Path::new("/"), &path, "5s");
    assert_eq!(fact(&record, "path"), &path.as_str().into());
    let version = output("gpg", &["--version"]);
    assert_eq!(fact(&record, "version"), &version.lines().next().expect("a line").into());
}

#[test]
fn the_environment_and_the_input_are_clean() {
    let dir = harness::open_dir();
    script(
        dir.path(),
        "env",
        "#!/bin/sh\nread line; echo \"1 $(/usr/bin/env | grep -v ^_= | grep -v ^PWD= | sort | tr '\\n' ' ')<$line>\"\n",
    );
    let expected = format!("1 LC_ALL=C PATH={}:/usr/bin:/bin <>", dir.path().display());
    assert_eq!(fact(&tool(dir.path(), "env", "5s"), "version"), &expected.into());
}

#[test]
fn a_program_that_hangs_is_killed_with_its_children() {
    let dir = harness::open_dir();
    let pids = dir.path().join("pids");
    let text = format!("#!/bin/sh\nsleep 300 &\necho $! >{0}\necho $$ >>{0}\necho early\nwait\n", pids.display());
    script(dir.path(), "hang", &text);
    let started = Instant::now();
    let record = tool(dir.path(), "hang", "1s");
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(fact(&record, "found"), &true.into());
    assert_eq!(state(fact(&record, "version")), MissingState::TimedOut);
    let pids = std::fs::read_to_string(pids).expect("the program ran");
    assert_eq!(pids.lines().count(), 2);
    for pid in pids.lines() {
        wait_until_gone(pid);
    }
}

/// A killed process may be a zombie until its new parent looks after it.
fn wait_until_gone(pid: &str) {
    for _ in 0..100 {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim().chars().next());
        if matches!(state, None | Some(Some('Z' | 'X'))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("process {pid} is still there");
}

#[test]
fn a_child_that_is_left_behind_with_the_output_open_does_not_hold_the_audit_up() {
    let dir = harness::open_dir();
    let pid = dir.path().join("pid");
    script(dir.path(), "leave", &format!("#!/bin/sh\nsleep 300 &\necho $! >{}\necho 'leave 1'\n", pid.display()));
    let started = Instant::now();
    let record = tool(dir.path(), "leave", "60s");
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(fact(&record, "version"), &"leave 1".into());
    wait_until_gone(std::fs::read_to_string(pid).expect("it ran").trim());
}

#[test]
fn programs_that_fail_say_how() {
    let dir = harness::open_dir();
    script(dir.path(), "fails", "#!/bin/sh\necho 'out 1.0'\necho 'cannot open display' >&2\nexit 3\n");
    script(dir.path(), "killed", "#!/bin/sh\nkill -9 $$\n");
    script(dir.path(), "mute", "#!/bin/sh\n");
    script(dir.path(), "orphan", "#!/no/such/interpreter\n");
    script(dir.path(), "novel", "#!/bin/sh\nhead -c 5000000 /dev/zero | tr '\\0' x >&2\nexit 1\n");
    let version = |name: &str| fact(&tool(dir.path(), name, "20s"), "version").clone();
    assert_eq!(state(&version("fails")), MissingState::Error);
    assert_eq!(said(&version("fails")), "exit status 3: cannot open display");
    assert_eq!(state(&version("killed")), MissingState::Error);
    assert_eq!(said(&version("killed")), "killed by signal 9");
    assert_eq!(state(&version("mute")), MissingState::Unreadable);
    assert_eq!(state(&version("orphan")), MissingState::Error, "it is there, its interpreter is not");
    assert_eq!(said(&version("novel")), format!("exit status 1: {}", "x".repeat(200)));
}

#[test]
fn a_program_in_a_folder_that_may_not_be_searched_is_not_called_absent() {
    let dir = harness::open_dir();
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).expect("mkdir");
    script(&closed, "hidden", "#!/bin/sh\necho 1\n");
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o000)).expect("chmod");
    let absolute = closed.join("hidden").display().to_string();
    for name in ["hidden", &absolute] {
        let given = tools(&closed, &[name, "no-such-program"], "5s");
        let facts = harness::as_nobody(|| harness::collect("host", dir.path(), given).expect("facts"));
        assert_eq!(state(fact(&items(fact(&facts, "tools"))[0], "found")), MissingState::Denied, "{name}");
        assert_eq!(state(fact(&facts, "missing_tools")), MissingState::Denied, "{name}");
    }
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o755)).expect("chmod");
}

#[test]
fn every_process_is_recorded() {
    let dir = harness::open_dir();
    script(dir.path(), "good", "#!/bin/sh\necho 1\n");
    let probe = probes::find("host").expect("the probe");
    let end = Instant::now() + Duration::from_secs(30);
    let place = Place { package_dir: dir.path().to_owned(), root: None };
    let door = Door::new(place, Limits::default(), chrono::Utc::now(), "auditor".to_owned(), end);
    probe.collect(&harness::settings(tools(dir.path(), &["good"], "5s")), &door).expect("facts");
    let path = dir.path().join("good").display().to_string();
    let ran = door.sources().into_iter().filter(|source| matches!(source.read, Reading::Statement { .. }));
    assert_eq!(ran.map(|source| source.what).collect::<Vec<_>>(), [path]);
}

#[test]
fn no_program_is_started_when_the_time_is_over() {
    let dir = harness::open_dir();
    let marker = dir.path().join("ran");
    script(dir.path(), "good", &format!("#!/bin/sh\n: >{}\necho 1\n", marker.display()));
    let limits = Limits { probe: Duration::ZERO, ..Limits::default() };
    let given = tools(dir.path(), &["good"], "5s");
    let facts = harness::collect_within("host", dir.path(), given, limits).expect("facts");
    let record = &items(fact(&facts, "tools"))[0];
    assert_eq!(fact(record, "found"), &true.into());
    assert_eq!(state(fact(record, "version")), MissingState::TimedOut);
    assert!(!marker.exists());
}

#[test]
fn every_problem_of_the_settings_is_reported() {
    let probe = probes::find("host").expect("the probe");
    let given = json!({
        "tools": ["gpg", "gpg", "gpg --version", "bin/gpg", ""],
        "readable": ["", "/a", "/a"],
        "search_path": "/usr/bin:",
    });
    let problems = probe.check(&harness::settings(given));
    let names: Vec<&str> = problems.iter().map(|problem| problem.name.as_str()).collect();
    assert_eq!(names, ["tools", "tools", "tools", "tools", "readable", "readable", "search_path"], "{problems:#?}");
}
