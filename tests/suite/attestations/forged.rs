//! Envelopes and checkpoints that someone tampered with who may write everything, the ledger too, and has not the key.

use std::fs;
use std::path::Path;
use std::process::Command;

use cutgate::evidence::canonical_json;
use cutgate::report::{check, envelope_files, holds, seal};
use serde_json::Value as Json;

use super::{accepted, attest, lab, proved, public, refused, relink, signing, text_of, verify};

/// Someone who may write everything, the ledger too, and has not the key.
#[test]
fn forged_envelopes_are_refused() {
    let lab = lab();
    let (first, second) = (attest(&lab, "a.key"), attest(&lab, "a.key"));
    let reports = lab.path("reports");
    let path = |file: &str| lab.path(&format!("{second}/{file}"));
    let given: [&str; 3] = [&second, "--attest-pub", "a.pub"];
    refused(&lab, &[&second, "--attest-pub", "b.pub"], "which is none of those that count here");
    let keep = tempfile::tempdir().unwrap();
    let kept = keep.path().join("reports");
    let copy = |from: &Path, to: &Path| {
        let _ = fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    copy(&reports, &kept);
    let read = |file: &str| fs::read_to_string(path(file)).unwrap();
    let form = |file: &str| serde_json::from_str::<Json>(&read(file)).unwrap();
    let put = |file: &str, form: &Json| fs::write(path(file), canonical_json(form)).unwrap();
    for file in envelope_files() {
        // A flipped byte, whether or not the ledger was written anew.
        for at in [3, 200, read(file).len() - 30] {
            let mut bytes = fs::read(path(file)).unwrap();
            bytes[at] ^= 1;
            fs::write(path(file), bytes).unwrap();
            refused(&lab, &given, file);
            relink(&reports);
            refused(&lab, &[&second], file);
            copy(&kept, &reports);
        }
        let mut other = form(file);
        other["payloadType"] = "text/plain".into();
        put(file, &other);
        relink(&reports);
        refused(&lab, &given, "payload type is \"text/plain\"");
        refused(&lab, &[&second], "payload type is \"text/plain\"");
        copy(&kept, &reports);

        let mut other = form(file);
        let twice = other["signatures"][0].clone();
        other["signatures"].as_array_mut().unwrap().push(twice);
        put(file, &other);
        relink(&reports);
        refused(&lab, &given, "it has 2 signatures");
        refused(&lab, &[&second], "it has 2 signatures");
        copy(&kept, &reports);

        // The envelope of another audit is good, and not of this one.
        fs::copy(lab.path(&format!("{first}/{file}")), path(file)).unwrap();
        relink(&reports);
        refused(&lab, &given, "its subjects are not the published files");
        copy(&kept, &reports);

        // One kind in the place of the other.
        let names: Vec<_> = envelope_files().collect();
        let instead = names.iter().find(|name| **name != file).unwrap();
        fs::copy(path(instead), path(file)).unwrap();
        relink(&reports);
        let why = if *instead == "readiness.intoto.json" { "its predicateType is not" } else { "it names no key" };
        refused(&lab, &given, why);
        copy(&kept, &reports);

        fs::remove_file(path(file)).unwrap();
        refused(&lab, &given, file);
        relink(&reports);
        refused(&lab, &given, &format!("{file}: it is missing"));
        refused(&lab, &[&second], &format!("{file}: it is missing"));
        copy(&kept, &reports);
    }
    // Sealed anew over what is true, by another key: consistent, and not by the key that was given.
    let proved = proved(&lab.path(&second));
    for (file, bytes) in seal(&proved.attested(), &signing(&lab.path(""), "b")) {
        fs::write(path(&file), bytes).unwrap();
    }
    relink(&reports);
    refused(&lab, &given, "which is none of those that count here");
    // That other key's id under the name of the right one.
    let mut named = form("readiness.intoto.json");
    named["signatures"][0]["keyid"] = public(&lab.path(""), "a").keyid().into();
    put("readiness.intoto.json", &named);
    relink(&reports);
    refused(&lab, &given, "it is not signed by the key ");
    copy(&kept, &reports);
    // Both taken away: an audit that was never attested, which is not enough where a key was given.
    envelope_files().for_each(|file| fs::remove_file(path(file)).unwrap());
    relink(&reports);
    refused(&lab, &given, "the audit is not attested");
    copy(&kept, &reports);
    accepted(&lab, &given, &["that was given"]);
    // The same without the program: every bit of both envelopes.
    let (attested, key) = (proved.attested(), public(&lab.path(""), "a"));
    assert!(check(&attested, &proved.envelopes, &[key]).unwrap().is_some());
    for (file, good) in &proved.envelopes {
        for at in (0..good.len()).step_by(7) {
            let mut envelopes = proved.envelopes.clone();
            envelopes.get_mut(file).unwrap()[at] ^= 1 << (at % 8);
            assert!(check(&attested, &envelopes, &[key]).is_err(), "{file}, byte {at}");
        }
    }
}

/// Who kept a checkpoint sees that lines went away or became others, even where everything beside it was written anew.
#[test]
fn a_kept_checkpoint_shows_a_rewritten_ledger() {
    let lab = lab();
    let mut folders = Vec::new();
    for number in 1..=3 {
        folders.push(attest(&lab, "a.key"));
        fs::copy(lab.path("reports/checkpoint"), lab.path(&format!("kept{number}"))).unwrap();
    }
    let good = |folder: &str, kept: &str, said: &str| {
        accepted(&lab, &[folder, "--attest-pub", "a.pub", "--checkpoint", kept], &[said]);
    };
    let bad = |folder: &str, kept: &str, said: &str| {
        refused(&lab, &[folder, "--attest-pub", "a.pub", "--checkpoint", kept], said);
    };
    good(
        &folders[2],
        "kept1",
        "kept1: the ledger holds the 1 line that it was made over, this audit came later, and has 3",
    );
    good(&folders[1], "kept3", "kept3: the ledger holds the 3 lines that it was made over, this audit's among them");
    // An audit that nobody attests goes on in the ledger; the checkpoint is over what came before.
    let (_, plain) = lab.audit();
    good(&folders[2], "kept3", "checkpoint: the ledger holds the 3 lines");
    accepted(&lab, &[plain.to_str().unwrap()], &["checkpoint: the ledger holds the 3 lines", "this audit came later"]);
    refused(&lab, &[plain.to_str().unwrap(), "--attest-pub", "a.pub"], "the audit is not attested");

    // The last two audits taken away, with the checkpoint of that time put back: all that lies there fits.
    let ledger = fs::read_to_string(lab.path("reports/ledger.jsonl")).unwrap();
    let lines = |count: usize| ledger.split_inclusive('\n').take(count).collect::<String>();
    fs::write(lab.path("reports/ledger.jsonl"), lines(2)).unwrap();
    refused(&lab, &[&folders[0]], "lines are gone: it was signed over 3 lines, and the ledger has 2");
    fs::copy(lab.path("kept2"), lab.path("reports/checkpoint")).unwrap();
    accepted(&lab, &[&folders[0], "--attest-pub", "a.pub"], &["the 2 lines"]);
    bad(&folders[0], "kept3", "kept3: lines are gone: it was signed over 3 lines, and the ledger has 2");
    good(&folders[0], "kept2", "this audit's among them");
    // An older checkpoint alone put back.
    fs::write(lab.path("reports/ledger.jsonl"), lines(3)).unwrap();
    refused(&lab, &[&folders[2]], "it is over 2 lines, and this audit is line 3");
    fs::copy(lab.path("kept3"), lab.path("reports/checkpoint")).unwrap();

    // A line in the middle rewritten, everything after it chained anew.
    fs::write(lab.path(&format!("{}/result.json", folders[1])), "{}").unwrap();
    relink(&lab.path("reports"));
    refused(&lab, &[&folders[0]], "the ledger was rewritten: the root over its first 3 lines");
    fs::remove_file(lab.path("reports/checkpoint")).unwrap();
    refused(&lab, &[&folders[0]], "checkpoint: it is missing, and every attested audit leaves one");
    bad(&folders[0], "kept3", "checkpoint: it is missing");
    // With a checkpoint that the forger signs it is all the same.
    let rewritten = fs::read(lab.path("reports/ledger.jsonl")).unwrap();
    assert!(holds(&fs::read(lab.path("kept1")).unwrap(), &rewritten, &[public(&lab.path(""), "a")]).is_ok());
    fs::copy(lab.path("kept1"), lab.path("reports/checkpoint")).unwrap();
    bad(&folders[0], "kept3", "kept3: the ledger was rewritten: the root over its first 3 lines");

    // What is no checkpoint of this ledger by this key.
    fs::write(lab.path("reports/ledger.jsonl"), lines(3)).unwrap();
    fs::copy(lab.path("kept3"), lab.path("reports/checkpoint")).unwrap();
    let other = self::lab();
    attest(&other, "a.key");
    fs::copy(other.path("reports/checkpoint"), lab.path("other")).unwrap();
    fs::copy(other.path("a.pub"), lab.path("other.pub")).unwrap();
    bad(&folders[0], "other", "other: none of the keys that count here signed it");
    refused(
        &lab,
        &[&folders[0], "--attest-pub", "a.pub", "--attest-pub", "other.pub", "--checkpoint", "other"],
        "other: it is of another ledger",
    );
    bad(&folders[0], "cutgate.toml", "cutgate.toml: it is no signed note");
    let note = fs::read_to_string(lab.path("kept3")).unwrap();
    for (name, text) in [
        ("size", note.replacen("\n3\n", "\n2\n", 1)),
        ("unsigned", note.split_once("\n\n").unwrap().0.to_owned() + "\n"),
        ("long", format!("{note}{}", "x".repeat(70_000))),
    ] {
        fs::write(lab.path(name), text).unwrap();
        let output = verify(&lab, &[&folders[0], "--attest-pub", "a.pub", "--checkpoint", name]);
        let expected = if name == "long" { 2 } else { 6 };
        assert_eq!(output.status.code(), Some(expected), "{name}: {}", text_of(&output));
    }
    // A witness's signature below ours says nothing, and takes nothing away.
    let witness = "— witness.example/w AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    fs::write(lab.path("cosigned"), format!("{note}{witness}")).unwrap();
    good(&folders[0], "cosigned", "cosigned: the ledger holds the 3 lines");
    // Each byte of the one that lies there.
    let good = fs::read(lab.path("reports/checkpoint")).unwrap();
    for at in (0..good.len()).step_by(29) {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(lab.path("reports/checkpoint"), bytes).unwrap();
        refused(&lab, &[&folders[0], "--attest-pub", "a.pub"], "checkpoint");
    }
    fs::write(lab.path("reports/checkpoint"), &good).unwrap();
    let output = verify(&lab, &[&folders[0], "--checkpoint", "kept1"]);
    assert_eq!(output.status.code(), Some(2), "a checkpoint is worth nothing without the key: {}", text_of(&output));
}
