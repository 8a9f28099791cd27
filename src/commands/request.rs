//! `request`: opens a run that may be approved. Reads the host afresh, fixes what the run is, and says what to sign.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use super::interrupt::Interrupts;
use super::{CommandError, audit, output, session};
use crate::evidence::{Digest256, Recorded, RunId, canonical_json};
use crate::execute::{Document, RunLock, blocking, document, payload, write};
use crate::gates::{Gate, Loaded};
use crate::report::escape::terminal;
use crate::report::{Dossier, newest};

pub fn run(package: &Path) -> Result<u8, CommandError> {
    let interrupts = Interrupts::heard();
    let loaded = session::load(package)?;
    let Some(rules) = &loaded.request else {
        let message = "the package has no [request]: say there what a run is bound to (docs/approvals.md)";
        return Err(CommandError::Usage(message.to_owned()));
    };
    // What a killed rehearsal left goes with the next command that may write there; while a run or drill is at work it waits.
    // Where none ever ran, nothing is left, and a refused request writes nothing.
    let requests = loaded.place.locate(Path::new(&rules.requests));
    if RunLock::was_taken(&requests)
        && let Ok(_lock) = RunLock::take(&requests)
    {
        super::run::swept(&requests);
    }
    let templates = audit::templates(&loaded)?;
    let gates: Vec<&Gate> = loaded.gates.iter().collect();
    let newest = newest(&loaded.place.package_dir.join("reports"))?;
    let session::Collected { evidence, secrets } =
        session::collect_evidence(&loaded, &gates, true, newest, &interrupts);
    let recorded = ManuallyDrop::new(Recorded::of(ManuallyDrop::into_inner(evidence)));
    let evidence = &*recorded.evidence;
    let reasons = blocking(&Dossier::assemble(&loaded, &recorded));
    let reasons: Vec<String> = reasons.into_iter().chain(super::run::open_runs(&loaded, rules)).collect();
    if !reasons.is_empty() {
        return Err(CommandError::Refused(reasons));
    }
    let run_id = RunId::new(evidence.now, random()?);
    let payload = payload(&loaded, rules, evidence, &templates, &session::registry(&loaded), run_id)
        .map_err(CommandError::Refused)?;
    let bytes = canonical_json(&payload);
    let sha256 = Digest256::of(&bytes);
    let (requests, approvals) = (typed(&loaded, &rules.requests), typed(&loaded, &rules.approvals));
    let documents = rules
        .gates
        .iter()
        .map(|gate| document(gate, &payload, &sha256, rules, &loaded.package.trust, (&requests, &approvals)));
    let documents: Vec<Document> = documents.collect();
    let mut files: BTreeMap<String, Vec<u8>> =
        documents.iter().map(|document| (document.file.clone(), document.text.clone().into_bytes())).collect();
    files.insert("payload.json".to_owned(), bytes);
    files.insert("payload.json.sha256".to_owned(), format!("{sha256}  payload.json\n").into_bytes());
    let requests = loaded.place.locate(Path::new(&rules.requests));
    let folder = interrupts.undisturbed(|done| {
        let folder = write(&requests, &payload.run_id, &files, &secrets)?;
        *done = Some(format!("the run was requested before that; {} is whole", folder.display()));
        Ok::<_, CommandError>(folder)
    })?;
    let mut said = format!("run {}\npayload sha256 {sha256}\nfolder {}\n", payload.run_id, folder.display());
    let keys = loaded.package.trust.sovereign.len();
    for document in &documents {
        let _ = write!(said, "\n{} — the sovereign types, in the folder of the package:\n", terminal(&document.gate));
        for command in &document.commands {
            let _ = writeln!(said, "  {}", terminal(command));
        }
    }
    if keys > 1 {
        let threshold = loaded.package.trust.sovereign_threshold;
        let _ = write!(said, "\n{threshold} of these {keys} keys must sign each document, whoever holds them.\n");
    }
    said.push_str("\nnext: cutgate audit\n");
    output::to_stdout_without(&secrets, &said)?;
    Ok(0)
}

/// A path of the package as it is typed in the package's folder.
fn typed(loaded: &Loaded, path: &str) -> PathBuf {
    let located = loaded.place.locate(Path::new(path));
    located.strip_prefix(&loaded.place.package_dir).map_or(located.clone(), Path::to_owned)
}

/// Four random bytes of the system's.
pub(super) fn random() -> Result<[u8; 4], CommandError> {
    let mut bytes = [0; 4];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|error| CommandError::Usage(format!("cannot read /dev/urandom: {error}; no run was requested")))?;
    Ok(bytes)
}
