//! Keyboxes that were damaged.

use cutgate::evidence::{Fact, MissingState};
use serde_json::json;

use super::{KEYBOX, Room, Truth, asked, home_then, home_with, matrix, state};
use crate::harness::{self, open_dir};
use crate::keyring::missing;

/// Where the blobs of a keybox begin, and its length.
fn edges(bytes: &[u8]) -> Vec<usize> {
    let mut edges = vec![32];
    while let Some(at) = edges.last().copied().filter(|at| *at < bytes.len()) {
        edges.push(at + u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize);
    }
    edges
}

/// A home with a keybox that was changed behind gpg's back.
fn damaged(names: &'static [&'static str], copy: bool, change: impl Fn(&mut Vec<u8>)) -> impl Fn(&Room) {
    home_then(names, move |room| {
        let mut bytes = std::fs::read(room.host(KEYBOX)).expect("keybox");
        change(&mut bytes);
        std::fs::write(room.host(KEYBOX), bytes).expect("write");
        if !copy {
            std::fs::remove_file(room.host(format!("{KEYBOX}~"))).expect("gpg keeps a copy");
        }
    })
}

#[test]
fn damage() {
    let row = |words: &'static str, truth: Truth, make: Box<dyn Fn(&Room)>| {
        state(words, truth, make)
            .mask(r"\b[0-9A-F]{40}\b", "<other-key>")
            .mask(r"\b\d+ bytes\b", "<n> bytes")
            .mask(r"at byte \d+", "at byte <n>")
            .mask(r"the file has \d+", "the file has <n>")
    };
    let flip = |at: usize| Box::new(damaged(&["good"], true, move |bytes| bytes[at] ^= 1));
    let cut = |names, copy, keep: usize| {
        Box::new(damaged(names, copy, move |bytes| bytes.truncate(edges(bytes)[keep]))) as Box<dyn Fn(&Room)>
    };
    let table = asked("/var/lib/cutter/gnupg").table([
        row("a bit of a blob's length is flipped", Truth::CannotBeKnown, flip(35)),
        row("a bit of a blob's version is flipped", Truth::CannotBeKnown, flip(37)),
        row("a bit of the key is flipped", Truth::CannotBeKnown, flip(300)),
        row("a bit of the header's magic is flipped", Truth::CannotBeKnown, flip(8)),
        row("a bit of the header's date is flipped: it says nothing of the keys", Truth::Holds, flip(19)),
        row(
            "cut inside the header",
            Truth::CannotBeKnown,
            Box::new(damaged(&["good"], true, |bytes| bytes.truncate(20))),
        ),
        row(
            "cut inside a blob",
            Truth::CannotBeKnown,
            Box::new(damaged(&["good"], true, |bytes| {
                bytes.truncate(bytes.len() - 1);
            })),
        ),
        row("cut to nothing", Truth::CannotBeKnown, Box::new(damaged(&["good"], true, Vec::clear))),
        row("cut after the header, gpg's copy beside it", Truth::CannotBeKnown, cut(&["good"], true, 0)),
        row(
            "cut between two blobs, the pinned key lost, gpg's copy beside it",
            Truth::CannotBeKnown,
            Box::new(damaged(&["good", "other"], true, |bytes| {
                let second = edges(bytes)[1];
                bytes.drain(32..second);
            })),
        ),
        row(
            "cut between two blobs, another key lost, gpg's copy beside it",
            Truth::CannotBeKnown,
            cut(&["good", "other"], true, 1),
        ),
        row(
            "cut between two blobs, the pinned key lost, no copy: nothing in the format tells, and gpg sees no more",
            Truth::Fails,
            Box::new(damaged(&["good", "other"], false, |bytes| {
                let second = edges(bytes)[1];
                bytes.drain(32..second);
            })),
        ),
        row(
            "gpg's copy is damaged itself: it is a witness, no part of the ring",
            Truth::Holds,
            Box::new(home_then(&["good"], |room| room.write(&format!("{KEYBOX}~"), "damaged"))),
        ),
        row(
            "bytes behind the last blob",
            Truth::CannotBeKnown,
            Box::new(damaged(&["good"], true, |bytes| bytes.push(0))),
        ),
    ]);
    let about = "A keybox that was damaged. Beside these rows the test `every_byte_of_a_keybox` alters every byte of one in \
                 two ways: what comes back is the sound list, or nothing.";
    matrix("openpgp-keyring: damage", about, vec![table]);
}

/// One bit and all bits of each byte: the sound facts, or none. The one exception is what gpg itself writes to delete a
/// key, and that is told in `ignored`.
#[test]
fn every_byte_of_a_keybox() {
    let room = Room::new(true);
    home_with(&["good", "compromised"])(&room);
    let sound = std::fs::read(room.host(KEYBOX)).expect("keybox");
    let dir = open_dir();
    let ring = dir.path().join("ring");
    let look = |bytes: &[u8]| {
        std::fs::write(&ring, bytes).expect("write");
        harness::collect("openpgp-keyring", dir.path(), json!({ "home": "ring" })).expect("facts")
    };
    let prints = |facts: &Fact| facts.get("fingerprints").cloned();
    let expected = prints(&look(&sound));
    let starts: Vec<usize> = edges(&sound).into_iter().filter(|at| *at < sound.len()).collect();
    let mut harmless = 0;
    for at in 0..sound.len() {
        for mask in [1_u8 << (at % 8), 0xff] {
            let mut bytes = sound.clone();
            bytes[at] ^= mask;
            let facts = look(&bytes);
            if matches!(facts.get("certs"), Some(Fact::Missing(_))) {
                let missing = missing(facts.get("certs"));
                assert_eq!(missing.state, MissingState::Unreadable, "byte {at} ^ {mask:#x}");
            } else if prints(&facts) == expected {
                assert!(at < 32, "only the header has no checksum: byte {at} ^ {mask:#x}");
                harmless += 1;
            } else {
                let deletes = starts.iter().any(|start| start + 4 == at) && mask == 2;
                let told = facts.get("ignored") == Some(&Fact::texts(["deleted blobs: 1"]));
                assert!(deletes && told, "byte {at} ^ {mask:#x}: {facts:#?}");
            }
        }
    }
    assert!(harmless > 0, "dates and flags of the header say nothing of the keys");
}
