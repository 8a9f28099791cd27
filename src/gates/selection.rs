//! Profiles and what may be waived, against the gates in force.

use std::collections::BTreeMap;

use super::Gate;
use crate::package::diagnostic::{Diagnostic, suggestion};
use crate::package::{Checked, GapClass, Located, Package, Reading};
use crate::trust::Fingerprint;

/// Who may waive a gate, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaiverRules {
    /// For how many days at most, from the signature on.
    pub max_days: i64,
    /// Whose signatures count.
    pub keys: Vec<Fingerprint>,
    /// The ids of gates that nobody may waive, beside those that never can be ([`never_waived`]).
    pub never: Vec<String>,
}

/// Gates that nobody can waive, whatever a package says: a run of code that does not write, or that nobody approved, is no risk
/// that could be accepted.
const NEVER: [&str; 2] = ["live-code-path", "sovereign-ruling"];

/// The gaps of these gates in the reference register, under which another package may judge the same.
const NEVER_GAPS: [&str; 2] = ["GAP-7", "GAP-9"];

/// Whether a gate can never be waived: the live code path, and what only an authority can close. By id, by gap, by the gap's
/// class and by what it reads, so that another name is no way around it.
pub fn never_waived(gate: &Gate, package: &Package) -> bool {
    let gap = package.gaps.iter().find(|gap| gap.id == gate.gap);
    let names = gap.iter().flat_map(|gap| std::iter::once(&gap.id).chain(&gap.aliases));
    let mut names = names.map(|name| name.replace('_', "-"));
    let only_code = !gate.probes.is_empty() && gate.probes.values().all(|used| used.kind == "code-path");
    NEVER.contains(&gate.id.as_str())
        || names.any(|name| NEVER_GAPS.contains(&name.as_str()))
        || gap.is_some_and(|gap| gap.class == GapClass::Authority)
        || only_code
}

/// The gates of each profile by its name, every one of them in force.
pub fn profiles(reading: &Reading<'_>, package: &Checked, in_force: &[&str]) -> BTreeMap<String, Vec<String>> {
    let of = |profile: &crate::package::RawProfile| {
        known(reading, &profile.gates.value, in_force);
        (profile.name.value.clone(), names(&profile.gates.value))
    };
    package.profiles.iter().map(of).collect()
}

/// What may be waived.
pub fn waiver_rules(reading: &Reading<'_>, package: &Checked, in_force: &[&str]) -> Option<WaiverRules> {
    let raw = package.waivers.as_ref()?;
    known(reading, &raw.never, in_force);
    Some(WaiverRules { max_days: raw.max_days, keys: raw.keys.clone(), never: names(&raw.never) })
}

fn names(gates: &[Located<String>]) -> Vec<String> {
    gates.iter().map(|gate| gate.value.clone()).collect()
}

/// Reports gates that are not in force, and those that are named twice.
fn known(reading: &Reading<'_>, gates: &[Located<String>], in_force: &[&str]) {
    for (at, gate) in gates.iter().enumerate() {
        if !in_force.contains(&gate.value.as_str()) {
            let help = suggestion(&gate.value, in_force.iter().copied());
            reading.error(&gate.span, format!("no gate in force has the id `{}`", gate.value), help);
        }
        if let Some(first) = gates[..at].iter().find(|first| first.value == gate.value) {
            let message = format!("the gate `{}` is named twice", gate.value);
            let diagnostic = Diagnostic::error(reading.file, gate.span.clone(), message);
            reading.report(
                diagnostic.related(reading.file, first.span.clone(), "the first").help("remove one of the two"),
            );
        }
    }
}
