//! What commands that read a host share: the package, the clock, the user, and the collection of evidence.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::time::Instant as Monotonic;

use super::interrupt::Interrupts;
use super::{CommandError, screen};
use crate::evidence::{EVIDENCE_FORMAT, Evidence, Instant, ProbeId, Process};
use crate::execute::{Ask, Registry, RunLock};
use crate::gates::{self, Gate, Loaded};
use crate::package::{ProbeUse, read_waivers};
use crate::probes::{AdvisoryLock, Collection, Door, Place, Question, Secrets, Settings, Surroundings, collect_until};

/// Loads a package and shows its warnings on standard error. It is not taken apart again: the command's end is the
/// process's end, and the system takes all of it at once.
///
/// # Errors
/// Every problem in its files; a root prefix that is not there, below which everything would read as absent.
pub fn load(path: &Path) -> Result<ManuallyDrop<Loaded>, CommandError> {
    let loaded = load_again(path)?;
    if !loaded.warnings.diagnostics.is_empty() && !screen::quiet() {
        anstream::eprintln!("{}", loaded.warnings.render(true).trim_end());
    }
    Ok(loaded)
}

/// As [`load`], for one who has seen the warnings.
///
/// # Errors
/// As [`load`].
pub fn load_again(path: &Path) -> Result<ManuallyDrop<Loaded>, CommandError> {
    let loaded = gates::load(path).map_err(CommandError::Problems)?;
    if let Some(root) = loaded.place.root.as_ref().filter(|root| is_known_not_a_folder(root, &loaded)) {
        let message = format!("the root prefix {} is not a directory; correct `root` in [paths]", root.display());
        return Err(CommandError::Usage(message));
    }
    Ok(ManuallyDrop::new(loaded))
}

/// Whether the root prefix is known to be no folder. Where it does not answer in time, the probes find that out and say so.
fn is_known_not_a_folder(root: &Path, loaded: &Loaded) -> bool {
    let (sender, receiver) = mpsc::channel();
    let root = root.to_owned();
    let looks = std::thread::Builder::new().spawn(move || sender.send(root.is_dir()));
    looks.is_ok() && receiver.recv_timeout(loaded.package.limits.read) == Ok(false)
}

/// A place with its folders relative to the working directory where they lie below it, as a person who stands
/// there, or a code host that checks out there, names them. The root prefix is not looked at, for it may not answer.
pub fn shown(place: &Place) -> Place {
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).ok();
    let relative = |path: PathBuf| match here.as_ref().and_then(|here| path.strip_prefix(here).ok()) {
        Some(below) => below.to_owned(),
        None => path,
    };
    let package = place.package_dir.canonicalize().unwrap_or_else(|_| place.package_dir.clone());
    let root = place.root.as_ref().map(|root| match root.strip_prefix(&place.package_dir) {
        Ok(inside) => package.join(inside),
        Err(_) => std::path::absolute(root).unwrap_or_else(|_| root.clone()),
    });
    Place { root: root.map(relative), package_dir: relative(package) }
}

/// Replaces standard input by `/dev/null`, so that nothing can be asked of a person.
fn close_stdin() -> bool {
    let null = std::fs::File::open("/dev/null");
    null.is_ok_and(|null| rustix::stdio::dup2_stdin(null).is_ok())
}

/// The name of the user that runs this process.
pub fn user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    uzers::get_user_by_uid(uid).map_or_else(|| uid.to_string(), |user| user.name().to_string_lossy().into_owned())
}

/// The instant of the audit, in whole seconds: what reports show is what rules compared.
pub fn now() -> Instant {
    let now = chrono::Utc::now();
    chrono::DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
}

/// Evidence with the secret values that were met while it was collected.
pub struct Collected {
    /// The evidence; not taken apart again, as the package is not.
    pub evidence: ManuallyDrop<Evidence>,
    /// For scanning what is published.
    pub secrets: Secrets,
}

