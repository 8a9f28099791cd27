//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::attest::{AttestArgs, AttestedArgs};
use super::keys::KeyArgs;
use super::screen::Manner;
use super::signing::SignArgs;

/// Audits whether a host is ready for an irreversible production run, and writes the reports that prove it.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 met · 1 blocked · 2 usage, package or gate files wrong · 3 blocked with UNKNOWN · 4 D, rolled back · 5 D, a person is needed · 6 integrity · 7 refused · 70 internal error.\nStart with: cutgate demo /tmp/lab && cutgate -p /tmp/lab/cutgate.toml audit"
)]
pub struct Cli {
    /// The package file.
    #[arg(short, long, global = true, value_name = "FILE", default_value = "cutgate.toml")]
    pub package: PathBuf,
    /// How much is said beside the result.
    #[command(flatten)]
    pub manner: Manner,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read the host, judge every gate, write the numbered reports, print the roll-up.
    Audit(AuditArgs),
    /// Analyse the live code path of any source tree, without a package.
    CodePath(CodePathArgs),
    /// Build a complete laboratory with real keys, database, knowledge base and code.
    Demo(DemoArgs),
    /// Print a script that completes commands and options in a shell.
    #[command(
        after_help = "Examples:\n  cutgate completions bash > /etc/bash_completion.d/cutgate\n  cutgate completions zsh > ~/.zfunc/_cutgate\n  cutgate completions fish > ~/.config/fish/completions/cutgate.fish"
    )]
    Completions(CompletionsArgs),
    /// The settings in force.
    Config(ConfigArgs),
    /// Compare two published audits: gates that changed, and the facts behind each change.
    Diff(DiffArgs),
    /// Say whether cutgate can do its work here: sign, publish, read what the package names. Writes nothing.
    Doctor(DoctorArgs),
    /// Rehearse the revert on a scratch copy of the registry, and write the signed record of it.
    Drill,
    /// Show a gate's checks with actual values, where each was read, and what would close it.
    Explain(ExplainArgs),
    /// Write a new package to fill in.
    #[command(
        after_help = "Examples:\n  cutgate init /etc/cutgate/production\n  cutgate init --kind host readiness && cutgate -p readiness/cutgate.toml audit"
    )]
    Init(InitArgs),
    /// Open a run: fix what it is, and write what the sovereign signs. Refused while a technical gate is not CLOSED.
    Request,
    /// Write the manual pages: cutgate(1) to standard output, or one for each command into a folder.
    #[command(after_help = "Examples:\n  cutgate man | man -l -\n  cutgate man /usr/local/share/man/man1")]
    Man(ManArgs),
    /// Make a requested run: refused unless every gate is closed, the approvals hold, and nothing changed since.
    Run(RunArgs),
    /// Write gates and invariants from a host as it is, for what must not change; each proves first that it can fail.
    Snapshot(SnapshotArgs),
    /// Print the JSON Schema of something that this program writes or reads; without a name, list them.
    #[command(
        after_help = "Examples:\n  cutgate schema\n  cutgate schema result > result.schema.json\n  cutgate schema package > cutgate.schema.json"
    )]
    Schema(SchemaArgs),
    /// Verify a published audit: digests, ledger, and everything judged and rendered again.
    Verify(VerifyArgs),
    /// The gates in force: list them, or check their files.
    Gates(GatesArgs),
}

/// The letter that an audit must reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Required {
    /// The run was made and verified.
    #[value(name = "A")]
    A,
    /// Approval-ready, or approved and not executed.
    #[value(name = "B")]
    B,
}

/// Whose exit codes an audit ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExitStyle {
    /// Those of docs/exit-codes.md.
    Contract,
    /// Those of a monitoring plugin.
    Nagios,
}

/// What has no meaning where nothing is published.
const PUBLISHING: [&str; 8] = ["profile", "baseline", "format", "exit_style", "out", "attest_key", "sign", "sign_key"];

