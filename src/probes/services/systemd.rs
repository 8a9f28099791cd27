//! What systemd says of a service unit: `systemctl show`, which changes nothing and asks nobody for a password.
//!
//! systemctl(1) ends with status 0 also where it says nothing, as in a chroot: every property that is asked for must be
//! there, once.

use std::path::Path;
use std::time::Duration;

use super::super::Door;
use super::super::programs::{Command, SEARCH_PATH};
use crate::evidence::{Missing, MissingState};

/// The properties, as org.freedesktop.systemd1(5) calls them.
const PROPERTIES: [&str; 5] = ["LoadState", "ActiveState", "MainPID", "InvocationID", "ControlGroup"];

/// A unit as systemd sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    load: String,
    /// `active`, `inactive`, `failed` and others.
    pub active: String,
    /// The main process; `None` where systemd says that there is none.
    pub main_pid: Option<i32>,
    /// The id of this activation; empty where it never was active.
    pub invocation: String,
    /// The control group of its processes, as a path below that of systemd; empty where it has none.
    pub control_group: String,
}

impl Unit {
    /// Whether there is such a unit. One whose file was taken away while it runs is there still.
    pub fn exists(&self) -> bool {
        self.load != "not-found" || self.active != "inactive" || self.main_pid.is_some()
    }
}

/// Whether a name is that of one service unit: no pattern, no path, no instance left open.
pub(super) fn is_service(unit: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || b":_.\\@-".contains(&byte);
    let stem = unit.strip_suffix(".service");
    stem.is_some_and(|stem| {
        !stem.is_empty() && !stem.starts_with('-') && !stem.ends_with('@') && stem.bytes().all(sound)
    })
}

/// Asks systemd for a unit.
///
/// # Errors
/// `error` where there is no systemd, it does not answer or refuses, `timed out`, `unreadable` where it says something else.
pub(super) fn ask(door: &Door, unit: &str, limit: Duration) -> Result<Unit, Missing> {
    let located = {
        let _access = door.begin("look for the program systemctl");
        which::which_in("systemctl", Some(SEARCH_PATH), "/")
    };
    // That the program is not there says nothing of the service.
    let program = located.map_err(|_| {
        let tried = format!("look for the program systemctl in {SEARCH_PATH}");
        let next = "audit where systemd runs, or name the service by its pid file";
        door.missing(MissingState::Error, tried, "not found", next)
    })?;
    let properties = format!("--property={}", PROPERTIES.join(","));
    let arguments = ["show", "--system", "--no-pager", properties.as_str(), "--", unit];
    let asked = Command { program: Path::new(&program), arguments: &arguments, search_path: SEARCH_PATH, limit };
    let ended = asked.run(door).map_err(|reason| {
        let next = "see whether systemd runs here: systemctl is-system-running; or name the service by its pid file";
        Missing { next: next.to_owned(), ..reason }
    })?;
    parse(&ended.output).map_err(|said| asked.missing(door, MissingState::Unreadable, said))
}

/// Lines `Name=value`.
fn parse(output: &[u8]) -> Result<Unit, String> {
    let text = std::str::from_utf8(output).map_err(|_| "its output is not UTF-8".to_owned())?;
    let value = |name: &str| {
        let mut found = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        match (found.next(), found.next()) {
            (Some(value), None) => Ok(value.to_owned()),
            (None, _) => Err(format!("it says nothing of {name}")),
            (Some(_), Some(_)) => Err(format!("it says {name} more than once")),
        }
    };
    let [load, active, pid, invocation, control_group] = PROPERTIES.map(value);
    let (load, active, pid) = (load?, active?, pid?);
    if load.is_empty() || active.is_empty() {
        return Err("it does not say how the unit stands".to_owned());
    }
    let pid: i32 = pid.parse().map_err(|_| format!("MainPID={pid:?} is no process number"))?;
    let main_pid = match pid {
        0 => None,
        1.. => Some(pid),
        _ => return Err(format!("MainPID={pid} is no process number")),
    };
    let (invocation, control_group) = (invocation?, control_group?);
    let hex = invocation.len() == 32 && invocation.bytes().all(|byte| byte.is_ascii_hexdigit());
    if main_pid.is_some() && !hex {
        return Err(format!("InvocationID={invocation:?} is no id"));
    }
    Ok(Unit { load, active, main_pid, invocation, control_group })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNS: &str = "MainPID=29\nControlGroup=/system.slice/cutter.service\nLoadState=loaded\nActiveState=active\n\
                        InvocationID=687b310c48ec4f98bb4fd4f48530c8f5\n";

    /// Texts as systemd 252 prints them.
    #[test]
    fn what_systemd_prints_is_understood_or_refused() {
        let unit = parse(RUNS.as_bytes()).expect("a unit");
        assert_eq!((unit.main_pid, unit.active.as_str(), unit.exists()), (Some(29), "active", true));
        let unknown = "MainPID=0\nControlGroup=\nLoadState=not-found\nActiveState=inactive\nInvocationID=\n";
        let unit = parse(unknown.as_bytes()).expect("a unit");
        assert_eq!((unit.main_pid, unit.exists()), (None, false));
        let removed = unknown.replace("inactive", "active");
        assert!(parse(removed.as_bytes()).expect("a unit").exists(), "its file is gone, and it is active");
        for (text, said) in [
            (String::new(), "it says nothing of LoadState"),
            ("Running in chroot, ignoring command 'show'\n".to_owned(), "it says nothing of LoadState"),
            (RUNS.replace("MainPID=29\n", ""), "it says nothing of MainPID"),
            (format!("{RUNS}\n{RUNS}"), "it says LoadState more than once"),
            (RUNS.replace("=29", "=-1"), "MainPID=-1 is no process number"),
            (RUNS.replace("=29", "="), "MainPID=\"\" is no process number"),
            (RUNS.replace("=active", "="), "it does not say how the unit stands"),
            (RUNS.replace("687b", ""), "InvocationID=\"310c48ec4f98bb4fd4f48530c8f5\" is no id"),
        ] {
            assert_eq!(parse(text.as_bytes()).expect_err("refused"), said, "{text}");
        }
    }

    #[test]
    fn a_name_is_of_one_service() {
        for name in ["cutter.service", "postgresql@15-main.service", "a:b_c\\x2d.service"] {
            assert!(is_service(name), "{name}");
        }
        for name in [
            "cutter",
            ".service",
            "cut*.service",
            "cutter@.service",
            "/a.service",
            "-a.service",
            "a b.service",
            "a.timer",
        ] {
            assert!(!is_service(name), "{name}");
        }
    }
}
