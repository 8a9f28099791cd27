//! Copies of a registry for a rehearsal: one that is worked on, and one that a dump is restored into. Production is read, and
//! nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::registry::Registry;

/// Makes copies in a scratch folder.
pub struct Copies<'a> {
    /// What is copied.
    pub registry: &'a Registry,
    /// The scratch folder.
    pub dir: PathBuf,
}

impl Copies<'_> {
    /// A copy of the registry.
    ///
    /// # Errors
    /// When there can be none.
    pub fn of_registry(&self) -> Result<Registry, String> {
        match self.registry {
            Registry::Embedded(from) => {
                let to = self.dir.join("registry.db");
                let copied = || -> rusqlite::Result<()> {
                    let connection = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                    connection.execute("VACUUM INTO ?1", [to.display().to_string()]).map(drop)
                };
                copied().map_err(|error| format!("cannot copy the registry: {error}"))?;
                Ok(Registry::Embedded(to))
            }
            Registry::Server(_) => Err(no_server()),
        }
    }

    /// A new registry from the text of a dump.
    ///
    /// # Errors
    /// When it cannot be restored.
    pub fn of_dump(&self, dump: &[u8]) -> Result<Registry, String> {
        match self.registry {
            Registry::Embedded(_) => {
                let to = self.dir.join("restored.db");
                let text = std::str::from_utf8(dump).map_err(|_| "the dump is not text".to_owned())?;
                // A dump names tables in an order of its own, so that references are looked at when all of it is there.
                let restore = || {
                    let connection = Connection::open(&to)?;
                    connection.pragma_update(None, "foreign_keys", false)?;
                    connection.execute_batch(text)
                };
                restore().map_err(|error| format!("the dump cannot be restored: {error}"))?;
                Ok(Registry::Embedded(to))
            }
            Registry::Server(_) => Err(no_server()),
        }
    }

    /// Puts what was restored in the place of the copy that was worked on.
    ///
    /// # Errors
    /// When it cannot be put there.
    pub fn put(&self, restored: &Registry, copy: &Registry) -> Result<(), String> {
        match (restored, copy) {
            (Registry::Embedded(from), Registry::Embedded(to)) => put(from, to),
            (Registry::Server(_) | Registry::Embedded(_), _) => Err(no_server()),
        }
    }
}

fn put(from: &Path, to: &Path) -> Result<(), String> {
    fs::copy(from, to).map(drop).map_err(|error| format!("cannot restore into the scratch copy: {error}"))
}

fn no_server() -> String {
    "rehearsals are made on the embedded registry (sqlite:) so far: there is no scratch server".to_owned()
}
