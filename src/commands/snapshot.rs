//! `snapshot`: gates and invariants out of what a healthy host has, as files that `gates check` accepts.
//!
//! What could not be read gets no gate. A gate is written only once it was seen to close on this host, to fail when any
//! fact that it rests on is another, to be UNKNOWN when any is denied, and to notice every change of its rules, by the same
//! judge as `gates test`. Nothing is written outside the new folder, and the package itself is not touched.

mod draft;
mod look;
mod proof;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::cli::SnapshotArgs;
use super::interrupt::Interrupts;
use super::{CommandError, output, session};
use crate::evidence::{Evidence, canonical_json};
use crate::gates::{self, Gate, Loaded};
use crate::package::{PACKAGE_FILE, Sources};
use crate::probes::Secrets;
use crate::report::PublishError;
use crate::report::escape::terminal;
use draft::Draft;

/// What goes to the end of the package file.
const PART: &str = "cutgate-part.toml";

/// The recorded facts that the tests of the new gates start from.
const EVIDENCE: &str = "gate-tests/evidence/snapshot.json";

/// Something that gets no gate.
struct Refused {
    what: String,
    why: String,
    /// Whether it could not be read, and not merely is no such thing.
    unread: bool,
}

pub fn run(package: &Path, args: &SnapshotArgs) -> Result<u8, CommandError> {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from("snapshot"));
    if std::fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(CommandError::Usage(format!("{} is not empty; name a new folder with --out", out.display())));
    }
    let loaded = session::load(package)?;
    let interrupts = Interrupts::heard();
    let (drafts, mut refused) = look::drafts(&loaded, &args.path, &interrupts);
    if drafts.is_empty() {
        return Err(CommandError::Usage(format!(
            "nothing could be read that a gate could hold fast\n{}",
            told(&refused)
        )));
    }
    let with = composed(&loaded, &drafts)?;
    let new: Vec<&Gate> = with.gates.iter().filter(|gate| drafts.iter().any(|draft| draft.id == gate.id)).collect();
    let session::Collected { evidence, secrets } = session::collect_evidence(&with, &new, false, None, &interrupts);
    // Those that do not prove themselves are left out, and the rest is put together again.
    let proved = |draft: &&Draft| {
        let gate = new.iter().find(|gate| gate.id == draft.id);
        match gate.map_or_else(
            || Err("it is not in force".to_owned()),
            |gate| proof::prove(gate, draft, &with.package, &evidence),
        ) {
            Ok(()) => true,
            Err(why) => {
                refused.push(Refused { what: format!("gate {}", draft.id), why, unread: false });
                false
            }
        }
    };
    let drafts: Vec<Draft> = drafts.iter().filter(proved).cloned().collect();
    if drafts.is_empty() {
        return Err(CommandError::Usage(format!("no gate proved that it can fail\n{}", told(&refused))));
    }
    let files = files(&loaded, &drafts, &evidence)?;
    write(&out, &files, &secrets, &interrupts)?;
    output::to_stdout_without(&secrets, &said(&loaded, &out, &drafts, &refused))?;
    Ok(match (refused.iter().any(|refused| refused.unread), refused.is_empty()) {
        (true, _) => 3,
        (false, false) => 1,
        (false, true) => 0,
    })
}

/// The package with the new gates in force.
///
/// # Errors
/// What `gates check` would say.
fn composed(loaded: &Loaded, drafts: &[Draft]) -> Result<Loaded, CommandError> {
    let mut files: BTreeMap<String, Vec<u8>> = loaded.files.clone();
    let text = String::from_utf8_lossy(files.get(PACKAGE_FILE).map(Vec::as_slice).unwrap_or_default()).into_owned();
    let mut text = text;
    if let Some(listed) = loaded.package.places.get("package.gates") {
        let close = text[..listed.end].rfind(']').unwrap_or(listed.start);
        let names: String = drafts.iter().map(|draft| format!(", \"{}\"", draft.id)).collect();
        text.insert_str(
            close,
            names.strip_prefix(", ").filter(|_| text[..close].trim_end().ends_with(['[', ','])).unwrap_or(&names),
        );
    }
    text.push_str(&draft::part(loaded, drafts));
    files.insert(PACKAGE_FILE.to_owned(), text.into_bytes());
    for draft in drafts {
        files.insert(format!("gates/{}.toml", draft.id), draft.gate(loaded).into_bytes());
    }
    let sources = Sources { dir: loaded.place.package_dir.clone(), ..Sources::recorded(&files) };
    gates::check(&sources).map_err(CommandError::Problems)
}

