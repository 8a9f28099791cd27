//! Where keyrings lie, and which of several files gpg uses.

use std::path::PathBuf;
use std::process::Command;

use cutgate::evidence::{Fact, MissingState, sha256_hex};
use serde_json::json;

use super::{Home, cert, collect_bytes, has, missing, no, yes};
use crate::harness::{as_nobody, collect, open_dir};

#[test]
fn an_unreadable_home_or_keybox_is_denied() {
    let home = Home::new();
    home.make_good("hidden");
    let look = || as_nobody(|| home.collect());
    let facts = look();
    has(&facts, &[("present", yes())]);
    for name in ["form", "digest", "count", "certs", "fingerprints"] {
        assert_eq!(missing(facts.get(name)).state, MissingState::Denied, "{name}");
    }
    let chmod = |path: PathBuf, mode: u32| {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).expect("chmod");
    };
    chmod(home.path(), 0o755);
    chmod(home.path().join("pubring.kbx"), 0o600);
    let facts = look();
    has(&facts, &[("present", yes()), ("form", "keybox".into())]);
    assert_eq!(missing(facts.get("certs")).state, MissingState::Denied);
    assert_eq!(missing(facts.get("certs")).by, as_nobody(whoami));
}

fn whoami() -> String {
    let user = uzers::get_user_by_uid(rustix::process::geteuid().as_raw());
    user.map_or_else(|| "unknown".to_owned(), |user| user.name().to_string_lossy().into_owned())
}

#[test]
fn keyring_files_binary_and_armored() {
    let home = Home::new();
    let mut prints = [home.make_good("one"), home.make_good("two")];
    prints.sort();
    let binary = home.gpg(&["--batch", "--export"], b"").stdout;
    let armored = home.gpg(&["--batch", "--armor", "--export"], b"").stdout;
    let apart = prints.iter().map(|print| home.gpg(&["--batch", "--armor", "--export", print], b"").stdout);
    let apart = [b"two keys:\n".to_vec(), apart.collect::<Vec<_>>().concat()].concat();
    let twice = [binary.clone(), binary.clone()].concat();
    let dir = open_dir();
    for bytes in [&binary, &armored, &apart, &twice] {
        let facts = collect_bytes(dir.path(), bytes);
        has(&facts, &[("form", "keyring-file".into()), ("digest", sha256_hex(bytes).into())]);
        has(&facts, &[("fingerprints", Fact::texts(prints.clone())), ("count", 2_usize.into())]);
        assert!(prints.iter().all(|print| cert(&facts, print).get("can_encrypt") == Some(&yes())));
    }
    let keybox = std::fs::read(home.path().join("pubring.kbx")).expect("keybox");
    has(&collect_bytes(dir.path(), &keybox), &[("form", "keybox".into()), ("count", 2_usize.into())]);

    let secret = home.gpg(&["--batch", "--armor", "--export-secret-keys"], b"").stdout;
    for bytes in [b"".to_vec(), b"no keyring".to_vec(), secret, armored[..armored.len() - 40].to_vec()] {
        let facts = collect_bytes(dir.path(), &bytes);
        assert_eq!(missing(facts.get("certs")).state, MissingState::Unreadable);
    }
}

#[test]
fn an_older_pubring_and_both_files_side_by_side() {
    let (old, new) = (Home::new(), Home::new());
    let (old_print, new_print) = (old.make_good("old"), new.make_good("new"));
    let pubring = old.gpg(&["--batch", "--export"], b"").stdout;
    let only = Home::new();
    std::fs::write(only.path().join("pubring.gpg"), &pubring).expect("write");
    assert_eq!(only.listed(), [old_print.as_str()]);
    let facts = only.collect();
    has(&facts, &[("form", "pubring".into()), ("fingerprints", Fact::texts([old_print.clone()]))]);

    std::fs::write(new.path().join("pubring.gpg"), &pubring).expect("write");
    let facts = new.collect();
    has(&facts, &[("form", "keybox".into()), ("fingerprints", Fact::texts([new_print.clone()]))]);
    has(&facts, &[("shadowed", Fact::texts([old_print.clone()]))]);
    // The real gpg says the same: it does not see the key in the passed-over file.
    assert_eq!(new.listed(), [new_print.as_str()]);

    std::fs::write(new.path().join("pubring.gpg"), b"broken").expect("write");
    let facts = new.collect();
    has(&facts, &[("fingerprints", Fact::texts([new_print]))]);
    assert_eq!(missing(facts.get("shadowed")).state, MissingState::Unreadable);
}

