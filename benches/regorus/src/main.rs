//! Evaluates every rule of a Rego policy over one document: regorus-rules POLICY INPUT
//!
//! A peer of cutgate in `make bench`. The policy's rules are called `rule_0`, `rule_1`, …; it prints how many hold.

use std::num::NonZeroUsize;

use regorus::PolicyLengthConfig;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(policy), Some(input)) = (args.next(), args.next()) else {
        return Err("usage: regorus-rules POLICY INPUT".into());
    };
    let mut engine = regorus::Engine::new();
    // Ten thousand rules are more than the stock limits of a policy file admit.
    let (bytes, lines) = (NonZeroUsize::MAX, NonZeroUsize::MAX);
    engine.set_policy_length_config(PolicyLengthConfig {
        max_file_bytes: bytes,
        max_lines: lines,
        ..Default::default()
    });
    engine.add_policy(policy.clone(), std::fs::read_to_string(&policy)?).map_err(|error| error.to_string())?;
    engine.set_input(regorus::Value::from_json_file(&input).map_err(|error| error.to_string())?);
    let results = engine.eval_query("data.bench".to_owned(), false).map_err(|error| error.to_string())?;
    let rules = results.result[0].expressions[0].value.as_object().map_err(|error| error.to_string())?;
    let holding = rules.values().filter(|value| **value == regorus::Value::from(true)).count();
    println!("{holding} hold");
    Ok(())
}
