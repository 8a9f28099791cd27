//! Whole audits removed, added, reordered, renumbered and swapped; and a forger who puts the ledger right afterwards, as
//! anybody who may write the folder can.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::Utc;
use cutgate::evidence::{Digest256, canonical_json};
use cutgate::report::{Authorship, Keys, LedgerLine, Published, parse_ledger, verify};

use super::{SIGNED, asked, pinned, protect, run, text};
use crate::audit::Lab;

/// A copy of the three audits.
struct Archive {
    _dir: tempfile::TempDir,
    root: PathBuf,
}

impl Archive {
    fn new() -> Self {
        let dir = SIGNED.copy();
        Self { root: dir.path().join("reports"), _dir: dir }
    }

    fn lines(&self) -> Vec<String> {
        let ledger = fs::read_to_string(self.root.join("ledger.jsonl")).unwrap();
        ledger.split_inclusive('\n').map(str::to_owned).collect()
    }

    fn write(&self, lines: &[String]) {
        fs::write(self.root.join("ledger.jsonl"), lines.concat()).unwrap();
    }

    fn folder(&self, index: usize) -> PathBuf {
        self.root.join(&SIGNED.audits[index])
    }

    /// Changes the ledger, and chains it again as if nothing had been.
    fn forge(&self, change: impl FnOnce(&mut Vec<LedgerLine>)) {
        let bytes = fs::read(self.root.join("ledger.jsonl")).unwrap();
        let mut lines: Vec<_> = parse_ledger(&bytes, &self.root).unwrap().into_iter().map(|(line, _)| line).collect();
        let mut previous = lines[0].previous.clone();
        change(&mut lines);
        let mut written = Vec::new();
        for mut line in lines {
            line.previous = previous;
            let bytes = canonical_json(&line);
            previous = Digest256::of(&bytes);
            written.extend(bytes);
        }
        fs::write(self.root.join("ledger.jsonl"), written).unwrap();
    }

    /// What the program says of the whole archive, for somebody who has the auditor's certificate.
    fn verified(&self) -> (i32, String, String) {
        asked(&self.root, &["--key", SIGNED.lab.path("keys/auditor.asc").to_str().unwrap()])
    }

    fn is_refused(&self, what: &str, expected: &str) {
        let (code, said, errors) = self.verified();
        assert_eq!((code, said.as_str()), (6, ""), "{what}");
        assert!(errors.contains(expected), "{what}: {errors}");
    }
}

/// What is done to a copy.
type Change = fn(&Archive);

