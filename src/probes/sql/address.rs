//! Where the database is: a URL taken apart, and the form of it that may be shown.
//!
//! What is shown is put together from the parts that are known to be harmless, never the URL with the
//! password cut out. Messages never quote the URL, for a password that was not percent-encoded can
//! turn up in any of its parts.

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// A database's address.
pub(super) enum Address {
    /// An SQLite file.
    Sqlite {
        /// The logical path.
        path: String,
    },
    /// A PostgreSQL server.
    Postgres {
        /// The connection's settings, the password among them.
        config: Box<Config>,
    },
}

const FORM: &str = "write postgresql://user@host:port/dbname or postgresql:///dbname?host=/socket/directory&user=name, \
                    and percent-encode signs such as @ / : ? in a password";

/// What is wrong and how to put it right.
type Problem = (String, String);

impl Address {
    /// Takes a URL apart. The problem never quotes it.
    pub(super) fn parse(url: &str) -> Result<Self, Problem> {
        let problem = |message: &str, help: &str| (message.to_owned(), help.to_owned());
        if let Some(path) = url.strip_prefix("sqlite:") {
            // `sqlite:///var/x` is common for the absolute path /var/x.
            let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
            if path.is_empty() || path.starts_with("//") || path.starts_with(':') || path.contains(['?', '#', '\0']) {
                return Err(problem("it names no SQLite file", "write sqlite:PATH, without options"));
            }
            return Ok(Self::Sqlite { path: path.to_owned() });
        }
        let Some(rest) = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://")) else {
            return Err(problem("it is neither sqlite: nor postgresql://", FORM));
        };
        options(rest.split_once('@').map_or(rest, |(_, rest)| rest))?;
        let mut config: Config = url.parse().map_err(|_| problem("it is not a PostgreSQL URL", FORM))?;
        let hosts_sound = config.get_hosts().iter().all(|host| match host {
            Host::Tcp(name) => {
                name.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c)) && !name.is_empty()
            }
            Host::Unix(path) => path.to_str().is_some_and(|path| !path.contains(['@', '?', '&'])),
        });
        let names = [config.get_user(), config.get_dbname()];
        let names_sound = names.into_iter().flatten().all(|name| !name.contains(['@', '/', ':', '?', '&']));
        if !hosts_sound || !names_sound {
            return Err(problem("a sign stands where a PostgreSQL URL has none", FORM));
        }
        if config.get_hosts().is_empty() {
            return Err(problem("it names no host", FORM));
        }
        if !matches!(config.get_ports().len(), 0 | 1) && config.get_ports().len() != config.get_hosts().len() {
            return Err(problem("it gives another number of ports than of hosts", FORM));
        }
        config.application_name(concat!("cutgate/", env!("CARGO_PKG_VERSION")));
        Ok(Self::Postgres { config: Box::new(config) })
    }

    /// The address without secrets.
    pub(super) fn shown(&self) -> String {
        let config = match self {
            Self::Sqlite { path } => return format!("sqlite:{path}"),
            Self::Postgres { config } => config,
        };
        let port = |at: usize| config.get_ports().get(at).or(config.get_ports().first()).copied().unwrap_or(5432);
        let hosts: Vec<String> = config
            .get_hosts()
            .iter()
            .enumerate()
            .map(|(at, host)| match host {
                Host::Tcp(name) if name.contains(':') => format!("[{name}]:{}", port(at)),
                Host::Tcp(name) => format!("{name}:{}", port(at)),
                Host::Unix(path) => format!("{}:{}", path.display(), port(at)),
            })
            .collect();
        let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
        let dbname = config.get_dbname().unwrap_or_default();
        format!("postgresql://{user}{}/{dbname}", hosts.join(","))
    }
}

/// The options after `?`: those that are supported, with values that are.
fn options(after_credentials: &str) -> Result<(), Problem> {
    let Some((_, options)) = after_credentials.split_once('?') else { return Ok(()) };
    for option in options.split('&').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        match (key, value) {
            ("host" | "port" | "user" | "password" | "dbname" | "connect_timeout" | "channel_binding", _)
            | ("target_session_attrs" | "keepalives" | "keepalives_idle", _)
            | ("sslmode", "disable" | "prefer" | "require") => {}
            ("sslmode", "verify-ca" | "verify-full") => {
                return Err((
                    "sslmode verify-ca and verify-full are not supported yet".to_owned(),
                    "use sslmode=require over a network that you trust, or a Unix socket".to_owned(),
                ));
            }
            ("sslmode", _) => {
                return Err(("sslmode is none of disable, prefer, require".to_owned(), FORM.to_owned()));
            }
            (
                "sslrootcert" | "sslcert" | "sslkey" | "sslpassword" | "sslcrl" | "passfile" | "service" | "options"
                | "application_name" | "load_balance_hosts" | "sslnegotiation" | "gssencmode" | "tcp_user_timeout",
                _,
            ) => {
                return Err((format!("the option {key} is not supported"), "leave it out".to_owned()));
            }
            (_, _) => return Err(("it has an option that PostgreSQL URLs do not have".to_owned(), FORM.to_owned())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shown_form_never_holds_the_password() {
        for (url, shown) in [
            ("sqlite:governance.db", "sqlite:governance.db"),
            ("sqlite:/var/lib/g.db", "sqlite:/var/lib/g.db"),
            ("sqlite:///var/lib/g.db", "sqlite:/var/lib/g.db"),
            ("postgres://u:hunter2@db.example:5433/g", "postgresql://u@db.example:5433/g"),
            ("postgresql://u:hun%40ter2@db/g?sslmode=require", "postgresql://u@db:5432/g"),
            ("postgresql:///g?host=/run/pg&user=u&password=hunter2&port=6000", "postgresql://u@/run/pg:6000/g"),
            ("postgresql://db/g?sslmode=disable", "postgresql://db:5432/g"),
        ] {
            let address = Address::parse(url).unwrap_or_else(|problem| panic!("{url}: {problem:?}"));
            assert_eq!(address.shown(), shown, "{url}");
        }
    }

    #[test]
    fn a_problem_never_quotes_the_url() {
        for url in [
            "",
            "sqlite:",
            "sqlite::memory:",
            "sqlite://hunter2",
            "sqlite:a.db?mode=hunter2",
            "mysql://u:hunter2@db/g",
            "postgresql://u:x@hunter2@db/g",
            "postgresql://u:x@hunter2/x@db/g",
            "postgresql://u:hunter2@db:port/g",
            "postgresql://u:hunter2@db/g?hunter2",
            "postgresql://u:hunter2@db/g?sslmode=verify-full",
            "postgresql://u:hunter2@db/g?sslmode=hunter2",
            "postgresql://u:hunter2@db/g?sslrootcert=hunter2",
            "postgresql://u:hunter2@/g",
        ] {
            let Err((message, help)) = Address::parse(url) else { panic!("{url} is accepted") };
            assert!(!message.contains("hunter2") && !help.contains("hunter2"), "{url}: {message}");
        }
    }
}
