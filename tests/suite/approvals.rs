//! Every way in which a document is an approval or only looks like one, with keys and signatures of the real gpg.
//!
//! Each case is one knowledge base. Exactly those that say so count; each other one shows the reason that is expected.

mod cases;

use std::fs;
use std::path::Path;

use chrono::{DateTime, Duration, SecondsFormat, Utc};
use cutgate::evidence::{Digest256, Fact, PAYLOAD_FORMAT, Payload, ProbeId, RunId};
use cutgate::execute::document;
use cutgate::gates::{self, Bound, RequestRules};
use cutgate::package::Trust;
use cutgate::probes::knowledge_base::ApprovalGate;
use serde_json::json;

use crate::harness::{as_nobody, collect, open_dir};
use crate::keyring::Home;
use crate::knowledge_base::{MACRO, approval_of};

const RUN: &str = "run-20260521T101500Z-0a1b2c3d";
const PAYLOAD: &str = "{\"run_id\":\"run-20260521T101500Z-0a1b2c3d\"}\n";

/// What must come out of a case.
enum Outcome {
    /// It counts, with so many signers.
    Counts(usize),
    /// It does not; where it stands, and a part of what is said.
    Not(&'static str, &'static str),
    /// It could not be told.
    Unknown(&'static str),
}

/// One knowledge base.
struct Case {
    name: &'static str,
    document: String,
    signature: Option<Vec<u8>>,
    pinned: Vec<String>,
    threshold: usize,
    /// The keyring's bytes; `None` where there is none.
    ring: Option<Vec<u8>>,
    /// Other files, from the folder of the package.
    others: Vec<(String, Vec<u8>)>,
    outcome: Outcome,
}

/// The keys, made once.
struct Keys {
    home: Home,
    ed: String,
    rsa: String,
    sub: String,
    operator: String,
    auditor: String,
    stranger: String,
}

/// A clock for gpg.
fn clock(at: DateTime<Utc>) -> String {
    at.format("%Y%m%dT%H%M%S").to_string()
}

fn utc(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Keys {
    fn make() -> Self {
        let home = Home::new();
        // Older than every signature of the cases.
        let born = clock(Utc::now() - Duration::days(30));
        let ed25519 = |name: &str| home.make(name, "ed25519", "cert,sign", "never", Some(&born));
        let (ed, operator, auditor) = (ed25519("ed"), ed25519("operator"), ed25519("auditor"));
        let stranger = ed25519("stranger");
        let rsa = home.make("rsa", "rsa2048", "cert,sign", "never", Some(&born));
        let sub = home.make("sub", "ed25519", "cert", "never", Some(&born));
        for _ in 0..2 {
            let add = ["--batch", "--faked-system-time", &born, "--quick-add-key", &sub, "ed25519", "sign", "never"];
            home.gpg(&add, b"");
        }
        Self { home, ed, rsa, sub, operator, auditor, stranger }
    }

    fn ring(&self) -> Vec<u8> {
        self.home.gpg(&["--batch", "--export"], b"").stdout
    }

    fn sign(&self, print: &str, text: &str, extra: &[&str]) -> Vec<u8> {
        self.home.sign(print, text.as_bytes(), extra)
    }

    fn sign_at(&self, print: &str, text: &str, at: DateTime<Utc>) -> Vec<u8> {
        self.sign(print, text, &["--faked-system-time", &clock(at)])
    }

    /// The fingerprints of the signing subkeys of `sub`.
    fn subkeys(&self) -> Vec<String> {
        let listed = self.home.gpg(&["--batch", "--with-colons", "--list-keys", &self.sub], b"").stdout;
        let text = String::from_utf8(listed).expect("UTF-8");
        let prints = text.lines().filter(|line| line.starts_with("fpr:")).map(|line| line.split(':').nth(9));
        prints.skip(1).map(|print| print.expect("a fingerprint").to_owned()).collect()
    }
}

/// An approval in which everything holds, with fields replaced, or left out where the value is empty.
fn approval(changes: &[(&str, &str)]) -> String {
    approval_of(RUN, PAYLOAD, &utc(Utc::now()), changes)
}

fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
    fs::write(path, bytes).expect("write");
}

/// What is wrong with a case's outcome; `None` when it is as it must be.
fn judge(case: &Case) -> Option<String> {
    let dir = tempfile::tempdir().expect("a folder");
    put(dir.path(), &format!("requests/{RUN}/payload.json"), PAYLOAD.as_bytes());
    put(dir.path(), "kb/a.md", case.document.as_bytes());
    if let Some(signature) = &case.signature {
        put(dir.path(), "kb/a.md.asc", signature);
    }
    if let Some(ring) = &case.ring {
        put(dir.path(), "trusted.pgp", ring);
    }
    for (name, bytes) in &case.others {
        put(dir.path(), name, bytes);
    }
    let settings = json!({
        "root": "kb", "macro_id": MACRO, "requests": "requests", "keyring": "trusted.pgp", "pinned": case.pinned,
        "threshold": case.threshold,
    });
    let facts = collect("knowledge-base", dir.path(), settings).expect("facts");
    let Some(Fact::List(candidates)) = facts.get("candidates") else { return Some(format!("{facts:?}")) };
    let found = candidates.iter().find(|it| it.get("path") == Some(&"kb/a.md".into()));
    let Some(found) = found else { return Some("it is no candidate".to_owned()) };
    let field = |name: &str| found.get(name).cloned().expect("declared");
    let reasons = format!("{:?}", field("reasons"));
    let counting = candidates.iter().filter(|it| it.get("counts") == Some(&Fact::Bool(true))).count();
    let good = match case.outcome {
        Outcome::Counts(signers) => {
            let Fact::List(list) = field("signers") else { return Some("no signers".to_owned()) };
            let valid = cutgate::classify::standing(&facts).word() == "valid";
            field("counts") == Fact::Bool(true) && field("standing") == "valid".into() && list.len() == signers && valid
        }
        Outcome::Not(standing, reason) => {
            let valid = cutgate::classify::standing(&facts).word() == "valid";
            field("counts") == Fact::Bool(false)
                && field("standing") == standing.into()
                && reasons.contains(reason)
                && !valid
                && counting == 0
        }
        Outcome::Unknown(reason) => {
            let unknown = |name: &str| matches!(field(name), Fact::Missing(_));
            let standing = cutgate::classify::standing(&facts).word();
            unknown("counts") && unknown("standing") && reasons.contains(reason) && standing == "unknown"
        }
    };
    (!good).then(|| format!("counts {:?}, standing {:?}, {reasons}", field("counts"), field("standing")))
}

#[test]
fn exactly_the_valid_ones_count_and_each_other_one_says_why() {
    let cases = cases::all();
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "each case has its own name");
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let wrong = cases.iter().filter_map(|case| judge(case).map(|said| format!("{}: {said}", case.name)));
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Invisible is not absent: what an approval hangs on and may not be read makes it unknown, and is never a reason to
/// call it invalid or missing.
#[test]
fn what_may_not_be_read_makes_an_approval_unknown() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let key = home.make_good("sovereign");
    let dir = open_dir();
    let text = approval(&[]);
    let consumed = format!("requests/{RUN}/consumed.json");
    put(dir.path(), &format!("requests/{RUN}/payload.json"), PAYLOAD.as_bytes());
    put(dir.path(), "kb/a.md", text.as_bytes());
    put(dir.path(), "kb/a.md.asc", &home.sign(&key, text.as_bytes(), &[]));
    put(dir.path(), "trusted.pgp", &home.gpg(&["--batch", "--export", &key], b"").stdout);
    let look = || {
        let settings = json!({
            "root": "kb", "macro_id": MACRO, "requests": "requests", "keyring": "trusted.pgp", "pinned": [key],
        });
        let facts = as_nobody(|| collect("knowledge-base", dir.path(), settings).expect("facts"));
        let Some(Fact::List(candidates)) = facts.get("candidates") else { panic!("{facts:?}") };
        (cutgate::classify::standing(&facts).word(), candidates[0].get("counts").cloned().expect("declared"))
    };
    assert_eq!(look(), ("valid", Fact::Bool(true)));
    for name in ["trusted.pgp", "kb/a.md.asc", &format!("requests/{RUN}/payload.json"), &consumed, "requests"] {
        let path = dir.path().join(name);
        if name == consumed {
            put(dir.path(), name, b"{}");
        }
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        mode(0o000);
        let (standing, counts) = look();
        assert!(standing == "unknown" && matches!(counts, Fact::Missing(_)), "{name}: {standing} {counts:?}");
        mode(0o755);
        if name == consumed {
            fs::remove_file(&path).expect("removed");
        }
    }
    assert_eq!(look(), ("valid", Fact::Bool(true)));
}