/// `audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cutgate audit\n  cutgate audit --format json=result.json --format html=audit.html\n  cutgate audit --format nagios --exit-style nagios\n  cutgate audit --only live-code-path --only GAP-1\n  cutgate audit --profile ci --format sarif=cutgate.sarif\n  cutgate audit --profile ci --baseline reports/0007-20260521T100000Z\n  cutgate audit --require A --out /srv/audits\n  cutgate audit --sign 0123456789ABCDEF0123456789ABCDEF01234567\n  cutgate audit --sign-key ci.key --passphrase-fd 3 3< passphrase\n  cutgate audit --watch=10\n  cutgate audit --wait-until-closed GAP-3 --timeout 10m"
)]
pub struct AuditArgs {
    /// Judge only these gates (id, gap or alias). Gives no result letter and publishes no reports.
    #[arg(long, value_name = "GATE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Judge only the gates of this profile of the package, [profile.NAME]. As --only, but that a gate which is waived does not
    /// block; it is named. The package's other gates are named as not judged: that is no readiness result.
    #[arg(long, value_name = "NAME", conflicts_with = "only")]
    pub profile: Option<String>,
    /// Block only where a gate is worse than in this published audit: its folder, or a file in it. It must verify. Exit code 0 then
    /// says that nothing got worse, and never that a run may happen.
    #[arg(long, value_name = "AUDIT")]
    pub baseline: Option<PathBuf>,
    /// The result that must be reached for exit code 0. With --profile B only: its gates are closed.
    #[arg(long, value_name = "LETTER", default_value = "B")]
    pub require: Required,
    /// A format for standard output, or NAME=FILE for a file: text, json, markdown, html, sarif, junit, tap, github, gitlab,
    /// nagios, prometheus, oscal, oscal-poam. May be repeated.
    #[arg(long, value_name = "NAME[=FILE]")]
    pub format: Vec<String>,
    /// Whose exit codes: those of cutgate, or those of a monitoring plugin (0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN).
    #[arg(long, value_name = "STYLE", default_value = "contract")]
    pub exit_style: ExitStyle,
    /// Where the numbered reports go; default: reports/ beside the package file.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Audit again every so many seconds (30 where none are given) and print only what changed; publishes nothing. Ctrl-C ends
    /// it with the exit code of the last audit.
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "30",
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        conflicts_with_all = PUBLISHING
    )]
    pub watch: Option<u64>,
    /// Look at one gate (id, gap or alias) until it is CLOSED, which is exit code 0; after --timeout the exit code is that of
    /// its state. Publishes nothing.
    #[arg(
        long,
        value_name = "GATE",
        requires = "timeout",
        conflicts_with_all = PUBLISHING.iter().copied().chain(["watch", "only", "require"]).collect::<Vec<_>>()
    )]
    pub wait_until_closed: Option<String>,
    /// How long to wait: 90s, 10m.
    #[arg(long, value_name = "LENGTH", requires = "wait_until_closed", value_parser = length)]
    pub timeout: Option<Duration>,
    /// How often to look while waiting; default: 5s.
    #[arg(long, value_name = "LENGTH", requires = "wait_until_closed", value_parser = length)]
    pub every: Option<Duration>,
    /// Who attests what is published.
    #[command(flatten)]
    pub attest: AttestArgs,
    /// Who signs what is published.
    #[command(flatten)]
    pub signing: SignArgs,
}

/// `code-path`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cutgate code-path src --config code-path.toml\n  cutgate code-path src --mode app.mode.Mode --live LIVE --dry DRY --switch app.switch.ENABLED --phases write=app.run:Writer.run --carrier ctx.mode\n  cutgate code-path src --config code-path.toml --format github --format sarif=code-path.sarif\nExit codes: 0 CLOSED · 1 OPEN or PARTIAL · 2 usage · 3 UNKNOWN"
)]
pub struct CodePathArgs {
    /// The folder of the source tree, from which modules are named.
    pub dir: PathBuf,
    /// A file with [mode], [[kill_switch]], [patterns] and [phases], or a package file with [code_path].
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The dotted name of the mode: an enumeration, or the variable that holds a text or a truth value.
    #[arg(long, value_name = "NAME")]
    pub mode: Option<String>,
    /// enum, string or bool; default: enum.
    #[arg(long, value_name = "KIND")]
    pub mode_kind: Option<String>,
    /// The member or value of a live run.
    #[arg(long, value_name = "VALUE")]
    pub live: Option<String>,
    /// The member or value of a dry run.
    #[arg(long, value_name = "VALUE")]
    pub dry: Option<String>,
    /// The dotted name of a kill switch; with `()` at its end a function. May be repeated.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub switch: Vec<String>,
    /// A phase and its entry, or a rule over classes and their method, such as '*Phase.run'. May be repeated.
    #[arg(long, value_name = "NAME=MODULE:ENTRY|CLASSES.METHOD", value_delimiter = ',')]
    pub phases: Vec<String>,
    /// Where the mode enters the phases of --phases: mode, ctx.mode, self.mode.
    #[arg(long, value_name = "PATH", default_value = "")]
    pub carrier: String,
    /// Time for the analysis: 30s, 5m.
    #[arg(long, value_name = "LENGTH", default_value = "60s", value_parser = length)]
    pub time_limit: Duration,
    /// A format for standard output, or NAME=FILE for a file: text, json, sarif. May be repeated.
    #[arg(long, value_name = "NAME[=FILE]")]
    pub format: Vec<String>,
}

