//! The table of cases.

use chrono::{Duration, Utc};
use cutgate::evidence::sha256_hex;

use super::Outcome::{Counts, Not, Unknown};
use super::{Case, Keys, MACRO, Outcome, PAYLOAD, RUN, approval, clock, utc};

/// Cases while they are put together.
struct Table {
    keys: Keys,
    cases: Vec<Case>,
}

impl Table {
    /// A case with everything in order but what the arguments say.
    fn add(
        &mut self,
        name: &'static str,
        document: &str,
        signature: impl Into<Option<Vec<u8>>>,
        outcome: Outcome,
    ) -> &mut Case {
        let pinned = [&self.keys.ed, &self.keys.rsa, &self.keys.sub].map(Clone::clone).to_vec();
        self.cases.push(Case {
            name,
            document: document.to_owned(),
            signature: signature.into(),
            pinned,
            threshold: 1,
            // The ring is filled in at the end, when every key is in it.
            ring: Some(Vec::new()),
            others: Vec::new(),
            outcome,
        });
        self.cases.last_mut().expect("just added")
    }

    /// A case whose document the sovereign really signed: what speaks against it is the document.
    fn signed(&mut self, name: &'static str, document: &str, outcome: Outcome) -> &mut Case {
        let signature = self.keys.sign(&self.keys.ed, document, &[]);
        self.add(name, document, signature, outcome)
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    let mut table = Table { keys: Keys::make(), cases: Vec::new() };
    who_signed(&mut table);
    what_was_signed(&mut table);
    when(&mut table);
    fields(&mut table);
    look_alikes(&mut table);
    beside(&mut table);
    keys_that_fell(&mut table);
    let ring = table.keys.ring();
    for case in &mut table.cases {
        if case.ring.as_ref().is_some_and(Vec::is_empty) {
            case.ring = Some(ring.clone());
        }
    }
    table.cases
}

fn who_signed(t: &mut Table) {
    let text = approval(&[]);
    let by = |t: &Table, print: &str| t.keys.sign(print, &text, &[]);
    let (ed, rsa, sub) = (t.keys.ed.clone(), t.keys.rsa.clone(), t.keys.sub.clone());
    let (stranger, operator, auditor) = (t.keys.stranger.clone(), t.keys.operator.clone(), t.keys.auditor.clone());
    let good = by(t, &ed);
    t.add("ed25519", &text, good.clone(), Counts(1));
    let signature = by(t, &rsa);
    t.add("RSA", &text, signature, Counts(1));
    let signature = by(t, &sub);
    t.add("a signing subkey", &text, signature.clone(), Counts(1));
    let subkey = t.keys.subkeys();
    t.add("a pinned subkey instead of its certificate", &text, signature, Not("invalid", "its signer is not pinned"))
        .pinned = subkey.clone();
    t.add("unsigned", &text, None, Not("invalid", "no detached signature beside it"));
    for (name, print) in [
        ("a stranger's key in the keyring", &stranger),
        ("the operator's key", &operator),
        ("the auditor's key", &auditor),
    ] {
        let signature = by(t, print);
        t.add(name, &text, signature, Not("invalid", "the signature is good, but its signer is not pinned"));
    }
    t.add("nobody pinned", &text, good.clone(), Not("invalid", "its signer is not pinned")).pinned = Vec::new();
    let other_ring = t.keys.home.gpg(&["--batch", "--export", &rsa], b"").stdout;
    t.add("key missing in the keyring", &text, good.clone(), Not("invalid", "the key is not in the keyring")).ring =
        Some(other_ring);
    t.add("no keyring", &text, good.clone(), Unknown("the sovereign's keys could not be read")).ring = None;
    t.add("a keyring that is cut off", &text, good.clone(), Unknown("the sovereign's keys could not be read")).ring =
        Some(t_ring(&good));

    // How many must sign.
    let both = t.keys.sign(&ed, &text, &["-u", &rsa]);
    t.add("two of two in one block", &text, both, Counts(2)).threshold = 2;
    let blocks = [good.clone(), by(t, &rsa)].concat();
    t.add("two of two in two blocks", &text, blocks, Counts(2)).threshold = 2;
    t.add("one of two", &text, good.clone(), Not("invalid", "signed by 1 of the 2 keys")).threshold = 2;
    let twice = [good.clone(), by(t, &ed)].concat();
    t.add("one key twice", &text, twice, Not("invalid", "signed by 1 of the 2 keys")).threshold = 2;
    let first = format!("{}!", subkey[0]);
    let second = format!("{}!", subkey[1]);
    let one_cert = t.keys.sign(&first, &text, &["-u", &second]);
    t.add("two subkeys of one certificate", &text, one_cert, Not("invalid", "signed by 1 of the 2 keys")).threshold = 2;
    let mixed = [good.clone(), by(t, &operator)].concat();
    t.add("the sovereign and the operator for two", &text, mixed.clone(), Not("invalid", "not pinned")).threshold = 2;
    t.add("a stranger beside the sovereign", &text, mixed, Counts(1));
    let early = t.keys.sign_at(&rsa, &text, Utc::now() - Duration::hours(2));
    let mixed = [good, early].concat();
    t.add("one in time and one too early for two", &text, mixed, Not("invalid", "before the document's own"))
        .threshold = 2;
}

/// A keyring of which the end is missing: a signature's block is no certificate either.
fn t_ring(signature: &[u8]) -> Vec<u8> {
    signature.to_vec()
}

fn what_was_signed(t: &mut Table) {
    let text = approval(&[]);
    let ed = t.keys.ed.clone();
    let good = t.keys.sign(&ed, &text, &[]);
    let binary = t.keys.sign(&ed, &text, &["--no-armor"]);
    t.add("binary", &text, binary.clone(), Counts(1));
    let sha512 = t.keys.sign(&ed, &text, &["--digest-algo", "SHA512"]);
    t.add("SHA-512", &text, sha512, Counts(1));
    let comment = t.keys.sign(&ed, &text, &["--comment", "by hand"]);
    t.add("an armor header", &text, comment, Counts(1));
    let other = t.keys.sign(&ed, "another document", &[]);
    t.add("another document's beside the right one", &text, [good.clone(), other.clone()].concat(), Counts(1));
    t.add("another document's", &text, other, Not("invalid", "it does not fit these bytes"));
    let changed = text.replace("one cut", "two cuts");
    t.add("a word changed", &changed, good.clone(), Not("invalid", "it does not fit these bytes"));
    let longer = format!("{text}\n");
    t.add("a line added at the end", &longer, good.clone(), Not("invalid", "it does not fit these bytes"));
    let crlf = text.replace('\n', "\r\n");
    t.add("line ends changed", &crlf, good.clone(), Not("invalid", "it does not fit these bytes"));
    let sha1 = t.keys.sign(&ed, &text, &["--digest-algo", "SHA1"]);
    t.add("a weak hash", &text, sha1, Not("invalid", "its hash is too weak"));
    let mode = t.keys.sign(&ed, &text, &["--textmode"]);
    t.add("over normalised text", &text, mode, Not("invalid", "where one over binary data is wanted"));
    let clear = t.keys.home.gpg(&["--batch", "-u", &ed, "--clearsign"], text.as_bytes()).stdout;
    t.add("cleartext-signed beside it", &text, clear.clone(), Not("invalid", "a cleartext-signed document, where"));
    let clear = String::from_utf8(clear).expect("text");
    t.add("cleartext-signed itself", &clear, None, Not("invalid", "is a cleartext-signed document"));
    let around = format!("{text}\n{clear}");
    t.signed("a cleartext block inside", &around, Not("invalid", "is a cleartext-signed document"));
    let inline = t.keys.home.gpg(&["--batch", "-u", &ed, "--armor", "--sign"], text.as_bytes()).stdout;
    t.add("signed message", &text, inline, Not("invalid", "not a detached signature"));
    let public = t.keys.home.gpg(&["--batch", "--armor", "--export", &ed], b"").stdout;
    t.add("a public key", &text, public, Not("invalid", "not a detached signature"));
    t.add("cut off", &text, good[..good.len() / 2].to_vec(), Not("invalid", "not a detached signature"));
    t.add("cut off, binary", &text, binary[..binary.len() - 3].to_vec(), Not("invalid", "not a detached signature"));
    t.add("empty", &text, Vec::new(), Not("invalid", "not a detached signature"));
    t.add("words", &text, b"signed, the sovereign\n".to_vec(), Not("invalid", "not a detached signature"));
    let garbled = String::from_utf8(good.clone()).expect("text").replace("-----END", "*****END");
    t.add("a garbled end", &text, garbled.into_bytes(), Not("invalid", "not a detached signature"));
}

fn when(t: &mut Table) {
    let now = Utc::now();
    let dated = |at: chrono::DateTime<Utc>| approval(&[("signed_utc", &utc(at))]);
    let ed = t.keys.ed.clone();
    let mut at = |name, document: &str, made, outcome| {
        let signature = t.keys.sign_at(&ed, document, made);
        t.add(name, document, signature, outcome);
    };
    at("four minutes before its date", &dated(now), now - Duration::minutes(4), Counts(1));
    at(
        "ten minutes before its date",
        &dated(now),
        now - Duration::minutes(10),
        Not("invalid", "before the document's own"),
    );
    at("a day before its date", &dated(now), now - Duration::days(1), Not("invalid", "before the document's own"));
    at("three minutes ahead of our clock", &dated(now), now + Duration::minutes(3), Counts(1));
    at("two days ahead of our clock", &dated(now), now + Duration::days(2), Not("invalid", "dated in the future"));
    let almost = now - Duration::hours(24) + Duration::minutes(10);
    at("almost a day old", &dated(almost), almost, Counts(1));
    at("almost a day old, signed now", &dated(almost), now, Counts(1));
    let over = now - Duration::hours(24);
    at("a day old", &dated(over), over + Duration::minutes(1), Not("expired", "expired: signed"));
    at("a day old, signed now", &dated(over), now, Not("invalid", "after its time was over"));
    let sg2 =
        |at| approval(&[("gate", "SG_2_lifecycle_authz"), ("review_decision_id", "rd-7"), ("signed_utc", &utc(at))]);
    let young = now - Duration::hours(11);
    at("SG_2, eleven hours old", &sg2(young), young, Counts(1));
    let old = now - Duration::hours(13);
    at("SG_2, thirteen hours old", &sg2(old), old, Not("expired", "SG_2 lasts 12 h"));
    let ahead = dated(now + Duration::hours(1));
    at("dated an hour ahead", &ahead, now, Not("invalid", "dated in the future: signed"));
    let offset = (now - Duration::hours(2)).format("%Y-%m-%dT%H:%M:%S").to_string();
    let zone = approval(&[("signed_utc", &format!("{offset}-00:00"))]);
    at("dated with an offset", &zone, now - Duration::hours(2), Counts(1));
    let local = approval(&[("signed_utc", &offset)]);
    at("dated without an offset", &local, now, Not("invalid", "is not an instant"));
    let day = approval(&[("signed_utc", &now.format("%Y-%m-%d").to_string())]);
    at("dated with the day only", &day, now, Not("invalid", "is not an instant"));
    let text = dated(now);
    let brief = ["--faked-system-time", &clock(now - Duration::minutes(4)), "--default-sig-expire", "seconds=60"];
    let brief = t.keys.sign(&ed, &text, &brief);
    t.add("a signature that has expired", &text, brief, Not("invalid", "the signature has expired"));
}

fn fields(t: &mut Table) {
    let upper = sha256_hex(PAYLOAD.as_bytes()).to_uppercase();
    let other = sha256_hex(b"another payload");
    /// A name, the fields that are changed, and what is said.
    type Changed<'a> = (&'static str, Vec<(&'a str, &'a str)>, &'static str);
    let cases: Vec<Changed<'_>> = vec![
        ("another gate", vec![("gate", "SG_3_other")], "is for gate SG_3_other, which is none of"),
        ("two gates", vec![("gate", "SG_1_cut_authz, SG_2_lifecycle_authz")], "names several gates"),
        ("no gate", vec![("gate", "")], "names no gate"),
        ("another run", vec![("run_id", "run-20260520T101500Z-0a1b2c3d")], "which is not open"),
        ("another run's id in capitals", vec![("run_id", "RUN-20260521T101500Z-0A1B2C3D")], "which is not open"),
        ("no run", vec![("run_id", "")], "names no run_id"),
        ("a placeholder run", vec![("run_id", "<RUN_ID>")], "placeholder run_id"),
        ("a run to be named", vec![("run_id", "TBD")], "placeholder run_id"),
        ("a placeholder date", vec![("signed_utc", "<SIGNED_UTC>")], "placeholder signed_utc"),
        ("no date", vec![("signed_utc", "")], "no `signed_utc`"),
        ("no allowance", vec![("allowance", "")], "no `allowance: explicit`"),
        ("an implied allowance", vec![("allowance", "implied")], "it says implied"),
        ("another payload", vec![("payload_sha256", &other)], "payload_sha256 differs from the request's"),
        ("the payload's digest in capitals", vec![("payload_sha256", &upper)], "differs from the request's"),
        ("no payload", vec![("payload_sha256", "")], "no `payload_sha256`"),
        ("no scope", vec![("scope", "")], "no `scope`"),
        ("SG_2 without a decision", vec![("gate", "SG_2_lifecycle_authz")], "no `review_decision_id`"),
        (
            "SG_2 with a placeholder decision",
            vec![("gate", "SG_2_lifecycle_authz"), ("review_decision_id", "<REVIEW_DECISION_ID>")],
            "placeholder review_decision_id",
        ),
        ("an older version's", vec![("macro_id", "v0.5-o7-gap-register")], "is for macro v0.5-o7-gap-register"),
        ("a draft", vec![("status", "draft")], "says of itself that it is draft"),
        ("says that it is spent", vec![("status", "consumed")], "says of itself that it is consumed"),
    ];
    for (name, changes, reason) in cases {
        t.signed(name, &approval(&changes), Not("invalid", reason));
    }
    let spelt = approval(&[]).replace("run_id", "Run-ID").replace("allowance", "Allowance");
    t.signed("keys in another spelling", &spelt, Counts(1));
    let twice = approval(&[]).replace("---\n\n", "Run-ID: run-2\n---\n\n");
    t.signed("a key twice", &twice, Unknown("its front matter cannot be parsed")).outcome =
        Not("invalid", "its front matter cannot be parsed");
    let toml = approval(&[]).replace(": \"", " = \"").replace("---", "+++");
    t.signed("front matter in TOML", &toml, Counts(1));
    t.signed("a byte order mark", &format!("\u{feff}{}", approval(&[])), Counts(1));
    t.signed("CRLF", &approval(&[]).replace('\n', "\r\n"), Counts(1));
}

