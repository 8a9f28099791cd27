//! `run`: looks at everything afresh, and hands over to the executor only when all of it holds; says what is known of a run,
//! and looks after one that was cut off.

mod closing;
mod looked_after;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::cli::RunArgs;
use super::interrupt::Interrupts;
use super::publication::{Publication, Seals};
use super::session::RegistryLock;
use super::{CommandError, audit, output, session};
use crate::classify::Letter;
use crate::evidence::{Digest256, Evidence, PAYLOAD_FORMAT, Payload, Recorded, RunEvidence, RunId};
use crate::execute::{
    Known, Means, Registry, Run, RunLock, Stamp, authority, blocking, drift, known, payload, stamp, sweep, unsettled,
};
use crate::gates::{Gate, Loaded, RequestRules};
use crate::probes::{Secrets, Stop};
use crate::report::escape::terminal;
use crate::report::{Dossier, RunView, exit_code, newest};
use crate::signing::{Gpg, GpgKey, Signer};
use crate::trust::Fingerprint;

pub fn run(package: &Path, args: &RunArgs) -> Result<u8, CommandError> {
    let interrupts = Interrupts::heard();
    let loaded = session::load(package)?;
    let rules = request_rules(&loaded)?;
    let run_id = RunId::try_from(args.run_id.clone()).map_err(CommandError::Usage)?;
    let requests = loaded.place.locate(Path::new(&rules.requests));
    // The executor may work in another folder than this program.
    let requests = std::path::absolute(&requests).unwrap_or(requests);
    let folder = requests.join(run_id.as_str());
    let (approved, payload_sha256) = requested(&folder, &run_id)?;
    if args.status {
        return looked_after::status(&folder, &run_id);
    }
    let refused = |reason: String| CommandError::Refused(vec![reason]);
    let _lock = RunLock::take(&requests).map_err(refused)?;
    let registry = session::registry(&loaded);
    let registry_lock = registry.as_ref().ok().map(|registry| session::lock(&loaded, registry)).transpose();
    let registry_lock = registry_lock.map_err(refused)?;
    swept(&requests);
    let seals = Seals::of(&args.signing, &args.attest, &loaded, &interrupts)?;
    let signer = || signer(&loaded, rules, &loaded.package.trust.auditor, "auditor");
    let desk = Desk {
        loaded: &loaded,
        rules,
        folder,
        interrupts: &interrupts,
        signal: heard(),
        seals,
        signer: &signer,
        registry,
        registry_lock,
    };
    if let Some(file) = &args.close {
        return match known(&desk.folder, &run_id) {
            Known::NotStarted => Err(refused(format!("{run_id} was not started: there is nothing to close"))),
            Known::Settled(_) => Err(refused(format!("{run_id} is over: cutgate run --status {run_id}"))),
            Known::Open(run, _) => desk.close(&run, &approved, payload_sha256, file),
        };
    }
    match (known(&desk.folder, &run_id), args.recover) {
        (Known::NotStarted, true) => Err(refused(format!("{run_id} was not started: there is nothing to recover"))),
        (Known::Settled(_), _) => Err(refused(format!("{run_id} is over: cutgate run --status {run_id}"))),
        (Known::Open(_, said), false) => {
            Err(refused(format!("{run_id} was started before, {said}: cutgate run --recover {run_id}")))
        }
        (Known::Open(run, _), true) => desk.recover(*run, &approved, payload_sha256, args.revert),
        (Known::NotStarted, false) => desk.start(&run_id, &approved, payload_sha256),
    }
}

/// `[request]` of the package.
pub(super) fn request_rules(loaded: &Loaded) -> Result<&RequestRules, CommandError> {
    loaded.request.as_ref().ok_or_else(|| {
        let message = "the package has no [request]: say there what a run is bound to (docs/approvals.md)";
        CommandError::Usage(message.to_owned())
    })
}