/// Reads everything that `gates` ask for, and the invariants before and after. Does not return when a signal came.
pub fn collect_evidence(
    loaded: &Loaded,
    gates: &[&Gate],
    with_measures: bool,
    newest: Option<Instant>,
    interrupts: &Interrupts,
) -> Collected {
    let stdin_closed = close_stdin();
    let secrets = Secrets::default();
    keep_environment_secrets(loaded, &secrets);
    let collection = collection(loaded, &secrets);
    let questions = questions(gates);
    let measures = if with_measures { measures(loaded) } else { BTreeMap::new() };
    let stop = interrupts.stop();
    let labels = screen::labels(gates, Clone::clone);
    let lines = screen::Lines::begin();
    let measured = |step| {
        lines.step(step, measures.len());
        collect_until(&measures, &collection, stop, |progress| lines.hear(progress.key(), &progress))
    };
    let before = measured("before");
    lines.step("read", questions.len());
    let probes =
        collect_until(&questions, &collection, stop, |progress| lines.hear(&labels[progress.key()], &progress));
    let after = measured("after");
    // Last of all, so that everything that the gates rest on stood until the end. The measures are compared instead.
    let (before, probes, after) = (before.observations(), probes.settled(), after.observations());
    drop(lines);
    interrupts.checkpoint();
    screen::tell("before", before.iter().map(|(name, seen)| (name.clone(), seen)), &secrets);
    screen::tell("read", probes.iter().map(|(id, seen)| (labels[id].clone(), seen)), &secrets);
    screen::tell("after", after.iter().map(|(name, seen)| (name.clone(), seen)), &secrets);
    super::stand_still("collected");
    let secrets_known = secrets.count() as u64;
    let process =
        Process { stdin_closed, secrets_known, recomputed: false, newest_before: newest, requests_unread: None };
    let evidence = Evidence {
        format: EVIDENCE_FORMAT.to_owned(),
        run: None,
        now: collection.now,
        by: collection.by,
        process,
        probes,
        before,
        after,
        waivers: read_waivers(
            &loaded.place.package_dir,
            &loaded.place.locate(Path::new(&loaded.package.trust.keyring)),
        ),
    };
    Collected { evidence: ManuallyDrop::new(evidence), secrets }
}

/// What is the same for every probe that is asked from now on.
fn collection(loaded: &Loaded, secrets: &Secrets) -> Collection {
    Collection {
        place: loaded.place.clone(),
        limits: loaded.package.limits,
        now: now(),
        by: user(),
        deadline: Monotonic::now() + loaded.package.audit_limit,
        secrets: secrets.clone(),
        surroundings: Arc::new(surroundings()),
    }
}

/// Asks some probes beside those of the gates, about what lies at `place`. Does not return when a signal came.
pub fn ask<K: Ord + Clone + Send + 'static>(
    loaded: &Loaded,
    place: Place,
    questions: &BTreeMap<K, Question>,
    interrupts: &Interrupts,
) -> (BTreeMap<K, crate::evidence::Observation>, Secrets) {
    close_stdin();
    let secrets = Secrets::default();
    keep_environment_secrets(loaded, &secrets);
    let collection = Collection { place, ..collection(loaded, &secrets) };
    let seen = collect_until(questions, &collection, interrupts.stop(), |_| {}).observations();
    interrupts.checkpoint();
    (seen, secrets)
}

/// What the package measures, by name.
fn measures(loaded: &Loaded) -> BTreeMap<String, Question> {
    loaded.package.measures.iter().map(|(name, used)| (name.clone(), question(used))).collect()
}

fn question(used: &ProbeUse) -> Question {
    Question { kind: used.kind.clone(), settings: used.settings.clone() }
}

/// The environment and the home of the process. A variable that is not text says nothing to a probe.
fn surroundings() -> Surroundings {
    let variables =
        std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok()));
    Surroundings::new(variables, std::env::home_dir())
}

/// Everything that `gates` ask for.
fn questions(gates: &[&Gate]) -> BTreeMap<ProbeId, Question> {
    let used = gates.iter().flat_map(|gate| gate.probes.values());
    used.map(|used| (used.id.clone(), question(used))).collect()
}

/// Reads everything that the gates ask for once more, as it is at this moment. Nothing of it is cut short by a signal.
pub fn collect_again(loaded: &Loaded, secrets: &Secrets) -> BTreeMap<ProbeId, crate::evidence::Observation> {
    let questions = questions(&loaded.gates.iter().collect::<Vec<_>>());
    collect_until(&questions, &collection(loaded, secrets), &crate::probes::Stop::default(), |_| {}).settled()
}

