//! `audit`: collect, evaluate, classify, publish, print.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use super::cli::{AuditArgs, Required};
use super::interrupt::Interrupts;
use super::{CommandError, output, session};
use crate::classify::Letter;
use crate::evidence::{Evidence, Recorded, RunEvidence};
use crate::execute::unsettled;
use crate::gates::{GapState, Gate, Loaded, evaluate};
use crate::probes::Secrets;
use crate::report::escape::terminal;
use crate::report::format::Judged;
use crate::report::{Claim, Dossier, Templates, exit_code, gate_views, newest, report_set, utc};

pub fn run(package: &Path, args: &AuditArgs) -> Result<u8, CommandError> {
    let interrupts = Interrupts::heard();
    let outputs = output::outputs(&args.format)?;
    let loaded = session::load(package)?;
    if !args.only.is_empty() {
        return only(&loaded, args, &outputs, &interrupts);
    }
    let templates = templates(&loaded)?;
    let gates: Vec<&Gate> = loaded.gates.iter().collect();
    let root = args.out.clone().unwrap_or_else(|| loaded.place.package_dir.join("reports"));
    let newest = newest(&root)?;
    let session::Collected { mut evidence, secrets } =
        session::collect_evidence(&loaded, &gates, true, newest, &interrupts);
    let requests = loaded.request.as_ref().map(|rules| loaded.place.locate(Path::new(&rules.requests)));
    evidence.run = requests.and_then(|requests| open_run(&requests));
    let publication = Publication::prepare(&loaded, &templates, ManuallyDrop::into_inner(evidence), &root)?;
    let recorded = interrupts.undisturbed(|published| {
        let (recorded, shown) = publication.publish(&secrets)?;
        *published = Some(format!("{shown} was published whole before that; see it with cutgate verify"));
        Ok::<_, CommandError>((recorded, shown))
    })?;
    let (recorded, shown) = recorded;
    let required = match args.require {
        Required::A => Letter::A,
        Required::B => Letter::B,
    };
    // The exit code is fixed before any format is rendered.
    let code = exit_code(&recorded, required);
    let shown = Dossier { reports_dir: shown, place: session::shown(&loaded.place), ..recorded };
    output::write(&outputs, &shown, &secrets, &interrupts)?;
    Ok(code)
}

/// A run that was started and is not over: the newest. What the requests do not let us see, the gate of the authority says.
fn open_run(requests: &Path) -> Option<RunEvidence> {
    unsettled(requests).ok()?.pop().map(|(_, run, _)| run)
}

/// Everything that one publication holds, judged and rendered, with its number taken.
pub struct Publication {
    claim: Claim,
    files: BTreeMap<String, Vec<u8>>,
    recorded: Dossier,
    root: PathBuf,
}

impl Publication {
    /// Judges the evidence twice, takes a number below `root`, and renders every report.
    ///
    /// # Errors
    /// A report that cannot be rendered, a ledger that is broken.
    pub fn prepare(
        loaded: &Loaded,
        templates: &Templates,
        mut evidence: Evidence,
        root: &Path,
    ) -> Result<Self, CommandError> {
        // Said before it is done, so that the bytes that are published are the ones that are judged twice. Where the
        // two differ nothing is published.
        evidence.process.recomputed = true;
        let evidence = ManuallyDrop::new(Recorded::of(evidence));
        let dossier = judged_twice(loaded, &evidence)?;
        let claim = Claim::take(root, evidence.evidence.now)?;
        // What is recorded names the folder as it lies beside the ledger; what is printed names it as it can be opened.
        let recorded = dossier.published(&claim.number(), claim.folder(), &evidence.evidence);
        let files = report_set(loaded, templates, &evidence, &recorded)?;
        Ok(Self { claim, files, recorded, root: root.to_owned() })
    }

