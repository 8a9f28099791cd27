//! `verify`: a published audit against the ledger, its own evidence and its own rules.

use std::path::Path;

use super::cli::VerifyArgs;
use super::{CommandError, output};
use crate::report::escape::terminal;
use crate::report::prove;

pub fn run(package: &Path, args: &VerifyArgs) -> Result<u8, CommandError> {
    let keys = args.attested.keys(package)?;
    let whole = prove(&args.dir)?;
    let attested = args.attested.verified(&whole, &keys)?;
    let proved = whole.replayed;
    let unproved = if keys.is_empty() { "who made it (it is not signed), and " } else { "" };
    let text = format!(
        "audit {:04}: {}\nmade by {} at {} by the clock of the machine that was read\n\n\
         proved: {} files are what the ledger names; the ledger chains over {} lines; the recorded rules judge the\n\
         recorded evidence to the same result, and every file was rendered again byte for byte\n\
         not proved: {unproved}that the host was as the evidence says\n",
        proved.number,
        proved.result,
        proved.made_by,
        proved.utc,
        proved.files.len(),
        proved.ledger_lines
    );
    let lost = |folder: &String| {
        format!(
            "no report: {}, which is in no line of the ledger (an audit was cut off, or a line is gone)\n",
            terminal(folder)
        )
    };
    let text = text + &attested + &proved.without_line.iter().map(lost).collect::<String>();
    output::to_stdout(&text)?;
    Ok(0)
}
