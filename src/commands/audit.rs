//! `audit`: collect, evaluate, classify, publish, print.

use std::mem::ManuallyDrop;
use std::path::Path;

use super::cli::{AuditArgs, ExitStyle, Required};
use super::interrupt::Interrupts;
use super::publication::{Publication, Seals};
use super::{CommandError, baseline, output, selection, session, watch};
use crate::classify::Letter;
use crate::execute::unsettled;
use crate::gates::{Gate, Loaded};
use crate::report::format::{Audited, Judged, plugin_code};
use crate::report::{Baseline, Detail, Dossier, Templates, exit_code, newest};

pub fn run(package: &Path, args: &AuditArgs) -> Result<u8, CommandError> {
    if args.watch.is_some() || args.wait_until_closed.is_some() {
        return watch::run(package, args);
    }
    let interrupts = Interrupts::heard();
    let outputs = output::outputs(&args.format)?;
    // Not dropped: the process ends, and its memory with it. A package holds no secret.
    let loaded = ManuallyDrop::new(session::load(package)?);
    let since = args.baseline.as_ref().map(|named| baseline::proved(named, package)).transpose()?;
    if since.is_some() && args.require == Required::A {
        let message =
            "--baseline asks whether something got worse, and A is a run that was verified: leave one of the two away";
        return Err(CommandError::Usage(message.to_owned()));
    }
    if !args.only.is_empty() || args.profile.is_some() {
        return selection::run(&loaded, args, since.as_ref(), &outputs, &interrupts);
    }
    let seals = Seals::of(&args.signing, &args.attest, &loaded, &interrupts)?;
    let templates = templates(&loaded)?;
    let root = args.out.clone().unwrap_or_else(|| loaded.place.package_dir.join("reports"));
    let session::Collected { evidence, secrets } = collected(&loaded, &root, &interrupts)?;
    let evidence = ManuallyDrop::into_inner(evidence);
    let detailed = output::detailed(&outputs);
    let read = detailed.then(|| evidence.clone());
    let publication = Publication::prepare(&loaded, &templates, evidence, &root, &seals, &secrets, Some(&interrupts))?;
    let (recorded, shown) = interrupts.undisturbed(|published| {
        let (recorded, shown) = publication.publish(&secrets)?;
        *published = Some(format!("{shown} was published whole before that; see it with cutgate verify"));
        Ok::<_, CommandError>((recorded, shown))
    })?;
    let required = match args.require {
        Required::A => Letter::A,
        Required::B => Letter::B,
    };
    // The exit code is fixed before any format is rendered.
    let since = since.map(|since| Baseline::of(&since, &loaded, &recorded.gates));
    let code = match &since {
        Some(since) => baseline::exit_code(since, Some(&recorded), recorded.refused_waivers().next().is_some()),
        None => exit_code(&recorded, required),
    };
    let shown = Dossier { reports_dir: shown, place: session::shown(&loaded.place), ..recorded };
    let detail = read.map(|evidence| Detail::of(&loaded, &evidence, &root)).unwrap_or_default();
    let audited = Audited { dossier: &shown, required, code, baseline: since.as_ref(), detail: &detail, colours: true };
    let code = in_style(args.exit_style, &Judged::of(&audited));
    match output::write(&outputs, &audited, &secrets, &interrupts) {
        // A run that ended in D needs somebody now; that a file of a format is missing is said and changes nothing.
        Err(error) if matches!(audited.code, 4 | 5) => {
            super::say(&error);
            Ok(code)
        }
        written => written.map(|()| code),
    }
}

/// Everything that an audit judges: what all gates ask for, the invariants, the run that is open. `root` holds the reports.
///
/// # Errors
/// A ledger that is broken.
pub fn collected(loaded: &Loaded, root: &Path, interrupts: &Interrupts) -> Result<session::Collected, CommandError> {
    let gates: Vec<&Gate> = loaded.gates.iter().collect();
    let mut collected = session::collect_evidence(loaded, &gates, true, newest(root)?, interrupts);
    let evidence = &mut collected.evidence;
    let requests = loaded.request.as_ref().map(|rules| loaded.place.locate(Path::new(&rules.requests)));
    match requests.map(|requests| unsettled(&requests)) {
        // The newest of those that were started and are not over.
        Some(Ok(mut open)) => evidence.run = open.pop().map(|(_, run, _)| run),
        Some(Err(reason)) => evidence.process.requests_unread = Some(reason),
        None => {}
    }
    Ok(collected)
}

/// The exit code in the numbers that were asked for.
pub(super) fn in_style(style: ExitStyle, judged: &Judged<'_>) -> u8 {
    match style {
        ExitStyle::Contract => judged.code,
        ExitStyle::Nagios => plugin_code(judged),
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
