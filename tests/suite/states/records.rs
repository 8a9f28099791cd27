//! `drill-record` and `dry-run-record` in every state; the signatures are made by the real gpg.

use std::os::unix::fs::symlink;
use std::sync::LazyLock;

use chrono::{Duration, Utc};
use cutgate::evidence::canonical_json;
use serde_json::{Value, json};

use super::{Asked, Room, Truth, matrix, state};
use crate::keyring::Home;

const FILE: &str = "srv/records/a.json";

/// What the records of all rows are made of.
struct Made {
    drill: Vec<u8>,
    dry_run: Vec<u8>,
    ring: Vec<u8>,
    operator: String,
    /// Signatures over the drill: by the operator, a stranger, a key that expired since, one that was revoked since.
    signatures: [Vec<u8>; 4],
    /// All of those keys.
    pinned: Vec<String>,
    stranger: String,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let drill = canonical_json(&with(&[]));
    let finished = (Utc::now() - Duration::hours(1)).to_rfc3339();
    let counts = json!({"information_unit": 12, "unit_version": 30});
    let dry_run = canonical_json(&json!({
        "format": "cutgate-dry-run/1", "kind": "dry-run", "tree_digest": "0".repeat(64), "target": "ICX-7",
        "host": "here", "started": finished, "finished": finished, "mode": "DRYRUN", "phases": ["cut_leg_a"],
        "counts_before": counts, "counts_after": counts,
    }));
    let home = Home::new();
    let in_2020 = Some("20200101T000000");
    let (operator, stranger) = (home.make_good("operator"), home.make_good("stranger"));
    let (expired, revoked) = (home.make("expired", "ed25519", "cert,sign", "1y", in_2020), home.make_good("revoked"));
    let signatures = [
        home.sign(&operator, &drill, &[]),
        home.sign(&stranger, &drill, &[]),
        home.sign(&expired, &drill, &["--faked-system-time", "20200601T000000"]),
        home.sign(&revoked, &drill, &[]),
    ];
    home.revoke(&revoked, "1");
    let ring = home.gpg(&["--batch", "--export"], b"").stdout;
    Made { drill, dry_run, ring, pinned: vec![operator.clone(), expired, revoked], operator, stranger, signatures }
});

/// A drill that proves a revert, with some fields changed.
fn with(changes: &[(&str, Value)]) -> Value {
    let finished = Utc::now() - Duration::hours(1);
    let phase =
        json!({"name": "cut_leg_a", "before": "sha256:aa", "mutated": "m", "after": "sha256:aa", "reverted": true});
    let mut record = json!({
        "format": "cutgate-drill/1", "kind": "revert-drill", "tree_digest": "0".repeat(64), "target": "ICX-7",
        "host": "here", "operator": "huy", "started": (finished - Duration::minutes(10)).to_rfc3339(),
        "finished": finished.to_rfc3339(), "level": "E3", "restore_compared": true, "phases": [phase],
    });
    for (name, value) in changes {
        record[*name] = value.clone();
    }
    record
}

/// The keyring and the words that every row has.
fn prepare(room: &Room) {
    room.word("tree", "0".repeat(64));
    for (name, print) in ["operator", "expired-signer", "revoked-signer"].into_iter().zip(&MADE.pinned) {
        room.word(name, print.clone());
    }
    room.word("stranger", MADE.stranger.clone());
    assert_eq!(MADE.operator, MADE.pinned[0]);
    room.write("srv/ring", &MADE.ring);
    room.dir("srv/records", 0o755);
}

/// The record with the signature of that number.
fn signed(number: usize) -> impl Fn(&Room) {
    signed_and(number, |_| ())
}

fn signed_and(number: usize, change: impl Fn(&Room)) -> impl Fn(&Room) {
    move |room| {
        prepare(room);
        room.write(FILE, &MADE.drill);
        room.write(&format!("{FILE}.asc"), &MADE.signatures[number]);
        change(room);
    }
}

/// These bytes in place of the record, without a signature.
fn bytes(bytes: impl AsRef<[u8]> + 'static) -> impl Fn(&Room) {
    move |room| {
        prepare(room);
        room.write(FILE, &bytes);
    }
}

fn record(changes: &[(&str, Value)]) -> impl Fn(&Room) + use<> {
    bytes(canonical_json(&with(changes)))
}

fn asked(kind: &'static str, rule: &str) -> Asked {
    let settings = "path = \"/srv/records\"\nkeyring = \"/srv/ring\"\n\
                    pinned = [\"<operator>\", \"<expired-signer>\", \"<revoked-signer>\"]";
    let says = r#"{size(p.records)} records: {p.records.map(r, "tree " + r.tree_digest + ", host " + r.host + ", finished " + string(r.finished) + ", " + r.signature + ": " + r.signature_reason)}"#;
    Asked::of(kind, settings).rule(rule).shows(&["present", "records"]).says(says)
}

