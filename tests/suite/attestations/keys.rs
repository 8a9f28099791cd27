//! The keys that attest: checked before anything is read, pinned in a package, and published nowhere.

use std::fs;
use std::process::Command;

use super::{accepted, attest, lab, public, refused, text, text_of, verify};

/// A wrong key is found before anything is read or published, and a right one is published nowhere.
#[test]
fn keys_are_checked_first_and_stay_where_they_are() {
    let lab = lab();
    let script = "openssl genpkey -algorithm x25519 -out other.key && \
                  openssl pkey -in a.key -aes256 -passout pass:secret -out locked.key && cat a.key b.key > two.key && \
                  head -c 60 a.key > cut.key && mkfifo fifo.key && openssl genrsa -out rsa.key 2048 2> /dev/null";
    let made = Command::new("sh").args(["-c", script]).current_dir(lab.path("")).status().unwrap();
    assert!(made.success());
    for (key, expected) in [
        ("a.pub", "a.pub: it holds no PRIVATE KEY; make one with openssl genpkey -algorithm ed25519"),
        ("other.key", "it is no Ed25519 key"),
        ("rsa.key", "it is no Ed25519 key"),
        ("locked.key", "it needs a passphrase, and nobody is asked for one"),
        ("two.key", "more than one PEM block"),
        ("cut.key", "it is damaged"),
        ("fifo.key", "it is not a regular file"),
        ("nowhere", "cannot read nowhere"),
        ("cutgate.toml", "it holds no PRIVATE KEY"),
    ] {
        let output = lab.cutgate(&["audit", "--attest-key", key]);
        assert_eq!(output.status.code(), Some(2), "{key}: {}", text_of(&output));
        assert!(text(&output.stderr).contains(expected), "{key}: {}", text(&output.stderr));
        assert!(!lab.path("reports").exists(), "{key}");
    }
    let output = lab.cutgate(&["audit", "--only", "GAP-1", "--attest-key", "a.key"]);
    assert_eq!(output.status.code(), Some(2), "{}", text_of(&output));
    let folder = attest(&lab, "a.key");
    for (key, code) in [("a.key", 2), ("other.key", 2), ("nowhere", 2)] {
        let output = verify(&lab, &[&folder, "--attest-pub", key]);
        assert_eq!(output.status.code(), Some(code), "{key}: {}", text_of(&output));
    }
    let pem = fs::read_to_string(lab.path("a.key")).unwrap();
    let secret = pem.lines().nth(1).unwrap();
    let published: Vec<_> = walkdir::WalkDir::new(lab.path("reports"))
        .into_iter()
        .filter_map(|entry| fs::read(entry.unwrap().path()).ok())
        .collect();
    assert!(published.len() > 14);
    assert!(published.iter().all(|bytes| !String::from_utf8_lossy(bytes).contains(secret)));
    // A document of the host that holds the key stops the publication.
    let quoted = format!("---\ntitle: {secret}\nkind: approval\ngate: SG_1_cut_authz\n---\n\napproval\n");
    fs::write(lab.path("kb/approvals/leak.md"), quoted).unwrap();
    let output = lab.cutgate(&["audit", "--attest-key", "a.key"]);
    assert_eq!(output.status.code(), Some(2), "{}", text_of(&output));
    assert!(text(&output.stderr).contains("a secret value that the audit met"), "{}", text(&output.stderr));
    fs::remove_file(lab.path("kb/approvals/leak.md")).unwrap();
    assert!(Command::new("chmod").args(["644"]).arg(lab.path("a.key")).status().unwrap().success());
    let output = lab.cutgate(&["audit", "--attest-key", "a.key"]);
    assert!(text(&output.stderr).contains("chmod 600 a.key"), "{}", text(&output.stderr));
}

/// Who is pinned in the package must attest every audit of it, and nobody else can.
#[test]
fn a_package_may_pin_who_attests() {
    let lab = lab();
    let unattested = lab.audit().1;
    let pin = |keys: &str| {
        let package = fs::read_to_string(lab.path("cutgate.toml")).unwrap();
        let lines = package.lines().filter(|line| !line.starts_with("attestor = "));
        let pinned = lines.map(|line| match line {
            "[trust]" => format!("[trust]\nattestor = [{keys}]\n"),
            line => format!("{line}\n"),
        });
        fs::write(lab.path("cutgate.toml"), pinned.collect::<String>()).unwrap();
    };
    let quoted = |name: &str| format!("\"{}\"", public(&lab.path(""), name).hex());
    for (keys, expected) in [
        ("\"0123abc\"".to_owned(), "is not 64 lower-case hex digits of an Ed25519 public key"),
        (quoted("a").to_uppercase(), "is not 64 lower-case hex digits of an Ed25519 public key"),
        (format!("{0}, {0}", quoted("a")), "this key is pinned twice"),
    ] {
        pin(&keys);
        let output = lab.cutgate(&["gates", "check"]);
        assert_eq!(output.status.code(), Some(2), "{keys}");
        assert!(text(&output.stderr).contains(expected), "{keys}: {}", text(&output.stderr));
    }
    pin(&quoted("a"));
    for (args, expected) in [
        (&["audit"][..], "name the key with --attest-key"),
        (&["audit", "--attest-key", "b.key"], "b.key: the package pins other keys"),
    ] {
        let output = lab.cutgate(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text_of(&output));
        assert!(text(&output.stderr).contains(expected), "{args:?}: {}", text(&output.stderr));
    }
    let folder = attest(&lab, "a.key");
    accepted(&lab, &[&folder], &["that the package pins, and say what the replay gives"]);
    refused(&lab, &[unattested.to_str().unwrap()], "the audit is not attested");
    fs::copy(lab.path("reports/checkpoint"), lab.path("kept")).unwrap();
    accepted(&lab, &[&folder, "--checkpoint", "kept"], &["kept: the ledger holds the 2 lines"]);
    pin(&quoted("b"));
    refused(&lab, &[&folder], "which is none of those that count here");
    accepted(&lab, &[&folder, "--attest-pub", "a.pub"], &["that was given"]);
}
