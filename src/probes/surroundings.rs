//! What the process that looks brings along: its environment and its home. Commands ask for them once and pass them
//! down, so that no probe depends on anything that is not given to it.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The environment variables and the home of the user who looks.
///
/// Values may be secrets: they are shown nowhere, also not by `Debug`.
#[derive(Clone, Default)]
pub struct Surroundings {
    variables: BTreeMap<String, String>,
    home: Option<PathBuf>,
}

impl Surroundings {
    /// Of these variables and this home. Empty values are as good as none, as libpq has it.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, home: Option<PathBuf>) -> Self {
        let variables = variables.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { variables, home }
    }

    /// A variable's value.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A path below the home, where there is one; it must be text to be named in messages.
    pub fn in_home(&self, below: &str) -> Option<String> {
        self.home.as_ref()?.join(below).to_str().map(str::to_owned)
    }
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Surroundings({} variables, home {:?})", self.variables.len(), self.home)
    }
}