const PROVES: &str = r#"p.records.exists(r, r.tree_digest == "<tree>" && r.host == "here" && r.level >= 3 && r.every_phase_equal
    && now - r.finished <= duration("24h"))"#;

const SIGNED: &str = r#"p.records.exists(r, r.tree_digest == "<tree>" && r.signature == "valid")"#;

#[test]
fn drills() {
    let old = json!("2020-01-01T00:00:00Z");
    let soon = json!((Utc::now() + Duration::hours(30)).to_rfc3339());
    let phase = |after: &str, reverted: bool| json!([{"name": "cut_leg_a", "before": "x", "mutated": "m", "after": after, "reverted": reverted}]);
    let mut short = with(&[]);
    short.as_object_mut().expect("an object").remove("level");
    let twice = String::from_utf8(canonical_json(&with(&[]))).expect("text").replacen('{', "{\"host\":\"twice\",", 1);
    let half = canonical_json(&with(&[]))[..80].to_vec();
    let closed = |path: &'static str| signed_and(0, move |room| room.mode(path, 0o000));
    let mut asked_proof = asked("drill-record", PROVES);
    asked_proof.shows = vec!["present"];
    asked_proof.says = r#"{size(p.records)} records: {p.records.map(r, "tree " + r.tree_digest + ", host " + r.host + ", finished " + string(r.finished) + ", level E" + string(r.level) + ", every phase equal: " + string(r.every_phase_equal))}"#.to_owned();
    let proof = asked_proof.table([
        state("a drill of this tree, on this host", Truth::Holds, record(&[])),
        state("of another tree", Truth::Fails, record(&[("tree_digest", json!("f".repeat(64)))])),
        state("on another host", Truth::Fails, record(&[("host", json!("elsewhere"))])),
        state("stale", Truth::Fails, record(&[("started", old.clone()), ("finished", old.clone())])),
        state(
            "authored only: level E0, no phase",
            Truth::Fails,
            record(&[("level", json!("E0")), ("phases", json!([]))]),
        ),
        state("a phase is not as it was", Truth::Fails, record(&[("phases", phase("y", true))])),
        state("a phase was not reverted", Truth::Fails, record(&[("phases", phase("x", false))])),
        state("an empty folder", Truth::Fails, prepare),
        state("a dry run in its place", Truth::Fails, |room| {
            prepare(room);
            room.write(FILE, &MADE.dry_run);
        }),
        state("no such folder, the one above can be searched", Truth::CannotBeKnown, |room| {
            prepare(room);
            std::fs::remove_dir(room.host("srv/records")).expect("rmdir");
        }),
        state("dated in the future: one of two clocks is wrong", Truth::CannotBeKnown, record(&[("finished", soon)])),
        state("finished before it started", Truth::CannotBeKnown, record(&[("finished", old)])),
        state("an unknown format", Truth::CannotBeKnown, record(&[("format", json!("cutgate-drill/2"))])),
        state("an unknown field", Truth::CannotBeKnown, record(&[("note", json!("x"))])),
        state("a field is missing", Truth::CannotBeKnown, bytes(canonical_json(&short))),
        state("a field twice", Truth::CannotBeKnown, bytes(twice)),
        state("half a record", Truth::CannotBeKnown, bytes(half)),
        state("an empty file", Truth::CannotBeKnown, bytes("")),
        state("no JSON", Truth::CannotBeKnown, bytes("level: E3\n")),
        state("not UTF-8", Truth::CannotBeKnown, bytes(b"\xff\xfe{\0}\0")),
        state("a broken record beside one that proves", Truth::Holds, |room| {
            record(&[])(room);
            room.write("srv/records/half.json", "{");
        }),
        state("a record of 100 MB", Truth::CannotBeKnown, |room| {
            prepare(room);
            room.sparse(FILE, 100 << 20);
        }),
        state("a FIFO", Truth::CannotBeKnown, |room| {
            prepare(room);
            room.fifo(FILE);
        }),
        state("a link that leads nowhere", Truth::CannotBeKnown, |room| {
            prepare(room);
            symlink("gone.json", room.host(FILE)).expect("link");
        }),
        state("the folder may not be listed", Truth::CannotBeKnown, closed("srv/records")).as_nobody(),
        state("the record may not be read", Truth::CannotBeKnown, closed(FILE)).as_nobody(),
        state(
            "a record beside it may not be read",
            Truth::CannotBeKnown,
            signed_and(0, |room| {
                room.write("srv/records/b.json", "x");
                room.mode("srv/records/b.json", 0o000);
            }),
        )
        .as_nobody(),
    ]);
    let mut asked_signature = asked("drill-record", SIGNED);
    asked_signature.shows = vec!["present", "records.0.signature"];
    let signature = asked_signature.table([
        state("signed by a pinned key", Truth::Holds, signed(0)),
        state("not signed", Truth::Fails, record(&[])),
        state("signed by a key that is not pinned", Truth::Fails, signed(1)),
        state("signed by a pinned key that expired since", Truth::Fails, signed(2)),
        state("signed by a pinned key that was revoked since", Truth::Fails, signed(3)),
        state(
            "changed after it was signed",
            Truth::Fails,
            signed_and(0, |room| {
                let text = String::from_utf8(MADE.drill.clone()).expect("text");
                room.write(FILE, text.replace("\"E3\"", "\"E4\""));
            }),
        ),
        state(
            "the signature is a text",
            Truth::Fails,
            signed_and(0, |room| room.write(&format!("{FILE}.asc"), "signed, huy\n")),
        ),
        state(
            "half a signature",
            Truth::Fails,
            signed_and(0, |room| {
                room.write(&format!("{FILE}.asc"), &MADE.signatures[0][..100]);
            }),
        ),
        state("the signature may not be read", Truth::CannotBeKnown, closed("srv/records/a.json.asc")).as_nobody(),
        state("the keyring may not be read", Truth::CannotBeKnown, closed("srv/ring")).as_nobody(),
        state(
            "no keyring",
            Truth::CannotBeKnown,
            signed_and(0, |room| {
                std::fs::remove_file(room.host("srv/ring")).expect("remove");
            }),
        ),
        state(
            "a damaged keyring",
            Truth::CannotBeKnown,
            signed_and(0, |room| {
                room.write("srv/ring", &MADE.ring[..MADE.ring.len() - 1]);
            }),
        )
        .mask(r"at byte \d+", "at byte <n>")
        .mask(r"\d+ bytes", "<n> bytes")
        .mask(r"of which \d+", "of which <n>"),
    ]);
    let about = "Whether a drill proves the revert, and whether an operator signed it. A file that cannot be understood may have \
                 been a record of anything: the list ends in a hole then.";
    matrix("drill-record", about, vec![proof, signature]);
}

