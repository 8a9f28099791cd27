//! `provisioning`: whether the directories and files that the executor needs are there as real ones, with owner,
//! group and mode, with space left, and without locks left over.
//!
//! A path that could not be seen is never reported as absent, and a list that would have to leave it out is
//! missing as a whole.

mod access;
mod compare;
mod locks;
mod walk;

use std::collections::HashSet;
use std::sync::Arc;

use serde::Deserialize;

use super::accounts::{Accounts, Identity};
use super::held::divided;
use super::{Attributes, Door, FileKind, Parameter, ParameterKind, Probe, SettingProblem, Settings, Space};
use crate::evidence::{Fact, Missing, MissingState, Reading, Shape};
use compare::{Compared, id as compare_id, judge, kind as compare_kind, link as compare_link, mode as compare_mode};
use walk::{Folder, Walk, Way};

/// So many paths are worth a second thread.
const ALONE: usize = 512;

/// In so many respects a path is compared at most.
const COMPARED: usize = 6;

/// Bytes of the unit of `min_free_mb`.
const MEBIBYTE: u64 = 1 << 20;

/// What a path is expected to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WantedKind {
    Directory,
    File,
}

impl WantedKind {
    fn kind(self) -> FileKind {
        match self {
            Self::Directory => FileKind::Directory,
            Self::File => FileKind::File,
        }
    }
}

/// One entry of the `paths` setting.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedPath<'a> {
    path: &'a str,
    kind: WantedKind,
    owner: Option<&'a str>,
    group: Option<&'a str>,
    mode: Option<&'a str>,
}

/// The probe.
pub(super) struct Provisioning;

