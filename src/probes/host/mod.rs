//! `host`: which machine this is and what the auditing user can do there: names, system, programs,
//! and whether the files that the package needs can be read at all.
//!
//! It tells capability apart from name: a host is not the right one because it is called so.

mod tools;

use std::time::Duration;

use super::accounts::Accounts;
use super::config::{self, Value};
use super::programs::SEARCH_PATH;
use super::{Door, FileKind, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape};

/// The longest of the small files read here.
const MAX_BYTES: u64 = 64 << 10;

/// How long a program may take to say its version.
const TOOL_TIMEOUT: Duration = Duration::from_secs(5);

/// The probe.
pub(super) struct Host;

impl Probe for Host {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn summary(&self) -> &'static str {
        "which machine this is, who looks, and which programs and files that user can use"
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter {
                name: "readable",
                kind: ParameterKind::Texts,
                required: false,
                doc: "files to read from and directories to list, as a trial",
            },
            Parameter {
                name: "search_path",
                kind: ParameterKind::Text,
                required: false,
                doc: "where programs are looked for, absolute folders separated by colons; the usual system folders where not given",
            },
            Parameter {
                name: "tool_timeout",
                kind: ParameterKind::Duration,
                required: false,
                doc: "how long one program may take to say its version; 5s where not given",
            },
            Parameter {
                name: "tools",
                kind: ParameterKind::Texts,
                required: false,
                doc: "programs that are wanted: names, or absolute paths on the auditing host",
            },
        ];
        PARAMETERS
    }

    fn shape(&self, _settings: &Settings) -> Shape {
        let tool = [("name", Shape::Text), ("found", Shape::Bool), ("path", Shape::Text), ("version", Shape::Text)];
        let readable = [("path", Shape::Text), ("readable", Shape::Bool), ("kind", Shape::Text), ("why", Shape::Text)];
        let user =
            [("name", Shape::Text), ("uid", Shape::Int), ("gid", Shape::Int), ("groups", Shape::list(Shape::Text))];
        Shape::record([
            ("name", Shape::Text),
            ("nodename", Shape::Text),
            ("machine_id", Shape::Text),
            ("os", Shape::record([("id", Shape::Text), ("version", Shape::Text), ("name", Shape::Text)])),
            ("user", Shape::record(user)),
            ("clock", Shape::record([("now", Shape::Time), ("synchronised", Shape::Bool)])),
            ("tools", Shape::list(Shape::record(tool))),
            ("missing_tools", Shape::list(Shape::Text)),
            ("readable", Shape::list(Shape::record(readable))),
        ])
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let problem = |name: &str, message: String, help: &str| SettingProblem {
            name: name.to_owned(),
            message,
            help: help.to_owned(),
        };
        let mut problems = Vec::new();
        for (i, tool) in settings.texts("tools").iter().enumerate() {
            let absolute = tool.starts_with('/') && !tool.contains(char::is_control);
            let plain = !tool.is_empty() && !tool.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control());
            if !plain && !absolute {
                let message = format!("{tool:?} is neither a program's name nor an absolute path");
                problems.push(problem("tools", message, "write \"gpg\" or \"/usr/bin/gpg\", without arguments"));
            }
            if settings.texts("tools")[..i].contains(tool) {
                problems.push(problem("tools", format!("{tool:?} is given twice"), "remove one of both"));
            }
        }
        for (i, path) in settings.texts("readable").iter().enumerate() {
            if path.is_empty() {
                problems.push(problem("readable", "an empty path".to_owned(), "remove it"));
            }
            if settings.texts("readable")[..i].contains(path) {
                problems.push(problem("readable", format!("{path:?} is given twice"), "remove one of both"));
            }
        }
        // An empty or relative folder would mean the working directory, where anyone may have put a program.
        if settings.text("search_path").is_some_and(|path| path.split(':').any(|folder| !folder.starts_with('/'))) {
            let message = "a folder of the search path is not absolute".to_owned();
            problems.push(problem("search_path", message, "write it as \"/usr/local/bin:/usr/bin:/bin\""));
        }
        problems
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let search_path = settings.text("search_path").unwrap_or(SEARCH_PATH);
        let limit = settings.duration("tool_timeout").unwrap_or(TOOL_TIMEOUT);
        // Files first: programs may use up the time.
        let readable = Fact::list(settings.texts("readable").into_iter().map(|path| readable(door, path)));
        let (name, machine_id, os) = (name(door), machine_id(door), os(door));
        let mut records = Vec::new();
        let mut missing_tools = Ok(Vec::new());
        for tool in settings.texts("tools") {
            let (record, found) = tools::look(door, tool, search_path, limit);
            records.push(record);
            match (found, &mut missing_tools) {
                (Ok(false), Ok(missing)) => missing.push(tool),
                (Err(reason), Ok(_)) => missing_tools = Err(reason),
                (Ok(_), _) | (Err(_), Err(_)) => {}
            }
        }
        Ok(Fact::record([
            ("name", name.into()),
            ("nodename", nodename(door).into()),
            ("machine_id", machine_id.into()),
            ("os", os.into()),
            ("user", user(door)),
            ("clock", clock(door)),
            ("tools", Fact::list(records)),
            ("missing_tools", missing_tools.map(Fact::texts).into()),
            ("readable", readable),
        ]))
    }
}

/// A small text file.
fn small_text(door: &Door, path: &str) -> Result<String, Missing> {
    let bytes = door.read(path, MAX_BYTES)?;
    String::from_utf8(bytes).map_err(|_| {
        let next = format!("look at it: od -c {path}");
        door.missing(MissingState::Unreadable, format!("read {path}"), "it is not UTF-8", next)
    })
}

