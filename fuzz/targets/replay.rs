//! Published folders. Whatever lies in one, the replay ends; and where it says that everything is proved, one
//! more byte in any file is noticed.

use std::collections::BTreeMap;

use cutgate::probes::Secrets;
use cutgate::report::{Claim, Keys, replay};

use super::{files, folder, now, write};

pub fn run(data: &[u8]) {
    let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    let named = files("evidence.json", data).into_iter();
    let named = named.filter(|(name, _)| plain(name) && name.len() < 60 && !name.starts_with('.'));
    let files: BTreeMap<String, Vec<u8>> = named.map(|(name, bytes)| (name, bytes.to_vec())).collect();
    let dir = folder();
    let claim = Claim::take(dir.path(), now()).expect("a number");
    let published =
        claim.publish(&files, "C", "BLOCKED_WITH_EXACT_O8_GAP", &[], &Secrets::default()).expect("published");
    let Ok(proved) = replay(&published, &Keys::None, now()) else { return };
    assert_eq!(proved.files, files.keys().cloned().collect::<Vec<_>>());
    for (name, bytes) in &files {
        write(published.join(name), &[bytes.as_slice(), b" "].concat());
        assert!(replay(&published, &Keys::None, now()).is_err(), "{name} was changed");
        write(published.join(name), bytes);
    }
}
