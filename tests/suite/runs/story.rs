//! From C to A, as it is told in `docs/walkthrough.md`: the page is typed as it stands, on both engines, and what is shown is
//! compared with what came out. Then another document fails in a phase: D, and everything as it was.

use std::path::Path;
use std::process::Command;

use super::{approve, cutgate, text};
use crate::postgres::Cluster;
use crate::stock_gates::Lab;
use crate::stock_gates::postgresql::moved;
use crate::stock_gates::ready::{close_but_the_revert, ready};
use crate::tutorial::{is_excerpt, masked, sections};

/// How the page's shell speaks to the registry.
const EMBEDDED: &str = "sqlite3 governance.db";

/// What differs from one run to the next, beside what the tutorial knows.
fn plain(line: &str) -> String {
    let run = regex::Regex::new(r"run-<utc>-[0-9a-f]{8}").unwrap();
    let seconds = regex::Regex::new(r"\b\d+ s\b").unwrap();
    seconds.replace_all(&run.replace_all(&masked(line), "<run>"), "<n> s").into_owned()
}

/// A laboratory with its shell, and how that speaks to the registry.
struct Story {
    lab: Lab,
    registry: String,
    /// What comes before the names of the ledger's tables.
    ledger: &'static str,
}

impl Story {
    /// What a line of shell prints, on both outputs.
    fn typed(&self, line: &str) -> String {
        let bin = assert_cmd::cargo::cargo_bin("cutgate");
        let path = format!("{}:/usr/bin:/bin", bin.parent().unwrap().display());
        let mut shell = Command::new("bash");
        shell.current_dir(&self.lab.dir).env_clear().env("PATH", &path).env("LC_ALL", "C.UTF-8");
        let line = line.replace(EMBEDDED, &self.registry);
        let output = shell.args(["-c", &format!("exec 2>&1\n{line}")]).output().expect("bash");
        text(&output.stdout).replace(self.lab.dir.to_str().unwrap(), "/home/operator/lab")
    }

    fn asked(&self, sql: &str) -> String {
        self.typed(&format!("{EMBEDDED} \"{}\"", sql.replace("LEDGER_", self.ledger))).trim().to_owned()
    }

    /// Types the page; what is shown there has to come out. With `update` it is written into the page instead.
    fn walk(&self, update: bool) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/walkthrough.md");
        let mut page = std::fs::read_to_string(&file).unwrap();
        for section in sections(&page.clone()) {
            for command in &section.typed {
                let real = self.typed(&command.command);
                let seen: Vec<_> = real.lines().map(plain).collect();
                let shown: Vec<_> = command.shown.iter().map(|line| plain(line)).collect();
                if update {
                    let from = format!(
                        "$ {}\n{}",
                        command.command,
                        command.shown.iter().map(|it| format!("{it}\n")).collect::<String>()
                    );
                    // The last of several equal commands is the one that was not filled in yet.
                    if let Some(at) = page.rfind(&from) {
                        page.replace_range(at..at + from.len(), &format!("$ {}\n{real}", command.command));
                    }
                } else {
                    let all = (shown.join("\n"), seen.join("\n"));
                    assert!(is_excerpt(&shown, &seen), "$ {}\nshown:\n{}\nreal:\n{}", command.command, all.0, all.1);
                }
            }
        }
        if update {
            std::fs::write(&file, page).unwrap();
        }
    }

    /// Whatever the page says: the rows are there, and the last two results are those of a verified run and of a spent approval.
    fn is_verified(&self) {
        let run = "SELECT id FROM LEDGER_cut_change_set WHERE run_id LIKE 'run-%' AND state = 'recorded'";
        let units =
            format!("SELECT count(*) FROM information_unit WHERE state = 'enacted' AND change_set_id = ({run})");
        assert_eq!(self.asked(&units), "12");
        let verified = "SELECT count(*) FROM LEDGER_verify_result WHERE outcome = 'PASS' AND units = 12";
        assert_eq!(self.asked(verified), "1");
        let ledger = std::fs::read_to_string(self.lab.dir.join("reports/ledger.jsonl")).unwrap();
        assert_eq!(ledger.matches("\"letter\":\"A\"").count(), 1, "one run, one A");
        assert_eq!(std::fs::read_dir(self.lab.dir.join("records/drills")).unwrap().count(), 2);
        let scratch = std::fs::read_dir(self.lab.dir.join("requests")).unwrap();
        let names = scratch.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert!(names.into_iter().all(|name| !name.starts_with(".drill")), "the scratch copy is gone");
        let again = cutgate(&self.lab.dir, &["audit"], &[]);
        assert_eq!(again.status.code(), Some(1), "{}", text(&again.stdout));
    }

    /// Another document becomes the target, registered by hand; every technical gap is closed for it.
    fn another_document(&self) {
        let content = "# Notes\n\n§ 1 A note is kept.\n\n§ 1.1 It''s one line\\ and no more.\n";
        let sha256 = cutgate::evidence::sha256_hex(content.replace("''", "'").as_bytes());
        let at = "'2026-06-01T00:00:00Z'";
        let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let statements = format!(
            "INSERT INTO source_document VALUES ('ICX-NOTES', 'Notes', 'non-authoritative', 'draft', 'operator', {at}); \
             INSERT INTO source_version VALUES ('ICX-NOTES', 1, '{content}', '{sha256}', {at}); \
             INSERT INTO LEDGER_cut_change_set VALUES ('CCS-NOTES', 'ICX-NOTES', NULL, 'live', 'open', '{now}'); \
             INSERT INTO target (id, title, document_id, version, content_sha256, units, authority, lifecycle, forbidden, dry_run, \
             open_change_set, registered_utc) VALUES ('ICX-NOTES', 'Notes', 'ICX-NOTES', 1, '{sha256}', 2, 'non-authoritative', \
             'draft', false, 'none', 'CCS-NOTES', {at});"
        );
        self.lab.write("notes.sql", &statements.replace("LEDGER_", self.ledger));
        assert_eq!(self.typed(&format!("{EMBEDDED} \"$(cat notes.sql)\"")), "");
        self.lab.shell("sed -i 's/^target = .*/target = \"ICX-NOTES\"/' cutgate.toml");
        self.lab.follow("GAP-8");
        let drill = self.typed("cutgate drill");
        assert!(drill.contains("dump: restored and compared (E3)"), "{drill}");
        // The approvals of the first run are there, and spent.
        let audit = self.typed("cutgate audit");
        assert!(audit.contains("blocked technically: none"), "{audit}");
    }

    /// What the executor speaks to the server with is approved with the tree: exchanged afterwards, nothing starts.
    fn another_driver(&self) {
        let run_id = approve(&self.lab);
        let driver = "host/opt/cutter/v0.7/lib/psqldb.py";
        self.lab.shell(&format!("cp -p {driver} driver && echo '# another one' >> {driver}"));
        let refused = cutgate(&self.lab.dir, &["run", &run_id], &[]);
        let all = text(&refused.stdout) + &text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(7), "{all}");
        assert!(all.contains("GAP-1 (deployed-artifact) is OPEN") && all.contains("lib/psqldb.py"), "{all}");
        let journal = self.lab.dir.join("requests").join(&run_id).join("journal.jsonl");
        assert!(!std::fs::read_to_string(journal).unwrap_or_default().contains("\"step\":\"start"), "{all}");
        self.lab.shell(&format!("mv driver {driver}"));
    }

    /// A run that fails is D, and what it wrote is gone.
    fn fails(&self, phase: &str, said: &str) {
        let rows = "SELECT count(*), max(state) FROM information_unit";
        let before = self.asked(rows);
        let run_id = approve(&self.lab);
        let done = cutgate(&self.lab.dir, &["run", &run_id], &[]);
        let all = text(&done.stdout) + &text(&done.stderr);
        assert_eq!(done.status.code(), Some(4), "{phase}: {all}");
        assert!(all.contains(said) && all.contains("ROLLED_BACK_VERIFIED"), "{phase}: {all}");
        assert_eq!(self.asked(rows), before, "{phase}");
        let folder = self.lab.dir.join("requests").join(&run_id);
        let printed = std::fs::read_to_string(folder.join("executor.out")).unwrap();
        assert!(printed.contains(&format!("{phase} FAILED")), "{phase}: {printed}");
        assert_eq!(cutgate(&self.lab.dir, &["verify", "reports"], &[]).status.code(), Some(0), "{phase}");
    }
}

