//! Connection URIs (RFC 3986; PostgreSQL, "Connection URIs"). A problem never quotes the URI, for a password that was
//! not percent-encoded can turn up in any of its parts.

use percent_encoding::percent_decode_str;

use super::parameters::{self, Treatment, Values};

/// What is wrong and how to put it right.
pub(in super::super) type Problem = (String, String);

const FORM: &str = "write postgresql://user@host:port/dbname or postgresql:///dbname?host=/socket/directory&user=name, \
                    and percent-encode signs such as @ / : ? in a password";

/// The parameters that a URI gives.
pub(in super::super) fn parse(uri: &str) -> Result<Values, Problem> {
    let problem = |message: &str| (message.to_owned(), FORM.to_owned());
    let rest = uri.strip_prefix("postgresql://").or_else(|| uri.strip_prefix("postgres://"));
    let rest = rest.ok_or_else(|| problem("it is neither sqlite: nor postgresql://"))?;
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, dbname) = place.split_once('/').unwrap_or((place, ""));
    let (credentials, hosts) = authority.split_once('@').unwrap_or(("", authority));
    let (user, password) = match credentials.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (credentials, None),
    };
    let mut values = Values::new();
    let mut give = |name: &'static str, value: String| -> Result<(), Problem> {
        if value.is_empty() {
            return Ok(());
        }
        if let Some(message) = parameters::unsound(name, &value) {
            return Err(problem(&message));
        }
        match values.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(problem(&format!("it gives {name} twice"))),
        }
    };
    give("user", decoded(user)?)?;
    give("password", decoded(password.unwrap_or_default())?)?;
    give("dbname", decoded(dbname)?)?;
    let (hosts, ports) = places(hosts)?;
    give("host", hosts)?;
    give("port", ports)?;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').ok_or_else(|| problem("an option has no value"))?;
        let (name, value) = if (name, value) == ("ssl", "true") { ("sslmode", "require") } else { (name, value) };
        match parameters::find(name) {
            Some((name, Treatment::Obeyed)) => give(name, decoded(value)?)?,
            Some((name, Treatment::Ours)) => {
                let help = "leave it out: the session has its own".to_owned();
                return Err((format!("the option {name} is not supported"), help));
            }
            Some((name, Treatment::Refused(why))) => {
                return Err((format!("the option {name} is not supported: {why}"), "leave it out".to_owned()));
            }
            None => return Err(problem("it has an option that PostgreSQL URLs do not have")),
        }
    }
    Ok(values)
}

fn decoded(part: &str) -> Result<String, Problem> {
    let bytes: Vec<u8> = percent_decode_str(part).collect();
    // A zero byte would end the text in the protocol.
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| ("a part of it is not text once it is percent-decoded".to_owned(), FORM.to_owned()))
}

/// The hosts and ports of `a:1,[::1]:2`, each joined by commas; nothing where none is given.
fn places(list: &str) -> Result<(String, String), Problem> {
    let broken = || ("its hosts are not understood".to_owned(), FORM.to_owned());
    let (mut hosts, mut ports) = (Vec::new(), Vec::new());
    for place in list.split(',') {
        let (host, port) = match place.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']').ok_or_else(broken)?;
                let port = after.strip_prefix(':').unwrap_or_default();
                if !after.is_empty() && port.is_empty() {
                    return Err(broken());
                }
                (host, port)
            }
            None => place.split_once(':').unwrap_or((place, "")),
        };
        if place.contains('@') {
            return Err(broken());
        }
        hosts.push(decoded(host)?);
        ports.push(port.to_owned());
    }
    let joined = |parts: Vec<String>| match parts.iter().all(String::is_empty) {
        true => String::new(),
        false => parts.join(","),
    };
    Ok((joined(hosts), joined(ports)))
}
