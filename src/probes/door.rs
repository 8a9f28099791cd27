//! The door through which probes read: it knows where the package's paths lie, who looks, how long and
//! how much may be read, and it keeps the provenance of everything that passes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant as Monotonic};

use super::secrets::Secrets;
use super::stop::{Held, Stop};
use super::surroundings::Surroundings;
use super::watch::Watch;
use crate::evidence::{Digest256, Instant, Missing, MissingState, Reading, Source};

/// How long and how much a probe may read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Time for one probe.
    pub probe: Duration,
    /// Time for one access to the file system: a look, a listing, a file that is read whole.
    pub read: Duration,
    /// Bytes of one file that is read whole.
    pub file_bytes: u64,
    /// Entries of one directory tree.
    pub entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { probe: Duration::from_secs(30), read: Duration::from_secs(10), file_bytes: 64 << 20, entries: 500_000 }
    }
}

/// Where the package's paths lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The folder of `cutgate.toml`: relative paths start here.
    pub package_dir: PathBuf,
    /// The root prefix of absolute paths; `None` is the host's own `/`. Paths below a prefix are
    /// resolved as if the prefix were `/`, links included.
    pub root: Option<PathBuf>,
}

impl Place {
    /// The real path of a path as the package writes it. Links are not looked at.
    pub fn locate(&self, logical: &Path) -> PathBuf {
        match (&self.root, logical.strip_prefix("/")) {
            (Some(root), Ok(inside)) => root.join(inside),
            (None, Ok(_)) => logical.to_owned(),
            (_, Err(_)) => self.package_dir.join(logical),
        }
    }
}

/// One probe's door. Paths given to it are *logical*: as the package writes them.
#[derive(Debug)]
pub struct Door {
    place: Place,
    limits: Limits,
    now: Instant,
    by: String,
    end: Monotonic,
    sources: Mutex<Vec<Source>>,
    under_way: Mutex<UnderWay>,
    secrets: Secrets,
    stop: Stop,
    watch: Watch,
    surroundings: Arc<Surroundings>,
}

/// Accesses that have not come back, in the order in which they began. There are as many as a probe has threads.
type UnderWay = Vec<Pending>;

/// An access that has not come back.
#[derive(Debug)]
struct Pending {
    number: u64,
    /// Its last sign of life.
    alive: Monotonic,
    /// What is tried: a verb, and what it is done to.
    verb: &'static str,
    object: String,
}

/// An access to the file system that is under way, until it is dropped.
pub struct Access<'a> {
    door: &'a Door,
    number: u64,
    end: Monotonic,
}

impl Access<'_> {
    /// Whether its own time or that of the probe is over. Who does a thing in parts asks between them: that is a sign of
    /// life, after which the part that follows has the time of an access.
    pub fn is_over(&self) -> bool {
        let now = Monotonic::now();
        if let Some(pending) = self.door.under_way().iter_mut().find(|pending| pending.number == self.number) {
            pending.alive = now;
        }
        now >= self.end
    }
}

impl Drop for Access<'_> {
    fn drop(&mut self) {
        self.door.under_way().retain(|pending| pending.number != self.number);
    }
}

impl Door {
    /// A door for one probe that must be done at `end`. `now` is the audit's instant, `by` the user's name.
    pub fn new(place: Place, limits: Limits, now: Instant, by: String, end: Monotonic) -> Self {
        let (sources, under_way, secrets) = (Mutex::default(), Mutex::default(), Secrets::default());
        let (stop, watch, surroundings) = (Stop::default(), Watch::default(), Arc::default());
        Self { place, limits, now, by, end, sources, under_way, secrets, stop, watch, surroundings }
    }

    /// The same door, which shares `secrets` with others.
    #[must_use]
    pub fn keeping(self, secrets: Secrets) -> Self {
        Self { secrets, ..self }
    }

    /// The same door, which hears `stop`.
    #[must_use]
    pub fn until(self, stop: Stop) -> Self {
        Self { stop, ..self }
    }

    /// The same door, for somebody who brings these surroundings along.
    #[must_use]
    pub fn among(self, surroundings: Arc<Surroundings>) -> Self {
        Self { surroundings, ..self }
    }

    /// What the user who looks brings along.
    pub fn surroundings(&self) -> &Surroundings {
        &self.surroundings
    }

    /// A door to what belongs to the user who looks and not to the host that is audited: without a root prefix. What passes
    /// it is not looked at again, and the caller notes its sources here.
    pub(super) fn outside_root(&self) -> Door {
        let place = Place { root: None, ..self.place.clone() };
        let door = Self::new(place, self.limits, self.now, self.by.clone(), self.end);
        door.keeping(self.secrets.clone()).until(self.stop.clone()).among(self.surroundings.clone())
    }

    /// Whether the audit was asked to stop.
    pub fn stopped(&self) -> bool {
        self.stop.asked()
    }