/// Every file by its path in the folder; all of them were checked together.
fn files(loaded: &Loaded, drafts: &[Draft], evidence: &Evidence) -> Result<BTreeMap<String, String>, CommandError> {
    let with = composed(loaded, drafts)?;
    let ids: Vec<_> = with.gates.iter().filter(|gate| drafts.iter().any(|draft| draft.id == gate.id)).collect();
    let kept = ids.iter().flat_map(|gate| gate.probes.values()).map(|used| used.id.clone());
    let kept: std::collections::BTreeSet<_> = kept.collect();
    let mut evidence = evidence.clone();
    evidence.probes.retain(|id, _| kept.contains(id));
    let mut files = BTreeMap::from([
        (PART.to_owned(), draft::part(loaded, drafts)),
        (EVIDENCE.to_owned(), String::from_utf8_lossy(&canonical_json(&evidence)).into_owned()),
    ]);
    for draft in drafts {
        files.insert(format!("gates/{}.toml", draft.id), draft.gate(loaded));
        files.insert(format!("gate-tests/{}.toml", draft.id), draft.tests(EVIDENCE));
    }
    Ok(files)
}

fn write(
    out: &Path,
    files: &BTreeMap<String, String>,
    secrets: &Secrets,
    interrupts: &Interrupts,
) -> Result<(), CommandError> {
    if let Some((name, _)) = files.iter().find(|(_, text)| secrets.occur_in(text.as_bytes())) {
        return Err(CommandError::Publish(PublishError::Secret { file: name.clone() }));
    }
    interrupts.undisturbed(|_| {
        for (name, text) in files {
            let path = out.join(name);
            let written = std::fs::create_dir_all(path.parent().unwrap_or(out)).and_then(|()| {
                let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
                file.write_all(text.as_bytes())
            });
            written.map_err(|error| CommandError::Usage(format!("cannot write {}: {error}", path.display())))?;
        }
        Ok(())
    })
}

fn told(refused: &[Refused]) -> String {
    refused
        .iter()
        .map(|refused| format!("no gate for {}: {}\n", terminal(&refused.what), terminal(&refused.why)))
        .collect()
}

fn said(loaded: &Loaded, out: &Path, drafts: &[Draft], refused: &[Refused]) -> String {
    let checks: usize = drafts.iter().map(|draft| draft.checks.len()).sum();
    let shown = out.display().to_string();
    let mut said = format!(
        "{} with {} in {}; each was seen to close here, to fail, and to be UNKNOWN\n",
        output::counted(drafts.len(), "gate"),
        output::counted(checks, "check"),
        terminal(&shown)
    );
    for draft in drafts {
        said.push_str(&format!("+ {}: {}\n", draft.id, output::counted(draft.checks.len(), "check")));
    }
    said.push_str(&told(refused));
    let folder = loaded.place.package_dir.display().to_string();
    if loaded.package.places.contains_key("package.gates") {
        let ids: Vec<String> = drafts.iter().map(|draft| format!("\"{}\"", draft.id)).collect();
        said.push_str(&format!("add to `gates` in [package]: {}\n", ids.join(", ")));
    }
    said.push_str(&format!(
        "next: look at them, then cp -r {shown}/gates {shown}/gate-tests {folder}/ && cat {shown}/{PART} >> {folder}/{PACKAGE_FILE} && cutgate -p {folder}/{PACKAGE_FILE} gates check\n"
    ));
    said
}
