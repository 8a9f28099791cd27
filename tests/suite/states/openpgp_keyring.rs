//! `openpgp-keyring` in every state. The keys are made by the real gpg, once for all rows; the homes are filled by it.

mod damage;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::LazyLock;

use sequoia_openpgp::cert::CertBuilder;
use sequoia_openpgp::serialize::SerializeInto as _;

use super::{Asked, Room, Truth, matrix, state};
use crate::keyring::{Home, created};

/// A key of the table: its fingerprint and what gpg exports of it.
struct Key {
    print: String,
    export: Vec<u8>,
}

/// The keys by name.
static KEYS: LazyLock<BTreeMap<&'static str, Key>> = LazyLock::new(make_keys);

fn make_keys() -> BTreeMap<&'static str, Key> {
    let home = Home::new();
    let in_2020 = Some("20200101T000000");
    let subkey = |print: &str, algorithm: &str, expire: &str, clock: Option<&str>| {
        let faked = clock.map(|clock| ["--faked-system-time", clock]);
        let arguments = ["--batch", "--quick-add-key", print, algorithm, "encr", expire];
        home.gpg(&[faked.as_ref().map_or(&[][..], |faked| &faked[..]), &arguments[..]].concat(), b"");
    };
    let signer = |name: &str| home.make(name, "ed25519", "cert,sign", "never", in_2020);
    let mut prints = BTreeMap::new();
    prints.insert("good", home.make_good("good"));
    prints.insert("other", home.make_good("other"));
    prints.insert("expired", home.make("expired", "default", "default", "1y", in_2020));
    prints.insert("soon", home.make("soon", "default", "default", "seconds=43200", None));
    prints.insert("sign-only", signer("sign-only"));
    for (name, expire) in [("subkey expired", "1y"), ("subkey weak", "never")] {
        let print = signer(name);
        let algorithm = if name == "subkey weak" { "rsa1024" } else { "cv25519" };
        subkey(&print, algorithm, expire, Some("20200101T000100"));
        prints.insert(name, print);
    }
    let print = home.make_good("subkey revoked");
    home.gpg(&["--no-tty", "--command-fd", "0", "--edit-key", &print], b"key 1\nrevkey\ny\n0\n\ny\nsave\n");
    prints.insert("subkey revoked", print);
    for (name, reason) in [("no reason", "0"), ("compromised", "1"), ("superseded", "2"), ("retired", "3")] {
        let print = home.make_good(name);
        home.revoke(&print, reason);
        prints.insert(name, print);
    }
    prints.insert("rsa1024", home.make("rsa1024", "rsa1024", "cert,sign,encr", "never", None));
    let dsa = "Key-Type: DSA\nKey-Length: 1024\nSubkey-Type: ELG\nSubkey-Length: 1024\nName-Real: dsa\n\
               Expire-Date: 0\n%no-protection\n%commit\n";
    prints.insert("dsa1024", created(&home.gpg(&["--batch", "--status-fd", "1", "--gen-key"], dsa.as_bytes())));
    let sha1 = ["--batch", "--status-fd", "1", "--cert-digest-algo", "SHA1", "--quick-generate-key"];
    let print = created(&home.gpg(&[&sha1[..], &["sha1", "ed25519", "cert,sign", "never"]].concat(), b""));
    subkey(&print, "cv25519", "never", None);
    prints.insert("sha1", print);
    for (name, curve) in [("brainpool", "brainpoolP256r1"), ("secp256k1", "secp256k1")] {
        let print = home.make(name, curve, "cert,sign", "never", None);
        subkey(&print, curve, "never", None);
        prints.insert(name, print);
    }
    let key = |print: String| Key { export: home.gpg(&["--batch", "--export", &print], b"").stdout, print };
    let mut keys: BTreeMap<_, _> = prints.into_iter().map(|(name, print)| (name, key(print))).collect();
    let secret = home.gpg(&["--batch", "--armor", "--export-secret-keys", &keys["good"].print], b"").stdout;
    let binary = home.gpg(&["--batch", "--export-secret-keys", &keys["good"].print], b"").stdout;
    for (name, export) in [("secret, armored", secret), ("secret, binary", binary)] {
        keys.insert(name, Key { print: keys["good"].print.clone(), export });
    }
    keys
}

/// gpg in the home of the room, without an agent.
fn gpg(room: &Room, arguments: &[&str], input: &[u8]) {
    let home = room.host(HOME);
    let mut command = Command::new("gpg");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").arg("--homedir").arg(home);
    command.args(["--batch", "--no-autostart", "--quiet"]).args(arguments);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("gpg is missing: apt-get install gnupg");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), input).expect("gpg reads");
    assert!(child.wait().expect("gpg ends").success(), "gpg {arguments:?}");
}

const HOME: &str = "var/lib/cutter/gnupg";
const KEYBOX: &str = "var/lib/cutter/gnupg/pubring.kbx";

