//! A deployed tree against a `sha256sum` manifest: what was altered, what is missing, what is extra, and
//! the one digest that says which tree this is.
//!
//! It reads every regular file, follows no link, opens no FIFO, socket or device, and does not judge. A
//! list that left out what could not be read would lie, so one unreadable path makes `digest`, `matched`,
//! `altered`, `missing` and `extra` unknown; a folder that could not be listed also makes the counts
//! and lists of what the tree holds unknown.
//!
//! The digest is SHA-256 over the lines that `sha256sum` would write for the files in the order of their paths, so
//! `find … -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum` gives it again, as does the
//! SHA-256 of a manifest that was written in this way and fits. Links and special
//! files have no content here and are no part of it: they are facts of their own, and unless the manifest
//! pins them, special files and links that lead out of the tree count as extra.
//!
//! A name that is not UTF-8 cannot be written in a fact or in a digest line without changing it: its path
//! is listed as unreadable, under the lossy name.

mod checksums;
pub(super) mod walk;

use std::collections::BTreeMap;
use std::path::PathBuf;

use self::checksums::Pins;
use self::walk::{Ignore, Walk};
use super::{Door, FileKind, Parameter, ParameterKind, Probe, SettingProblem, Settings};
use crate::evidence::{Digest256, Fact, Missing, MissingState, Shape, sha256_hex};

/// The probe `tree-manifest`.
pub struct TreeManifest;

impl Probe for TreeManifest {
    fn kind(&self) -> &'static str {
        "tree-manifest"
    }

    fn summary(&self) -> &'static str {
        "a tree of files against its sha256sum manifest: altered, missing, extra, and the tree's digest"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "tree",
                kind: ParameterKind::Path,
                required: true,
                doc: "the folder whose files are hashed",
            },
            Parameter {
                name: "manifest",
                kind: ParameterKind::Path,
                required: false,
                doc: "a manifest as sha256sum writes it, paths relative to the tree; without it nothing is compared",
            },
            Parameter {
                name: "ignore",
                kind: ParameterKind::Texts,
                required: false,
                doc: "names of files and folders left aside, anywhere in the tree: whole names or \"*.ext\"; \
                      by default __pycache__ and *.pyc",
            },
        ]
    }

    fn shape(&self, _: &Settings) -> Shape {
        let difference = [("path", Shape::Text), ("expected", Shape::Text), ("actual", Shape::Text)];
        let link = [("path", Shape::Text), ("target", Shape::Text), ("outside", Shape::Bool)];
        Shape::record([
            ("tree_present", Shape::Bool),
            ("manifest_present", Shape::Bool),
            ("digest", Shape::Text),
            ("files", Shape::Int),
            ("ignored", Shape::Int),
            ("pinned", Shape::Int),
            ("matched", Shape::Int),
            ("altered", Shape::list(Shape::record(difference))),
            ("missing", Shape::list(Shape::Text)),
            ("extra", Shape::list(Shape::Text)),
            ("links", Shape::list(Shape::record(link))),
            ("special", Shape::list(Shape::Text)),
            ("unreadable", Shape::list(Shape::record([("path", Shape::Text), ("reason", Shape::Text)]))),
        ])
    }

    fn check(&self, settings: &Settings) -> Vec<SettingProblem> {
        let sound = |name: &&str| {
            let stem = name.strip_prefix("*.").unwrap_or(name);
            !stem.is_empty() && !stem.contains(['/', '*', '?', '[', '\0']) && !matches!(stem, "." | "..")
        };
        let unsound = settings.texts("ignore").into_iter().filter(|name| !sound(name));
        let problem = |name: &str| SettingProblem {
            name: "ignore".to_owned(),
            message: format!("{name:?} is neither a name nor *.ext"),
            help: "give the name of a file or folder without slashes, or an ending such as \"*.pyc\"".to_owned(),
        };
        unsound.map(problem).collect()
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let ignore = Ignore::of(settings);
        let manifest = Manifest::read(settings.text("manifest"), &ignore, door);
        let tree = match settings.required_text("tree").trim_end_matches('/') {
            "" => "/",
            trimmed => trimmed,
        };
        let present = door.resolve(tree).and_then(|(root, attributes)| match attributes.kind {
            FileKind::Directory => Ok((root, attributes)),
            kind @ (FileKind::File | FileKind::Link | FileKind::Fifo | FileKind::Socket | FileKind::Device) => {
                let said = format!("it is a {}, not a directory", kind.word());
                let next = format!("look at it: ls -ld {tree}");
                Err(door.missing(MissingState::Unreadable, format!("list {tree}"), said, next))
            }
        });
        door.note_attributes(tree);
        let (root, attributes) = match present {
            Ok(present) => present,
            Err(reason) => return Ok(without_tree(&manifest, &reason)),
        };
        let own = manifest.real.as_ref().and_then(|real| real.strip_prefix(&root).ok()?.to_str());
        let mut walk = Walk::default();
        walk.descend(tree, &attributes, &ignore, own, door);
        let hashes = walk.hash(tree, door)?;
        let pins = manifest.pins.and_then(|pins| match own.and_then(|own| pins.get(own)) {
            Some(pin) => {
                let path = settings.text("manifest").unwrap_or_default();
                Err(unusable(path, format!("line {}: it pins the manifest itself", pin.line), door))
            }
            None => Ok(pins),
        });
        Ok(facts(&walk, &hashes, manifest.present, &pins))
    }
}

