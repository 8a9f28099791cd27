//! `audit`: collect, evaluate, classify, publish, print.

use std::mem::ManuallyDrop;
use std::path::Path;

use super::cli::{AuditArgs, Required};
use super::interrupt::Interrupts;
use super::signing::Chosen;
use super::{CommandError, output, session};
use crate::classify::{Letter, RunOutcome};
use crate::evidence::{Evidence, Recorded};
use crate::gates::{GapState, Gate, Loaded, evaluate};
use crate::report::escape::terminal;
use crate::report::format::Judged;
use crate::report::{Claim, Dossier, Templates, exit_code, gate_views, newest, report_set, utc, with_signatures};
use crate::trust::armored;

pub fn run(package: &Path, args: &AuditArgs) -> Result<u8, CommandError> {
    let interrupts = Interrupts::heard();
    let outputs = output::outputs(&args.format)?;
    let loaded = session::load(package)?;
    if !args.only.is_empty() {
        return only(&loaded, args, &outputs, &interrupts);
    }
    let attesting = args.attest.attesting(&loaded.package.trust)?;
    let chosen = args.signing.signer(&loaded.package.trust.auditor, "auditor", &interrupts)?;
    let templates = templates(&loaded)?;
    let gates: Vec<&Gate> = loaded.gates.iter().collect();
    let root = args.out.clone().unwrap_or_else(|| loaded.place.package_dir.join("reports"));
    let newest = newest(&root)?;
    let session::Collected { mut evidence, secrets } =
        session::collect_evidence(&loaded, &gates, true, newest, &interrupts);
    // Said before it is done, so that the bytes that are published are the ones that are judged twice. Where the
    // two differ nothing is published.
    evidence.process.recomputed = true;
    let evidence = ManuallyDrop::new(Recorded::of(ManuallyDrop::into_inner(evidence)));
    let dossier = judged_twice(&loaded, &evidence)?;
    let claim = Claim::take(&root, evidence.evidence.now)?;
    let shown = root.join(claim.folder()).display().to_string();
    // What is recorded names the folder as it lies beside the ledger; what is printed names it as it can be opened.
    let recorded = dossier.published(&claim.number(), claim.folder(), &evidence.evidence);
    let signer = chosen.as_ref().map(Chosen::signer);
    let certificates = signer.map(|signer| (signer.fingerprint().clone(), armored(signer.cert())));
    let recorded = recorded.chained(Some(claim.previous().clone()), certificates.into_iter().collect());
    let mut files = report_set(&loaded, &templates, &evidence, &recorded)?;
    let claim = match attesting {
        Some(attesting) => {
            files.extend(attesting.seal(&loaded, &templates, &recorded, &files, &secrets));
            claim.with_checkpoint(attesting.into_key())
        }
        None => claim,
    };
    if let Some(chosen) = &chosen {
        chosen.keep_secret(&secrets);
        files = with_signatures(files, |bytes| chosen.sign(bytes, &interrupts))?;
    }
    let ruling = &recorded.result.ruling;
    let (voided, lost) = (claim.voided().to_vec(), claim.lost().to_vec());
    interrupts.undisturbed(|published| {
        claim.publish(&files, ruling.letter.word(), &ruling.label, &recorded.audit.signers, &secrets)?;
        *published = Some(format!("{shown} was published whole before that; see it with cutgate verify"));
        Ok::<_, CommandError>(())
    })?;
    for folder in voided {
        anstream::eprintln!(
            "warning: {} is void: an audit was cut off while it published, or its line was taken away; the ledger \
             records that from now on, and its number is not used again",
            terminal(&root.join(folder).display().to_string())
        );
    }
    for folder in lost {
        anstream::eprintln!(
            "warning: {} is in no line of the ledger and is not a report; its number is not used again",
            terminal(&root.join(folder).display().to_string())
        );
    }
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
    let dossier = Dossier::assemble(loaded, recorded, RunOutcome::NotStarted);
    // What is equal has equal bytes, which need not be made again.
    if again == *recorded.evidence {
        let again = Recorded { evidence: again.into(), bytes: Vec::new(), sha256: recorded.sha256.clone() };
        if Dossier::assemble(loaded, &again, RunOutcome::NotStarted) == dossier {
            return Ok(dossier);
        }
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
    let signs = args.signing.sign.is_some() || args.signing.sign_key.is_some() || args.attest.attest_key.is_some();
    if args.out.is_some() || signs {
        let message = "--only judges some gates and publishes nothing: leave --out, --sign, --sign-key and \
                       --attest-key away";
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
