//! Database dumps that were left in a folder, known by what they begin with and not by their names.
//!
//! Every regular file below the folder is opened, and its first 64 KiB are looked at. What begins as a dump or a database does is
//! listed in `dumps`. Compressed, packed and encrypted files may hold anything: they are listed in `opaque`, so that a rule which
//! wants no dump has to say what it makes of them. Both lists end in a hole where something could not be looked at.
//!
//! It does not judge, follows no link, opens no FIFO, socket or device. What it cannot know: a dump behind other text of more than
//! 64 KiB, data without any header (an encrypted database, a copy of a table as plain lines), the files of a server that was
//! copied as they are.

mod kinds;

use self::kinds::{Kind, kind_of};
use super::tree_manifest::walk::{Ignore, Walk};
use super::{Attributes, Door, FileKind, Parameter, ParameterKind, Probe, Settings};
use crate::evidence::{Fact, Missing, MissingState, Shape};

/// The probe `leftover-dumps`.
pub(super) struct LeftoverDumps;

/// How much of each file is looked at.
const HEAD: u64 = 64 << 10;

impl Probe for LeftoverDumps {
    fn kind(&self) -> &'static str {
        "leftover-dumps"
    }

    fn summary(&self) -> &'static str {
        "dumps of databases below a folder, known by their content, and files that cannot be looked into"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[Parameter {
            name: "folder",
            kind: ParameterKind::Path,
            required: true,
            doc: "the folder below which every regular file is looked at",
        }]
    }

    fn shape(&self, _: &Settings) -> Shape {
        let found = || {
            Shape::list(Shape::record([
                ("path", Shape::Text),
                ("kind", Shape::Text),
                ("size", Shape::Int),
                ("modified", Shape::Time),
            ]))
        };
        Shape::record([
            ("present", Shape::Bool),
            ("files", Shape::Int),
            ("dumps", found()),
            ("opaque", found()),
            ("links", Shape::list(Shape::Text)),
            ("special", Shape::list(Shape::Text)),
            ("unreadable", Shape::list(Shape::record([("path", Shape::Text), ("reason", Shape::Text)]))),
        ])
    }

    fn collect(&self, settings: &Settings, door: &Door) -> Result<Fact, Missing> {
        let folder = match settings.required_text("folder").trim_end_matches('/') {
            "" => "/",
            trimmed => trimmed,
        };
        let attributes = door.reached(folder).and_then(|attributes| match attributes.kind {
            FileKind::Directory => Ok(attributes),
            kind @ (FileKind::File | FileKind::Link | FileKind::Fifo | FileKind::Socket | FileKind::Device) => {
                let said = format!("it is a {}, not a directory", kind.word());
                let next = format!("look at it: ls -ld {folder}");
                Err(door.missing(MissingState::Unreadable, format!("list {folder}"), said, next))
            }
        });
        let attributes = match attributes {
            Ok(attributes) => attributes,
            Err(reason) => return Ok(without_folder(&reason)),
        };
        let mut walk = Walk::default();
        walk.descend(folder, &attributes, &Ignore::default(), None, door);
        Ok(Found::look(folder, walk, door).facts())
    }
}

/// The facts where there is no folder, or it could not be seen.
fn without_folder(reason: &Missing) -> Fact {
    let present = if reason.state.is_absent() { false.into() } else { reason.clone().into() };
    let unknown = ["files", "dumps", "opaque", "links", "special", "unreadable"];
    let unknown = unknown.into_iter().map(|name| (name, Fact::from(reason.clone())));
    Fact::record(unknown.chain([("present", present)]))
}

/// What lies below the folder.
struct Found {
    dumps: Vec<Fact>,
    opaque: Vec<Fact>,
    walk: Walk,
    /// Why the lists of what was found may not be whole.
    hole: Option<Missing>,
}

impl Found {
    fn look(folder: &str, walk: Walk, door: &Door) -> Self {
        let hole = walk.unseen.clone();
        let mut found = Self { dumps: Vec::new(), opaque: Vec::new(), walk, hole };
        for (path, seen) in std::mem::take(&mut found.walk.files) {
            let whole = format!("{}/{path}", folder.trim_end_matches('/'));
            let head = if door.time_left().is_zero() {
                let next = format!("see what fills {folder}, or raise the probe's time limit");
                Err(door.missing(
                    MissingState::TimedOut,
                    format!("read from {whole}"),
                    "the probe's time is over",
                    next,
                ))
            } else {
                door.head_unnoted(&whole, HEAD, &seen)
            };
            match head.map(|head| kind_of(&head)) {
                Ok(Some(Kind::Dump(kind))) => found.dumps.push(record(&path, kind, &seen)),
                Ok(Some(Kind::Opaque(kind))) => found.opaque.push(record(&path, kind, &seen)),
                Ok(None) => {}
                Err(reason) => {
                    found.hole.get_or_insert_with(|| reason.clone());
                    found.walk.unreadable.insert(path.clone(), reason);
                }
            }
            found.walk.files.push((path, seen));
        }
        door.note_attributes(format!("the first {HEAD} bytes of {} files below {folder}", found.walk.files.len()));
        found
    }

    fn facts(self) -> Fact {
        let with_hole = |items: Vec<Fact>, hole: &Option<Missing>| {
            Fact::list(items.into_iter().chain(hole.clone().map(Fact::from)))
        };
        let unseen = self.walk.unseen;
        let texts = |names: Vec<String>| with_hole(names.into_iter().map(Fact::Text).collect(), &unseen);
        let unreadable = self.walk.unreadable.iter().map(|(path, reason)| {
            let reason = format!("{}: {}", reason.state.word(), reason.said);
            Fact::record([("path", path.as_str().into()), ("reason", reason.into())])
        });
        Fact::record([
            ("present", true.into()),
            ("files", unseen.clone().map_or_else(|| self.walk.files.len().into(), Fact::from)),
            ("links", texts(self.walk.links.into_iter().map(|(path, _)| path).collect())),
            ("special", texts(self.walk.special.into_iter().map(|(path, _)| path).collect())),
            ("unreadable", Fact::list(unreadable)),
            ("dumps", with_hole(self.dumps, &self.hole)),
            ("opaque", with_hole(self.opaque, &self.hole)),
        ])
    }
}

fn record(path: &str, kind: &str, seen: &Attributes) -> Fact {
    let modified = chrono::DateTime::from_timestamp(seen.modified, 0).unwrap_or_default();
    Fact::record([
        ("path", path.into()),
        ("kind", kind.into()),
        ("size", i64::try_from(seen.size).unwrap_or(i64::MAX).into()),
        ("modified", modified.into()),
    ])
}
