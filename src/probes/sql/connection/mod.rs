//! From what the package, a service file, the environment and the system say to the sessions that may be opened: the part
//! of libpq that the client library does not have. What is given nearer wins: the URL, then the service, then the
//! environment, then the defaults.
//!
//! What is demanded and cannot be done is refused, never left aside: a session that is less than what was asked for
//! would still give answers. What came from outside the package is noted as provenance, by name and without its value.

mod parameters;
mod passfile;
mod service;
mod tls;
mod uri;

use std::time::Duration;

use postgres_openssl::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation, TargetSessionAttrs};

use self::parameters::{Treatment, Values};
use super::super::Door;
use crate::evidence::{Missing, MissingState};

pub(super) use self::parameters::Values as Given;
pub(super) use self::uri::{Problem, parse};

/// Where Debian's servers put their sockets; libpq there looks nowhere else.
const SOCKETS: &str = "/var/run/postgresql";

/// The service files of the system; the first is that of `PGSYSCONFDIR` in Debian's libpq.
const SYSTEM_SERVICES: &str = "/etc/postgresql-common/pg_service.conf";

/// The most bytes of a file that says how to connect.
const MAX_FILE: u64 = 1 << 20;

/// One host that a session may be opened with.
pub(super) struct Target {
    /// Everything about the session, its password among it.
    pub config: Config,
    /// How it is encrypted.
    pub tls: MakeTlsConnector,
}

/// Everything that is needed for opening a session.
pub(super) struct Connection {
    /// The hosts, in the order in which they are tried.
    pub targets: Vec<Target>,
    /// The role.
    pub user: String,
    /// The address without secrets.
    pub server: String,
}

/// The address that parameters give, without secrets and without what is not known yet.
pub(super) fn shown(values: &Values) -> String {
    let hosts: Vec<&str> =
        values.get("host").or(values.get("hostaddr")).map_or(vec![], |list| list.split(',').collect());
    let ports: Vec<&str> = values.get("port").map_or(vec![], |list| list.split(',').collect());
    let places = hosts.iter().enumerate().map(|(at, host)| {
        let port = ports.get(at).or(ports.first()).filter(|port| !port.is_empty()).unwrap_or(&"5432");
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    });
    let user = values.get("user").map(|user| format!("{user}@")).unwrap_or_default();
    let dbname = values.get("dbname").map(String::as_str).unwrap_or_default();
    let service = values.get("service").map(|name| format!("?service={name}")).unwrap_or_default();
    format!("postgresql://{user}{}/{dbname}{service}", places.collect::<Vec<_>>().join(","))
}

/// Completes what the package gives.
///
/// # Errors
/// Whatever is demanded and cannot be done or read: a service that is not there, a password file that others can
/// read, a certificate that is none.
pub(super) fn complete(given: &Given, door: &Door) -> Result<Connection, Missing> {
    // A service, a variable or a file may give a password.
    wiping::from_now_on();
    let own = Outside { door, files: door.outside_root() };
    let mut values = given.clone();
    own.add_service(&mut values)?;
    own.add_variables(&mut values)?;
    let mut default = |name: &'static str, value: &str| {
        values.entry(name).or_insert_with(|| value.to_owned());
    };
    default("user", door.by());
    let user = values["user"].clone();
    values.entry("dbname").or_insert_with(|| user.clone());
    if !values.contains_key("hostaddr") {
        values.entry("host").or_insert_with(|| SOCKETS.to_owned());
    }
    own.connection(&values)
}

/// Reads what belongs to the user who looks, not to the host that is audited.
struct Outside<'a> {
    door: &'a Door,
    files: Door,
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        for source in self.files.take_sources() {
            self.door.note_by(source.what, source.by, source.read);
        }
    }
}

