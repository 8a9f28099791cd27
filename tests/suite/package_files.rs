//! Package and gate files: what is in order loads to the checked types, what is not is reported at once.
//!
//! `tests/broken/<name>/` is a package with something wrong and `expected.txt`, what is said about it, byte for
//! byte. To accept changed messages after reading them: `UPDATE_EXPECTED=1 cargo test --test suite package_files`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cutgate::evidence::{Fact, Shape};
use cutgate::gates::{self, Basis, Loaded, Proof, Tier};
use cutgate::package::diagnostic::{Problems, Severity};
use cutgate::package::{Param, Sources};

const LABORATORY: &str = "tests/packages/laboratory/cutgate.toml";

fn laboratory() -> Loaded {
    gates::load(Path::new(LABORATORY)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Checks the laboratory with some text replaced, file by file.
fn altered(changes: &[(&str, &str, &str)]) -> Result<Loaded, Problems> {
    let mut files = laboratory().files;
    for (file, from, to) in changes {
        let bytes = files.get_mut(*file).expect("a file of the laboratory");
        let text = String::from_utf8(bytes.clone()).expect("text");
        assert!(text.contains(from), "{file} holds {from:?}");
        *bytes = text.replace(from, to).into_bytes();
    }
    gates::check(&Sources::recorded(&files))
}

/// What is said about the laboratory with some text replaced: severities and messages.
fn said(changes: &[(&str, &str, &str)]) -> Vec<String> {
    let problems = match altered(changes) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    problems.diagnostics.iter().map(|d| format!("{}: {}", d.severity.word(), d.message)).collect()
}

#[test]
fn a_package_in_order_loads_whole() {
    let loaded = laboratory();
    assert_eq!(loaded.warnings.render(false), "no problems in 0 files\n");
    let package = &loaded.package;
    assert_eq!((package.label.as_str(), package.host.as_str()), ("LAB", "lab-1"));
    assert_eq!(package.params["tools"], Param::Texts(vec!["gpg".to_owned(), "pg_dump".to_owned()]));
    assert_eq!(package.gap("F4").map(|gap| gap.id.as_str()), Some("GAP-3"));
    assert_eq!(package.trust.sovereign_threshold, 1);
    let ids: Vec<_> = loaded.gates.iter().map(|gate| gate.id.as_str()).collect();
    assert_eq!(ids, ["right-host", "backup-key"], "in the order of the stages");
    let key = &loaded.gates[1];
    let tiers: Vec<_> = key.checks.iter().map(|check| check.tier).collect();
    assert_eq!(tiers, [Tier::Essential, Tier::Completing]);
    assert_eq!(key.checks[0].cites, ["keyring.certs"]);
    assert_eq!(key.probes["keyring"].settings.text("home"), Some("/etc/cutter/gnupg"), "filled in");
    let host = &loaded.gates[0].probes["host"];
    assert_eq!(host.settings.texts("tools"), ["gpg", "pg_dump"], "a whole reference keeps its type");
    let bases: Vec<_> = loaded.forbidden.iter().map(|row| row.basis.clone()).collect();
    assert_eq!(bases, [Basis::Measured(vec!["ring.digest".to_owned()]), Basis::Attributable(Proof::OutputScan)]);
    assert_eq!(loaded.place.root, None);
    assert_eq!(loaded.place.package_dir, Path::new("tests/packages/laboratory"));
}

#[test]
fn the_same_question_has_one_id_and_another_has_another() {
    let loaded = laboratory();
    let in_gate = &loaded.gates[1].probes["keyring"].id;
    let measure = &loaded.package.measures["ring"].id;
    assert_ne!(in_gate, measure, "the gate gives a horizon, the measure does not");
    let digits = in_gate.0.strip_prefix("openpgp-keyring#").expect("the kind first");
    assert!(digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digits}");
    let same =
        altered(&[("cutgate.toml", "kind = \"openpgp-keyring\"", "kind = \"openpgp-keyring\"\nhorizon = \"24h\"")]);
    let same = same.expect("in order");
    assert_eq!(same.gates[1].probes["keyring"].id, same.package.measures["ring"].id);
    assert_eq!(same.gates[1].probes["keyring"].id, *in_gate);
}

#[test]
fn variables_have_the_declared_shapes() {
    let loaded = altered(&[(
        "cutgate.toml",
        "[params]",
        "[params]\nlimit = 20\nstrict = true\nfrozen = 2026-05-21T10:00:00+02:00",
    )]);
    let package = loaded.expect("in order").package;
    let (shapes, values) = (package.shapes(), package.variables());
    for (name, shape) in &shapes {
        assert_eq!(shape.departure(&values[name]), None, "{name}");
    }
    assert_eq!(shapes.len(), values.len());
    let frozen = values["params"].get("frozen");
    assert_eq!(frozen, Some(&Fact::Time("2026-05-21T08:00:00Z".parse().expect("an instant"))));
    assert!(matches!(&shapes["pkg"], Shape::Record(words) if words.contains_key("host_label")));
}

#[test]
fn recorded_files_check_like_those_on_disk_and_read_nothing() {
    let first = laboratory();
    let again = gates::check(&Sources::recorded(&first.files)).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(again.files, first.files);
    let described = |loaded: &Loaded| format!("{:?} {:?} {:?}", loaded.package, loaded.gates, loaded.forbidden);
    assert_eq!(described(&again), described(&first));
    let names: Vec<_> = first.files.keys().map(String::as_str).collect();
    assert_eq!(names, ["cutgate.toml", "gates/backup-key.toml", "gates/right-host.toml"]);
    let mut lost = first.files;
    lost.remove("cutgate.toml");
    let problems = gates::check(&Sources::recorded(&lost)).expect_err("no package file");
    assert_eq!(problems.diagnostics[0].message, "cutgate.toml is not among the recorded files");
}

/// What is most likely not meant is said, and the package can be used.
#[test]
fn warnings_do_not_stop() {
    let unread = [("cutgate.toml", "[params]", "[params]\nspare = 1")];
    assert_eq!(said(&unread), ["warning: nothing reads params.spare"]);
    let unread = [("cutgate.toml", "[paths]", "[paths]\nspare = \"/x\"")];
    assert_eq!(said(&unread), ["warning: nothing reads paths.spare"]);
    let unused = [("cutgate.toml", "[measure.ring]", "[measure.host]\nkind = \"host\"\n\n[measure.ring]")];
    assert_eq!(said(&unused), ["warning: no row uses the measure `host`"]);
    let loaded = altered(&unused).expect("usable");
    assert_eq!(loaded.warnings.count(Severity::Error), 0);
    assert!(loaded.warnings.render(false).ends_with("1 warning in 1 file\n"));
}

#[test]
fn a_gate_file_that_is_not_listed_is_named() {
    let dir = copied_laboratory();
    let text = std::fs::read_to_string(dir.path().join("gates/right-host.toml")).expect("the gate");
    std::fs::write(dir.path().join("gates/spare.toml"), text).expect("write");
    let loaded = gates::load(&dir.path().join("cutgate.toml")).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.warnings.diagnostics.len(), 1);
    assert_eq!(loaded.warnings.diagnostics[0].message, "the gate file gates/spare.toml is not in force");
    assert_eq!(loaded.gates.len(), 2);
}

#[test]
fn references_are_filled_in_by_kind() {
    let with = |line: &str| altered(&[("gates/right-host.toml", "tools = \"{params.tools}\"", line)]);
    let tools = |line: &str| match with(line) {
        Ok(loaded) => loaded.gates[0].probes["host"].settings.texts("tools").join(" "),
        Err(problems) => {
            let error = problems.diagnostics.iter().find(|d| d.severity == Severity::Error);
            error.expect("an error").message.clone()
        }
    };
    for (line, result) in [
        ("tools = [\"{package.host}-tool\"]", "lab-1-tool"),
        ("tools = [\"{{{package.host}}}\"]", "{lab-1}"),
        ("tools = [\"{trust.sovereign_threshold}\"]", "`tools` of the probe `host` is a list with an integer"),
        ("tools = [\"n{trust.sovereign_threshold}\"]", "n1"),
        ("tools = \"{trust.sovereign}\"", "89ABCDEF0123456789ABCDEF0123456789ABCDEF"),
        ("tools = [\"a{params.tools}\"]", "`params.tools` is a list or a table and cannot stand within text"),
        ("tools = [\"{params.tool}\"]", "unknown reference `params.tool`"),
        ("tools = [\"{params}\"]", "`tools` of the probe `host` is a list with a table"),
        ("tools = [\"{size(1)}\"]", "this is not a reference to a name"),
        ("tools = [\"a}\"]", "a `}` without its `{`"),
        ("tools = [\"{a\"]", "a `{` without its `}`"),
    ] {
        assert_eq!(tools(line), result, "{line}");
    }
}

/// A root prefix is relative to the package folder and no name for references.
#[test]
fn the_root_prefix_is_a_place() {
    let dir = copied_laboratory();
    let file = dir.path().join("cutgate.toml");
    let text = std::fs::read_to_string(&file).expect("the package file");
    std::fs::write(&file, text.replace("[paths]", "[paths]\nroot = \"host\"")).expect("write");
    let loaded = gates::load(&file).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.place.root, Some(dir.path().join("host")));
    assert!(!loaded.package.paths.contains_key("root"));
}

