//! `[profile.<name>]` and `[waivers]`: which gates are judged where there is no host, and who may waive one for how long.
//! That the gates exist is checked with the gates.

use crate::package::file::{RawPackage, RawTrust, Words};
use crate::package::table::{Located, Reading, TableAt, TableReader, Value as _};
use crate::trust::Fingerprint;

/// The longest time for which a package may let a gate be waived, in days.
const MOST_DAYS: i64 = 366;

/// A profile.
#[derive(Clone)]
pub struct RawProfile {
    /// Its name.
    pub name: Located<String>,
    /// The gates that it judges; at least one.
    pub gates: Located<Vec<Located<String>>>,
}

/// Who may waive, and for how long.
#[derive(Clone)]
pub struct RawWaivers {
    /// For how many days at most.
    pub max_days: i64,
    /// Whose signatures count; at least one.
    pub keys: Vec<Fingerprint>,
    /// Gates that nobody may waive, beside those that never can be.
    pub never: Vec<Located<String>>,
}

/// The profiles that are in order.
pub fn profiles<'a>(reading: &Reading<'a>, raw: &RawPackage<'a>) -> Vec<RawProfile> {
    let profile = |entry: &crate::package::table::Entry<'a>| {
        let name = &entry.name;
        if name.value.is_empty() || !name.value.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
            let message = format!("`{}` is not a name for a profile", name.value);
            reading.error(&name.span, message, "use letters, digits, - and _");
        }
        let at = TableAt::read(reading, &name.value, entry.value)?;
        let mut table = TableReader::new(*reading, format!("[profile.{}]", name.value), at);
        let gates: Words = table.required("gates", "[\"live-code-path\"], the gates that it judges");
        let require: Option<Located<String>> = table.optional("require");
        table.finish();
        if let Some(gates) = gates.as_ref().filter(|gates| gates.value.is_empty()) {
            let help = "name at least one gate: what judges nothing proves nothing";
            reading.error(&gates.span, "the profile judges no gate", help);
        }
        if let Some(require) = require.filter(|require| require.value != "B") {
            let message = format!("a profile can never show `{}`", require.value);
            let help =
                "write \"B\", which asks that its gates are closed, or leave it out: A is a run that was verified";
            reading.error(&require.span, message, help);
        }
        Some(RawProfile { name: name.clone(), gates: gates.filter(|gates| !gates.value.is_empty())? })
    };
    raw.profiles.iter().filter_map(profile).collect()
}

/// Checks `[waivers]`. `None` when something was reported.
pub fn waivers<'a>(reading: &Reading<'a>, at: &TableAt<'a>, trust: Option<&RawTrust>) -> Option<RawWaivers> {
    let before = reading.found.borrow().len();
    let mut table = TableReader::new(*reading, "[waivers]", at.clone());
    let max_days: Option<Located<i64>> = table.required("max_days", "14, for how many days a gate may be waived");
    let keys: Words = table.required("keys", "[\"fingerprint\"], whose signatures count");
    let never: Words = table.optional("never");
    table.finish();
    if let Some(days) = max_days.as_ref().filter(|days| !(1..=MOST_DAYS).contains(&days.value)) {
        let message = format!("{} days are no time for which a gate may be waived", days.value);
        reading.error(&days.span, message, format!("give a number from 1 to {MOST_DAYS}"));
    }
    if let Some(keys) = keys.as_ref().filter(|keys| keys.value.is_empty()) {
        let help = "pin the fingerprint of a key, or remove [waivers]: then nothing can be waived";
        reading.error(&keys.span, "nobody may waive", help);
    }
    let prints = super::trust::check_fingerprints(reading, &keys);
    // Who asks for a run or judges it must not be able to wave a gate through. The sovereign, who owns the risk, may.
    let roles = trust.map(|trust| [("operator", &trust.operator), ("auditor", &trust.auditor)]);
    for (role, words) in roles.into_iter().flatten() {
        let pinned: Vec<_> = words.iter().flat_map(|words| &words.value).collect();
        for key in keys.iter().flat_map(|keys| &keys.value) {
            let Ok(print) = key.value.parse::<Fingerprint>() else { continue };
            let same = pinned.iter().find(|word| word.value.parse::<Fingerprint>().as_ref() == Ok(&print));
            if let Some(first) = same {
                use crate::package::diagnostic::Diagnostic;
                let message = format!("the key of `{role}` may not waive");
                let diagnostic = Diagnostic::error(reading.file, key.span.clone(), message);
                let diagnostic = diagnostic.related(reading.file, first.span.clone(), "here already");
                reading.report(diagnostic.help("pin another key: nobody waves their own run through"));
            }
        }
    }
    (reading.found.borrow().len() == before).then_some(())?;
    Some(RawWaivers {
        max_days: max_days?.value,
        keys: prints?,
        never: never.map(|never| never.value).unwrap_or_default(),
    })
}
