//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Audits whether a host is ready for an irreversible production run, and writes the reports that prove it.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Exit codes: 0 met · 1 blocked · 2 usage, package or gate files wrong · 3 blocked with UNKNOWN · 6 integrity · 70 internal error.\nStart with: cutgate demo /tmp/lab && cutgate -p /tmp/lab/cutgate.toml audit"
)]
pub struct Cli {
    /// The package file.
    #[arg(short, long, global = true, value_name = "FILE", default_value = "cutgate.toml")]
    pub package: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read the host, judge every gate, write the numbered reports, print the roll-up.
    Audit(AuditArgs),
    /// Build a complete laboratory with real keys, database, knowledge base and code.
    Demo(DemoArgs),
    /// Show a gate's checks with actual values, where each was read, and what would close it.
    Explain(ExplainArgs),
    /// Write a new package to fill in.
    Init(InitArgs),
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

/// `audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  cutgate audit\n  cutgate audit --format json=result.json\n  cutgate audit --only live-code-path --only GAP-1\n  cutgate audit --require A --out /srv/audits"
)]
pub struct AuditArgs {
    /// Judge only these gates (id, gap or alias). Gives no result letter and publishes no reports.
    #[arg(long, value_name = "GATE", value_delimiter = ',')]
    pub only: Vec<String>,
    /// The result that must be reached for exit code 0.
    #[arg(long, value_name = "LETTER", default_value = "B")]
    pub require: Required,
    /// A format for standard output, or NAME=FILE for a file: text, json, markdown. May be repeated.
    #[arg(long, value_name = "NAME[=FILE]")]
    pub format: Vec<String>,
    /// Where the numbered reports go; default: reports/ beside the package file.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The folder to make; it must not exist, or be empty.
    pub dir: PathBuf,
    /// The situation to build.
    #[arg(long, value_name = "NAME", default_value = "o8-blocked")]
    pub scenario: String,
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
}

/// `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The folder of one published audit, such as reports/0001-20260521T100000Z.
    pub dir: PathBuf,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder to make; it must not exist, or be empty.
    pub dir: PathBuf,
}