fn look_alikes(t: &mut Table) {
    let now = utc(Utc::now());
    let cases: Vec<(&'static str, String, &'static str)> = vec![
        (
            "a ruling that selects the next work order",
            "---\nkind: ruling\nselects: v0.6-o8\n---\n# Ruling: O8 is approved as next\n".to_owned(),
            "selects the next work order; it authorises no run",
        ),
        ("a ruling that accepts", "---\nkind: ruling\naccepts: O7\n---\n# Ruling\n".to_owned(), "accepts a work order"),
        (
            "a package that asks for none",
            format!("---\nmacro_id: {MACRO}\napproval_requested: NO\n---\n# Package\n"),
            "says approval_requested: NO",
        ),
        (
            "a package with every field that asks for none",
            approval(&[("approval_requested", "NO")]),
            "says approval_requested: NO",
        ),
        ("the runner's own stub", approval(&[("generated_by", "cutter-runner")]), "written by the runner itself"),
        ("an executor as author", approval(&[("author", "executor")]), "written by the runner itself"),
        (
            "a form",
            format!("# Form\n\ngate: SG_1_cut_authz\nrun_id: <RUN_ID>\nsigned_utc: {now}\n"),
            "placeholder run_id",
        ),
        ("the fields in the body", approval(&[]).replacen("---\n", "Intro\n\n---\n", 1), "only speaks of approval"),
        (
            "a note that it is approved",
            "# Note\n\nThe sovereign approved SG_1, GO!\n".to_owned(),
            "only speaks of approval",
        ),
        ("in Vietnamese", "# Ghi chú\n\nĐã phê duyệt.\n".to_owned(), "only speaks of approval"),
        ("approved_by alone", "---\napproved_by: the sovereign\n---\n".to_owned(), "names no gate"),
        ("a revocation", approval(&[("kind", "revocation")]), "takes an approval back; it gives none"),
        (
            "a deep approval",
            format!("---\napproval: {{gate: SG_1_cut_authz, run_id: {RUN}}}\n---\n"),
            "is not a scalar",
        ),
    ];
    for (name, document, reason) in cases {
        t.signed(name, &document, Not("invalid", reason));
    }
}