impl Outside<'_> {
    fn refused(&self, tried: &str, said: impl Into<String>, next: impl Into<String>) -> Missing {
        self.door.missing(MissingState::Error, tried, said, next)
    }

    /// Adds what the service says, where one is named.
    fn add_service(&self, values: &mut Values) -> Result<(), Missing> {
        let around = self.door.surroundings();
        let name = match (values.remove("service"), around.variable("PGSERVICE")) {
            (Some(name), _) => name,
            (None, Some(name)) => {
                self.door.note_attributes("environment PGSERVICE");
                name.to_owned()
            }
            (None, None) => return Ok(()),
        };
        let tried = format!("find the service {name}");
        let system = around.variable("PGSYSCONFDIR").map(|folder| format!("{folder}/pg_service.conf"));
        let user = around.variable("PGSERVICEFILE").map(str::to_owned).or_else(|| around.in_home(".pg_service.conf"));
        let files: Vec<String> =
            user.into_iter().chain([system.unwrap_or_else(|| SYSTEM_SERVICES.to_owned())]).collect();
        for file in &files {
            let seen = match self.files.reached(file) {
                Ok(seen) => seen,
                Err(reason) if reason.state.is_absent() => continue,
                Err(reason) => return Err(reason),
            };
            // It may hold a password: neither digest nor length is recorded.
            let bytes = self.files.read_seen(file, MAX_FILE, &seen, true)?;
            let next = format!("correct {file}");
            let text =
                String::from_utf8(bytes).map_err(|_| self.refused(&tried, format!("{file} is not UTF-8"), &next))?;
            let found = service::find(&text, &name);
            let Some(found) = found.map_err(|problem| self.refused(&tried, format!("{file}, {problem}"), &next))?
            else {
                continue;
            };
            if found.contains_key("password") && seen.mode & 0o077 != 0 {
                return Err(self.too_open(file, seen.mode));
            }
            for (key, value) in found {
                values.entry(key).or_insert(value);
            }
            return Ok(());
        }
        let said = format!("there is no section [{name}] in {}", files.join(" nor "));
        Err(self.refused(&tried, said, "write the service down, or correct its name"))
    }

    /// Adds what the environment says.
    fn add_variables(&self, values: &mut Values) -> Result<(), Missing> {
        for (name, variable, treatment) in parameters::variables() {
            let Some(value) = self.door.surroundings().variable(variable) else { continue };
            let tried = format!("read the environment variable {variable}");
            match treatment {
                Treatment::Ours => {}
                Treatment::Refused(why) => {
                    return Err(self.refused(
                        &tried,
                        why,
                        format!("run the audit without it: env -u {variable} cutgate …"),
                    ));
                }
                // An address of the package and a host of the environment are two places.
                Treatment::Obeyed if name == "host" && values.contains_key("hostaddr") => {}
                Treatment::Obeyed if name == "hostaddr" && values.contains_key("host") => {}
                Treatment::Obeyed if name == "service" || values.contains_key(name) => {}
                Treatment::Obeyed => {
                    if let Some(said) = parameters::unsound(name, value) {
                        return Err(self.refused(&tried, said, format!("correct {variable}")));
                    }
                    self.door.note_attributes(format!("environment {variable}"));
                    values.insert(name, value.to_owned());
                }
            }
        }
        Ok(())
    }

    fn connection(&self, values: &Values) -> Result<Connection, Missing> {
        let server = shown(values);
        let tried = format!("connect: {server}");
        let list = |name: &str| values.get(name).map_or(vec![], |list| list.split(',').map(str::to_owned).collect());
        let (mut hosts, addresses, ports): (Vec<String>, Vec<String>, Vec<String>) =
            (list("host"), list("hostaddr"), list("port"));
        if hosts.is_empty() {
            hosts.clone_from(&addresses);
        }
        let fits = |other: &Vec<String>| other.is_empty() || other.len() == hosts.len();
        if !fits(&addresses) || !(fits(&ports) || ports.len() == 1) {
            let said = "there is another number of addresses or ports than of hosts";
            return Err(self.refused(&tried, said, "give one for each host, or one port for all"));
        }
        let mut targets = Vec::with_capacity(hosts.len());
        for (at, host) in hosts.iter().enumerate() {
            let host = if host.is_empty() { SOCKETS } else { host };
            let port = ports.get(at).or(ports.first()).and_then(|port| port.parse().ok()).unwrap_or(5432);
            let mut config = session(values, host.starts_with('/'));
            config.host(host).port(port);
            if let Some(address) = addresses.get(at).and_then(|address| address.parse().ok()) {
                config.hostaddr(address);
            }
            if let Some(password) = self.password(values, host, port)? {
                self.door.keep_secret(&password);
                config.password(password);
            }
            targets.push(Target { config, tls: tls::connector(values, self)? });
        }
        Ok(Connection { targets, user: values["user"].clone(), server })
    }

    /// The password, of whoever gives one first.
    fn password(&self, values: &Values, host: &str, port: u16) -> Result<Option<String>, Missing> {
        if let Some(password) = values.get("password") {
            return Ok(Some(password.clone()));
        }
        let file = values.get("passfile").cloned().or_else(|| self.door.surroundings().in_home(".pgpass"));
        let Some(file) = file else { return Ok(None) };
        let Some(bytes) = self.secret_file(&file, false)? else { return Ok(None) };
        let text = String::from_utf8(bytes)
            .map_err(|_| self.refused(&format!("read {file}"), "it is not UTF-8", format!("correct {file}")))?;
        Ok(passfile::find(&text, host, port, &values["dbname"], &values["user"]))
    }

    /// A file that only its owner may read; `None` where there is none. `by_group` admits one that belongs to root and that
    /// its group may read, as system services have their keys.
    fn secret_file(&self, file: &str, by_group: bool) -> Result<Option<Vec<u8>>, Missing> {
        let seen = match self.files.reached(file) {
            Ok(seen) => seen,
            Err(reason) if reason.state.is_absent() => return Ok(None),
            Err(reason) => return Err(reason),
        };
        let open = if by_group && seen.uid == 0 { 0o027 } else { 0o077 };
        if seen.mode & open != 0 {
            return Err(self.too_open(file, seen.mode));
        }
        self.files.read_seen(file, MAX_FILE, &seen, true).map(Some)
    }

    fn too_open(&self, file: &str, mode: u32) -> Missing {
        let said = format!("others may read it or write to it: its mode is {mode:04o}");
        self.refused(&format!("read the secrets in {file}"), said, format!("chmod 0600 {file}"))
    }
}