/// The manifest as far as it could be read.
struct Manifest {
    present: Fact,
    /// The file's real path, to leave it aside where it lies in the tree.
    real: Option<PathBuf>,
    pins: Result<Pins, Missing>,
}

impl Manifest {
    fn read(path: Option<&str>, ignore: &Ignore, door: &Door) -> Self {
        let Some(path) = path else {
            let said = "no manifest is set";
            let next = "set `manifest` in the gate's probe, with a file that sha256sum wrote";
            let missing = door.missing(MissingState::Absent, "compare the tree with its manifest", said, next);
            return Self { present: false.into(), real: None, pins: Err(missing) };
        };
        match door.resolve(path) {
            Err(reason) if reason.state.is_absent() => {
                door.note_attributes(path);
                Self { present: false.into(), real: None, pins: Err(reason) }
            }
            Err(reason) => Self { present: reason.clone().into(), real: None, pins: Err(reason) },
            Ok((real, _)) => {
                let bytes = door.read(path, door.limits().file_bytes);
                let pins = bytes.and_then(|bytes| {
                    let pins = checksums::parse(&bytes).and_then(|pins| not_ignored(pins, ignore));
                    pins.map_err(|said| unusable(path, said, door))
                });
                Self { present: true.into(), real: Some(real), pins }
            }
        }
    }
}

fn not_ignored(pins: Pins, ignore: &Ignore) -> Result<Pins, String> {
    let aside = pins.iter().find(|(path, _)| path.split('/').any(|name| ignore.matches(name)));
    match aside {
        Some((path, pin)) => Err(format!("line {}: it pins {path:?}, which `ignore` leaves aside", pin.line)),
        None => Ok(pins),
    }
}

fn unusable(path: &str, said: String, door: &Door) -> Missing {
    let next = "write it again where the artifact was built: find . -type f -printf '%P\\0' | xargs -0 sha256sum";
    door.missing(MissingState::Unreadable, format!("understand {path}"), said, next)
}

fn without_tree(manifest: &Manifest, reason: &Missing) -> Fact {
    let absent = reason.state.is_absent();
    let present = if absent { false.into() } else { Fact::from(reason.clone()) };
    let pinned = manifest.pins.as_ref().map(|pins| pins.len()).map_err(Clone::clone);
    let comparison = || Fact::from(manifest.pins.as_ref().err().unwrap_or(reason).clone());
    let unknown = || Fact::from(reason.clone());
    Fact::record([
        ("tree_present", present),
        ("manifest_present", manifest.present.clone()),
        ("digest", unknown()),
        ("files", unknown()),
        ("ignored", unknown()),
        ("pinned", pinned.into()),
        ("matched", comparison()),
        ("altered", comparison()),
        ("missing", comparison()),
        ("extra", comparison()),
        ("links", unknown()),
        ("special", unknown()),
        ("unreadable", unknown()),
    ])
}