impl Probe for Provisioning {
    fn kind(&self) -> &'static str {
        "provisioning"
    }

    fn summary(&self) -> &'static str {
        "whether directories and files are there with owner, group, mode and space, and which locks are left"
    }

    fn parameters(&self) -> &'static [Parameter] {
        const PARAMETERS: &[Parameter] = &[
            Parameter {
                name: "digests",
                kind: ParameterKind::Bool,
                required: false,
                doc: "whether each file is read and has a fact `sha256`",
            },
            Parameter {
                name: "executor_user",
                kind: ParameterKind::Text,
                required: false,
                doc: "the user that is to write there; without it `writable` is not known",
            },
            Parameter {
                name: "locks",
                kind: ParameterKind::Path,
                required: false,
                doc: "the folder in which every entry is a lock; without it there are no facts about locks",
            },
            Parameter {
                name: "min_free_mb",
                kind: ParameterKind::Int,
                required: false,
                doc: "MiB (1048576 bytes) that must be free where each path lies, and at least one inode; part of `matches`",
            },
            Parameter {
                name: "paths",
                kind: ParameterKind::Tables,
                required: true,
                doc: "what must be there: {path, kind = directory|file, owner, group, mode = \"0750\"}; what is not given is not compared",
            },
        ];
        PARAMETERS
    }

    fn shape(&self, settings: &Settings) -> Shape {
        let mut path = vec![
            ("path", Shape::Text),
            ("exists", Shape::Bool),
            ("kind", Shape::Text),
            ("owner", Shape::Text),
            ("group", Shape::Text),
            ("mode", Shape::Text),
            ("link_in_path", Shape::Text),
            ("free_bytes", Shape::Int),
            ("writable", Shape::Bool),
            ("matches", Shape::Bool),
            ("why", Shape::Text),
        ];
        if digests(settings) {
            path.push(("sha256", Shape::Text));
        }
        let mut fields = vec![
            ("paths", Shape::list(Shape::record(path))),
            ("absent", Shape::list(Shape::Text)),
            ("unmatched", Shape::list(Shape::Text)),
            ("free_bytes", Shape::Int),
        ];
        // Without a lock folder the facts are not declared: a gate that asks for them is wrong when it is
        // loaded, not unknown for ever.
        if settings.text("locks").is_some() {
            let lock = [("path", Shape::Text), ("age_seconds", Shape::Int), ("pid", Shape::Int)];
            fields.push(("locks", Shape::list(Shape::record(lock))));
            fields.push(("lock_count", Shape::Int));
        }
        Shape::record(fields)
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let problem = |name: &str, message: String, help: &str| SettingProblem {
            name: name.to_owned(),
            message,
            help: help.to_owned(),
        };
        let mut problems = Vec::new();
        let tables = settings.tables::<WantedPath>("paths");
        if tables.is_empty() {
            problems.push(problem("paths", "no path is asked for".to_owned(), "name at least one path"));
        }
        let mut seen = HashSet::with_capacity(tables.len());
        for (i, table) in tables.into_iter().enumerate() {
            let wanted = match table {
                Ok(wanted) => wanted,
                Err(reason) => {
                    let help = "each entry is {path = \"…\", kind = \"directory|file\", owner = \"…\", group = \"…\", mode = \"0750\"}";
                    problems.push(problem("paths", format!("entry {}: {reason}", i + 1), help));
                    continue;
                }
            };
            let path = wanted.path;
            if path.is_empty() || (path.contains("..") && path.split('/').any(|name| name == "..")) {
                let message = format!("entry {}: {path:?} is empty or goes up with \"..\"", i + 1);
                problems.push(problem("paths", message, "write the path out"));
            }
            if wanted.mode.is_some_and(|mode| super::parse_mode(mode).is_none()) {
                let message = format!("entry {}: not an octal mode", i + 1);
                problems.push(problem("paths", message, "write it as mode = \"0750\""));
            }
            if !seen.insert(path) {
                problems.push(problem("paths", format!("{path:?} is given twice"), "remove one of both"));
            }
        }
        if settings.int("min_free_mb").is_some_and(|mebibytes| mebibytes < 0) {
            problems.push(problem("min_free_mb", "it is negative".to_owned(), "give a number of MiB"));
        }
        problems
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let accounts = Accounts::of(door);
        let executor = executor(door, &accounts, settings.text("executor_user")).map_err(Fact::from);
        let min_free = settings.int("min_free_mb").and_then(|mebibytes| u64::try_from(mebibytes).ok());
        let min_free = min_free.map(|mebibytes| mebibytes.saturating_mul(MEBIBYTE));
        let wanted = settings.tables::<WantedPath<'_>>("paths").into_iter().filter_map(Result::ok);
        let wanted: Vec<WantedPath<'_>> = wanted.collect();
        let found = divided(&wanted, ALONE, |wanted| -> Vec<Found<'_>> {
            let digests = digests(settings);
            let walk = Walk::new(door);
            let mut look = Look { door, accounts: &accounts, executor: &executor, min_free, digests, walk };
            wanted.iter().map(|wanted| look.path(wanted)).collect()
        });
        let found: Vec<Found<'_>> = found.into_iter().flatten().collect();
        let mut fields = vec![
            ("absent", listed(&found, |found| found.exists.clone().map(|exists| !exists))),
            ("unmatched", listed(&found, |found| found.matches.clone().map(|matches| !matches))),
            ("free_bytes", smallest_space(door, &found)),
            ("paths", Fact::list(found.into_iter().map(|found| found.record))),
        ];
        if let Some(folder) = settings.text("locks") {
            let (locks, count) = locks::look(door, folder);
            fields.push(("locks", locks));
            fields.push(("lock_count", count));
        }
        Ok(Fact::record(fields))
    }
}

/// Whether files are read, so that their content can be judged.
fn digests(settings: &Settings) -> bool {
    settings.flag("digests") == Some(true)
}

/// The user that is to write, with groups.
fn executor(door: &Door, accounts: &Accounts, name: Option<&str>) -> Result<Identity, Missing> {
    let Some(name) = name else {
        let (said, next) = ("the gate names no executor_user", "set executor_user in the gate");
        return Err(door.missing(MissingState::Error, "decide who may write", said, next));
    };
    accounts.identity(name)?.ok_or_else(|| {
        let (said, next) = (format!("there is no user {name}"), format!("create it: useradd --system {name}"));
        door.missing(MissingState::Absent, format!("look up the user {name}"), said, next)
    })
}

/// The names of the paths that `select` says yes to; missing as a whole when it is not known of one.
fn listed(found: &[Found<'_>], select: impl Fn(&Found<'_>) -> Known<bool>) -> Fact {
    let selected = found.iter().map(|found| Ok(select(found)?.then_some(found.path)));
    // The paths that are not selected leave nothing behind.
    selected.filter_map(Result::transpose).collect::<Known<Vec<&str>>>().map(Fact::texts).into()
}