/// What is the same for every host.
fn session(values: &Values, by_socket: bool) -> Config {
    let value = |name: &str| values.get(name).map(String::as_str);
    let mut config = Config::new();
    config.application_name(concat!("cutgate/", env!("CARGO_PKG_VERSION")));
    config.user(&values["user"]).dbname(&values["dbname"]);
    config.ssl_mode(match value("sslmode") {
        // No server encrypts what does not leave its host.
        _ if by_socket => SslMode::Disable,
        Some("disable") => SslMode::Disable,
        Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
        Some(_) | None => SslMode::Prefer,
    });
    config.ssl_negotiation(match value("sslnegotiation") {
        Some("direct") => SslNegotiation::Direct,
        Some(_) | None => SslNegotiation::Postgres,
    });
    config.channel_binding(match value("channel_binding") {
        Some("disable") => ChannelBinding::Disable,
        Some("require") => ChannelBinding::Require,
        Some(_) | None => ChannelBinding::Prefer,
    });
    config.target_session_attrs(match value("target_session_attrs") {
        Some("read-write") => TargetSessionAttrs::ReadWrite,
        Some("read-only") => TargetSessionAttrs::ReadOnly,
        Some(_) | None => TargetSessionAttrs::Any,
    });
    // Zero means without limit; there is always that of the probe.
    if let Some(seconds) = value("connect_timeout").and_then(|text| text.parse().ok()).filter(|seconds| *seconds > 0) {
        config.connect_timeout(Duration::from_secs(seconds));
    }
    config
}