/// A problem is reported once, whatever depends on it, and none hides another.
#[test]
fn one_mistake_is_one_problem_and_all_are_reported() {
    let broken_probe = ("gates/backup-key.toml", "horizon = \"24h\"", "horizon = 24");
    assert_eq!(said(&[broken_probe]), ["error: `horizon` of the probe `openpgp-keyring` is an integer"]);
    let broken_path = ("cutgate.toml", "gnupg_home = \"/etc/cutter/gnupg\"", "gnupg_home = 7");
    assert_eq!(said(&[broken_path]), ["error: `gnupg_home` is an integer, not a string"]);
    let both =
        said(&[broken_probe, broken_path, ("gates/right-host.toml", "tier = \"essential\"", "tier = \"vital\"")]);
    assert_eq!(both.len(), 3, "{both:?}");
}

#[test]
fn what_cannot_be_read_is_said() {
    let dir = copied_laboratory();
    let file = dir.path().join("cutgate.toml");
    let message = |problems: Problems| problems.diagnostics.iter().map(|d| d.message.clone()).collect::<Vec<_>>();
    let problems = message(gates::load(dir.path()).expect_err("a directory"));
    assert!(problems[0].ends_with("is a directory"), "{problems:?}");
    std::fs::remove_dir_all(dir.path().join("gates")).expect("remove");
    std::fs::write(dir.path().join("gates"), "").expect("write");
    let problems = message(gates::load(&file).expect_err("no folder of gates"));
    assert!(problems.iter().any(|said| said.contains("Not a directory")), "{problems:?}");
    let dir = copied_laboratory();
    let mode = std::os::unix::fs::PermissionsExt::from_mode;
    std::fs::set_permissions(dir.path(), mode(0o755)).expect("chmod");
    std::fs::set_permissions(dir.path().join("gates/right-host.toml"), mode(0o000)).expect("chmod");
    let file = dir.path().join("cutgate.toml");
    let problems = message(crate::harness::as_nobody(|| gates::load(&file)).expect_err("a gate that may not be read"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("Permission denied"), "{problems:?}");
    let pipe = dir.path().join("gates/backup-key.toml");
    std::fs::remove_file(&pipe).expect("remove");
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, rustix::fs::Mode::RUSR, 0).expect("a FIFO");
    let problems = message(gates::load(&file).expect_err("a FIFO"));
    assert!(problems[0].ends_with("is not a regular file"), "{problems:?}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// However a file is damaged, checking ends with a result and its problems can be rendered.
    #[test]
    fn damaged_files_never_panic(file in 0_usize..3, start in 0_usize..2000, length in 0_usize..40, put in "[\\[\\]{}\"'=.#\\n\\\\a-c0-9ế]{0,6}") {
        let mut files = laboratory().files;
        let bytes = files.values_mut().nth(file).expect("three files");
        let mut text = String::from_utf8(bytes.clone()).expect("text");
        let start = text.floor_char_boundary(start);
        let end = text.floor_char_boundary(start + length);
        text.replace_range(start..end, &put);
        *bytes = text.into_bytes();
        match gates::check(&Sources::recorded(&files)) {
            Ok(loaded) => proptest::prop_assert_eq!(loaded.warnings.count(Severity::Error), 0),
            Err(problems) => {
                proptest::prop_assert!(problems.count(Severity::Error) > 0);
                proptest::prop_assert!(problems.render(false).contains("error"));
            }
        }
    }
}

fn copied_laboratory() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(dir.path().join("gates")).expect("mkdir");
    for (name, bytes) in laboratory().files {
        std::fs::write(dir.path().join(name), bytes).expect("write");
    }
    dir
}