#[test]
fn the_walkthrough_ends_in_a_verified_run() {
    let (lab, _held) = ready();
    // Where the tutorial ends.
    lab.shell("rm records/drills/* kb/runbooks/per-cut-revert.md");
    let story = Story { lab, registry: EMBEDDED.to_owned(), ledger: "cutter_governance_" };
    story.walk(std::env::var_os("UPDATE_GOLDEN").is_some());
    story.is_verified();
}

#[test]
fn the_walkthrough_on_postgresql_ends_in_a_verified_run_and_another_document_in_d() {
    let (cluster, scratch) = (Cluster::shared(), Cluster::scratch());
    let lab = Lab::new();
    let database = moved(&lab, &cluster, &scratch);
    close_but_the_revert(&lab);
    lab.shell("gpgconf --homedir keys/home --kill all; rm -rf reports");
    let package = std::fs::read_to_string(lab.dir.join("cutgate.toml")).unwrap();
    let registry = package.lines().find_map(|line| line.strip_prefix("registry_shell = ")).unwrap();
    let story = Story { lab, registry: registry.trim_matches('"').to_owned(), ledger: "cutter_governance." };
    story.walk(false);
    story.is_verified();
    // It was the role with the password that wrote, by the cutter's own session.
    let wrote = "cutter|locked|LOG:  statement: INSERT INTO information_unit";
    assert!(cluster.log().contains(wrote), "{wrote}");
    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'cutgate%'";
    assert_eq!((cluster.sql("postgres", left).trim(), scratch.sql("postgres", left).trim()), ("0", "0"));

    story.another_document();
    story.another_driver();
    let full =
        "CREATE FUNCTION full_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'the ledger is full'; END $$";
    cluster.sql(&database, full);
    // What the cutter may not read, it cannot dump.
    cluster.sql(&database, "CREATE TABLE hidden (x integer); GRANT SELECT ON hidden TO lab_reader");
    story.fails("pre_write_backup", "FAILED, NOTHING WRITTEN");
    cluster.sql(&database, "DROP TABLE hidden");
    for (phase, trigger, said) in [
        // The dump is there.
        ("cut_leg_a", "BEFORE INSERT ON information_unit", "FAILED, "),
        ("leg_b_record", "BEFORE INSERT ON cutter_governance.manifest_envelope", "FAILED, PARTLY WRITTEN"),
        ("write_verify", "BEFORE INSERT ON cutter_governance.verify_result", "FAILED, PARTLY WRITTEN"),
        ("lifecycle_enact", "BEFORE UPDATE ON information_unit", "FAILED, PARTLY WRITTEN"),
    ] {
        cluster.sql(&database, &format!("CREATE TRIGGER full_up {trigger} FOR EACH ROW EXECUTE FUNCTION full_up()"));
        story.fails(phase, said);
        cluster.sql(&database, &format!("DROP TRIGGER full_up ON {}", trigger.rsplit(' ').next().unwrap()));
    }
}
