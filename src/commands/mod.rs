//! Commands: one file per subcommand. Clock and environment enter here and are passed down.
//!
//! A command returns its exit code or an error that ends it; both are mapped to codes here and nowhere else.

mod attest;
mod audit;
mod baseline;
mod cli;
mod code_path;
mod config;
mod demo;
mod diff;
mod doctor;
mod drill;
mod explain;
mod gates;
mod init;
mod interrupt;
mod keys;
mod man;
mod output;
mod publication;
mod request;
mod run;
mod schema;
mod screen;
mod selection;
mod session;
mod signing;
mod snapshot;
mod story;
mod trial;
mod verify;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use anstream::eprintln;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};

use crate::package::diagnostic::Problems;
use crate::report::{PublishError, RenderError, ReplayError};
use cli::{Cli, Command};

/// Every exit code with its meaning: the contract, the same for every command and format.
pub const EXIT_CODES: &[(u8, &str)] = &[
    (0, "the requirement is met (audit: the result is at least --require, default B; others: done)"),
    (1, "blocked: every gate was evaluated and at least one is not CLOSED"),
    (2, "usage, package or gate files are wrong, or the reports cannot be written; nothing was published"),
    (3, "blocked, and at least one gate is UNKNOWN"),
    (4, "D: a run was started, did not end verified, and was rolled back, verified"),
    (5, "D with residue or an unverified rollback: a person is needed now"),
    (6, "integrity: a signature, digest, chain or replay does not match"),
    (7, "refused: a run may not be requested or started; nothing was started"),
    (70, "internal error (a bug)"),
];

/// Why a command ended without doing its work.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The package or its gates are wrong: rendered with file, line and caret.
    #[error("{0}")]
    Problems(Problems),
    /// The command line asks for something that there is not.
    #[error("{0}")]
    Usage(String),
    /// A report cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The reports cannot be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// What was to be signed could not be.
    #[error("{0}; nothing was published")]
    Signing(#[from] crate::signing::SigningError),
    /// A published audit does not verify.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// One of two audits that are to be compared does not verify.
    #[error("{0}: {1}; nothing was compared")]
    Compared(String, ReplayError),
    /// A run may not be requested, for these reasons; nothing was started or written.
    #[error("refused; nothing was started\n{}", .0.iter().map(|reason| format!("- {reason}")).collect::<Vec<_>>().join("\n"))]
    Refused(Vec<String>),
    /// The laboratory cannot be built.
    #[error(transparent)]
    Lab(#[from] crate::lab::LabError),
    /// Something that cannot be: a bug.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

impl CommandError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Problems(_) | Self::Usage(_) | Self::Render(_) | Self::Lab(_) | Self::Signing(_) => 2,
            Self::Publish(PublishError::Ledger { .. }) => 6,
            Self::Publish(PublishError::Io { .. } | PublishError::Secret { .. } | PublishError::Checkpoint(_)) => 2,
            Self::Replay(error) | Self::Compared(_, error) => match error {
                ReplayError::Io { .. }
                | ReplayError::Ledger(
                    PublishError::Io { .. } | PublishError::Secret { .. } | PublishError::Checkpoint(_),
                ) => 2,
                ReplayError::Ledger(PublishError::Ledger { .. })
                | ReplayError::NotInLedger(_)
                | ReplayError::Void(_)
                | ReplayError::Drill(_)
                | ReplayError::Closure(_)
                | ReplayError::File { .. }
                | ReplayError::Rules(_)
                | ReplayError::Render(_) => 6,
            },
            Self::Refused(_) => 7,
            Self::Internal(_) => 70,
        }
    }
}

/// Runs the program with its arguments, the first being its own name.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    leave_no_core();
    let parsed = Cli::command().try_get_matches_from(args);
    let parsed = parsed.and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (cli, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version go to standard output, everything else to standard error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let given = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
    cli.manner.set(given("color"));
    let plugin = matches!(&cli.command, Command::Audit(args) if args.exit_style == cli::ExitStyle::Nagios);
    let result = match cli.command {
        Command::Audit(args) => audit::run(&cli.package, &args),
        Command::CodePath(args) => code_path::run(&args),
        Command::Completions(args) => man::completions(&args),
        Command::Config(args) => match args.action {
            cli::ConfigAction::Show(args) => config::show(&cli.package, given("package"), &args),
        },
        Command::Demo(args) => demo::run(&args),
        Command::Diff(args) => diff::run(&cli.package, &args),
        Command::Doctor(args) => doctor::run(&cli.package, &args),
        Command::Drill => drill::run(&cli.package),
        Command::Explain(args) => explain::run(&cli.package, &args),
        Command::Gates(args) => gates::run(&cli.package, &args),
        Command::Init(args) => init::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Request => request::run(&cli.package),
        Command::Schema(args) => schema::run(&args),
        Command::Run(args) => run::run(&cli.package, &args),
        Command::Snapshot(args) => snapshot::run(&cli.package, &args),
        Command::Verify(args) => verify::run(&cli.package, &args),
    };
    stand_still("over");
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say(&error);
            ExitCode::from(if plugin { as_plugin(&error) } else { error.exit_code() })
        }
    }
}

/// Keeps the kernel from writing this process's memory into a file when it crashes, and others of the same user from reading it:
/// it may hold secrets. The first is for a core in a folder, the second for one that a program takes, whom core(5) lets ignore the limit.
/// Where the kernel allows neither, nothing else depends on it.
fn leave_no_core() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
    let allowed = getrlimit(Resource::Core);
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..allowed });
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// For tests of what is left in memory, in builds for development only: stops this very process at the named step.
fn stand_still(step: &str) {
    if cfg!(debug_assertions) && std::env::var("CUTGATE_TEST_STOP_AT").is_ok_and(|wanted| wanted == step) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    }
}

/// Says on standard error what went wrong.
fn say(error: &CommandError) {
    match error {
        CommandError::Problems(problems) => eprintln!("{}", problems.render(true).trim_end()),
        CommandError::Usage(_)
        | CommandError::Render(_)
        | CommandError::Publish(_)
        | CommandError::Lab(_)
        | CommandError::Signing(_)
        | CommandError::Replay(_)
        | CommandError::Compared(..)
        | CommandError::Refused(_)
        | CommandError::Internal(_) => {
            let lines: Vec<_> = error.to_string().lines().map(crate::report::escape::terminal).collect();
            eprintln!("error: {}", lines.join("\n"))
        }
    }
}

/// The exit code of a monitoring plugin that could not do its work, for `--exit-style nagios`: tampering is CRITICAL,
/// everything else UNKNOWN. Monitoring reads standard output, so it is said there too.
fn as_plugin(error: &CommandError) -> u8 {
    let (word, code) = if error.exit_code() == 6 { ("CRITICAL", 2) } else { ("UNKNOWN", 3) };
    let said = error.to_string();
    let said = crate::report::escape::terminal(said.lines().next().unwrap_or_default()).replace('|', "¦");
    let _ = output::to_stdout(&format!("CUTGATE {word} - {said}\n"));
    code
}
