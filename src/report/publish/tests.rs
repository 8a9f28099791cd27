//! Numbers, the chain, secrets, and many at once.

use super::*;

fn files() -> BTreeMap<String, Vec<u8>> {
    BTreeMap::from([("08-x.md".to_owned(), b"# Report\n".to_vec())])
}

fn publish(root: &Path, secrets: &Secrets) -> Result<PathBuf, PublishError> {
    let claim = Claim::take(root, "2026-05-21T10:00:00Z".parse().unwrap())?;
    claim.publish(&files(), "C", "BLOCKED_WITH_EXACT_O8_GAP", &[], secrets)
}

#[test]
fn numbers_run_on_and_lines_chain() {
    let dir = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..3).map(|_| publish(dir.path(), &Secrets::default()).unwrap()).collect();
    let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["0001-20260521T100000Z", "0002-20260521T100000Z", "0003-20260521T100000Z"]);
    assert_eq!(read_ledger(dir.path()).unwrap().len(), 3);
}

#[test]
fn a_number_of_a_folder_without_a_line_is_not_reused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("0007-20260521T100000Z")).unwrap();
    assert!(publish(dir.path(), &Secrets::default()).unwrap().ends_with("0008-20260521T100000Z"));
}

#[test]
fn a_broken_ledger_stops_publication() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        publish(dir.path(), &Secrets::default()).unwrap();
    }
    let path = dir.path().join(LEDGER);
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = good.lines().collect();
    let broken = [
        format!("{}\n{}\n", lines[0], lines[2]),
        format!("{}\n{}\n", lines[1], lines[2]),
        good.replacen("\"C\"", "\"B\"", 1),
        format!("{}\n{}\n{}\n", lines[1], lines[0], lines[2]),
        good.replacen("{\"files\"", "{ \"files\"", 1),
        format!("{good}{}\n", lines[2]),
        format!("{good}{{\n"),
    ];
    for text in broken {
        fs::write(&path, &text).unwrap();
        assert!(matches!(publish(dir.path(), &Secrets::default()), Err(PublishError::Ledger { .. })), "{text}");
    }
}

#[test]
fn a_secret_stops_publication() {
    let dir = tempfile::tempdir().unwrap();
    let secrets = Secrets::default();
    secrets.keep("Report");
    assert!(matches!(publish(dir.path(), &secrets), Err(PublishError::Secret { .. })));
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
}

#[test]
fn forty_at_once_get_forty_numbers() {
    let dir = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| publish(dir.path(), &Secrets::default()).unwrap());
        }
    });
    let numbers: Vec<_> = read_ledger(dir.path()).unwrap().iter().map(|(line, _)| line.number).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
}