/// The runs that were started and are not over: while there is one, no other is requested or started.
pub(super) fn open_runs(loaded: &Loaded, rules: &RequestRules) -> Vec<String> {
    let requests = loaded.place.locate(Path::new(&rules.requests));
    match unsettled(&requests) {
        Ok(open) => open
            .into_iter()
            .map(|(run_id, _, said)| {
                format!("{run_id} was started and is not over ({said}): cutgate run --status {run_id}")
            })
            .collect(),
        Err(reason) => vec![reason],
    }
}

/// Clears away what a killed rehearsal left. Only called under the lock of runs and drills.
pub(super) fn swept(requests: &Path) {
    for folder in sweep(requests) {
        let folder = folder.display().to_string();
        anstream::eprintln!(
            "warning: a rehearsal was cut off, and its scratch copy cannot be removed: {}",
            terminal(&folder)
        );
    }
}

/// What was requested under this id.
fn requested(folder: &Path, run_id: &RunId) -> Result<(Payload, Digest256), CommandError> {
    let path = folder.join("payload.json");
    let wrong = |said: String| CommandError::Refused(vec![format!("{}: {said}", path.display())]);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => return Err(wrong(format!("{error}; no such run was requested, or it cannot be read"))),
    };
    let payload: Payload = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if payload.format != PAYLOAD_FORMAT || payload.run_id != *run_id {
        return Err(wrong(format!("it is not the payload of {run_id}")));
    }
    Ok((payload, Digest256::of(&bytes)))
}

/// What every way through this command needs.
struct Desk<'a> {
    loaded: &'a Loaded,
    rules: &'a RequestRules,
    folder: PathBuf,
    interrupts: &'a Interrupts,
    signal: Arc<AtomicUsize>,
    seals: Seals,
    /// Finds the auditor's key.
    signer: &'a dyn Fn() -> Result<Signer, String>,
    /// What the run is made on; why there is nothing.
    registry: Result<Registry, String>,
    registry_lock: Option<RegistryLock>,
}