#[test]
fn dry_runs() {
    let dry = |changes: &[(&str, Value)]| {
        let mut record: Value = serde_json::from_slice(&MADE.dry_run).expect("JSON");
        changes.iter().for_each(|(name, value)| record[*name] = value.clone());
        bytes(canonical_json(&record))
    };
    let rule = r#"p.records.exists(r, r.tree_digest == "<tree>" && r.host == "here" && r.mode == "DRYRUN" && r.counts_equal
    && now - r.finished <= duration("24h"))"#;
    let mut asked = asked("dry-run-record", rule);
    asked.shows = vec!["present"];
    asked.says = r#"{size(p.records)} records: {p.records.map(r, "tree " + r.tree_digest + ", host " + r.host + ", finished " + string(r.finished) + ", mode " + r.mode + ", counts equal: " + string(r.counts_equal))}"#.to_owned();
    let old = json!("2020-01-01T00:00:00Z");
    let soon = json!((Utc::now() + Duration::hours(30)).to_rfc3339());
    let table = asked.table([
        state("a dry run of this tree that changed nothing", Truth::Holds, dry(&[])),
        state(
            "row counts differ",
            Truth::Fails,
            dry(&[("counts_after", json!({"information_unit": 13, "unit_version": 30}))]),
        ),
        state(
            "a table was not counted afterwards",
            Truth::Fails,
            dry(&[("counts_after", json!({"information_unit": 12}))]),
        ),
        state("nothing was counted", Truth::Fails, dry(&[("counts_before", json!({})), ("counts_after", json!({}))])),
        state("not in the mode DRYRUN", Truth::Fails, dry(&[("mode", json!("LIVE"))])),
        state("of another tree", Truth::Fails, dry(&[("tree_digest", json!("f".repeat(64)))])),
        state("on another host", Truth::Fails, dry(&[("host", json!("elsewhere"))])),
        state("stale", Truth::Fails, dry(&[("started", old.clone()), ("finished", old)])),
        state("an empty folder", Truth::Fails, prepare),
        state("dated in the future", Truth::CannotBeKnown, dry(&[("finished", soon)])),
        state("a count is no whole number", Truth::CannotBeKnown, dry(&[("counts_after", json!({"a": 1.5}))])),
        state("half a record", Truth::CannotBeKnown, bytes(&MADE.dry_run[..80])),
        state("not UTF-8", Truth::CannotBeKnown, bytes(b"\xff\xfe")),
        state("the record may not be read", Truth::CannotBeKnown, |room| {
            prepare(room);
            room.write(FILE, &MADE.dry_run);
            room.mode(FILE, 0o000);
        })
        .as_nobody(),
    ]);
    matrix("dry-run-record", "Whether the tree was run dry and left every row count as it was.", vec![table]);
}