    /// Publishes, whole or not at all. The dossier, and the folder as it can be opened.
    ///
    /// # Errors
    /// A secret value in a report; something that cannot be written.
    pub fn publish(self, secrets: &Secrets) -> Result<(Dossier, String), CommandError> {
        let shown = self.root.join(self.claim.folder()).display().to_string();
        let (ruling, lost) = (&self.recorded.result.ruling, self.claim.lost().to_vec());
        self.claim.publish(&self.files, ruling.letter.word(), &ruling.label, secrets)?;
        for folder in lost {
            anstream::eprintln!(
                "warning: {} is in no line of the ledger and is not a report: an audit was cut off while it published; \
                 its number is not used again",
                terminal(&self.root.join(folder).display().to_string())
            );
        }
        Ok((self.recorded, shown))
    }
}

/// The stock templates, and those of the package's own `templates/` folder in their place.
pub fn templates(loaded: &Loaded) -> Result<Templates, CommandError> {
    let mut templates = Templates::stock();
    let folder = loaded.place.package_dir.join("templates");
    let failed =
        |path: &Path, error: std::io::Error| CommandError::Usage(format!("cannot read {}: {error}", path.display()));
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(templates),
        Err(error) => return Err(failed(&folder, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| failed(&folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".md")) else {
            continue;
        };
        let text = std::fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
        templates.0.insert(name.to_owned(), text);
    }
    Ok(templates)
}

/// Judges the evidence, reads its recorded bytes back, and judges these: what is published is what the recorded
/// evidence says.
fn judged_twice(loaded: &Loaded, recorded: &Recorded) -> Result<Dossier, CommandError> {
    let again: Evidence = serde_json::from_slice(&recorded.bytes)
        .map_err(|error| CommandError::Internal(format!("the evidence cannot be read back: {error}")))?;
    let dossier = Dossier::assemble(loaded, recorded);
    let same = again == *recorded.evidence && Dossier::assemble(loaded, &Recorded::of(again)) == dossier;
    if same {
        return Ok(dossier);
    }
    Err(CommandError::Internal("the recorded evidence does not give the same result".to_owned()))
}

/// Judges some gates: states, no letter, no reports.
fn only(
    loaded: &Loaded,
    args: &AuditArgs,
    outputs: &[output::Output],
    interrupts: &Interrupts,
) -> Result<u8, CommandError> {
    if args.out.is_some() {
        let message = "--only judges some gates and publishes nothing: leave --out away";
        return Err(CommandError::Usage(message.to_owned()));
    }
    output::check_some(outputs)?;
    let gates = args.only.iter().map(|name| session_gate(loaded, name)).collect::<Result<Vec<_>, _>>()?;
    let session::Collected { evidence, secrets } = session::collect_evidence(loaded, &gates, false, None, interrupts);
    let findings = evaluate(gates.iter().copied(), &loaded.package, &evidence);
    let code = if findings.iter().any(|finding| finding.state == GapState::Unknown) {
        3
    } else {
        u8::from(findings.iter().any(|finding| finding.state != GapState::Closed))
    };
    let judged = Judged {
        gates: gate_views(loaded, findings).into(),
        total: loaded.gates.len(),
        utc: &utc(evidence.now),
        place: &session::shown(&loaded.place),
        dossier: None,
    };
    output::write_some(outputs, &judged, &secrets, interrupts)?;
    Ok(code)
}

/// The gate of an id, a gap's id or a gap's alias.
///
/// # Errors
/// An unknown name, with the nearest one.
pub fn session_gate<'a>(loaded: &'a Loaded, name: &str) -> Result<&'a Gate, CommandError> {
    let gap = loaded.package.gap(name).map(|gap| gap.id.as_str());
    let found = loaded.gates.iter().find(|gate| gate.id == name || gap == Some(gate.gap.as_str()));
    found.ok_or_else(|| {
        let known = loaded.gates.iter().flat_map(|gate| [gate.id.as_str(), gate.gap.as_str()]);
        let help = crate::package::diagnostic::suggestion(name, known);
        CommandError::Usage(format!("no gate or gap is called `{name}`; {help}"))
    })
}