impl Desk<'_> {
    /// What must not occur in what is written, before anything else is met.
    fn secrets(&self) -> Secrets {
        let secrets = Secrets::default();
        session::keep_environment_secrets(self.loaded, &secrets);
        self.seals.keep_secret(&secrets);
        secrets
    }

    /// Everything afresh; refused, with reports that say so, or started.
    fn start(&self, run_id: &RunId, approved: &Payload, payload_sha256: Digest256) -> Result<u8, CommandError> {
        let templates = audit::templates(self.loaded)?;
        let gates: Vec<&Gate> = self.loaded.gates.iter().collect();
        let root = self.loaded.place.package_dir.join("reports");
        let newest = newest(&root)?;
        let before = self.stamp();
        let session::Collected { evidence, secrets } =
            session::collect_evidence(self.loaded, &gates, true, newest, self.interrupts);
        self.seals.keep_secret(&secrets);
        let mut evidence = ManuallyDrop::into_inner(evidence);
        evidence.process.recomputed = true;
        let judged = self.against(&evidence, run_id, approved, &templates);
        let review = match judged {
            Ok(review) => review,
            Err(reasons) => return self.refuse(evidence, run_id, payload_sha256, reasons, &templates, &secrets),
        };
        let measure = || session::collect_measures(self.loaded, &secrets);
        let recheck = || {
            let probes = session::collect_again(self.loaded, &secrets);
            // At the same instant: what was measured around it was measured then.
            let again = Evidence { probes, ..evidence.clone() };
            let mut changed = self.against(&again, run_id, approved, &templates).err().unwrap_or_default();
            // Last of all, so that nobody wrote to the registry since it was read first.
            if before.is_err() || before != self.stamp() {
                let said = before.as_ref().err().map_or("somebody wrote to it meanwhile", String::as_str);
                changed.push(format!("the registry is not what was judged: {said}"));
            }
            if !self.registry_lock.as_ref().is_some_and(RegistryLock::is_held) {
                changed.push("the lock on the registry was lost".to_owned());
            }
            changed
        };
        let made = self.run(approved, payload_sha256.clone(), review, &secrets, &recheck, &measure)?;
        let (outcome, code) = self.interrupts.undisturbed(|published| match made.perform(&evidence) {
            Err(reasons) => Ok::<_, CommandError>((Err(reasons), 7)),
            Ok(run) => {
                let (view, code) = self.publish(&made, run, &evidence, &templates, &secrets)?;
                *published = Some(format!("the run had ended before that; see cutgate run --status {run_id}"));
                Ok((Ok(view), code))
            }
        })?;
        match outcome {
            Err(reasons) => self.refuse(evidence, run_id, payload_sha256, reasons, &templates, &secrets),
            Ok(text) => {
                output::to_stdout_without(&secrets, &text)?;
                Ok(code)
            }
        }
    }

    /// The review that the approvals name, where nothing at all speaks against the run; otherwise everything that does.
    fn against(
        &self,
        evidence: &Evidence,
        run_id: &RunId,
        approved: &Payload,
        templates: &crate::report::Templates,
    ) -> Result<String, Vec<String>> {
        let mut reasons = blocking(&Dossier::assemble(self.loaded, &Recorded::of(evidence.clone())));
        reasons.extend(open_runs(self.loaded, self.rules));
        let granted = authority(self.loaded, self.rules, evidence, run_id.as_str());
        let review = granted.map_or_else(
            |missing| {
                reasons.extend(missing);
                String::new()
            },
            |granted| granted.review_decision_id,
        );
        match payload(self.loaded, self.rules, evidence, templates, &self.registry, run_id.clone()) {
            Ok(now) => reasons.extend(drift(approved, &now)),
            Err(problems) => reasons.extend(problems),
        }
        reasons.extend(wrong_user(self.loaded));
        if reasons.is_empty() { Ok(review) } else { Err(reasons) }
    }

    /// What tells whether somebody writes to the registry meanwhile.
    fn stamp(&self) -> Result<Option<Stamp>, String> {
        match &self.registry {
            Ok(Registry::Embedded(path)) => stamp(path).map(Some),
            // The state is read twice, and compared.
            Ok(Registry::Server(_)) => Ok(None),
            Err(reason) => Err(reason.clone()),
        }
    }

    /// Publishes that the run was refused, and ends with the reasons.
    fn refuse(
        &self,
        mut evidence: Evidence,
        run_id: &RunId,
        payload_sha256: Digest256,
        reasons: Vec<String>,
        templates: &crate::report::Templates,
        secrets: &Secrets,
    ) -> Result<u8, CommandError> {
        evidence.run = Some(RunEvidence::refused(run_id.clone(), payload_sha256, reasons.clone()));
        let root = self.loaded.place.package_dir.join("reports");
        let interrupts = Some(self.interrupts);
        let publication =
            Publication::prepare(self.loaded, templates, evidence, &root, &self.seals, secrets, interrupts)?;
        let (_, shown) = self.interrupts.undisturbed(|_| publication.publish(secrets))?;
        anstream::eprintln!("reports: {}", terminal(&shown));
        Err(CommandError::Refused(reasons))
    }

    #[allow(
        clippy::too_many_arguments,
        reason = "what one run is made with, said once for a run and for looking after it"
    )]
    fn run<'b>(
        &'b self,
        approved: &'b Payload,
        payload_sha256: Digest256,
        review_decision_id: String,
        secrets: &'b Secrets,
        recheck: &'b dyn Fn() -> Vec<String>,
        measure: &'b dyn Fn() -> BTreeMap<String, crate::evidence::Observation>,
    ) -> Result<Run<'b>, CommandError> {
        let refused = |reason: String| CommandError::Refused(vec![reason]);
        let rules = self.loaded.package.run.as_ref().ok_or_else(|| refused("the package has no [run]".to_owned()))?;
        let means = Means {
            loaded: self.loaded,
            rules,
            registry: self.registry.as_ref().map_err(|reason| refused(reason.clone()))?,
            secrets,
            signal: &self.signal,
            now: &session::now,
        };
        Ok(Run {
            means,
            payload: approved,
            payload_sha256,
            folder: self.folder.clone(),
            review_decision_id,
            signer: self.signer,
            recheck,
            measure,
            nonce: &nonce,
        })
    }

    /// Publishes what became of a run, closes its journal, and says it.
    fn publish(
        &self,
        made: &Run<'_>,
        run: RunEvidence,
        evidence: &Evidence,
        templates: &crate::report::Templates,
        secrets: &Secrets,
    ) -> Result<(String, u8), CommandError> {
        let evidence = Evidence { run: Some(run), ..evidence.clone() };
        let root = self.loaded.place.package_dir.join("reports");
        let publication = Publication::prepare(self.loaded, templates, evidence, &root, &self.seals, secrets, None)?;
        let (dossier, shown) = publication.publish(secrets)?;
        // The letter and the exit code stand, whether or not the journal can be closed.
        if let Err(error) = made.close(dossier.result.run, &shown) {
            anstream::eprintln!("warning: {}", terminal(&error));
        }
        let ruling = &dossier.result.ruling;
        let mut text = String::new();
        if let Some(view) = &dossier.run_detail {
            text = said(view);
        }
        let qualifier = if ruling.qualifier.is_empty() { String::new() } else { format!(" / {}", ruling.qualifier) };
        let _ = write!(
            text,
            "\nresult: {} — {}{qualifier} (scheme {})\n",
            ruling.letter.word(),
            ruling.label,
            ruling.scheme
        );
        let _ = writeln!(text, "reports: {}", terminal(&shown));
        if !dossier.result.next.is_empty() {
            let _ = writeln!(text, "next: {}", terminal(&dossier.result.next));
        }
        Ok((text, exit_code(&dossier, Letter::A)))
    }
}