fn broken_packages() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("tests/broken").expect("the broken packages");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

/// Every broken package says exactly what it is expected to say, and nothing is loaded.
#[test]
fn broken_packages_report_everything_with_caret_and_fix() {
    let update = std::env::var_os("UPDATE_EXPECTED").is_some();
    let folders = broken_packages();
    assert!(folders.len() >= 25, "{} broken packages", folders.len());
    let mut differ = Vec::new();
    for folder in folders {
        let problems = gates::load(&folder.join("cutgate.toml")).expect_err("a broken package");
        assert!(problems.count(Severity::Error) > 0, "{}", folder.display());
        for problem in &problems.diagnostics {
            assert!(!problem.message.is_empty(), "{problem:?}");
            let known = problem.span.as_ref().is_none_or(|span| span.end <= problems.files[&problem.file].text.len());
            assert!(known, "{problem:?} points into its file");
        }
        let rendered = problems.render(false);
        assert!(!rendered.chars().any(|c| c.is_control() && c != '\n'), "{rendered:?}");
        let expected = folder.join("expected.txt");
        if update {
            std::fs::write(&expected, &rendered).expect("write");
        } else if std::fs::read_to_string(&expected).ok().as_deref() != Some(&rendered) {
            differ.push(format!("== {}\n{rendered}", expected.display()));
        }
    }
    assert!(differ.is_empty(), "{}\nread them, then UPDATE_EXPECTED=1", differ.join("\n"));
}

/// With colours the words are the same.
#[test]
fn colours_add_nothing_but_colour() {
    let problems = gates::load(Path::new("tests/broken/unknown-key/cutgate.toml")).expect_err("a broken package");
    let coloured = problems.render(true);
    assert!(coloured.contains('\u{1b}'));
    let plain = anstream::adapter::strip_str(&coloured).to_string();
    assert_eq!(plain, problems.render(false));
}

/// Stock gates are part of the program: one that does not parse would break every package.
#[test]
fn recorded_sources_do_not_add_stock_gates() {
    let files = BTreeMap::from([("cutgate.toml".to_owned(), b"".to_vec())]);
    assert!(Sources::recorded(&files).gates.is_empty());
}
