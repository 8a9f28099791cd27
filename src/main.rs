//! The program: parses, calls, exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    cutgate::commands::run(std::env::args_os())
}
