//! `man` and `completions`: what the command line says of itself, for the system's manual and for shells.

use std::path::Path;

use clap::CommandFactory;

use super::cli::{Cli, CompletionsArgs, ManArgs};
use super::{CommandError, output};

pub fn completions(args: &CompletionsArgs) -> Result<u8, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cutgate", &mut script);
    output::to_stdout(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

pub fn run(args: &ManArgs) -> Result<u8, CommandError> {
    let Some(dir) = &args.dir else {
        output::to_stdout(&page(Cli::command())?)?;
        return Ok(0);
    };
    let failed = |path: &Path, error: std::io::Error| CommandError::Usage(format!("{}: {error}", path.display()));
    std::fs::create_dir_all(dir).map_err(|error| failed(dir, error))?;
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    let mut work = vec![root];
    let mut count = 0_usize;
    while let Some(command) = work.pop() {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace(' ', "-");
        work.extend(command.get_subcommands().cloned());
        let path = dir.join(format!("{name}.1"));
        std::fs::write(&path, page(command.display_name(name))?).map_err(|error| failed(&path, error))?;
        count += 1;
    }
    output::to_stdout(&format!("{count} pages in {}\n", dir.display()))?;
    Ok(0)
}

/// A page in the form of man(7).
fn page(command: clap::Command) -> Result<String, CommandError> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| CommandError::Internal(format!("a manual page cannot be rendered: {error}")))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