    /// Says that something runs outside this process, which ends before the value is dropped.
    pub fn hold(&self) -> Held {
        self.stop.hold()
    }

    /// What was looked at, for looking again.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Remembers a secret value, so that what is published can be searched for it.
    pub fn keep_secret(&self, value: &str) {
        self.secrets.keep(value);
    }

    /// Remembers the secret bytes of a key likewise.
    pub fn keep_key(&self, bytes: &[u8]) {
        self.secrets.keep_key(bytes);
    }

    /// The audit's instant.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The user that looks.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// The limits in force.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Where paths lie.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The real path of a logical one, for libraries that open files themselves. Prefer the reading
    /// methods, which confine links below a root prefix and keep provenance.
    pub fn locate(&self, logical: &str) -> PathBuf {
        self.place.locate(Path::new(logical))
    }

    /// Time that is left for this probe; zero when it is over, or the audit was asked to stop.
    pub fn time_left(&self) -> Duration {
        if self.stopped() {
            return Duration::ZERO;
        }
        self.end.saturating_duration_since(Monotonic::now())
    }

    /// Begins an access, in the words of [`Missing::tried`]. The kernel may never let go of the thread that asks it, and
    /// then this is what can be said of the probe.
    pub fn begin(&self, tried: &str) -> Access<'_> {
        self.begin_to("", tried)
    }

    /// As [`Door::begin`], in two parts that are put together only when somebody asks: `look at `, and a path.
    pub(super) fn begin_to(&self, verb: &'static str, object: &str) -> Access<'_> {
        let alive = Monotonic::now();
        let mut under_way = self.under_way();
        let number = under_way.last().map_or(0, |last| last.number + 1);
        under_way.push(Pending { number, alive, verb, object: object.to_owned() });
        Access { door: self, number, end: self.end.min(alive + self.limits.read) }
    }

    /// The access that has been silent for the longest time: since when, and what was tried.
    pub fn silent(&self) -> Option<(Monotonic, String)> {
        let under_way = self.under_way();
        let silent = under_way.iter().min_by_key(|pending| pending.alive)?;
        Some((silent.alive, format!("{}{}", silent.verb, silent.object)))
    }

    fn under_way(&self) -> std::sync::MutexGuard<'_, UnderWay> {
        self.under_way.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A reason of absence in this probe's name.
    pub fn missing(
        &self,
        state: MissingState,
        tried: impl Into<String>,
        said: impl Into<String>,
        next: impl Into<String>,
    ) -> Missing {
        Missing { state, tried: tried.into(), by: self.by.clone(), said: said.into(), next: next.into() }
    }

    /// The reason for an operating-system error: permission is `denied`, not found is `absent`, a time-out
    /// is `timed out`, the rest is `error`.
    #[allow(clippy::wildcard_enum_match_arm, reason = "the kinds of system errors are not ours and grow")]
    pub fn io_missing(&self, tried: impl Into<String>, path: &str, error: &std::io::Error) -> Missing {
        let (state, next) = match error.kind() {
            std::io::ErrorKind::PermissionDenied => (
                MissingState::Denied,
                format!("give {} the right to read {path}, or audit as a user who has it", self.by),
            ),
            std::io::ErrorKind::NotFound => (MissingState::Absent, format!("create {path}, or correct the package")),
            std::io::ErrorKind::TimedOut => {
                (MissingState::TimedOut, format!("see why {path} does not answer: stat {path}"))
            }
            _ => (MissingState::Error, format!("look at it: ls -ld {path}")),
        };
        self.missing(state, tried, error.to_string(), next)
    }

    /// Records that content was read whole.
    pub fn note_content(&self, what: impl Into<String>, bytes: &[u8]) {
        let read = Reading::Content { size: bytes.len() as u64, sha256: Digest256::of(bytes) };
        self.note(what.into(), read);
    }

    /// Records that attributes or a listing were read.
    pub fn note_attributes(&self, what: impl Into<String>) {
        self.note(what.into(), Reading::Attributes);
    }

    /// Records that a statement or command was sent to `what`.
    pub fn note_statement(&self, what: impl Into<String>, statement: &str) {
        self.note(what.into(), Reading::Statement { sha256: Digest256::of(statement.as_bytes()) });
    }

    /// Records a source under another reader's name, such as a database role.
    pub fn note_by(&self, what: impl Into<String>, by: impl Into<String>, read: Reading) {
        let source = Source { what: what.into(), by: by.into(), at: chrono::Utc::now(), read };
        self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(source);
    }

    fn note(&self, what: String, read: Reading) {
        self.note_by(what, self.by.clone(), read);
    }

    /// Everything that was noted so far.
    pub fn sources(&self) -> Vec<Source> {
        self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// As [`Door::sources`], and forgets it: there may be tens of thousands.
    pub fn take_sources(&self) -> Vec<Source> {
        std::mem::take(&mut self.sources.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}
