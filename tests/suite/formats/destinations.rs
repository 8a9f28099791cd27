//! Where formats go: several at once, whole or not at all, and nothing green where one could not be written.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};

use crate::audit::Lab;
use crate::traps::Trap;

use super::text;

#[test]
fn several_formats_at_once_and_one_to_standard_output() {
    let lab = Lab::new();
    let args = ["audit", "--format", "sarif=a.sarif", "--format", "junit=a.xml", "--format", "json"];
    let output = lab.cutgate(&args);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok());
    assert!(fs::read_to_string(lab.path("a.xml")).unwrap().ends_with("</testsuites>\n"));
    assert!(serde_json::from_slice::<serde_json::Value>(&fs::read(lab.path("a.sarif")).unwrap()).is_ok());
    for (args, said) in [
        (["--format", "json", "--format", "tap"], "only one format can go to standard output"),
        (["--format", "json=a", "--format", "tap=./a"], "two formats cannot go to one file"),
        (["--format", "json", "--format", "tap="], "name a file after `=`"),
        (["--format", "json", "--format", "jsn=a"], "did you mean `json`"),
    ] {
        let refused = lab.cutgate(&[&["audit"], &args[..]].concat());
        assert_eq!(refused.status.code(), Some(2));
        assert!(text(&refused.stderr).contains(said), "{}", text(&refused.stderr));
    }
    assert_eq!(fs::read_dir(lab.path("reports")).unwrap().filter(|it| it.as_ref().unwrap().path().is_dir()).count(), 1);
}

/// The old file is replaced by the whole new one: a reader of either sees one of the two.
#[test]
fn a_file_is_replaced_whole() {
    let lab = Lab::new();
    fs::write(lab.path("old.xml"), "old").unwrap();
    fs::hard_link(lab.path("old.xml"), lab.path("kept.xml")).unwrap();
    assert_eq!(lab.cutgate(&["audit", "--format", "junit=old.xml"]).status.code(), Some(1));
    assert_eq!(fs::read_to_string(lab.path("kept.xml")).unwrap(), "old", "it was not written to in place");
    assert!(fs::read_to_string(lab.path("old.xml")).unwrap().ends_with("</testsuites>\n"));
    assert_eq!(fs::metadata(lab.path("old.xml")).unwrap().permissions().mode() & 0o777, 0o644);
}

/// What cannot become a file is refused before anything is read; nothing takes the place of a device or a link.
#[test]
fn what_cannot_be_a_file_is_refused_first() {
    let trap = Trap::new();
    trap.shell("mkfifo fifo; mkdir folder; touch plain");
    symlink(trap.path("plain"), trap.path("link")).unwrap();
    for (file, said) in [
        ("nowhere/out", "its folder: "),
        ("plain/out", "its folder"),
        ("folder", "it is a folder"),
        ("fifo", "it is no regular file"),
        ("link", "it is a link"),
        ("/dev/stdout", "it is a link"),
        ("/dev/null", "it is no regular file"),
        ("..", "name a file"),
    ] {
        let output = trap.cutgate(&["audit", "--format", &format!("json={file}")]);
        let errors = text(&output.stderr);
        assert_eq!((output.status.code(), text(&output.stdout)), (Some(2), String::new()), "{file}: {errors}");
        assert!(errors.contains(&format!("cannot write {file}: ")) && errors.contains(said), "{file}: {errors}");
    }
    assert!(!trap.path("reports").exists(), "nothing was published");
    assert!(fs::symlink_metadata(trap.path("fifo")).unwrap().file_type().is_fifo());
    assert!(fs::symlink_metadata(trap.path("link")).unwrap().is_symlink());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}

/// A folder in which nobody can make a file, not even root: the audit was ready, and is not green.
#[test]
fn a_file_that_cannot_be_written_turns_nothing_green() {
    let trap = Trap::new();
    let args = ["audit", "--format", "tap=/proc/out.tap", "--format", "junit=out.xml", "--format", "json"];
    let output = trap.cutgate(&args);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("error: cannot write /proc/out.tap: "), "{errors}");
    // What could be written was.
    assert!(fs::read_to_string(trap.path("out.xml")).unwrap().ends_with("</testsuites>\n"));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["result"]["letter"], "B");
    let output = trap.cutgate(&["audit", "--only", "GAP-1", "--format", "tap=/proc/out.tap"]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    let output = trap.cutgate(&["audit", "--format", "nagios=/proc/out.tap", "--exit-style", "nagios"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let begun = crate::runs::Approved::misbehaving();
    begun.run(&[], &[("CUTGATE_TEST_CRASH_AT", "consumed")]);
    let output = begun.cutgate(&["audit", "--format", "tap=/proc/out.tap"]);
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "what needs a person at once is not hidden behind a file: {errors}");
    assert!(errors.contains("cannot write /proc/out.tap"), "{errors}");
}
