//! The scratch folder of a rehearsal: a root with what the executor needs, and copies of the registry. It goes at the end, and after
//! a crash by the next command.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Drill;
use crate::evidence::{Expected, Fingerprint, State};
use crate::execute::copies::{Copies, drop_databases};
use crate::execute::delegate::end_earlier;
use crate::execute::registry::Registry;
use crate::execute::surface::{Reading, Surface};
use crate::probes::Place;

/// What the names of scratch folders begin with.
const SCRATCH: &str = ".drill-";
/// How long what a killed rehearsal left running may take to end when told to.
const GRACE: Duration = Duration::from_secs(2);

/// The scratch folder and what lies in it.
pub(super) struct Scratch {
    pub(super) dir: tempfile::TempDir,
    pub(super) registry: Registry,
    pub(super) place: Place,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        dropped(&mut self.dir);
    }
}

/// Drops the databases of a scratch folder. Where that fails the folder that names them is left, and the next command does it.
fn dropped(dir: &mut tempfile::TempDir) {
    if drop_databases(dir.path()).is_err() {
        dir.disable_cleanup(true);
    }
}

impl Drill<'_> {
    /// A scratch root with what the executor needs, and a copy of the registry that is proved to be one.
    pub(super) fn scratch(&self) -> Result<Scratch, String> {
        let made = |what: &Path| {
            let what = what.display().to_string();
            move |error: std::io::Error| format!("cannot make the scratch copy {what}: {error}")
        };
        let mut dir =
            tempfile::Builder::new().prefix(SCRATCH).tempdir_in(&self.requests).map_err(made(&self.requests))?;
        let base = dir.path().canonicalize().map_err(made(dir.path()))?;
        let root = base.join("host");
        let place = Place { package_dir: base.clone(), root: Some(root) };
        let absolute = |path: &String| {
            let inside = path.starts_with('/').then(|| place.locate(Path::new(path)));
            inside.ok_or_else(|| format!("{path} is not absolute: a rehearsal would use the one of production"))
        };
        self.means.rules.watch.iter().try_for_each(|path| absolute(path).map(drop))?;
        for folder in &self.rules.folders {
            let to = absolute(folder)?;
            fs::create_dir_all(&to).map_err(made(&to))?;
        }
        for file in &self.rules.copy {
            let (from, to) = (self.means.loaded.place.locate(Path::new(file)), absolute(file)?);
            fs::create_dir_all(to.parent().unwrap_or(&base)).map_err(made(&to))?;
            fs::copy(&from, &to).map_err(made(&from))?;
        }
        let registry = self.copies(&dir).of_registry().inspect_err(|_| dropped(&mut dir))?;
        let scratch = Scratch { dir, registry, place };
        if !self.production()?.is_copied_by(&self.state(&scratch, &Expected::default())?) {
            return Err("the scratch copy is not what the registry is: somebody writes; rehearse again".to_owned());
        }
        Ok(scratch)
    }

    pub(super) fn state(&self, scratch: &Scratch, expected: &Expected) -> Result<Fingerprint, String> {
        let place = &scratch.place;
        let surface = Surface { registry: &scratch.registry, watch: &self.means.rules.watch, place, expected };
        read(surface.read(Reading::After, (self.means.now)()))
    }

    pub(super) fn copies(&self, dir: &tempfile::TempDir) -> Copies<'_> {
        // Links followed, as the executor finds the file that it opens.
        let dir = dir.path().canonicalize().unwrap_or_else(|_| dir.path().to_owned());
        Copies { registry: self.means.registry, scratch: &self.rules.scratch, dir }
    }
}

pub(super) fn read(state: State) -> Result<Fingerprint, String> {
    match state {
        State::Read(fingerprint) => Ok(fingerprint),
        State::Unread(reason) => Err(format!("the state cannot be read: {reason}")),
    }
}

/// Ends what a killed rehearsal left running, and removes its scratch folder with the copy in it. Only called under the
/// lock of runs and drills. Gives the folders that are still there.
pub fn sweep(requests: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(requests).into_iter().flatten().flatten();
    let scratch = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(SCRATCH.as_bytes()));
    let swept = |folder: &PathBuf| {
        end_earlier(&[], folder, GRACE) && drop_databases(folder).is_ok() && fs::remove_dir_all(folder).is_ok()
    };
    scratch.map(|entry| entry.path()).filter(|folder| !swept(folder)).collect()
}
