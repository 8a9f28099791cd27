//! What a folder must be to be a home or a certificate directory, without a key in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use cutgate::evidence::{Fact, MissingState};
use serde_json::json;

use super::{Home, has, missing};
use crate::harness::{as_nobody, collect, open_dir};

fn look(dir: &Path) -> Fact {
    collect("openpgp-keyring", dir, json!({ "home": "gnupg" })).expect("facts")
}

/// A home with these empty files (and folders, whose names end in a slash).
fn home(names: &[&str]) -> tempfile::TempDir {
    let dir = open_dir();
    fs::create_dir(dir.path().join("gnupg")).expect("mkdir");
    for name in names {
        let path = dir.path().join("gnupg").join(name.trim_end_matches('/'));
        if name.ends_with('/') {
            fs::create_dir_all(path).expect("mkdir");
        } else {
            fs::create_dir_all(path.parent().expect("a folder")).expect("mkdir");
            fs::write(path, "").expect("write");
        }
    }
    dir
}

#[test]
fn only_folders_of_two_hex_digits_make_a_certificate_directory() {
    for (names, form) in [
        (&["ab/"][..], "cert-d"),
        (&["ab"], "empty-home"),
        (&["zz/"], "empty-home"),
        (&["abc/", "a/"], "empty-home"),
        (&["AB/"], "empty-home"),
    ] {
        has(&look(home(names).path()), &[("form", form.into()), ("count", 0_usize.into())]);
    }
    let wrong = "g".repeat(38);
    let names = ["ab/abcd".to_owned(), format!("ab/{wrong}"), "zz/".to_owned()];
    let facts = look(home(&names.each_ref().map(String::as_str)).path());
    has(
        &facts,
        &[
            ("form", "cert-d".into()),
            ("ignored", Fact::texts(["ab/abcd".to_owned(), format!("ab/{wrong}"), "zz".to_owned()])),
        ],
    );
    // A long list of what is left aside is cut, and says so.
    let many: Vec<String> = std::iter::once("ab/".to_owned()).chain((0..51).map(|i| format!("x{i:02}"))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let ignored = |names: &[&str]| {
        let Some(Fact::List(ignored)) = look(home(names).path()).get("ignored").cloned() else { panic!("a list") };
        (ignored.len(), ignored.last().cloned())
    };
    assert_eq!(ignored(&many), (51, Some("and 1 more".into())));
    assert_eq!(ignored(&many[..51]), (50, Some("x49".into())));
}

/// Keys that lie elsewhere, or did a moment ago, are not no keys.
#[test]
fn a_home_whose_keys_may_lie_elsewhere_is_not_empty() {
    for names in [
        &["public-keys.d/pubring.db"][..],
        &["pubring.kbx~"],
        &["pubring.gpg.tmp"],
        &["other/", "pubring.kbx.tmp"],
        // A keybox that cannot be understood beside a folder that looks like one of certificates.
        &["pubring.kbx", "ab/"],
    ] {
        assert_eq!(missing(look(home(names).path()).get("certs")).state, MissingState::Unreadable, "{names:?}");
    }
    has(&look(home(&["public-keys.d/", "other/pubring.db"]).path()), &[("form", "empty-home".into())]);
    let dangling = home(&[]);
    symlink("nowhere", dangling.path().join("gnupg/pubring.kbx")).expect("symlink");
    assert_eq!(missing(look(dangling.path()).get("certs")).state, MissingState::Unreadable);
}

/// The options for every user may send gpg elsewhere: where they cannot be read, nothing is known.
#[test]
fn options_of_the_system_that_cannot_be_read_leave_it_unknown() {
    let dir = open_dir();
    let options = dir.path().join("host/etc/gnupg");
    fs::create_dir_all(&options).expect("mkdir");
    fs::create_dir(dir.path().join("host/gnupg")).expect("mkdir");
    let look = || as_nobody(|| collect("openpgp-keyring", dir.path(), json!({ "home": "/gnupg" })).expect("facts"));
    has(&look(), &[("form", "empty-home".into())]);
    fs::set_permissions(&options, PermissionsExt::from_mode(0o000)).expect("chmod");
    assert_eq!(missing(look().get("certs")).state, MissingState::Denied);
    fs::set_permissions(&options, PermissionsExt::from_mode(0o755)).expect("chmod");
}

/// The copy that gpg keeps of a keybox is a witness: of what was lost, and of nothing where it is not there.
#[test]
fn the_copy_of_a_keybox_says_what_was_lost() {
    let (home, other) = (Home::new(), Home::new());
    for name in ["a", "b", "c", "d"] {
        home.make(name, "ed25519", "cert", "never", None);
    }
    other.make("e", "ed25519", "cert", "never", None);
    let (keybox, copy) = (other.path().join("pubring.kbx"), other.path().join("pubring.kbx~"));
    let ignored = |facts: &Fact| format!("{:?}", facts.get("ignored"));
    fs::remove_file(&copy).ok();
    let facts = look(other.dir.path());
    assert!(facts.get("count") == Some(&Fact::Int(1)) && !ignored(&facts).contains("could not be compared"));
    fs::create_dir(&copy).expect("mkdir");
    assert!(ignored(&look(other.dir.path())).contains("could not be compared"));
    fs::remove_dir(&copy).expect("rmdir");
    fs::copy(home.path().join("pubring.kbx"), &copy).expect("copy");
    let facts = look(other.dir.path());
    let lost = missing(facts.get("certs"));
    assert!(
        lost.state == MissingState::Unreadable && lost.said.contains(" and 1 more, which its copy"),
        "{}",
        lost.said
    );
    fs::remove_file(&copy).expect("rm");
    // A pubring.gpg that is a keybox by content is read as one, as gpg does.
    fs::rename(&keybox, other.path().join("pubring.gpg")).expect("move");
    has(&look(other.dir.path()), &[("form", "pubring".into()), ("count", Fact::Int(1))]);
    // A keybox beside a folder that looks like one of certificates stays the keyring.
    fs::rename(other.path().join("pubring.gpg"), &keybox).expect("move");
    fs::create_dir(other.path().join("ab")).expect("mkdir");
    has(&look(other.dir.path()), &[("form", "keybox".into()), ("count", Fact::Int(1))]);
}