/// Reads what the package measures, once more. Nothing of it is cut short by a signal.
pub fn collect_measures(loaded: &Loaded, secrets: &Secrets) -> BTreeMap<String, crate::evidence::Observation> {
    let collection = collection(loaded, secrets);
    collect_until(&measures(loaded), &collection, &crate::probes::Stop::default(), |_| {}).observations()
}

/// The registry of a package, which is asked as its gates are.
///
/// # Errors
/// Why there is none.
pub fn registry(loaded: &Loaded) -> Result<Registry, String> {
    let (place, limits, time) = (loaded.place.clone(), loaded.package.limits, loaded.package.audit_limit);
    let ask: Ask = Rc::new(move |url, queries| {
        let timeout = format!("{}s", limits.probe.as_secs().max(1));
        let settings = serde_json::json!({"url": url, "queries": queries, "timeout": timeout});
        let settings: Settings = settings.as_object().cloned().unwrap_or_default().into_iter().collect();
        let problems = crate::probes::find("sql").map(|probe| probe.check(&settings)).unwrap_or_default();
        if let Some(problem) = problems.first() {
            return Err(problem.message.clone());
        }
        let collection = Collection {
            place: place.clone(),
            limits,
            now: now(),
            by: user(),
            deadline: Monotonic::now() + time,
            secrets: Secrets::default(),
            surroundings: Arc::new(surroundings()),
        };
        let question = BTreeMap::from([((), Question { kind: "sql".to_owned(), settings })]);
        let seen = collect_until(&question, &collection, &crate::probes::Stop::default(), |_| {}).observations();
        match seen.into_values().next() {
            Some(seen) => seen.missing().map_or(Ok(seen.facts.clone()), |missing| Err(missing.to_string())),
            None => Err("the registry was not asked".to_owned()),
        }
    });
    Registry::of(&loaded.package, &loaded.place, &ask)
}

/// What keeps the runs of all packages on one registry apart.
pub enum RegistryLock {
    /// A file beside an embedded registry.
    Beside {
        /// Held as long as it lives.
        _lock: RunLock,
    },
    /// A session of the server.
    Advisory(Box<AdvisoryLock>),
}

impl RegistryLock {
    /// Whether it is still held.
    pub fn is_held(&self) -> bool {
        match self {
            Self::Beside { .. } => true,
            Self::Advisory(lock) => lock.is_held(),
        }
    }
}

/// The number of the advisory lock: the first bytes of the SHA-256 of `cutgate run`.
const ADVISORY: i64 = -0x0492_0833_5d01_6158;

/// Takes the lock of a registry. Does not wait.
///
/// # Errors
/// Another run is at work on it; it cannot be locked.
pub fn lock(loaded: &Loaded, registry: &Registry) -> Result<RegistryLock, String> {
    match registry {
        Registry::Embedded(path) => RunLock::beside(path).map(|lock| RegistryLock::Beside { _lock: lock }),
        Registry::Server(server) => {
            let limits = loaded.package.limits;
            let door = Door::new(loaded.place.clone(), limits, now(), user(), Monotonic::now() + limits.probe);
            let door = door.among(Arc::new(surroundings()));
            let failed = |said: String| format!("cannot take the advisory lock of the registry: {said}");
            match AdvisoryLock::take(&server.url, ADVISORY, &door).map_err(failed)? {
                Some(lock) => Ok(RegistryLock::Advisory(Box::new(lock))),
                None => Err(format!("a run is at work on this registry: it holds the advisory lock {ADVISORY}")),
            }
        }
    }
}

/// The values of the executor's environment variables are secrets until the opposite is known.
pub fn keep_environment_secrets(loaded: &Loaded, secrets: &Secrets) {
    let names = loaded.package.executor.iter().flat_map(|executor| &executor.env).map(String::as_str);
    for value in names.chain(["PGPASSWORD"]).filter_map(|name| std::env::var(name).ok()) {
        secrets.keep(&value);
    }
}
