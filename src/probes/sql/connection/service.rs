//! The service file, `pg_service.conf`: sections of parameters under a name (PostgreSQL, "The Connection Service File").

use super::parameters::{self, Treatment, Values};

/// The parameters of the service `name`; `None` where the file has no such section.
///
/// # Errors
/// What is wrong with a line of that section, with its number; values are never quoted.
pub(super) fn find(text: &str, name: &str) -> Result<Option<Values>, String> {
    let mut values: Option<Values> = None;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let section = rest.strip_suffix(']').ok_or_else(|| format!("line {number}: a section has no ]"))?;
            if values.is_some() {
                break;
            }
            if section == name {
                values = Some(Values::new());
            }
            continue;
        }
        let Some(values) = &mut values else { continue };
        if line.starts_with("ldap") {
            return Err(format!("line {number}: parameters that lie in a directory service are not looked up"));
        }
        let (key, value) = line.split_once('=').ok_or_else(|| format!("line {number}: it is not parameter=value"))?;
        match parameters::find(key) {
            // libpq forbids it too: services do not lead to services.
            Some(("service", _)) => return Err(format!("line {number}: a service cannot name another")),
            Some((key, Treatment::Obeyed)) => {
                if let Some(message) = parameters::unsound(key, value) {
                    return Err(format!("line {number}: {message}"));
                }
                // The first of two is libpq's choice; which was meant, nobody knows.
                if values.insert(key, value.to_owned()).is_some() {
                    return Err(format!("line {number}: {key} is given twice"));
                }
            }
            Some((_, Treatment::Ours)) => {}
            Some((key, Treatment::Refused(why))) => {
                return Err(format!("line {number}: {key} is not supported: {why}"));
            }
            None => return Err(format!("line {number}: there is no such parameter")),
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::find;

    const FILE: &str = "# ours\nhost=outside\n[test]\nhost=test.example\n[prod]\n host=a,b\nport=5433\napplication_name=x\n\n# end\n[prod]\nhost=second\n";

    #[test]
    fn a_section_gives_its_parameters_and_no_others() {
        let values = find(FILE, "prod").expect("in order").expect("there");
        assert_eq!(values.into_iter().collect::<Vec<_>>(), [("host", "a,b".to_owned()), ("port", "5433".to_owned())]);
        assert_eq!(find(FILE, "pro").expect("in order"), None, "a name that begins like another");
        assert_eq!(find("", "prod").expect("in order"), None);
    }

    #[test]
    fn a_line_that_is_not_understood_is_named_without_its_value() {
        for (line, said) in [
            ("host", "line 2: it is not parameter=value"),
            ("hots=hunter2", "line 2: there is no such parameter"),
            ("service=hunter2", "line 2: a service cannot name another"),
            ("options=-csearch_path=hunter2", "line 2: options is not supported"),
            ("sslmode=hunter2", "line 2: sslmode is none of"),
            ("port=hunter2", "line 2: a port is not a number"),
            ("[hunter2", "line 2: a section has no ]"),
            ("ldap://hunter2", "line 2: parameters that lie in a directory"),
        ] {
            let problem = find(&format!("[prod]\n{line}\n"), "prod").expect_err(line);
            assert!(problem.starts_with(said) && !problem.contains("hunter2"), "{line}: {problem}");
        }
    }
}