/// What lies beside an approval that is in order.
fn beside(t: &mut Table) {
    let text = approval(&[]);
    let ed = t.keys.ed.clone();
    let revocation = format!("---\nkind: revocation\nrun_id: {RUN}\n---\n");
    let signature = t.keys.sign(&ed, &revocation, &[]);
    let unsigned = vec![("kb/b.md".to_owned(), revocation.clone().into_bytes())];
    t.signed("revoked", &text, Not("revoked", "revoked by kb/b.md (not signed by the sovereign")).others =
        unsigned.clone();
    let signed = [unsigned, vec![("kb/b.md.asc".to_owned(), signature)]].concat();
    t.signed("revoked by the sovereign", &text, Not("revoked", "revoked by kb/b.md (signed by ")).others = signed;
    let digest = format!("---\nrevokes: {}\n---\n", sha256_hex(text.as_bytes()));
    t.signed("revoked by digest", &text, Not("revoked", "revoked by kb/b.md")).others =
        vec![("kb/b.md".to_owned(), digest.into_bytes())];
    let other = revocation.replace(RUN, "run-1");
    t.signed("another run's revocation", &text, Counts(1)).others = vec![("kb/b.md".to_owned(), other.into_bytes())];
    let consumed =
        format!("{{\"format\":\"cutgate-consumed/1\",\"run_id\":\"{RUN}\",\"utc\":\"2026-05-21T11:00:00Z\"}}");
    let path = format!("requests/{RUN}/consumed.json");
    t.signed("consumed", &text, Not("consumed", "consumed by the run at 2026-05-21T11:00:00Z")).others =
        vec![(path.clone(), consumed.into_bytes())];
    t.signed("perhaps consumed", &text, Unknown("whether the run consumed it could not be read")).others =
        vec![(path, b"{".to_vec())];
    let twin = approval(&[("scope", "another cut")]);
    let twin_signature = t.keys.sign(&ed, &twin, &[]);
    t.signed("two for one gate and run", &text, Not("invalid", "which one holds is not clear")).others =
        vec![("kb/b.md".to_owned(), twin.into_bytes()), ("kb/b.md.asc".to_owned(), twin_signature)];
    let same = t.keys.sign(&ed, &text, &[]);
    t.signed("a copy of itself", &text, Not("invalid", "which one holds is not clear")).others =
        vec![("kb/b.md".to_owned(), text.clone().into_bytes()), ("kb/b.md.asc".to_owned(), same)];
    t.signed("an unsigned twin", &text, Counts(1)).others = vec![("kb/b.md".to_owned(), text.clone().into_bytes())];
    t.signed("a request that was changed", &text, Not("invalid", "payload_sha256 differs")).others =
        vec![(format!("requests/{RUN}/payload.json"), b"{}".to_vec())];
    t.signed("something unreadable in the tree", &text, Unknown("not everything could be read")).others =
        vec![("kb/c.md".to_owned(), b"---\ngate: [\n---\n".to_vec())];
}