/// A package that lets one key sign in two roles, or wants more signatures than there are keys, does not load.
#[test]
fn the_package_keeps_roles_apart() {
    for (fixture, message) in [
        ("key-with-two-roles", "the key of `sovereign` is pinned as `operator` too"),
        ("threshold-zero", "no signature at all would suffice"),
        ("request-binds", "a timestamp moves by itself"),
        ("request-section", "`bind` is empty"),
    ] {
        let path = Path::new("tests/broken").join(fixture).join("cutgate.toml");
        let problems = gates::load(&path).expect_err(fixture);
        assert!(problems.diagnostics.iter().any(|it| it.message == message), "{fixture}: {problems}");
    }
}

/// What a request tells several holders of keys to type is what makes their approval count, whatever the folders are
/// called.
#[test]
fn two_of_three_sign_by_what_the_request_says() {
    let keys = Keys::make();
    let dir = tempfile::Builder::new().prefix("it's ").tempdir().expect("a folder");
    let tree = Bound {
        name: "gate/tree.digest".to_owned(),
        probe: ProbeId("tree-manifest#0".to_owned()),
        path: "digest".to_owned(),
        digest: false,
    };
    let rules = RequestRules {
        tree: tree.clone(),
        bind: vec![tree],
        target: "ICX-`rm -rf $HOME`\n---\nstatus: x".to_owned(),
        requests: "requests".to_owned(),
        gates: Vec::new(),
        approvals: "kb".to_owned(),
        gpg: format!("gpg --homedir {}", keys.home.path().display()),
    };
    let prints: Vec<_> = [&keys.ed, &keys.rsa, &keys.sub].map(|key| key.parse().expect("a fingerprint")).to_vec();
    let trust = Trust {
        keyring: "trusted.pgp".to_owned(),
        sovereign: prints,
        sovereign_threshold: 2,
        operator: Vec::new(),
        auditor: Vec::new(),
        attestor: Vec::new(),
    };
    let digest = Digest256::of(PAYLOAD.as_bytes());
    let payload = Payload {
        format: PAYLOAD_FORMAT.to_owned(),
        run_id: RunId::try_from(RUN.to_owned()).expect("a run id"),
        utc: Utc::now(),
        by: "operator".to_owned(),
        host: "host".to_owned(),
        macro_id: MACRO.to_owned(),
        tool: "cutgate".to_owned(),
        package_sha256: digest.clone(),
        gates_sha256: digest.clone(),
        templates_sha256: digest.clone(),
        tree_digest: "0".repeat(64),
        target: rules.target.clone(),
        executor_argv: vec!["cut".to_owned(), "`a` | b\n# x".to_owned()],
        executor_argv_sha256: digest.clone(),
        executor_program: "/usr/bin/cut".to_owned(),
        executor_program_sha256: digest.clone(),
        revert_argv: Vec::new(),
        environment: std::collections::BTreeMap::new(),
        expected: cutgate::evidence::Expected::default(),
        bound: std::collections::BTreeMap::new(),
        bound_sha256: digest.clone(),
    };
    let (requests, kb) = (dir.path().join("requests"), dir.path().join("kb"));
    put(dir.path(), "trusted.pgp", &keys.ring());
    put(dir.path(), &format!("requests/{RUN}/payload.json"), PAYLOAD.as_bytes());
    fs::create_dir(&kb).expect("mkdir");
    let collected = |name: &str| {
        let settings = json!({
            "root": "kb", "macro_id": MACRO, "requests": "requests", "keyring": "trusted.pgp",
            "pinned": [keys.ed, keys.rsa, keys.sub], "threshold": 2,
        });
        let facts = collect("knowledge-base", dir.path(), settings).expect("facts");
        let Some(Fact::List(candidates)) = facts.get("candidates") else { panic!("{facts:?}") };
        let path = Fact::from(format!("kb/{name}"));
        candidates.iter().find(|it| it.get("path") == Some(&path)).cloned().unwrap_or_else(|| panic!("{candidates:?}"))
    };
    for (id, ttl_hours) in [("SG_1_cut_authz", 24), ("SG_2_lifecycle_authz", 12)] {
        let gate = ApprovalGate { id: id.to_owned(), ttl_hours };
        let made = document(&gate, &payload, &digest, &rules, &trust, (&requests, &kb));
        put(dir.path(), &format!("requests/{RUN}/{}", made.file), made.text.as_bytes());
        let (sign, prepare): (Vec<_>, Vec<_>) =
            made.commands.iter().cloned().partition(|it| it.contains("--local-user"));
        assert_eq!(sign.len(), 3);
        let type_in = |lines: &[String]| {
            let script = lines.join("\n").replace("<the id of the fresh review decision>", "rd-7");
            let output = std::process::Command::new("bash").args(["-ec", &script]).output().expect("bash");
            assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        };
        type_in(&[prepare, vec![sign[0].clone()]].concat());
        assert_eq!(collected(&made.file).get("counts"), Some(&Fact::Bool(false)), "one of two");
        type_in(&sign[1..2]);
        let found = collected(&made.file);
        assert_eq!(found.get("counts"), Some(&Fact::Bool(true)), "{found:?}");
    }
}
