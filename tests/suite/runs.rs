//! Runs and drills on the embedded registry, with real executors, real keys and the real program.

mod closing;
mod crash;
mod executors;
mod large;
mod permit;
mod played;
mod refusal;
mod server;
mod signed;
mod story;
mod unseen;
mod violence;

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::stock_gates::Lab;
use crate::stock_gates::ready::ready;

/// What a program said.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The real program in the folder of a laboratory, with variables added to a clean environment.
fn cutgate(dir: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = assert_cmd::Command::cargo_bin("cutgate").unwrap();
    command.env_clear().env("PATH", "/usr/bin:/bin").envs(environment.iter().copied());
    command.current_dir(dir).args(arguments).output().unwrap()
}

/// Requests a run and signs what the request says to sign, as the sovereign does.
fn approve(lab: &Lab) -> String {
    let requested = cutgate(&lab.dir, &["request"], &[]);
    assert!(requested.status.success(), "{}", text(&requested.stderr));
    let said = text(&requested.stdout);
    let typed: Vec<_> = said.lines().filter(|line| line.starts_with("  ")).collect();
    lab.shell(&typed.join("\n").replace("<the id of the fresh review decision>", "rd-7"));
    said.lines().next().unwrap().strip_prefix("run ").unwrap().to_owned()
}

/// A laboratory with an approved run of the deployed executor, or of the one that misbehaves.
pub struct Approved {
    lab: Lab,
    run_id: String,
    /// Another approved run of the same target, where there is one.
    other: String,
    /// Keeps what copies are made of.
    _held: Arc<dyn Send + Sync>,
}

struct Kept {
    lab: Lab,
    run_id: String,
    other: String,
    _ready: Arc<dyn Send + Sync>,
}

/// Leaves the agent of a home that is about to be copied.
fn quiet(lab: &Lab) {
    lab.shell("gpgconf --homedir keys/home --kill all; rm -rf reports");
}

/// Puts the executor that does what the file `mode` says in the place of the cutter.
fn misbehave(lab: &Lab) {
    // One phase is enough for the gates, and analysed in no time.
    lab.shell(
        "sed -i -e '/^pre_write_backup = {\\|^leg_b_record = {\\|^write_verify = {\\|^lifecycle_enact = {/d' \
         -e 's/^phases = \\[.*/phases = [\"cut_leg_a\"]/' cutgate.toml",
    );
    lab.write("executor.py", include_str!("runs/executor.py"));
    lab.shell(
        "sed -i -e '/^argv = \\|^revert = /s/\"-m\", \"cutter\"/\"executor.py\"/' \
         -e 's/^deadline_seconds = .*/deadline_seconds = 60/' -e 's/^grace_seconds = .*/grace_seconds = 1/' \
         -e 's/^output_bytes = .*/output_bytes = 65536/' cutgate.toml
         echo honest > mode",
    );
}

impl Approved {
    fn of(kept: &Mutex<Weak<Kept>>, prepare: impl FnOnce(&Lab) -> String) -> Self {
        let mut held = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = held.upgrade().unwrap_or_else(|| {
            let (lab, ready) = ready();
            let other = prepare(&lab);
            let run_id = approve(&lab);
            quiet(&lab);
            let kept = Arc::new(Kept { lab, run_id, other, _ready: ready });
            *held = Arc::downgrade(&kept);
            kept
        });
        drop(held);
        let lab = Lab::of(&kept.lab.dir, kept.lab.shared.clone());
        Self { lab, run_id: kept.run_id.clone(), other: kept.other.clone(), _held: kept }
    }

    /// With the cutter as it is deployed.
    fn cutter() -> Self {
        static KEPT: Mutex<Weak<Kept>> = Mutex::new(Weak::new());
        Self::of(&KEPT, |_| String::new())
    }

    /// With the executor that does what the file `mode` says.
    pub fn misbehaving() -> Self {
        static KEPT: Mutex<Weak<Kept>> = Mutex::new(Weak::new());
        Self::of(&KEPT, |lab| {
            misbehave(lab);
            String::new()
        })
    }

    /// As [`Approved::misbehaving`], with a time that an executor is made to use up. It is enough for what comes before that, also
    /// where the machine does much else.
    fn impatient() -> Self {
        static KEPT: Mutex<Weak<Kept>> = Mutex::new(Weak::new());
        Self::of(&KEPT, |lab| {
            misbehave(lab);
            lab.shell("sed -i 's/^deadline_seconds = .*/deadline_seconds = 12/' cutgate.toml");
            String::new()
        })
    }

    /// As [`Approved::misbehaving`], with two approved runs of one target.
    fn twice() -> Self {
        static KEPT: Mutex<Weak<Kept>> = Mutex::new(Weak::new());
        Self::of(&KEPT, |lab| {
            misbehave(lab);
            approve(lab)
        })
    }

    pub fn run(&self, more: &[&str], environment: &[(&str, &str)]) -> Output {
        cutgate(&self.lab.dir, &[&["run", &self.run_id], more].concat(), environment)
    }

    /// Where the laboratory lies.
    pub fn dir(&self) -> &Path {
        &self.lab.dir
    }

    /// The real program in its folder.
    pub fn cutgate(&self, arguments: &[&str]) -> Output {
        cutgate(&self.lab.dir, arguments, &[])
    }

    fn number(&self, sql: &str) -> i64 {
        let registry = rusqlite::Connection::open(self.lab.dir.join("governance.db")).unwrap();
        registry.query_row(sql, [], |row| row.get(0)).expect(sql)
    }

    /// Every row of the registry, as one digest of its dump.
    fn rows(&self) -> String {
        let line = "sqlite3 governance.db .dump | LC_ALL=C sort | sha256sum";
        text(&Command::new("bash").args(["-ec", line]).current_dir(&self.lab.dir).output().unwrap().stdout)
    }

    fn folder(&self) -> std::path::PathBuf {
        self.lab.dir.join("requests").join(&self.run_id)
    }

    /// The newest report of a number, and whether the newest audit can be replayed.
    fn report(&self, number: &str) -> String {
        let reports = std::fs::read_dir(self.lab.dir.join("reports")).unwrap();
        let names = reports.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
        let newest = names.max().expect("a report");
        let verified = cutgate(&self.lab.dir, &["verify", newest.to_str().unwrap()], &[]);
        assert!(verified.status.success(), "{}", text(&verified.stderr));
        let mut files = std::fs::read_dir(&newest).unwrap().map(|entry| entry.unwrap().path());
        let file = files.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(number));
        std::fs::read_to_string(file.expect("that report")).unwrap()
    }
}