/// Keys that are not what they were. Each is pinned: what speaks against it is its own standing.
fn keys_that_fell(t: &mut Table) {
    let now = Utc::now();
    let text = approval(&[]);
    let pinned = |t: &mut Table, name, print: &str, document: &str, signature: Vec<u8>, reason| {
        t.add(name, document, signature, Not("invalid", reason)).pinned = vec![print.to_owned()];
    };
    let born = clock(now - Duration::days(2));
    // A day and a half of life: it signed fourteen hours ago and expired twelve hours ago.
    let brief = t.keys.home.make("brief", "ed25519", "cert,sign", "seconds=129600", Some(&born));
    let then = now - Duration::hours(14);
    let document = approval(&[("signed_utc", &utc(then))]);
    let signature = t.keys.sign_at(&brief, &document, then);
    pinned(t, "a key that expired since", &brief, &document, signature, "the key is not good now: expired");
    let long = t.keys.home.make("long", "ed25519", "cert,sign", "seconds=129600", Some(&born));
    let before = t.keys.home.gpg(&["--batch", "--export", &long], b"").stdout;
    t.keys.home.gpg(&["--batch", "--quick-set-expire", &long, "0"], b"");
    let signature = t.keys.sign(&long, &text, &[]);
    let case = t.add(
        "a key that had expired",
        &text,
        signature,
        Not("invalid", "the key was not good when it signed: expired"),
    );
    (case.pinned, case.ring) = (vec![long], Some(before));
    for (name, code, reason) in [
        ("a key revoked as compromised", "1", "revoked (hard)"),
        ("a key revoked as superseded", "2", "revoked (soft)"),
        ("a key revoked without a reason", "0", "revoked (hard)"),
    ] {
        let key = t.keys.home.make(name, "ed25519", "cert,sign", "never", Some(&born));
        let signature = t.keys.sign(&key, &text, &[]);
        t.keys.home.revoke(&key, code);
        pinned(t, name, &key, &text, signature, reason);
    }
    let weak = t.keys.home.make("weak", "rsa1024", "cert,sign", "never", Some(&born));
    let signature = t.keys.sign(&weak, &text, &[]);
    pinned(t, "a short RSA key", &weak, &text, signature, "the key was not good when it signed");
    let former = t.keys.home.make("former", "ed25519", "cert,sign", "never", Some(&born));
    let document = approval(&[("signed_utc", &utc(then))]);
    let signature = t.keys.sign_at(&former, &document, then);
    let could = t.keys.home.gpg(&["--batch", "--export", &former], b"").stdout;
    t.keys.home.gpg(&["--no-tty", "--command-fd", "0", "--edit-key", &former], b"change-usage\ns\nq\nsave\n");
    let both = [could, t.keys.home.gpg(&["--batch", "--export", &former], b"").stdout].concat();
    let case =
        t.add("a key without the signing flag", &document, signature, Not("invalid", "the key may not sign data"));
    (case.pinned, case.ring) = (vec![former], Some(both));
}