/// The host's name by hostname(5): the one line of `/etc/hostname` that is no comment. Only the running
/// host's own name, never that of the machine that audits an image, stands in for a file that is absent.
fn name(door: &Door) -> Result<String, Missing> {
    let text = match small_text(door, "/etc/hostname") {
        Err(missing) if missing.state.is_absent() && door.place().root.is_none() => return nodename(door),
        other => other?,
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(name), None) => Ok(name.to_owned()),
        (first, _) => {
            let said = if first.is_some() { "it holds more than one name" } else { "it holds no name" };
            let next = "write the host's name into /etc/hostname";
            Err(door.missing(MissingState::Unreadable, "read /etc/hostname", said, next))
        }
    }
}

/// The name that the running kernel goes by: uname(2). An image has none.
fn nodename(door: &Door) -> Result<String, Missing> {
    let tried = "ask the kernel for its node name (uname)";
    if door.place().root.is_some() {
        let said = "no kernel runs below a root prefix";
        let next = "audit the host itself to learn the name that its kernel goes by";
        return Err(door.missing(MissingState::Absent, tried, said, next));
    }
    door.note_attributes("uname");
    let uname = rustix::system::uname();
    uname.nodename().to_str().map(str::to_owned).map_err(|_| {
        door.missing(
            MissingState::Unreadable,
            tried,
            "it is not UTF-8",
            "set a host name of ASCII letters: hostnamectl",
        )
    })
}

/// machine-id(5): 32 lower-case hex digits.
fn machine_id(door: &Door) -> Result<String, Missing> {
    let text = small_text(door, "/etc/machine-id")?;
    let id = text.trim();
    if id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Ok(id.to_owned());
    }
    let said = "it does not hold 32 lower-case hex digits";
    let next = "set it up: systemd-machine-id-setup";
    Err(door.missing(MissingState::Unreadable, "read /etc/machine-id", said, next))
}

/// The system by os-release(5), which names two places, the first one wins. Fields that it leaves out are
/// absent; the defaults that the manual page allows would be our words, not the host's.
fn os(door: &Door) -> Result<Fact, Missing> {
    let (path, text) = match small_text(door, "/etc/os-release") {
        Err(missing) if missing.state.is_absent() => ("/usr/lib/os-release", small_text(door, "/usr/lib/os-release")?),
        other => ("/etc/os-release", other?),
    };
    let table = config::parse_env(&text).map_err(|broken| {
        let next = format!("correct line {} of {path}", broken.line);
        door.missing(MissingState::Unreadable, format!("read {path}"), broken.to_string(), next)
    })?;
    let field = |name: &str| -> Fact {
        if let Some(Value::Untyped(text)) = table.get(name) {
            return text.as_str().into();
        }
        let said = format!("{name} is not set");
        door.missing(MissingState::Absent, format!("read {path}"), said, format!("set {name} in {path}")).into()
    };
    Ok(Fact::record([("id", field("ID")), ("version", field("VERSION_ID")), ("name", field("NAME"))]))
}

/// The auditing user, of this machine also below a root prefix.
fn user(door: &Door) -> Fact {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let accounts = Accounts::system();
    let groups = rustix::process::getgroups().map(|supplementary| {
        let supplementary = supplementary.into_iter().map(rustix::fs::Gid::as_raw);
        let gids: std::collections::BTreeSet<u32> = supplementary.chain([gid]).collect();
        Fact::list(gids.into_iter().map(|gid| accounts.group_name(gid).into()))
    });
    let groups = groups.map_err(|error| {
        let tried = "ask the kernel for the groups of this process (getgroups)";
        door.missing(MissingState::Error, tried, error.to_string(), "look yourself: id")
    });
    Fact::record([
        ("name", accounts.user_name(uid).into()),
        ("uid", i64::from(uid).into()),
        ("gid", i64::from(gid).into()),
        ("groups", groups.into()),
    ])
}

/// The clock. The kernel tells whether it is synchronised through adjtimex(2) only, which none of our
/// libraries offers without unsafe code; asking a time service would start one on many hosts.
fn clock(door: &Door) -> Fact {
    let synchronised = door.missing(
        MissingState::Error,
        "ask whether the clock is synchronised",
        "this program cannot ask the kernel (adjtimex)",
        "look yourself: timedatectl, or chronyc tracking",
    );
    Fact::record([("now", door.now().into()), ("synchronised", synchronised.into())])
}

/// One path on trial. What is refused, absent or of another kind is known not to be readable; of what did not
/// answer, or failed otherwise, nothing is known.
fn readable(door: &Door, path: &str) -> Fact {
    let (readable, kind, why): (Fact, Fact, Fact) = match door.try_reading(path) {
        Ok(kind) => (true.into(), kind.word().into(), "".into()),
        Err(missing) => {
            let kind = match door.reached(path) {
                Ok(attributes) => attributes.kind.word().into(),
                Err(unseen) => match door.attributes(path) {
                    Ok(attributes) if attributes.kind == FileKind::Link => attributes.kind.word().into(),
                    Ok(_) | Err(_) => unseen.into(),
                },
            };
            match missing.state {
                MissingState::Absent if kind == Fact::from(FileKind::Link.word()) => {
                    (false.into(), kind, "a symlink that leads nowhere".into())
                }
                MissingState::Absent => (false.into(), kind, "absent".into()),
                MissingState::TimedOut | MissingState::Error => (missing.clone().into(), kind, missing.into()),
                MissingState::Denied | MissingState::Unreadable | MissingState::Withheld => {
                    (false.into(), kind, format!("{}: {}", missing.state.word(), missing.said).into())
                }
            }
        }
    };
    Fact::record([("path", path.into()), ("readable", readable), ("kind", kind), ("why", why)])
}