#[test]
fn a_home_that_sends_gpg_elsewhere_is_not_judged() {
    for (name, text) in [("gpg.conf", "# mine\nkeyring /srv/other.gpg\n"), ("common.conf", "use-keyboxd\n")] {
        let home = Home::new();
        home.make_good("here");
        std::fs::write(home.path().join(name), text).expect("write");
        let facts = home.collect();
        assert_eq!(missing(facts.get("certs")).state, MissingState::Unreadable);
        assert!(missing(facts.get("certs")).said.contains("gpg keeps keys elsewhere"));
    }
    let home = Home::new();
    home.make_good("here");
    std::fs::write(home.path().join("gpg.conf"), "# keyring x\nkeyid-format long\n").expect("write");
    has(&home.collect(), &[("count", 1_usize.into())]);
}

#[test]
fn a_certificate_directory() {
    let home = Home::new();
    let prints = [home.make_good("one"), home.make_good("two")].map(|print| print.to_lowercase());
    let dir = open_dir();
    let store = dir.path().join("certs");
    for print in &prints {
        let folder = store.join(&print[..2]);
        std::fs::create_dir_all(&folder).expect("folder");
        let bytes = home.gpg(&["--batch", "--export", print], b"").stdout;
        std::fs::write(folder.join(&print[2..]), bytes).expect("write");
    }
    std::fs::write(store.join("writelock"), b"").expect("write");
    let look = || collect("openpgp-keyring", dir.path(), json!({ "home": "certs" })).expect("facts");
    let facts = look();
    has(&facts, &[("form", "cert-d".into()), ("count", 2_usize.into()), ("ignored", Fact::texts(["writelock"]))]);
    assert!(prints.iter().all(|print| cert(&facts, &print.to_uppercase()).get("can_encrypt") == Some(&yes())));

    let [one, two] = &prints;
    let path = |print: &str| store.join(&print[..2]).join(&print[2..]);
    std::fs::copy(path(one), path(two)).expect("copy");
    assert_eq!(missing(look().get("certs")).state, MissingState::Unreadable);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    std::fs::remove_file(path(two)).expect("remove");
    std::fs::set_permissions(path(one), mode).expect("chmod");
    assert_eq!(missing(as_nobody(look).get("certs")).state, MissingState::Denied);
}

#[test]
fn links_fifos_and_odd_paths() {
    let home = Home::new();
    home.make_good("linked");
    let dir = home.dir.path();
    std::os::unix::fs::symlink("gnupg", dir.join("to-home")).expect("link");
    std::os::unix::fs::symlink("gnupg/pubring.kbx", dir.join("to-ring")).expect("link");
    std::os::unix::fs::symlink("nowhere", dir.join("to-nothing")).expect("link");
    let made = Command::new("mkfifo").arg(dir.join("fifo")).status().expect("mkfifo: apt-get install coreutils");
    assert!(made.success());
    let look = |home: &str| collect("openpgp-keyring", dir, json!({ "home": home })).expect("facts");
    for name in ["to-home", "to-ring"] {
        has(&look(name), &[("form", "keybox".into()), ("count", 1_usize.into())]);
    }
    has(&look("to-nothing"), &[("present", no())]);
    assert_eq!(missing(look("fifo").get("certs")).state, MissingState::Unreadable);
}

#[test]
fn a_keybox_that_is_not_marked_for_openpgp_yields_to_a_pubring_as_in_gpg() {
    let (old, new) = (Home::new(), Home::new());
    let (old_print, new_print) = (old.make_good("old"), new.make_good("new"));
    let keybox = new.path().join("pubring.kbx");
    let mut bytes = std::fs::read(&keybox).expect("keybox");
    assert_eq!(bytes[7] & 2, 2, "gpg marks its keyboxes");
    bytes[7] &= !2;
    std::fs::write(&keybox, bytes).expect("write");
    has(&new.collect(), &[("form", "keybox".into()), ("fingerprints", Fact::texts([new_print.clone()]))]);
    std::fs::write(new.path().join("pubring.gpg"), old.gpg(&["--batch", "--export"], b"").stdout).expect("write");
    has(&new.collect(), &[("form", "pubring".into()), ("fingerprints", Fact::texts([old_print.clone()]))]);
    has(&new.collect(), &[("shadowed", Fact::texts([new_print.clone()]))]);
    assert_eq!(new.listed(), [old_print]);
}