/// The least space over the paths that are there.
fn smallest_space(door: &Door, found: &[Found<'_>]) -> Fact {
    let mut smallest: Option<u64> = None;
    for found in found {
        match (&found.exists, &found.free_bytes) {
            (Ok(false), _) => {}
            (Ok(true), Ok(free)) => smallest = Some(smallest.map_or(*free, |least| least.min(*free))),
            (Err(missing), _) | (Ok(true), Err(missing)) => return missing.clone().into(),
        }
    }
    smallest.map(Fact::from).unwrap_or_else(|| {
        let (said, next) = ("none of the paths is there", "create the paths that are listed as absent");
        door.missing(MissingState::Absent, "ask for the free space", said, next).into()
    })
}

/// What one path came to.
struct Found<'a> {
    path: &'a str,
    exists: Known<bool>,
    matches: Known<bool>,
    free_bytes: Known<u64>,
    record: Fact,
}

/// A value, or the reason why there is none, which is kept once: there may be tens of thousands of paths.
type Known<T> = Result<T, Arc<Missing>>;

/// As [`Known`].
fn known<T, U>(result: &Result<T, Missing>, value: impl FnOnce(&T) -> U) -> Known<U> {
    result.as_ref().map(value).map_err(|missing| Arc::new(missing.clone()))
}

/// What looking at a path needs.
struct Look<'a> {
    door: &'a Door,
    accounts: &'a Accounts,
    /// The user that is to write, or what is said of everybody's right to write.
    executor: &'a Result<Identity, Fact>,
    min_free: Option<u64>,
    digests: bool,
    walk: Walk<'a>,
}