/// A run in words.
fn said(view: &RunView) -> String {
    let mut text = format!("run {}\n", view.run_id);
    if !view.executor.is_empty() {
        let _ = writeln!(text, "executor: {}", terminal(&view.executor));
    }
    if !view.revert.is_empty() {
        let _ = writeln!(text, "revert: {}", terminal(&view.revert));
    }
    if !view.finding.name.is_empty() {
        let _ = writeln!(text, "{}", view.finding.name);
    }
    for reason in &view.finding.reasons {
        let _ = writeln!(text, "- {}", terminal(reason));
    }
    for residue in &view.finding.residue {
        let _ = writeln!(text, "- left: {}", terminal(residue));
    }
    text
}

/// A signal that comes while the executor runs is passed on to it.
pub(super) fn heard() -> Arc<AtomicUsize> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGHUP, SIGINT, SIGTERM] {
        // Where a signal cannot be heard it does what it does to any program.
        let _ = signal_hook::flag::register_usize(number, signal.clone(), usize::try_from(number).unwrap_or(1));
    }
    signal
}

/// Who signs with the first of these keys, as `[request]` says that gpg is called.
///
/// # Errors
/// No key, no program, or a key that cannot sign: the reason.
pub(super) fn signer(
    loaded: &Loaded,
    rules: &RequestRules,
    keys: &[Fingerprint],
    role: &str,
) -> Result<Signer, String> {
    let key = keys.first().ok_or_else(|| format!("[trust] names no {role}, whose key signs"))?;
    let mut words = rules.gpg.split_whitespace().map(str::to_owned);
    let program = words.next().ok_or("`gpg` in [request] names no program")?;
    let dir = Some(loaded.place.package_dir.clone()).filter(|dir| !dir.as_os_str().is_empty());
    let gpg = Gpg { program: program.into(), first: words.collect(), dir };
    let found = GpgKey::find_by(gpg, key, session::now(), &Stop::default());
    found.map(Signer::Gpg).map_err(|error| format!("the {role}'s key: {error}"))
}

/// Where the package is the host's own, the executor runs as the user that it names, or not at all.
fn wrong_user(loaded: &Loaded) -> Option<String> {
    let wanted = loaded.package.executor.as_ref()?.user.clone()?;
    // Below a root prefix the names are those of another host.
    let here = session::user();
    (loaded.place.root.is_none() && wanted != here)
        .then(|| format!("the executor runs as {wanted}, and this is {here}: sudo -u {wanted} cutgate run"))
}

/// Sixteen random bytes of the system's, in hex.
fn nonce() -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    read.map_err(|error| format!("cannot read /dev/urandom: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
