//! `demo`: builds a laboratory and says what to do with it, or plays the whole story in it.

use super::cli::DemoArgs;
use super::{CommandError, output};
use crate::lab::{Scenario, build};

pub fn run(args: &DemoArgs) -> Result<u8, CommandError> {
    let scenario = Scenario::named(&args.scenario).ok_or_else(|| {
        let known = Scenario::ALL.iter().map(|scenario| scenario.name());
        let help = crate::package::diagnostic::suggestion(&args.scenario, known);
        CommandError::Usage(format!("there is no scenario `{}`; {help}", args.scenario))
    })?;
    let built = build(&args.dir, scenario)?;
    let package = built.dir.join("cutgate.toml");
    let text = format!(
        "laboratory {} in {}\nits keys are demonstration keys and secure nothing\nnext: cutgate -p {} audit\n",
        scenario.name(),
        built.dir.display(),
        package.display()
    );
    output::to_stdout(&text)?;
    if args.story {
        super::story::play(&built.dir)?;
    }
    Ok(0)
}