fn length(text: &str) -> Result<Duration, String> {
    crate::probes::parse_duration(text).ok_or_else(|| "write a number with s, m, h or d, such as 30s".to_owned())
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The folder to make; it must not exist, or be empty.
    pub dir: PathBuf,
    /// The situation to build: o8-blocked (result C), or approval-ready (B: only the approval is missing).
    #[arg(long, value_name = "NAME", default_value = "o8-blocked")]
    pub scenario: String,
    /// Play the whole story in it: blocked, ready, approved, a run that fails, a run that is verified.
    #[arg(long)]
    pub story: bool,
}

/// `diff`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cutgate diff 1 2\n  cutgate diff reports/0001-20260521T100000Z reports/0002-20260522T100000Z --format markdown=changes.md\n  cutgate diff /srv/old/reports/0007-20260521T100000Z 8 --out /srv/audits\n  cutgate diff 1 2 --key auditor.asc\nWhose signatures count is as for verify.\nExit codes: 0 compared, whatever changed · 2 usage, or an audit cannot be read · 6 an audit does not verify"
)]
pub struct DiffArgs {
    /// The folder of the older audit, or its number.
    pub old: PathBuf,
    /// The folder of the newer audit, or its number.
    pub new: PathBuf,
    /// A format for standard output, or NAME=FILE for a file: text, json, markdown. May be repeated.
    #[arg(long, value_name = "NAME[=FILE]")]
    pub format: Vec<String>,
    /// Where numbers are looked up; default: reports/ beside the package file.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Whose signatures count.
    #[command(flatten)]
    pub keys: KeyArgs,
}

/// `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigAction {
    /// Show every setting in force, references filled in. Values that may be secret are not shown.
    #[command(
        after_help = "Examples:\n  cutgate config show\n  cutgate config show --origin | grep limits\n  cutgate config show --format json"
    )]
    Show(ConfigShowArgs),
}

/// `config show`.
#[derive(Debug, Args)]
pub struct ConfigShowArgs {
    /// Also say where each comes from: file and line, default, environment, command line.
    #[arg(long)]
    pub origin: bool,
    /// A format for standard output, or NAME=FILE for a file: text, json. May be repeated.
    #[arg(long, value_name = "NAME[=FILE]")]
    pub format: Vec<String>,
}

/// `doctor`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cutgate doctor\n  cutgate doctor --sign-key ci.key --passphrase-fd 3 3< passphrase\n  sudo -u cutgate cutgate doctor --format json\nIt is about cutgate and not about the host: whether that is ready, cutgate audit says.\nExit codes: 0 all is ok · 1 there is a problem · 2 usage, package or gate files wrong · 3 something could not be told"
)]
pub struct DoctorArgs {
    /// Where the numbered reports would go; default: reports/ beside the package file.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// A format for standard output, or NAME=FILE for a file: text, json. May be repeated.
    #[arg(long, value_name = "NAME[=FILE]")]
    pub format: Vec<String>,
    /// Who would sign; default: those whom the package pins as auditor, by gpg.
    #[command(flatten)]
    pub signing: SignArgs,
}

/// `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A gate's id, a gap's id or one of its aliases.
    pub gate: String,
    /// text, json or markdown.
    #[arg(long, value_name = "NAME", default_value = "text")]
    pub format: String,
}

/// `gates`.
#[derive(Debug, Args)]
pub struct GatesArgs {
    /// What to do with them.
    #[command(subcommand)]
    pub action: GatesAction,
}

