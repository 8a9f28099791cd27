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

/// What was published before there were signatures and void numbers is read, and built upon, as it is.
#[test]
fn a_ledger_of_the_first_format_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let line = format!(
        "{{\"files\":{{\"08-x.md\":\"{0}\"}},\"folder\":\"0001-20260521T100000Z\",\"format\":\"cutgate-ledger/1\",\
         \"label\":\"BLOCKED_WITH_EXACT_O8_GAP\",\"letter\":\"C\",\"number\":1,\"previous\":\"{NO_LINE}\"}}\n",
        Digest256::of(b"# Report\n")
    );
    fs::write(dir.path().join(LEDGER), &line).unwrap();
    publish(dir.path(), &Secrets::default()).unwrap();
    let lines = read_ledger(dir.path()).unwrap();
    let formats: Vec<_> = lines.iter().map(|(line, _)| line.format.as_str()).collect();
    assert_eq!(formats, ["cutgate-ledger/1", "cutgate-ledger/2"]);
    let kept = fs::read_to_string(dir.path().join(LEDGER)).unwrap();
    assert!(kept.starts_with(&line), "to the byte");
    // What only the second format can say is not in a line of the first.
    for more in ["\"entry\":\"void\",\"files\"", "\"signers\":[\"0123456789ABCDEF0123456789ABCDEF01234567\"]}\n"] {
        let (from, to) =
            if more.starts_with("\"entry") { ("\"files\"", more.to_owned()) } else { ("}\n", format!(",{more}")) };
        fs::write(dir.path().join(LEDGER), line.replacen(from, &to, 1)).unwrap();
        assert!(matches!(read_ledger(dir.path()), Err(PublishError::Ledger { .. })), "{more}");
    }
}

/// Numbers that a killed audit left, as a draft or as a folder, each get a line, once; a person's folder does not.
#[test]
fn claimed_numbers_become_void() {
    let dir = tempfile::tempdir().unwrap();
    publish(dir.path(), &Secrets::default()).unwrap();
    for name in [".draft-0002-20260521T100001Z-x1Y2z3", "0003-20260521T100002Z", "0005-notes", "0001-20260521T100003Z"]
    {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join(".ledger.next"), "{").unwrap();
    let claim = Claim::take(dir.path(), "2026-05-21T10:00:00Z".parse().unwrap()).unwrap();
    assert_eq!(claim.voided(), ["0002-20260521T100001Z", "0003-20260521T100002Z"]);
    assert_eq!(claim.lost(), ["0001-20260521T100003Z", "0005-notes"]);
    assert_eq!(claim.number(), "0006");
    drop(claim);
    let lines = read_ledger(dir.path()).unwrap();
    let entries: Vec<_> = lines.iter().map(|(line, _)| (line.number, line.entry)).collect();
    assert_eq!(entries, [(1, Entry::Audit), (2, Entry::Void), (3, Entry::Void)]);
    assert!(!dir.path().join(".draft-0002-20260521T100001Z-x1Y2z3").exists());
    let again = Claim::take(dir.path(), "2026-05-21T10:00:00Z".parse().unwrap()).unwrap();
    assert!(again.voided().is_empty() && read_ledger(dir.path()).unwrap().len() == 3);
}