/// A home into which gpg has imported these keys, one after the other; `<key>` is the first.
fn home_with(names: &'static [&'static str]) -> impl Fn(&Room) {
    move |room| {
        room.dir(HOME, 0o700);
        room.word("key", KEYS[names[0]].print.clone());
        for name in names {
            gpg(room, &["--import"], &KEYS[name].export);
        }
    }
}

/// The same, changed afterwards.
fn home_then(names: &'static [&'static str], then: impl Fn(&Room)) -> impl Fn(&Room) {
    move |room| {
        home_with(names)(room);
        then(room);
    }
}

fn asked(home: &str) -> Asked {
    Asked::of("openpgp-keyring", format!("home = \"{home}\"\nhorizon = \"24h\""))
        .rule(r#"p.certs.exists(c, c.fingerprint == "<key>" && c.valid_at_horizon && c.can_encrypt_at_horizon)"#)
        .shows(&["present", "form", "count"])
        .says(
            r#"<key> among {p.count}: {p.certs.filter(c, c.fingerprint == "<key>").map(c, c.keys.map(k, k.role + " " + k.algorithm + " " + k.reason).join(", ") + (has(c.expires) ? "; expires " + string(c.expires) : ""))}"#,
        )
}

#[test]
fn keys() {
    let one = |words: &'static str, name: &'static [&'static str], truth: Truth| {
        state(words, truth, home_with(name)).mask(r"\b[0-9A-F]{40}\b", "<other-key>")
    };
    let table = asked("/var/lib/cutter/gnupg").table([
        one("a key that can encrypt", &["good"], Truth::Holds),
        one("the key beside another", &["good", "other"], Truth::Holds),
        one("beside a revoked one", &["good", "compromised"], Truth::Holds),
        one("brainpool P-256", &["brainpool"], Truth::Holds),
        one("expired", &["expired"], Truth::Fails),
        one("expires within the horizon", &["soon"], Truth::Fails),
        one("signs only", &["sign-only"], Truth::Fails),
        one("the encryption subkey expired, the primary key did not", &["subkey expired"], Truth::Fails),
        one("the encryption subkey is revoked, the primary key is not", &["subkey revoked"], Truth::Fails),
        one("the encryption subkey is RSA of 1024 bits under a strong primary key", &["subkey weak"], Truth::Fails),
        one("revoked, reason 0 (none given)", &["no reason"], Truth::Fails),
        one("revoked, reason 1 (compromised)", &["compromised"], Truth::Fails),
        one("revoked, reason 2 (superseded)", &["superseded"], Truth::Fails),
        one("revoked, reason 3 (no longer used)", &["retired"], Truth::Fails),
        one("RSA of 1024 bits", &["rsa1024"], Truth::Fails),
        one("DSA and ElGamal of 1024 bits", &["dsa1024"], Truth::Fails),
        one("self-signatures with SHA-1", &["sha1"], Truth::Fails),
        one("a curve that is not known here (secp256k1)", &["secp256k1"], Truth::CannotBeKnown),
        one("a good key beside one of a curve that is not known", &["good", "secp256k1"], Truth::CannotBeKnown),
        state("an algorithm that nobody knows: the number in the key packet is 98", Truth::CannotBeKnown, |room| {
            let mut export = KEYS["good"].export.clone();
            // Old packet format with a length of one byte, version 4, four bytes of time, then the algorithm.
            assert_eq!((export[0], export[2], export[7]), (0x98, 4, 22), "an EdDSA key packet");
            export[7] = 98;
            room.word("key", KEYS["good"].print.clone());
            room.write("var/lib/cutter/gnupg/pubring.gpg", export);
        })
        .mask(r"\b[0-9A-F]{40}\b", "<other-key>"),
    ]);
    matrix(
        "openpgp-keyring: the key",
        "What gpg could do with the pinned key, now and when the run may end.",
        vec![table],
    );
}

#[test]
fn homes() {
    let home = "var/lib/cutter/gnupg";
    let in_home = move |name: &str| format!("{home}/{name}");
    let pinned = |room: &Room| room.word("key", KEYS["good"].print.clone());
    let table = asked("/var/lib/cutter/gnupg").table([
        state("no home, the folder above can be searched", Truth::CannotBeKnown, move |room| {
            pinned(room);
            room.dir("var/lib/cutter", 0o755);
        }),
        state("an empty home: gpg has no key", Truth::Fails, move |room| {
            pinned(room);
            room.dir(HOME, 0o700);
        }),
        state("an empty keybox, made by gpg", Truth::Fails, move |room| {
            pinned(room);
            room.dir(HOME, 0o700);
            gpg(room, &["--list-keys"], b"");
        }),
        state(
            "the key was deleted with gpg",
            Truth::Fails,
            home_then(&["good", "other"], |room| {
                gpg(room, &["--yes", "--delete-keys", &KEYS["good"].print], b"");
            }),
        ),
        state("the home may not be entered", Truth::CannotBeKnown, home_with(&["good"])).as_nobody(),
        state(
            "the keybox may not be read",
            Truth::CannotBeKnown,
            home_then(&["good"], |room| {
                room.mode(HOME, 0o755);
                room.mode(KEYBOX, 0o600);
            }),
        )
        .as_nobody(),
        state("an older pubring.gpg alone", Truth::Holds, move |room| {
            pinned(room);
            room.write(&in_home("pubring.gpg"), &KEYS["good"].export);
        }),
        state(
            "the key lies in a pubring.gpg that gpg passes over",
            Truth::Fails,
            home_then(&["other"], move |room| {
                pinned(room);
                room.write(&in_home("pubring.gpg"), &KEYS["good"].export);
            }),
        ),
        state(
            "gpg.conf names another keyring",
            Truth::CannotBeKnown,
            home_then(&["good"], move |room| {
                room.write(&in_home("gpg.conf"), "keyring /srv/other.gpg\n");
            }),
        ),
        state(
            "gpg.conf may not be read",
            Truth::CannotBeKnown,
            home_then(&["good"], move |room| {
                room.write(&in_home("gpg.conf"), "keyring /srv/other.gpg\n");
                room.mode(HOME, 0o755);
                room.mode(KEYBOX, 0o644);
                room.mode(&in_home("gpg.conf"), 0o600);
            }),
        )
        .as_nobody(),
        state(
            "the home's common.conf says use-keyboxd",
            Truth::CannotBeKnown,
            home_then(&["good"], move |room| {
                room.write(&in_home("common.conf"), "use-keyboxd\n");
            }),
        ),
        state(
            "the system's common.conf says use-keyboxd",
            Truth::CannotBeKnown,
            home_then(&["good"], |room| {
                room.write("etc/gnupg/common.conf", "use-keyboxd\n");
            }),
        ),
        state("the database of keyboxd and no keyring", Truth::CannotBeKnown, move |room| {
            pinned(room);
            room.write(&in_home("public-keys.d/pubring.db"), "SQLite format 3\0");
        }),
        state(
            "no keyring but gpg's copy of it: a write was interrupted",
            Truth::CannotBeKnown,
            home_then(&["good"], |room| {
                std::fs::remove_file(room.host(KEYBOX)).expect("remove");
            }),
        ),
        state(
            "a lock of gpg's is left",
            Truth::Holds,
            home_then(&["good"], move |room| {
                room.write(&in_home("pubring.kbx.lock"), "      4711\nelsewhere\n");
            }),
        ),
        state("the keybox is a FIFO", Truth::CannotBeKnown, move |room| {
            pinned(room);
            room.dir(HOME, 0o700);
            room.fifo(KEYBOX);
        }),
        state("the keybox is a link that leads nowhere", Truth::CannotBeKnown, move |room| {
            pinned(room);
            room.dir(HOME, 0o700);
            std::os::unix::fs::symlink("gone.kbx", room.host(KEYBOX)).expect("link");
        }),
        state("a keybox of 4 GiB, sparse", Truth::CannotBeKnown, move |room| {
            pinned(room);
            room.sparse(KEYBOX, 4 << 30);
        }),
        state(format!("a keyring of {MANY} keys, the pinned one last"), Truth::Holds, |room| {
            room.word("key", KEYS["good"].print.clone());
            room.write("var/lib/cutter/gnupg/pubring.gpg", [many(), KEYS["good"].export.clone()].concat());
        }),
    ]);
    let file = asked("/srv/ring").table([
        state("gpg --export", Truth::Holds, file(|| KEYS["good"].export.clone())),
        state(
            "gpg --export --armor of a secret key",
            Truth::CannotBeKnown,
            file(|| KEYS["secret, armored"].export.clone()),
        ),
        state("gpg --export-secret-keys", Truth::CannotBeKnown, file(|| KEYS["secret, binary"].export.clone())),
        state("an empty file", Truth::CannotBeKnown, file(Vec::new)),
        state("a text that is no keyring", Truth::CannotBeKnown, file(|| b"# keys\n".to_vec())),
        state("a directory without keys in it", Truth::Fails, |room| {
            room.word("key", KEYS["good"].print.clone());
            room.dir("srv/ring", 0o755);
        }),
    ]);
    matrix("openpgp-keyring: the home", "Where gpg keeps its keys, and whether that can be read.", vec![table, file]);
}

fn file(bytes: impl Fn() -> Vec<u8> + 'static) -> impl Fn(&Room) {
    move |room| {
        room.word("key", KEYS["good"].print.clone());
        room.write("srv/ring", bytes());
    }
}

/// How many keys the large keyring has beside the pinned one.
const MANY: usize = 2_000;

/// As many keys, made by sequoia: gpg takes minutes.
fn many() -> Vec<u8> {
    let make = |half: usize| {
        let certs = (0..MANY / 2).map(move |number| {
            let builder = CertBuilder::new().add_userid(format!("key {number} of half {half}"));
            builder.generate().expect("a key").0.to_vec().expect("bytes")
        });
        certs.collect::<Vec<_>>().concat()
    };
    std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| scope.spawn(move || make(half)));
        halves.map(|half| half.join().expect("a half")).concat()
    })
}
