//! A signed audit with one bit or byte changed, everywhere: each change is seen, and named.

use std::path::Path;
use std::process::Command;

use chrono::Utc;
use cutgate::report::{Published, is_published, parse_ledger, verify};

use super::{SIGNED, asked};

/// Files up to this size have every bit flipped, larger ones every byte.
const SMALL: usize = 16 << 10;

/// Runs `work` for every index below `count`, on two threads.
fn on_both(count: usize, work: impl Fn(usize) + Sync) {
    std::thread::scope(|scope| {
        for first in 0..2 {
            let work = &work;
            scope.spawn(move || (first..count).step_by(2).for_each(work));
        }
    });
}

/// What `verify` does with each file of its own, for every bit of the small files and every byte of the large ones.
#[test]
fn every_flip_in_a_published_file_is_seen() {
    let published = SIGNED.published(0);
    let line = parse_ledger(&published.ledger, &published.ledger_path).unwrap().remove(0).0;
    let (mut bits, mut bytes) = (0, 0);
    for (name, good) in &published.files {
        assert!(is_published(&line, name, Some(good)).is_ok());
        let small = good.len() <= SMALL;
        on_both(good.len(), |at| {
            let mut bad = good.clone();
            for bit in 0..8 {
                bad[at] = good[at] ^ (1 << bit);
                // One flip for each byte of a large file, another bit from byte to byte.
                if small || bit == at % 8 {
                    assert!(is_published(&line, name, Some(&bad)).is_err(), "{name}: bit {bit} of byte {at}");
                }
            }
        });
        *(if small { &mut bits } else { &mut bytes }) += good.len();
    }
    assert!(bits > 60_000 && bytes > 250_000, "{bits} {bytes}");
}

fn refused(published: &Published) -> Option<String> {
    verify(published, &SIGNED.keys(), Utc::now()).err().map(|error| error.to_string())
}

#[test]
fn every_flip_in_the_ledger_is_seen() {
    let mut good = SIGNED.published(1);
    // Two lines: one that another follows, and the last.
    let third = good.ledger.len() - good.ledger.rsplitn(3, |byte| *byte == b'\n').nth(1).unwrap().len() - 1;
    good.ledger.truncate(third);
    assert_eq!(refused(&good), None);
    assert_eq!(good.ledger.iter().filter(|byte| **byte == b'\n').count(), 2);
    on_both(good.ledger.len(), |at| {
        let mut bad = good.clone();
        for bit in 0..8 {
            bad.ledger[at] = good.ledger[at] ^ (1 << bit);
            assert!(refused(&bad).is_some(), "bit {bit} of byte {at}: {:?}", &good.ledger[at.saturating_sub(40)..at]);
        }
    });
}

/// The whole of `verify`, from the disk, for some flips of each file; the real program for one of each.
#[test]
fn flips_have_exit_code_6_and_the_files_name() {
    let key = SIGNED.lab.path("keys/auditor.asc");
    let key = key.to_str().unwrap();
    let published = SIGNED.published(1);
    for (index, (name, good)) in published.files.iter().enumerate() {
        let copy = SIGNED.copy();
        let folder = copy.path().join("reports").join(&published.folder);
        for step in 0..5 {
            let at = (good.len() - 1) * step / 4;
            let mut bad = good.clone();
            bad[at] ^= 1 << (index % 8);
            std::fs::write(folder.join(name), &bad).unwrap();
            let changed = Published::read(&folder).unwrap();
            let said = refused(&changed).unwrap_or_else(|| panic!("{name}: byte {at}"));
            assert!(said.starts_with(&format!("{name}: ")), "{said}");
        }
        if index % 3 == 0 {
            let (code, said, errors) = asked(&folder, &["--key", key]);
            assert_eq!((code, said.as_str()), (6, ""), "{name}");
            assert!(errors.contains(name.as_str()), "{errors}");
        }
    }
}

/// What a signature does not cover in its own armor can be changed without harm to it; the ledger's digest sees that.
#[test]
fn a_signature_that_still_holds_is_seen_to_be_another() {
    let mut published = SIGNED.published(0);
    let name = "09-final.md.asc";
    let text = String::from_utf8(published.files[name].clone()).unwrap();
    let other = text.replacen("-----BEGIN PGP SIGNATURE-----\n", "-----BEGIN PGP SIGNATURE-----\nComment: x\n", 1);
    assert_ne!(text, other);
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    put("data", &published.files["09-final.md"]);
    put("data.asc", other.as_bytes());
    let still = crate::signing::peers::verify(
        "gpg",
        &SIGNED.lab.path("keys/auditor.asc"),
        &dir.path().join("data.asc"),
        Path::new(&dir.path().join("data")),
    );
    assert!(still.status.success());
    published.files.insert(name.to_owned(), other.into_bytes());
    assert!(refused(&published).unwrap().starts_with(&format!("{name}: it is not what was published")));
}

/// Verifying changes nothing and leaves nothing.
#[test]
fn verify_writes_nothing() {
    let copy = SIGNED.copy();
    let list = || {
        let output = Command::new("find").arg(copy.path()).args(["-printf", "%p %m %s %T@ %C@\n"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let before = list();
    assert_eq!(asked(&copy.path().join("reports"), &[]).0, 0);
    assert_eq!(list(), before);
}
