//! `kill -9` of the database server: at steps of the journal, and at random moments. After it is back the status is true, no second
//! run starts, no approval is spent twice, and what was begun is brought to its end.

use std::process::Command;
use std::time::{Duration, Instant};

use super::super::{approve, misbehave, quiet, text};
use super::{Random, all, one_by_one, times};
use crate::postgres::Cluster;
use crate::runs::Approved;
use crate::stock_gates::Lab;
use crate::stock_gates::postgresql::moved;
use crate::stock_gates::ready::ready;

/// The registry as it was when the run was approved: a database of this name is made anew for each trial.
const KEPT: &str = "kept_for_trials";

/// When the server is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// As soon as the journal has this step.
    Step(&'static str),
    After(Duration),
}

/// Two approved runs of one target of a registry on a server of their own.
pub(super) struct Bench {
    cluster: Cluster,
    approved: Approved,
    database: String,
}

impl Bench {
    /// With the executor in this mode.
    pub(super) fn new(mode: &str) -> Self {
        let (cluster, scratch) = (Cluster::start(), Cluster::scratch());
        let (lab, held) = ready();
        let database = moved(&lab, &cluster, &scratch);
        misbehave(&lab);
        lab.write("executor.py", include_str!("../server.py"));
        lab.write("mode", mode);
        let (other, run_id) = (approve(&lab), approve(&lab));
        quiet(&lab);
        cluster.sql("postgres", &format!("CREATE DATABASE {KEPT} TEMPLATE {database}"));
        let approved = Approved { lab, run_id, other, _held: held };
        Self { cluster, approved, database }
    }

    /// The package as it was approved, over the registry as it was then.
    pub(super) fn afresh(&self) -> Approved {
        let database = &self.database;
        self.cluster.sql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)"));
        self.cluster.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE {KEPT} OWNER locked"));
        let kept = &self.approved;
        let lab = Lab::of(&kept.lab.dir, kept.lab.shared.clone());
        Approved { lab, run_id: kept.run_id.clone(), other: kept.other.clone(), _held: kept._held.clone() }
    }

    fn rows(&self) -> String {
        let dump =
            Command::new("pg_dump").args(["-d", &self.cluster.url(&self.database, "postgres")]).output().unwrap();
        assert!(dump.status.success(), "{}", text(&dump.stderr));
        // What a reverted run drew from a sequence stays drawn, and pg_dump marks each of its dumps with words of its own.
        let line = |line: &&str| !line.contains("setval(") && !line.starts_with('\\');
        text(&dump.stdout).lines().filter(line).collect::<Vec<_>>().join("\n")
    }

    /// How many units are enacted.
    pub(super) fn enacted(&self) -> String {
        let sql = "SELECT count(*) FROM information_unit WHERE state = 'enacted'";
        self.cluster.sql(&self.database, sql).trim().to_owned()
    }

    fn trial(&self, moment: Moment) -> Vec<String> {
        let approved = self.afresh();
        let before = self.rows();
        let child = approved.begin(&["run", &approved.run_id]);
        match moment {
            Moment::After(time) => std::thread::sleep(time),
            Moment::Step(step) => {
                let end = Instant::now() + Duration::from_secs(60);
                while approved.steps(step) == 0 && Instant::now() < end {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
        self.cluster.kill_9();
        let ended = child.wait_with_output().unwrap();
        let mut wrong = Vec::new();
        let code = ended.status.code();
        self.cluster.start_again();
        let status = approved.run(&["--status"], &[]);
        let said = text(&status.stdout);
        let mut says = |what: &str| wrong.push(format!("{moment:?}: {what}; {said}{}", all(&ended)));
        let consumed = approved.folder().join("consumed.json").exists();
        if said.contains("requested, not started") {
            if approved.starts() > 0 || consumed || self.rows() != before || code != Some(7) {
                says("it is called not started");
            }
            let made = approved.run(&[], &[]);
            if (made.status.code(), approved.starts(), self.enacted().as_str()) != (Some(0), 1, "12") {
                says(&format!("it cannot be made any more: {}", all(&made)));
            }
            return wrong;
        }
        if !consumed || !matches!(code, Some(0 | 4 | 5)) {
            says("started, and not consumed or not told");
        }
        if approved.run(&[], &[]).status.code() != Some(7) || approved.starts() > 1 {
            says("it was started again");
        }
        if !said.contains(", over") {
            let recovered = approved.run(&["--recover", "--revert"], &[]);
            let (code, same) = (recovered.status.code(), self.rows() == before);
            let fits = match code {
                Some(4) => same,
                Some(5) => self.enacted() == "12",
                _ => false,
            };
            if !fits {
                says(&format!("{code:?}, same {same}, {} enacted: {}", self.enacted(), all(&recovered)));
            }
        } else if self.enacted() != "12" && self.rows() != before {
            says("it is called over");
        }
        if approved.run(&[], &[]).status.code() != Some(7)
            || (approved.starts() > 1, approved.steps("consumed")) != (false, 1)
        {
            says("started or consumed twice");
        }
        let verified = approved.cutgate(&["verify", "reports"]);
        if verified.status.code() != Some(0) {
            says(&format!("the reports do not verify: {}", all(&verified)));
        }
        wrong
    }
}

#[test]
fn after_the_server_was_killed_the_record_is_true() {
    let bench = Bench::new("slow");
    let approved = bench.afresh();
    let begun = Instant::now();
    let whole = approved.run(&[], &[]);
    assert_eq!(whole.status.code(), Some(0), "{}", all(&whole));
    let span = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let steps = ["started", "reread", "opened", "permitted", "rechecked", "consumed", "starting", "ended"];
    let few = if times(0) > 0 { steps.len() } else { 2 };
    let random = (0..times(1)).map(|at| Moment::After(Duration::from_millis(Random::of(at).below(span))));
    let moments: Vec<Moment> = steps[..few].iter().map(|step| Moment::Step(step)).chain(random).collect();
    one_by_one(moments.len(), |at| bench.trial(moments[at]));
}
