//! `demo`: builds a laboratory and says what to do with it, brings it to where the scenario ends, or plays the whole story in it.

use super::cli::DemoArgs;
use super::{CommandError, output};
use crate::lab::{Scenario, build};

pub fn run(args: &DemoArgs) -> Result<u8, CommandError> {
    let scenario = Scenario::named(&args.scenario).ok_or_else(|| {
        let known = Scenario::ALL.iter().map(|scenario| scenario.name());
        let help = crate::package::diagnostic::suggestion(&args.scenario, known);
        CommandError::Usage(format!("there is no scenario `{}`; {help}", args.scenario))
    })?;
    if args.story && scenario != Scenario::O8Blocked {
        let told = format!("--story begins with {}; leave --scenario away", Scenario::O8Blocked.name());
        return Err(CommandError::Usage(told));
    }
    let built = build(&args.dir, scenario)?;
    let package = built.dir.join("cutgate.toml");
    let text = format!(
        "laboratory {} in {}\nits keys are demonstration keys and secure nothing\n",
        scenario.name(),
        built.dir.display()
    );
    output::to_stdout(&text)?;
    let next = match scenario {
        Scenario::O8Blocked if args.story => {
            super::story::play(&built.dir)?;
            return Ok(0);
        }
        Scenario::O8Blocked => "audit",
        Scenario::ApprovalReady => {
            super::story::prepare(&built.dir)?;
            "request"
        }
    };
    output::to_stdout(&format!("next: cutgate -p {} {next}\n", package.display()))?;
    Ok(0)
}