fn copy(from: &Path, to: &Path) {
    assert!(std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn whole_audits_that_were_moved_are_seen() {
    assert_eq!(Archive::new().verified().0, 0);
    let table: [(&str, Change, &str); 12] = [
        ("the folder of one is gone", |a| fs::remove_dir_all(a.folder(1)).unwrap(), "it is not there"),
        ("the line of one is gone", |a| a.write(&[a.lines()[0].clone(), a.lines()[2].clone()]), "does not follow"),
        ("the first line is gone", |a| a.write(&a.lines()[1..]), "does not follow"),
        ("the last line is gone", |a| a.write(&a.lines()[..2]), "has no line for it"),
        (
            "folder and line of one are gone",
            |a| {
                fs::remove_dir_all(a.folder(1)).unwrap();
                a.write(&[a.lines()[0].clone(), a.lines()[2].clone()]);
            },
            "does not follow",
        ),
        ("the ledger is empty", |a| a.write(&[]), "names no audit"),
        ("a line is there twice", |a| a.write(&[a.lines(), vec![a.lines()[2].clone()]].concat()), "does not follow"),
        ("lines are in another order", |a| a.write(&[0, 2, 1].map(|at| a.lines()[at].clone())), "does not follow"),
        (
            "one was added",
            |a| copy(&a.folder(0), &a.root.join("0004-20270101T000000Z")),
            "0004-20270101T000000Z: the ledger has no line for it",
        ),
        (
            "one was renumbered",
            |a| fs::rename(a.folder(2), a.root.join(SIGNED.audits[2].replace("0003", "0004"))).unwrap(),
            "it is not there",
        ),
        (
            "two were swapped",
            |a| {
                let aside = a.root.join("aside");
                fs::rename(a.folder(0), &aside).unwrap();
                fs::rename(a.folder(1), a.folder(0)).unwrap();
                fs::rename(&aside, a.folder(1)).unwrap();
            },
            "it is not what was published",
        ),
        ("something lies in one", |a| fs::create_dir(a.folder(0).join("more")).unwrap(), "it is not a regular file"),
    ];
    for (what, change, expected) in table {
        let archive = Archive::new();
        change(&archive);
        archive.is_refused(what, expected);
    }
    // What is there of an archive verifies for itself, and says what is missing.
    let archive = Archive::new();
    fs::remove_dir_all(archive.folder(1)).unwrap();
    let (code, said, _) = asked(&archive.folder(2), &[]);
    assert!(code == 0 && said.contains(&format!("missing: {}", SIGNED.audits[1])), "{said}");
}

/// Somebody who may write the folder, and chains the ledger anew, but has no key.
#[test]
fn a_ledger_that_was_put_right_does_not_help_without_the_key() {
    let table: [(&str, Change, &str); 7] = [
        (
            "one is taken out",
            |a| {
                fs::remove_dir_all(a.folder(1)).unwrap();
                a.forge(|lines| drop(lines.remove(1)));
            },
            "the recorded evidence and rules do not give these bytes",
        ),
        (
            "a report was changed",
            |a| {
                let path = a.folder(2).join("09-final.md");
                let bytes = fs::read_to_string(&path).unwrap().replace("BLOCKED", "ALLOWED").into_bytes();
                fs::write(&path, &bytes).unwrap();
                a.forge(|lines| drop(lines[2].files.insert("09-final.md".to_owned(), Digest256::of(&bytes))));
            },
            "09-final.md.asc: it does not hold for 09-final.md",
        ),
        (
            "a signature is gone",
            |a| {
                fs::remove_file(a.folder(2).join("result.json.asc")).unwrap();
                a.forge(|lines| drop(lines[2].files.remove("result.json.asc")));
            },
            "result.json.asc: it is missing, and the ledger says that every file is signed",
        ),
        (
            "two signatures were swapped",
            |a| {
                let names = ["08-execution-or-approval-ready-result.md.asc", "09-final.md.asc"];
                let [first, second] = names.map(|name| fs::read(a.folder(2).join(name)).unwrap());
                fs::write(a.folder(2).join(names[0]), &second).unwrap();
                fs::write(a.folder(2).join(names[1]), &first).unwrap();
                a.forge(|lines| {
                    lines[2].files.insert(names[0].to_owned(), Digest256::of(&second));
                    lines[2].files.insert(names[1].to_owned(), Digest256::of(&first));
                });
            },
            "it does not hold for",
        ),
        (
            "the ledger names no signer",
            |a| a.forge(|lines| lines[2].signers.clear()),
            "the ledger names no signer, and this is a signature",
        ),
        (
            "all signatures are gone, and what says that there were any",
            |a| {
                for entry in fs::read_dir(a.folder(2)).unwrap() {
                    let path = entry.unwrap().path();
                    if path.extension().is_some_and(|end| end == "asc") {
                        fs::remove_file(path).unwrap();
                    }
                }
                a.forge(|lines| {
                    lines[2].files.retain(|name, _| !name.ends_with(".asc"));
                    lines[2].signers.clear();
                });
            },
            "it names the signer",
        ),
        ("the ledger says another letter", |a| a.forge(|lines| lines[2].letter = "B".to_owned()), "the ledger says B"),
    ];
    for (what, change, expected) in table {
        let archive = Archive::new();
        change(&archive);
        archive.is_refused(what, expected);
    }
    // What a witness is for: nothing in the folder shows that a newest audit was there. It is said.
    let archive = Archive::new();
    fs::remove_dir_all(archive.folder(2)).unwrap();
    archive.write(&archive.lines()[..2]);
    let (code, said, _) = archive.verified();
    assert!(code == 0 && said.contains("that no newer audit was taken away behind 0002 (ledger head "), "{said}");
}

/// Somebody with a key of their own publishes an audit in the same words: it is consistent, and not the auditor's.
#[test]
fn a_forger_with_another_key_is_not_the_auditor() {
    let lab = Lab::new();
    let forger = pinned(&lab, "operator");
    let auditor = pinned(&lab, "auditor");
    // The forger's package says that the forger is the auditor.
    let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
    let swapped = package.replace(&forger, "@").replace(&auditor, &forger).replace('@', &auditor);
    fs::write(lab.path("cutgate.toml"), &swapped).unwrap();
    protect(&lab, &forger);
    run(&lab, "cutgate audit --sign-key auditor.key --passphrase-fd 3 3< passphrase", 1);
    let folder =
        fs::read_dir(lab.path("reports")).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir());
    let folder = folder.unwrap();
    let honest = lab.path("honest.toml");
    fs::write(&honest, package).unwrap();
    let key = SIGNED.lab.path("keys/auditor.asc");
    for more in [["--key", key.to_str().unwrap()], ["-p", honest.to_str().unwrap()]] {
        let (code, _, errors) = asked(&folder, &more);
        assert!(code == 6 && errors.contains(&format!("it is signed by {forger}, and ")), "{errors}");
    }
    let (code, said, _) = asked(&folder, &[]);
    assert!(code == 0 && said.contains("not proved: who made it"), "{said}");
}

/// An unsigned audit is said to be unsigned; who asks for a signature is told that there is none.
#[test]
fn unsigned_is_said_to_be_unsigned() {
    let lab = Lab::new();
    let (_, folder) = lab.audit();
    let (code, said, _) = asked(&folder, &[]);
    assert!(code == 0 && said.contains("not proved: who made it (it is not signed)"), "{said}");
    let key = lab.path("keys/auditor.asc");
    let (code, said, errors) = asked(&folder, &["--key", key.to_str().unwrap()]);
    assert!(code == 6 && said.is_empty() && errors.contains("it is not signed"), "{errors}");

    // The same by another version of the program, whose rules travel in the lock: it is verified, and the version is said.
    let root = lab.path("reports");
    let name = folder.file_name().unwrap().to_str().unwrap();
    let bytes = fs::read(root.join("ledger.jsonl")).unwrap();
    let mut line = parse_ledger(&bytes, &root).unwrap().remove(0).0;
    let this = env!("CARGO_PKG_VERSION");
    for (file, digest) in &mut line.files {
        let content = text(&fs::read(folder.join(file)).unwrap());
        let older = if file == "evidence.json" { content } else { content.replace(this, "0.0.7") };
        *digest = Digest256::of(older.as_bytes());
        fs::write(folder.join(file), older).unwrap();
    }
    fs::write(root.join("ledger.jsonl"), canonical_json(&line)).unwrap();
    let (code, said, errors) = asked(&root.join(name), &[]);
    assert!(code == 0 && said.contains("made by cutgate 0.0.7 at "), "{errors}{said}");
    // Where the older one judged otherwise, the version is part of what is said.
    let path = folder.join("09-final.md");
    let other = fs::read_to_string(&path).unwrap() + "more\n";
    fs::write(&path, &other).unwrap();
    line.files.insert("09-final.md".to_owned(), Digest256::of(other.as_bytes()));
    fs::write(root.join("ledger.jsonl"), canonical_json(&line)).unwrap();
    let (code, _, errors) = asked(&root.join(name), &[]);
    assert!(code == 6 && errors.contains("version 0.0.7 made them"), "{errors}");
}

/// Keys of a package count by their fingerprint, and the certificate may come with the audit when the keyring lacks it.
#[test]
fn a_pinned_fingerprint_needs_no_keyring() {
    let published: Published = SIGNED.published(0);
    let pinned = Keys::Pinned { package: "p".to_owned(), pinned: vec![SIGNED.auditor.clone()], certs: Vec::new() };
    let proved = verify(&published, &pinned, Utc::now()).unwrap();
    let Authorship::Proved(by) = proved.authorship else { panic!("{:?}", proved.authorship) };
    assert_eq!(by.recorded, std::slice::from_ref(&SIGNED.auditor));
}