/// What to do with the gates.
#[derive(Debug, Subcommand)]
pub enum GatesAction {
    /// List the gates in force with their gaps and checks.
    List {
        /// text, json or markdown.
        #[arg(long, value_name = "NAME", default_value = "text")]
        format: String,
    },
    /// Check the package and gate files without auditing: every problem at once.
    Check,
    /// Test the gates over recorded facts, without a host: the cases in gate-tests/, and each rule changed bit by bit.
    #[command(
        after_help = "Examples:\n  cutgate gates test\n  cutgate gates test --start-from reports/0001-20260521T100000Z\n  cutgate gates test right-host --format json\nExit codes: 0 every case holds and every change of a rule was noticed · 1 not so, or a gate of the package has no tests · 2 a file is wrong, or there is nothing to test"
    )]
    Test(TestArgs),
}

/// `gates test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Only these gates (id, gap or alias); default: all that have tests, and all of the package's own.
    #[arg(value_name = "GATE")]
    pub gates: Vec<String>,
    /// Write a first test file for each gate that has none, from the evidence of this published audit.
    #[arg(long, value_name = "AUDIT")]
    pub start_from: Option<PathBuf>,
    /// A format for standard output, or NAME=FILE for a file: text, json. May be repeated.
    #[arg(long, value_name = "NAME[=FILE]")]
    pub format: Vec<String>,
}

/// `verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cutgate verify reports/0001-20260521T100000Z\n  cutgate verify reports/0001-20260521T100000Z/09-final.md --key auditor.asc\n  cutgate verify reports --key auditor.asc\nWithout --key the keys count that the package file pins as auditor; without a package file those that come with the\naudit, which proves that it is consistent and not who made it.\nExit codes: 0 everything matches · 2 nothing could be read · 6 something does not match"
)]
pub struct VerifyArgs {
    /// The folder of one published audit, a file in it, or the folder with the ledger: then all of them.
    pub dir: PathBuf,
    /// Whose attestations count.
    #[command(flatten)]
    pub attested: AttestedArgs,
    /// Whose signatures count.
    #[command(flatten)]
    pub keys: KeyArgs,
}

/// `run`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 A, verified · 4 D, rolled back and verified · 5 D, a person is needed now · 7 refused, nothing was started.\nNothing forces a run: while anything speaks against it, it is refused."
)]
pub struct RunArgs {
    /// The run, as `cutgate request` named it.
    #[arg(value_name = "RUN_ID")]
    pub run_id: String,
    /// Say what is known of the run, and change nothing.
    #[arg(long, conflicts_with_all = ["recover", "revert"])]
    pub status: bool,
    /// Look after a run that was cut off: end what is left of it, read everything again, and report.
    #[arg(long)]
    pub recover: bool,
    /// With --recover: take it back where that may be done.
    #[arg(long, requires = "recover")]
    pub revert: bool,
    /// Close a run that no command can bring to an end, by a decision that the sovereign signed (FILE, and FILE.asc beside it).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["status", "recover"])]
    pub close: Option<PathBuf>,
    /// Who signs the reports of the run.
    #[command(flatten)]
    pub signing: SignArgs,
    /// Who attests them.
    #[command(flatten)]
    pub attest: AttestArgs,
}

/// `snapshot`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cutgate snapshot\n  cutgate snapshot --out /tmp/snapshot --path /etc/hosts --path /srv/app/config\nExit codes: 0 everything has a gate · 1 something cannot have one, such as what is absent · 2 usage, or nothing could be read · 3 something could not be read, and has none"
)]
pub struct SnapshotArgs {
    /// The folder to make; it must not exist, or be empty. Default: snapshot.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// A further file or folder, as the package writes paths. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub path: Vec<String>,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to make; it must not exist, or be empty.
    pub dir: PathBuf,
    /// What is described: a cutter with its registry, or a host that must only be prepared.
    #[arg(long, value_enum, default_value_t = InitKind::Cutter)]
    pub kind: InitKind,
}

/// What a new package describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InitKind {
    /// A cutter, its registry, its keys and approvals: the nine stock gates. Several places must be filled in.
    Cutter,
    /// A host and one gate of its own, to begin with: it can be audited at once.
    Host,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// What is described: result, evidence, package, gate, waiver, …
    pub name: Option<String>,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell.
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder for the pages; it is made where it is not there.
    pub dir: Option<PathBuf>,
}
