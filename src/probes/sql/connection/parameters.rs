//! The connection parameters of libpq: which there are, which environment variable stands for each, and what becomes
//! of it here (PostgreSQL, "Parameter Key Words" and "Environment Variables" of libpq).

use std::collections::BTreeMap;

/// What becomes of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Treatment {
    /// It is obeyed.
    Obeyed,
    /// The session has its own; what is given in files and variables for other programs is left aside.
    Ours,
    /// It demands something that is not done here. Ignoring it would do less than was asked for.
    Refused(&'static str),
}

use Treatment::{Obeyed, Ours, Refused};

const CHANGES_MEANING: &str = "it can change what a query means, such as by another search_path";
const NOT_CHECKED: &str = "what it demands of the server is not checked here";

/// Every parameter, its variable, its treatment.
const ALL: &[(&str, Option<&str>, Treatment)] = &[
    ("application_name", Some("PGAPPNAME"), Ours),
    ("channel_binding", Some("PGCHANNELBINDING"), Obeyed),
    ("client_encoding", Some("PGCLIENTENCODING"), Ours),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT"), Obeyed),
    ("dbname", Some("PGDATABASE"), Obeyed),
    ("fallback_application_name", None, Ours),
    ("gssdelegation", Some("PGGSSDELEGATION"), Ours),
    ("gssencmode", Some("PGGSSENCMODE"), Obeyed),
    ("gsslib", Some("PGGSSLIB"), Ours),
    ("host", Some("PGHOST"), Obeyed),
    ("hostaddr", Some("PGHOSTADDR"), Obeyed),
    ("keepalives", None, Ours),
    ("keepalives_count", None, Ours),
    ("keepalives_idle", None, Ours),
    ("keepalives_interval", None, Ours),
    ("krbsrvname", Some("PGKRBSRVNAME"), Ours),
    ("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Obeyed),
    ("options", Some("PGOPTIONS"), Refused(CHANGES_MEANING)),
    ("passfile", Some("PGPASSFILE"), Obeyed),
    ("password", Some("PGPASSWORD"), Obeyed),
    ("port", Some("PGPORT"), Obeyed),
    ("replication", None, Refused(CHANGES_MEANING)),
    ("require_auth", Some("PGREQUIREAUTH"), Refused(NOT_CHECKED)),
    ("requirepeer", Some("PGREQUIREPEER"), Refused(NOT_CHECKED)),
    ("requiressl", Some("PGREQUIRESSL"), Refused("sslmode=require says the same")),
    ("service", Some("PGSERVICE"), Obeyed),
    ("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), Obeyed),
    ("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), Obeyed),
    ("sslcert", Some("PGSSLCERT"), Obeyed),
    ("sslcertmode", Some("PGSSLCERTMODE"), Refused(NOT_CHECKED)),
    ("sslcompression", Some("PGSSLCOMPRESSION"), Ours),
    ("sslcrl", Some("PGSSLCRL"), Refused(NOT_CHECKED)),
    ("sslcrldir", Some("PGSSLCRLDIR"), Refused(NOT_CHECKED)),
    ("sslkey", Some("PGSSLKEY"), Obeyed),
    ("sslmode", Some("PGSSLMODE"), Obeyed),
    ("sslnegotiation", Some("PGSSLNEGOTIATION"), Obeyed),
    ("sslpassword", None, Refused("a key that needs a passphrase is not read")),
    ("sslrootcert", Some("PGSSLROOTCERT"), Obeyed),
    ("sslsni", Some("PGSSLSNI"), Ours),
    ("target_session_attrs", Some("PGTARGETSESSIONATTRS"), Obeyed),
    ("tcp_user_timeout", None, Ours),
    ("user", Some("PGUSER"), Obeyed),
];

/// The parameter of that name, as the table has it, and its treatment.
pub(super) fn find(name: &str) -> Option<(&'static str, Treatment)> {
    ALL.iter().find(|(known, _, _)| *known == name).map(|(known, _, treatment)| (*known, *treatment))
}

/// Every parameter that an environment variable can give: parameter, variable, treatment.
pub(super) fn variables() -> impl Iterator<Item = (&'static str, &'static str, Treatment)> {
    ALL.iter().filter_map(|(name, variable, treatment)| variable.map(|variable| (*name, variable, *treatment)))
}

/// Values of parameters, by name.
pub(in super::super) type Values = BTreeMap<&'static str, String>;

/// What is wrong with a value, as a lower-case fragment that never quotes it; `None` where it is sound.
pub(super) fn unsound(name: &str, value: &str) -> Option<String> {
    let one_of = |known: &[&str]| (!known.contains(&value)).then(|| format!("{name} is none of {}", known.join(", ")));
    let signs = |fits: fn(char) -> bool| {
        (!value.chars().all(fits)).then(|| format!("a sign stands in {name} that does not belong there"))
    };
    match name {
        "sslmode" if value == "allow" => {
            Some("sslmode=allow protects from nothing; say disable, prefer or require".to_owned())
        }
        "sslmode" => one_of(&["disable", "prefer", "require", "verify-ca", "verify-full"]),
        "sslnegotiation" => one_of(&["postgres", "direct"]),
        "channel_binding" => one_of(&["disable", "prefer", "require"]),
        "target_session_attrs" => one_of(&["any", "read-write", "read-only"]),
        "gssencmode" => one_of(&["disable", "prefer"]),
        "load_balance_hosts" => one_of(&["disable"]),
        "ssl_min_protocol_version" | "ssl_max_protocol_version" => one_of(&["TLSv1.2", "TLSv1.3"]),
        "connect_timeout" => {
            value.parse::<u32>().is_err().then(|| "connect_timeout is not a number of seconds".to_owned())
        }
        "port" => value
            .split(',')
            .any(|port| !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0))
            .then(|| "a port is not a number from 1 to 65535".to_owned()),
        "hostaddr" => value
            .split(',')
            .any(|address| address.parse::<std::net::IpAddr>().is_err())
            .then(|| "hostaddr is not the address of a host".to_owned()),
        "host" => value.split(',').find_map(|host| {
            let sound = if host.starts_with('/') {
                !host.contains(|c: char| c.is_control() || "@?&".contains(c))
            } else {
                host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:%".contains(c))
            };
            (!sound).then(|| "a sign stands in a host's name that no host has".to_owned())
        }),
        "user" | "dbname" => signs(|c| !c.is_control() && !"@/:?&".contains(c)),
        "passfile" | "sslcert" | "sslkey" if !value.starts_with('/') => Some(format!("{name} is not an absolute path")),
        "sslrootcert" if !value.starts_with('/') && value != "system" => {
            Some("sslrootcert is neither an absolute path nor `system`".to_owned())
        }
        _ => signs(|c| !c.is_control()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_names_nothing_twice() {
        assert!(ALL.windows(2).all(|pair| pair[0].0 < pair[1].0));
        let mut variables: Vec<&str> = variables().map(|(_, variable, _)| variable).collect();
        variables.sort_unstable();
        assert!(variables.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