fn facts(
    walk: &Walk,
    hashes: &BTreeMap<String, Digest256>,
    manifest_present: Fact,
    pins: &Result<Pins, Missing>,
) -> Fact {
    let seen = |fact: Fact| walk.unseen.clone().map_or(fact, Fact::from);
    let unread = walk.unreadable.iter().next().map(|(first, reason)| {
        let said = format!("{} could not be read, first {first}: {}", count(walk.unreadable.len()), reason.said);
        Missing { said, ..reason.clone() }
    });
    let pinned = pins.as_ref().map(|pins| pins.len()).map_err(Clone::clone);
    let comparison = match (pins, &unread) {
        (Err(reason), _) => Err(reason.clone()),
        (Ok(_), Some(reason)) => Err(reason.clone()),
        (Ok(pins), None) => Ok(Comparison::of(walk, hashes, pins)),
    };
    let compared = |part: fn(&Comparison) -> Fact| match &comparison {
        Ok(comparison) => part(comparison),
        Err(reason) => reason.clone().into(),
    };
    // In the order of the paths' bytes, which is that of the map.
    let lines: Vec<String> = hashes.iter().map(|(path, digest)| checksums::line(digest.as_str(), path)).collect();
    let links = walk.links.iter().map(|(path, target)| {
        let part = |part: fn(&(String, bool)) -> Fact| target.as_ref().map(part).map_err(Clone::clone).into();
        Fact::record([
            ("path", path.as_str().into()),
            ("target", part(|(target, _)| target.as_str().into())),
            ("outside", part(|(_, outside)| (*outside).into())),
        ])
    });
    let unreadable = walk.unreadable.iter().map(|(path, reason)| {
        let reason = format!("{}: {}", reason.state.word(), reason.said);
        Fact::record([("path", path.as_str().into()), ("reason", reason.into())])
    });
    Fact::record([
        ("tree_present", true.into()),
        ("manifest_present", manifest_present),
        ("digest", unread.clone().map_or_else(|| sha256_hex(lines.concat().as_bytes()).into(), Fact::from)),
        ("files", seen(walk.files.len().into())),
        ("ignored", seen(walk.ignored.into())),
        ("pinned", pinned.into()),
        ("matched", compared(|comparison| comparison.matched.into())),
        ("altered", compared(|comparison| Fact::List(comparison.altered.clone()))),
        ("missing", compared(|comparison| Fact::texts(comparison.missing.clone()))),
        ("extra", compared(|comparison| Fact::texts(comparison.extra.clone()))),
        ("links", seen(Fact::list(links))),
        ("special", seen(Fact::texts(walk.special.iter().map(|(path, _)| path.as_str())))),
        ("unreadable", Fact::list(unreadable)),
    ])
}

fn count(n: usize) -> String {
    if n == 1 { "1 path".to_owned() } else { format!("{n} paths") }
}

/// The tree against the manifest, when all of both could be read.
struct Comparison {
    matched: usize,
    altered: Vec<Fact>,
    missing: Vec<String>,
    extra: Vec<String>,
}

impl Comparison {
    fn of(walk: &Walk, hashes: &BTreeMap<String, Digest256>, pins: &Pins) -> Self {
        let mut there: BTreeMap<&str, String> = BTreeMap::new();
        there.extend(walk.folders.iter().map(|path| (path.as_str(), "a directory".to_owned())));
        there.extend(walk.special.iter().map(|(path, kind)| (path.as_str(), format!("a {}", kind.word()))));
        there.extend(walk.links.iter().map(|(path, target)| {
            let target = target.as_ref().map_or("a place that could not be read", |(target, _)| target);
            (path.as_str(), format!("a symlink to {target}"))
        }));
        there.extend(hashes.iter().map(|(path, digest)| (path.as_str(), digest.as_str().to_owned())));
        let mut result = Self { matched: 0, altered: Vec::new(), missing: Vec::new(), extra: Vec::new() };
        for (path, pin) in pins {
            match there.get(path.as_str()) {
                None => result.missing.push(path.clone()),
                Some(actual) if *actual == pin.sha256 => result.matched += 1,
                Some(actual) => result.altered.push(Fact::record([
                    ("path", path.as_str().into()),
                    ("expected", pin.sha256.as_str().into()),
                    ("actual", actual.as_str().into()),
                ])),
            }
        }
        let outside = walk.links.iter().filter(|(_, target)| !matches!(target, Ok((_, false))));
        let extra = hashes.keys().chain(walk.special.iter().map(|(path, _)| path)).chain(outside.map(|(path, _)| path));
        result.extra = extra.filter(|path| !pins.contains_key(*path)).cloned().collect();
        result.extra.sort();
        result
    }
}
