//! Since when services run: the main process of a systemd unit, or the process whose number a pid file holds.
//!
//! A service that was restarted has another process. `instance` tells one process from every other: the kernel's boot id, the
//! number, the start in ticks since boot, and for a unit systemd's invocation id. None of them rests on a clock, so that it is
//! what a row of the attestation compares. `started` is the same instant as a date, for people: it rests on the clock, to a
//! second. A process that executes itself anew, as some do when they are told to reload, stays the same process.
//!
//! Nothing is signalled, started or asked of the service itself. What is known not to be there is told apart from what
//! cannot be seen: only systemd says that there is no such unit, only the kernel that no process has a number. A number of a pid
//! file is looked for among the processes that the audit sees; in a container these are the container's.

mod process;
mod systemd;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use self::process::{Looked, Process};
use super::settings::is_fact_name;
use super::{Door, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape};

/// The probe `services`.
pub(super) struct Services;

/// How long systemd may take to answer for one unit.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest pid file that is read; that of PostgreSQL has more lines after the number.
const MAX_BYTES: u64 = 4096;

/// How much later than its pid file was written a process may seem to have started: both are rounded, and the clock is
/// corrected in small steps.
const SLACK: i64 = 2;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawService {
    unit: Option<String>,
    pid_file: Option<String>,
}

/// How a service is found.
enum Service {
    Unit(String),
    PidFile(String),
}

impl Probe for Services {
    fn kind(&self) -> &'static str {
        "services"
    }

    fn summary(&self) -> &'static str {
        "since when the main process of a systemd unit, or of a pid file, runs, and which process it is"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "services",
                kind: ParameterKind::Table,
                required: true,
                doc: "name = { unit = \"cutter.service\" } or name = { pid_file = \"/run/cutter.pid\" }; the names are those of facts",
            },
            Parameter {
                name: "timeout",
                kind: ParameterKind::Duration,
                required: false,
                doc: "how long systemctl may take for one unit; 5s where not given",
            },
        ]
    }

    fn shape(&self, settings: &Settings) -> Shape {
        let service = || {
            Shape::record([
                ("exists", Shape::Bool),
                ("state", Shape::Text),
                ("running", Shape::Bool),
                ("pid", Shape::Int),
                ("command", Shape::Text),
                ("started", Shape::Time),
                ("instance", Shape::Text),
            ])
        };
        let given = given(settings).unwrap_or_default();
        Shape::record([("services", Shape::record(given.keys().map(|name| (name.as_str(), service()))))])
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        given(settings).err().unwrap_or_default()
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        if door.place().root.is_some() {
            let next = "audit the host itself to learn what runs there";
            let tried = "look at the processes of the host";
            return Err(door.missing(MissingState::Error, tried, "no process runs below a root prefix", next));
        }
        let given = given(settings).map_err(|_| {
            let next = "run: cutgate gates check";
            door.missing(MissingState::Error, "read the settings", "they are not in order", next)
        })?;
        let timeout = settings.duration("timeout").unwrap_or(TIMEOUT);
        let services = given.into_iter().map(|(name, service)| {
            let fact = match service {
                Service::Unit(unit) => of_unit(door, &unit, timeout),
                Service::PidFile(path) => of_pid_file(door, &path),
            };
            (name, fact)
        });
        Ok(Fact::record([("services", Fact::Map(services.collect()))]))
    }
}

/// The services by name, or everything that is wrong with them.
fn given(settings: &Settings) -> Result<BTreeMap<String, Service>, Vec<SettingProblem>> {
    let problem =
        |message: String, help: &str| SettingProblem { name: "services".to_owned(), message, help: help.to_owned() };
    let raw = settings
        .parse::<BTreeMap<String, RawService>>("services")
        .map_err(|error| vec![problem(error, "give each a name: name = { unit = \"cutter.service\" }")])?;
    let mut problems = Vec::new();
    let mut add = |message: String, help: &str| problems.push(problem(message, help));
    if raw.is_empty() {
        add("there is no service".to_owned(), "name = { unit = \"cutter.service\" }");
    }
    let mut given = BTreeMap::new();
    for (name, service) in raw {
        if !is_fact_name(&name) {
            let help = "use a lower-case letter or _, then lower-case letters, digits and _";
            add(format!("{name:?} is not a name for facts"), help);
        }
        let service = match service {
            RawService { unit: Some(unit), pid_file: None } if systemd::is_service(&unit) => Service::Unit(unit),
            RawService { unit: Some(unit), pid_file: None } => {
                let help = "only services have a main process: write \"cutter.service\", or \"cutter@one.service\"";
                add(format!("{name}: {unit:?} is not the name of one service unit"), help);
                continue;
            }
            RawService { unit: None, pid_file: Some(path) } if !path.is_empty() => Service::PidFile(path),
            RawService { .. } => {
                let help = "give either unit = \"cutter.service\" or pid_file = \"/run/cutter.pid\"";
                add(format!("{name}: it needs one way to be found"), help);
                continue;
            }
        };
        given.insert(name, service);
    }
    if problems.is_empty() { Ok(given) } else { Err(problems) }
}

