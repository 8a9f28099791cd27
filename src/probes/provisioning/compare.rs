//! What a gate expects of a path against what it is: one difference at a time, in words.

use super::FileKind;
use crate::evidence::Missing;

/// What differs in one respect: `None` for nothing.
pub(super) type Compared = Result<Option<String>, Missing>;

/// A symlink on the way.
pub(super) fn link(link: Option<&str>) -> Compared {
    Ok(link.map(|link| format!("{link} is a symlink")))
}

/// Another kind of file.
pub(super) fn kind(kind: FileKind, expected: FileKind) -> Compared {
    Ok((kind != expected).then(|| format!("a {}, expected a {}", kind.word(), expected.word())))
}

/// Other mode bits.
pub(super) fn mode(mode: u32, expected: u32) -> Compared {
    Ok((mode != expected).then(|| format!("mode {mode:04o}, expected {expected:04o}")))
}

/// Compares numbers, for one number may have several names.
pub(super) fn id(
    what: &str,
    shown: &Result<String, Missing>,
    id: u32,
    expected: &str,
    expected_id: Result<Option<u32>, Missing>,
) -> Compared {
    let shown = shown.as_ref().map_err(Clone::clone)?;
    Ok(match expected_id? {
        Some(expected_id) if expected_id == id => None,
        Some(_) => Some(format!("{what} {shown}, expected {expected}")),
        None => Some(format!("{what} {shown}, expected {expected}, which does not exist")),
    })
}

/// Everything that differs, in one line, "" for nothing. One known difference decides whatever else is not known;
/// without one, everything must be known.
pub(super) fn judge(compared: Vec<Compared>) -> Result<String, Missing> {
    let differs: Vec<&str> = compared.iter().filter_map(|compared| compared.as_ref().ok()?.as_deref()).collect();
    if differs.is_empty() {
        compared
            .iter()
            .find_map(|compared| compared.as_ref().err())
            .map_or_else(|| Ok(String::new()), |missing| Err(missing.clone()))
    } else {
        Ok(differs.join("; "))
    }
}