impl Look<'_> {
    fn path<'w>(&mut self, wanted: &WantedPath<'w>) -> Found<'w> {
        let mut found = self.found(wanted);
        if self.digests
            && let Fact::Map(record) = &mut found.0.record
        {
            let digest = found.1.map(|attributes| self.digest(wanted.path, &attributes));
            let digest = digest.unwrap_or_else(|| record.get("kind").cloned().unwrap_or_else(|| "".into()));
            record.insert("sha256".to_owned(), digest);
        }
        found.0
    }

    /// The digest of a regular file.
    fn digest(&self, path: &str, attributes: &Attributes) -> Fact {
        if attributes.kind != FileKind::File {
            let said = format!("a {} has no content of its own", attributes.kind.word());
            let next = "ask for the digest of a file";
            return self.door.missing(MissingState::Absent, format!("read {path}"), said, next).into();
        }
        match self.door.digest_unnoted(path, attributes) {
            Ok(sha256) => {
                let read = Reading::Content { size: attributes.size, sha256: sha256.clone() };
                self.door.note_by(path, self.door.by(), read);
                sha256.as_str().into()
            }
            Err(missing) => missing.into(),
        }
    }

    /// What lies there, and its attributes where something does.
    fn found<'w>(&mut self, wanted: &WantedPath<'w>) -> (Found<'w>, Option<Attributes>) {
        match self.walk.to(wanted.path) {
            Way::There { attributes, above, link, on_mount_of_folder } => {
                let space = self.space(wanted.path, &attributes, &above, on_mount_of_folder);
                let found = self.there(wanted, &attributes, &above.attributes, link.as_deref(), &space);
                (found, Some(attributes))
            }
            Way::Absent { missing, link } => {
                let missing = Arc::new(missing);
                let link_in_path = link.map_or_else(|| missing.clone().into(), Fact::from);
                (not_there(wanted, Ok(false), &missing, link_in_path, "absent".into()), None)
            }
            Way::Unknown(missing) => {
                let missing = Arc::new(missing);
                let reason = || Fact::from(missing.clone());
                (not_there(wanted, Err(missing.clone()), &missing, reason(), reason()), None)
            }
        }
    }

    /// The file system that a path lies on. Many files of one folder have it in common, as long as none of them is a
    /// mount of its own: then it is asked for once.
    fn space(
        &mut self,
        path: &str,
        attributes: &Attributes,
        above: &Folder,
        on_mount_of_folder: bool,
    ) -> Result<Space, Missing> {
        if attributes.kind == FileKind::File
            && on_mount_of_folder
            && let Some(Ok(space)) = self.walk.space_of_folder(above)
        {
            return Ok(space);
        }
        // Of a symlink it is the space of what it leads to.
        let seen = (attributes.kind != FileKind::Link).then_some(attributes);
        self.door.space(path, seen)
    }

    fn there<'w>(
        &self,
        wanted: &WantedPath<'w>,
        attributes: &Attributes,
        above: &[(String, Attributes)],
        link: Option<&str>,
        space: &Result<Space, Missing>,
    ) -> Found<'w> {
        let path = wanted.path;
        let owner = self.accounts.user_name(attributes.uid);
        let group = self.accounts.group_name(attributes.gid);
        let free_bytes = known(space, |space| space.free_bytes);
        // A symlink's own owner and mode say nothing about what it leads to.
        let compared = if attributes.kind == FileKind::Link {
            vec![compare_link(link)]
        } else {
            self.compare(wanted, attributes, [&owner, &group], link, space)
        };
        let why = judge(compared);
        let matches = known(&why, String::is_empty);
        let writable = match self.executor {
            Ok(user) => access::writable(self.door, path, attributes, above, link, space, user).into(),
            Err(missing) => missing.clone(),
        };
        // In the order of names, which is that of a record.
        let record = Fact::record([
            ("exists", true.into()),
            ("free_bytes", free_bytes.clone().into()),
            ("group", group.into()),
            ("kind", attributes.kind.word().into()),
            ("link_in_path", link.unwrap_or("").into()),
            ("matches", matches.clone().into()),
            ("mode", octal(attributes.mode).into()),
            ("owner", owner.into()),
            ("path", path.into()),
            ("why", why.into()),
            ("writable", writable),
        ]);
        Found { path, exists: Ok(true), matches, free_bytes, record }
    }

    /// Everything that the gate expects of a path that is no symlink itself.
    fn compare(
        &self,
        wanted: &WantedPath<'_>,
        attributes: &Attributes,
        [owner, group]: [&Result<String, Missing>; 2],
        link: Option<&str>,
        space: &Result<Space, Missing>,
    ) -> Vec<Compared> {
        let mut compared = Vec::with_capacity(COMPARED);
        compared.extend([compare_link(link), compare_kind(attributes.kind, wanted.kind.kind())]);
        if let Some(expected) = wanted.owner {
            compared.push(compare_id("owner", owner, attributes.uid, expected, self.accounts.uid(expected)));
        }
        if let Some(expected) = wanted.group {
            compared.push(compare_id("group", group, attributes.gid, expected, self.accounts.gid(expected)));
        }
        if let Some(expected) = wanted.mode.and_then(super::parse_mode) {
            compared.push(compare_mode(attributes.mode, expected));
        }
        if let Some(min_free) = self.min_free {
            compared.push(space.clone().map(|space| {
                let short = (space.free_bytes < min_free)
                    .then(|| format!("{} MiB free, expected {}", space.free_bytes / MEBIBYTE, min_free / MEBIBYTE));
                short.or_else(|| space.no_inodes.then(|| "no inode free".to_owned()))
            }));
        }
        compared
    }
}

/// Mode bits as inode(7) writes them: 0750.
fn octal(mode: u32) -> String {
    [9, 6, 3, 0].iter().filter_map(|shift| char::from_digit((mode >> shift) & 0o7, 8)).collect()
}

/// The record of a path that is not there or could not be seen, of which it is `known` that it neither exists nor matches.
fn not_there<'w>(
    wanted: &WantedPath<'w>,
    known: Known<bool>,
    missing: &Arc<Missing>,
    link_in_path: Fact,
    why: Fact,
) -> Found<'w> {
    let (exists, matches) = (known.clone(), known);
    let detail = || Fact::from(missing.clone());
    let record = Fact::record([
        ("path", wanted.path.into()),
        ("exists", exists.clone().into()),
        ("kind", detail()),
        ("owner", detail()),
        ("group", detail()),
        ("mode", detail()),
        ("link_in_path", link_in_path),
        ("free_bytes", detail()),
        ("writable", detail()),
        ("matches", matches.clone().into()),
        ("why", why),
    ]);
    Found { path: wanted.path, exists, matches, free_bytes: Err(missing.clone()), record }
}