/// The record of a service of which there may be no process.
struct Record {
    exists: Fact,
    state: Fact,
    running: Fact,
    pid: Fact,
    /// The process, with what else belongs to its identity; or why there is none.
    process: Result<(Process, Option<String>), Missing>,
}

impl Record {
    /// Nothing is known, for this reason.
    fn unknown(reason: &Missing) -> Self {
        let why = || Fact::from(reason.clone());
        Self { exists: why(), state: why(), running: why(), pid: why(), process: Err(reason.clone()) }
    }

    fn fact(self) -> Fact {
        let (command, started, instance) = match self.process {
            Ok((process, invocation)) => {
                let whole = [Some(process.instance), invocation].into_iter().flatten().collect::<Vec<_>>();
                (process.command.into(), process.started.into(), Fact::text(whole.join(" ")))
            }
            Err(reason) => (reason.clone().into(), reason.clone().into(), reason.into()),
        };
        Fact::record([
            ("exists", self.exists),
            ("state", self.state),
            ("running", self.running),
            ("pid", self.pid),
            ("command", command),
            ("started", started),
            ("instance", instance),
        ])
    }
}

fn of_unit(door: &Door, name: &str, timeout: Duration) -> Fact {
    let unit = match systemd::ask(door, name, timeout) {
        Ok(unit) => unit,
        Err(reason) => return Record::unknown(&reason).fact(),
    };
    let missing = |state: MissingState, said: String| {
        door.missing(
            state,
            format!("find the main process of {name}"),
            said,
            format!("look at it: systemctl status {name}"),
        )
    };
    if !unit.exists() {
        // A wrong name looks the same: nothing is said of what such a unit would be.
        let reason = missing(MissingState::Absent, "systemd knows no such unit".to_owned());
        return Record { exists: false.into(), ..Record::unknown(&reason) }.fact();
    }
    let known = Record {
        exists: true.into(),
        state: unit.active.as_str().into(),
        ..Record::unknown(&missing(MissingState::Error, String::new()))
    };
    let Some(pid) = unit.main_pid else {
        // A unit may be active, or about to be, without a process that systemd takes for its main one.
        let at_rest = matches!(unit.active.as_str(), "inactive" | "failed");
        let state = if at_rest { MissingState::Absent } else { MissingState::Unreadable };
        let reason = missing(state, format!("systemd says that it is {} and has none", unit.active));
        let running = if at_rest { false.into() } else { reason.clone().into() };
        return Record { running, pid: reason.clone().into(), process: Err(reason), ..known }.fact();
    };
    let gone = || missing(MissingState::Error, format!("systemd names the process {pid}, and it is gone"));
    let process = match process::look(door, pid) {
        Ok(Looked::Runs(process)) => process::is_in(door, pid, &unit.control_group).map(|()| process),
        Ok(Looked::Gone(_)) => Err(gone()),
        Err(reason) => Err(reason),
    };
    let running = process.as_ref().map(|_| true).map_err(Clone::clone).into();
    let process = process.map(|process| (process, Some(format!("invocation {}", unit.invocation))));
    Record { running, pid: i64::from(pid).into(), process, ..known }.fact()
}

fn of_pid_file(door: &Door, path: &str) -> Fact {
    let (pid, written) = match number(door, path) {
        Ok(found) => found,
        Err(reason) => {
            let exists = if reason.state.is_absent() { false.into() } else { reason.clone().into() };
            return Record { exists, ..Record::unknown(&reason) }.fact();
        }
    };
    let missing = |state: MissingState, said: String| {
        door.missing(
            state,
            format!("find the process that {path} names"),
            said,
            format!("look at it: cat {path}; ps -p {pid}"),
        )
    };
    let known = |state: Fact, running: Fact, process| Record {
        exists: true.into(),
        state,
        running,
        pid: i64::from(pid).into(),
        process,
    };
    let record = match process::look(door, pid) {
        Ok(Looked::Runs(process)) if process.started.timestamp() > written + SLACK => {
            let said = format!(
                "the process {pid} ({}) started after the file was written: its number was given to another one, or the clock was set",
                process.command
            );
            let reason = missing(MissingState::Unreadable, said);
            known(reason.clone().into(), reason.clone().into(), Err(reason))
        }
        Ok(Looked::Runs(process)) => known("running".into(), true.into(), Ok((process, None))),
        Ok(Looked::Gone(why)) => known("gone".into(), false.into(), Err(missing(MissingState::Absent, why.to_owned()))),
        Err(reason) => known(reason.clone().into(), reason.clone().into(), Err(reason)),
    };
    record.fact()
}

/// The process number on the first line of a pid file, and when the file was last written, in seconds since the epoch.
fn number(door: &Door, path: &str) -> Result<(i32, i64), Missing> {
    let seen = door.reached(path)?;
    let bytes = door.read_seen(path, MAX_BYTES, &seen, false)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let digits = std::str::from_utf8(line).ok().map(str::trim);
    let digits = digits.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    match digits.and_then(|text| text.parse().ok()).filter(|pid| *pid > 0) {
        Some(pid) => Ok((pid, seen.modified)),
        None => {
            let tried = format!("read a process number from {path}");
            let next = format!("look at it: cat {path}");
            Err(door.missing(MissingState::Unreadable, tried, "its first line is no process number", next))
        }
    }
}
