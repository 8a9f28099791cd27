//! How a session comes about: URL, service file, environment, password file and certificates, each beside `psql`, which
//! must come to the same answer with the same settings unless it is said why not.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cutgate::evidence::{Fact, MissingState, Source};
use cutgate::probes::{Limits, Surroundings};
use serde_json::json;

use super::{missing, query, rows};
use crate::harness::{self, as_nobody, open_dir};
use crate::postgres::Cluster;

type Variables = Vec<(String, String)>;

fn variables(given: &[(&str, &str)]) -> Variables {
    given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What the probe finds with this URL, these variables and this home.
fn ask_among(url: &str, variables: &Variables, home: &Path) -> (Fact, Vec<Source>) {
    let given =
        json!({ "url": url, "queries": { "q": query("SELECT 1 AS n", json!({ "n": "int" })) }, "timeout": "5s" });
    let around = Surroundings::new(variables.clone(), Some(home.to_owned()));
    let (facts, sources) = harness::observe_among("sql", Path::new("/"), given, Limits::default(), around);
    (facts.expect("facts"), sources)
}

/// The same, and `psql` agrees that there is an answer.
fn answered(cluster: &Cluster, url: &str, given: &[(&str, &str)], home: &Path) -> (Fact, Vec<Source>) {
    let given = variables(given);
    let (facts, sources) = ask_among(url, &given, home);
    assert_eq!(rows(&facts, "rows.q").len(), 1, "{url} {given:?}");
    let mut theirs = given.clone();
    theirs.push(("HOME".to_owned(), home.display().to_string()));
    let (is_answered, said) = cluster.psql_with(url, &theirs);
    assert!(is_answered, "psql {url} {given:?}: {said}");
    (facts, sources)
}

/// The reason why there is none, and `psql` agrees where `psql_too` says so.
fn refused(
    cluster: &Cluster,
    url: &str,
    given: &[(&str, &str)],
    home: &Path,
    psql_too: bool,
) -> (MissingState, String) {
    let given = variables(given);
    let (facts, _) = ask_among(url, &given, home);
    let reason = missing(&facts, "rows.q").clone();
    assert_eq!(missing(&facts, "present").state, reason.state, "a server that was not reached is not absent");
    let mut theirs = given.clone();
    theirs.push(("HOME".to_owned(), home.display().to_string()));
    let (is_answered, said) = cluster.psql_with(url, &theirs);
    assert_eq!(is_answered, !psql_too, "psql {url} {given:?}: {said}");
    let shown = format!("{facts:?}");
    for secret in ["opensesame", "hunter2"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    (reason.state, format!("{}: {}; {}", reason.tried, reason.said, reason.next))
}

fn write(path: &Path, text: &str, mode: u32) -> String {
    fs::write(path, text).expect("write");
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    path.display().to_string()
}

#[test]
fn what_is_given_nearer_wins() {
    let cluster = Cluster::shared();
    let home = open_dir();
    let (socket, port) = (cluster.socket().display().to_string(), cluster.port.to_string());
    let service = format!("[ours]\nhost={socket}\nport={port}\nuser=postgres\ndbname=postgres\napplication_name=x\n");
    let file = write(&home.path().join(".pg_service.conf"), &service, 0o644);
    let server = format!("postgresql://postgres@{socket}:{port}/postgres");
    let full = format!("postgresql://postgres@/postgres?host={socket}&port={port}");
    let wrong = [("PGHOST", "no-such-host.invalid"), ("PGPORT", "1"), ("PGUSER", "nobody"), ("PGDATABASE", "nothing")];
    let elsewhere = home.path().join("elsewhere").display().to_string();
    fs::rename(&file, &elsewhere).expect("rename");
    for (url, given, noted) in [
        (full.as_str(), &wrong[..], vec![]),
        (
            "postgresql://",
            &[("PGHOST", &*socket), ("PGPORT", &*port), ("PGUSER", "postgres"), ("PGDATABASE", "postgres")][..],
            vec!["environment PGDATABASE", "environment PGHOST", "environment PGPORT", "environment PGUSER"],
        ),
        // The name of the database is that of the user where none is given.
        (
            "postgresql://postgres@",
            &[("PGHOST", &*socket), ("PGPORT", &*port)][..],
            vec!["environment PGHOST", "environment PGPORT"],
        ),
        (
            "postgresql:///postgres",
            &[("PGSERVICE", "ours"), ("PGSERVICEFILE", &*elsewhere), ("PGHOST", "no-such-host.invalid")][..],
            vec!["environment PGSERVICE", &*elsewhere],
        ),
        (
            "postgresql://?service=ours",
            &[("PGSERVICE", "theirs"), ("PGSERVICEFILE", &*elsewhere), ("PGPORT", "1")][..],
            vec![&*elsewhere],
        ),
    ] {
        let (facts, sources) = answered(&cluster, url, given, home.path());
        assert_eq!(facts.get("server"), Some(&server.as_str().into()), "{url}");
        let mut what: Vec<&str> =
            sources.iter().map(|source| source.what.as_str()).filter(|what| *what != server).collect();
        what.sort_unstable();
        what.dedup();
        let mut noted = noted;
        noted.sort_unstable();
        assert_eq!(what, noted, "what came from outside the package is provenance: {url}");
    }
    fs::rename(&elsewhere, &file).expect("rename");
    answered(&cluster, "postgresql://?service=ours", &[], home.path());
    let (state, said) = refused(&cluster, "postgresql://?service=our", &[], home.path(), true);
    assert_eq!(state, MissingState::Error);
    assert!(said.contains("there is no section [our] in") && said.contains(".pg_service.conf"), "{said}");
}

#[test]
fn a_password_comes_from_where_libpq_looks_for_it() {
    let cluster = Cluster::shared();
    let (home, empty) = (open_dir(), open_dir());
    let url = cluster.url("postgres", "locked");
    let socket = cluster.socket().display().to_string();
    let line = format!("{socket}:{}:postgres:locked:opensesame\n", cluster.port);
    answered(&cluster, &url, &[("PGPASSWORD", "opensesame")], empty.path());
    write(&home.path().join(".pgpass"), &format!("# ours\nother:*:*:locked:hunter2\n{line}"), 0o600);
    answered(&cluster, &url, &[], home.path());
    let elsewhere = write(&empty.path().join("passwords"), &line, 0o400);
    answered(&cluster, &url, &[("PGPASSFILE", &elsewhere)], empty.path());
    answered(&cluster, &format!("{url}&passfile={elsewhere}"), &[("PGPASSFILE", "/dev/null")], empty.path());
    let service =
        format!("[ours]\nhost={socket}\nport={}\nuser=locked\ndbname=postgres\npassword=opensesame\n", cluster.port);
    let services = write(&empty.path().join("services"), &service, 0o600);
    answered(&cluster, "postgresql://?service=ours", &[("PGSERVICEFILE", &services)], empty.path());
    for (given, said) in [
        (vec![], "password missing"),
        (vec![("PGPASSFILE", "/nowhere/passwords")], "password missing"),
        (vec![("PGPASSWORD", "hunter2"), ("PGPASSFILE", &*elsewhere)], "SQLSTATE 28P01"),
    ] {
        let (state, text) = refused(&cluster, &url, &given, empty.path(), true);
        assert_eq!(state, MissingState::Denied, "{text}");
        assert!(text.contains(said), "{text}");
    }
}

#[test]
fn secrets_that_others_can_read_are_refused() {
    let cluster = Cluster::shared();
    let home = open_dir();
    let url = cluster.url("postgres", "locked");
    let line = "*:*:*:locked:opensesame\n";
    for mode in [0o640, 0o604, 0o620, 0o644] {
        let file = write(&home.path().join(".pgpass"), line, mode);
        // psql goes on without the password and is refused by the server.
        let (state, said) = refused(&cluster, &url, &[], home.path(), true);
        assert_eq!(state, MissingState::Error, "{said}");
        assert!(said.contains(&format!("its mode is {mode:04o}; chmod 0600 {file}")), "{said}");
    }
    write(&home.path().join(".pgpass"), line, 0o600);
    answered(&cluster, &url, &[], home.path());
    let service = format!("[ours]\nhost={}\nport={}\npassword=opensesame\n", cluster.socket().display(), cluster.port);
    let file = write(&home.path().join(".pg_service.conf"), &service, 0o644);
    let (_, said) = refused(&cluster, "postgresql://locked@/postgres?service=ours", &[], home.path(), false);
    assert!(said.contains(&format!("chmod 0600 {file}")), "stricter than psql, which reads it: {said}");
}

#[test]
fn a_password_file_that_cannot_be_read_is_not_an_absent_one() {
    let cluster = Cluster::shared();
    let home = open_dir();
    let url = cluster.url("postgres", "locked");
    let file = write(&home.path().join(".pgpass"), "*:*:*:locked:opensesame\n", 0o600);
    let facts = as_nobody(|| ask_among(&url, &vec![], home.path()).0);
    let reason = missing(&facts, "rows.q");
    assert_eq!((reason.state, reason.tried.contains(".pgpass")), (MissingState::Denied, true), "{reason:?}");
    fs::remove_file(&file).expect("remove");
    assert!(Command::new("mkfifo").args(["-m", "0600", &file]).status().expect("mkfifo").success());
    let (facts, _) = ask_among(&url, &vec![], home.path());
    assert_eq!(missing(&facts, "rows.q").state, MissingState::Unreadable, "a FIFO is not waited for");
}

#[test]
fn what_cannot_be_obeyed_is_refused_and_not_left_aside() {
    let cluster = Cluster::shared();
    let home = open_dir();
    let url = cluster.url("postgres", "postgres");
    for (name, value, psql_too) in [
        ("PGOPTIONS", "-c search_path=hunter2", false),
        ("PGREQUIREPEER", "hunter2", true),
        ("PGREQUIREAUTH", "scram-sha-256", true),
        ("PGSSLCRL", "/hunter2", false),
        ("PGSSLMODE", "hunter2", true),
        ("PGTARGETSESSIONATTRS", "standby", true),
        ("PGGSSENCMODE", "require", true),
        ("PGCONNECT_TIMEOUT", "hunter2", true),
    ] {
        let given = variables(&[(name, value)]);
        let (facts, _) = ask_among(&url, &given, home.path());
        let reason = missing(&facts, "rows.q");
        assert_eq!((reason.state, reason.tried.contains(name)), (MissingState::Error, true), "{reason:?}");
        assert!(!format!("{reason:?}").contains("hunter2"));
        // Where psql goes on, the variable is one that changes the session and that psql obeys.
        let (is_answered, said) = cluster.psql_with(&url, &given);
        if psql_too {
            assert!(!is_answered || said.is_empty(), "{name}: {said}");
        }
    }
    answered(
        &cluster,
        &url,
        &[("PGAPPNAME", "psql"), ("PGCLIENTENCODING", "LATIN1"), ("PGTZ", "Asia/Tokyo")],
        home.path(),
    );
}

#[test]
fn hosts_are_tried_in_turn_until_one_answers() {
    let cluster = Cluster::shared();
    let home = open_dir();
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let socket = cluster.socket().display().to_string();
    let both = format!("host=127.0.0.1,{socket}&port={closed},{}", cluster.port);
    answered(&cluster, &format!("postgresql://postgres@/postgres?{both}"), &[], home.path());
    let (_, said) = refused(
        &cluster,
        &format!("postgresql://postgres@127.0.0.1:{closed},localhost:{closed}/g"),
        &[],
        home.path(),
        true,
    );
    assert!(said.matches("Connection refused").count() >= 2 && said.contains("; then: "), "{said}");
    // Who is refused by the first server does not ask the second.
    let wrong = format!("postgresql://locked:hunter2@/postgres?host={socket},127.0.0.1&port={},{closed}", cluster.port);
    let (state, said) = refused(&cluster, &wrong, &[], home.path(), true);
    assert_eq!((state, said.contains("; then: ")), (MissingState::Denied, false), "{said}");
}

#[test]
fn a_server_is_believed_as_far_as_sslmode_says() {
    let cluster = Cluster::start();
    let home = open_dir();
    let authority = Authority::new(home.path(), "ours");
    let other = Authority::new(home.path(), "theirs");
    authority.issue(&cluster.data());
    cluster.sql("postgres", "ALTER SYSTEM SET ssl = on");
    cluster.restart();
    let url =
        |host: &str, rest: &str| format!("postgresql://locked:opensesame@{host}:{}/postgres?{rest}", cluster.port);
    let (ours, theirs) = (authority.root.display().to_string(), other.root.display().to_string());
    let empty = open_dir();
    for (host, rest) in [
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", format!("sslmode=verify-ca&sslrootcert={ours}")),
        ("localhost", format!("sslmode=verify-full&sslrootcert={ours}")),
        ("localhost", format!("sslmode=require&sslrootcert={ours}&ssl_min_protocol_version=TLSv1.3")),
        ("127.0.0.1", "sslmode=disable&sslrootcert=/nowhere".to_owned()),
    ] {
        if rest.starts_with("sslmode=disable") {
            // We look before we ask whether it will be used: a path that is wrong is said to be wrong.
            let (_, said) = refused(&cluster, &url(host, &rest), &[], empty.path(), false);
            assert!(said.contains("/nowhere"), "{said}");
            continue;
        }
        answered(&cluster, &url(host, &rest), &[], empty.path());
    }
    for (host, rest, said) in [
        ("127.0.0.1", format!("sslmode=verify-full&sslrootcert={ours}"), "IP address mismatch"),
        ("localhost", format!("sslmode=verify-ca&sslrootcert={theirs}"), "certificate verify failed"),
        ("localhost", format!("sslmode=require&sslrootcert={theirs}"), "certificate verify failed"),
        ("localhost", "sslmode=verify-full".to_owned(), "needs a root certificate"),
        ("localhost", "sslmode=verify-ca&sslrootcert=system".to_owned(), "checks nothing with sslmode=verify-ca"),
        ("localhost", "sslmode=verify-full&sslrootcert=system".to_owned(), "certificate verify failed"),
    ] {
        let (state, text) = refused(&cluster, &url(host, &rest), &[], empty.path(), true);
        assert_eq!(state, MissingState::Error, "{text}");
        assert!(text.contains(said), "{rest}: {text}");
    }
    // A root certificate in its usual place makes `require` check, as in libpq.
    fs::create_dir(empty.path().join(".postgresql")).expect("a folder");
    fs::copy(&other.root, empty.path().join(".postgresql/root.crt")).expect("copy");
    let (_, text) = refused(&cluster, &url("localhost", "sslmode=require"), &[], empty.path(), true);
    assert!(text.contains("certificate verify failed"), "{text}");
    fs::copy(&authority.root, empty.path().join(".postgresql/root.crt")).expect("copy");
    answered(&cluster, &url("localhost", ""), &[("PGSSLMODE", "verify-full")], empty.path());
}

#[test]
fn a_client_certificate_and_its_key_are_used_where_they_are_in_order() {
    let cluster = Cluster::start();
    let home = open_dir();
    let authority = Authority::new(home.path(), "ours");
    authority.issue(&cluster.data());
    fs::copy(&authority.root, cluster.data().join("root.crt")).expect("copy");
    cluster.sql("postgres", "ALTER SYSTEM SET ssl = on");
    cluster.sql("postgres", "ALTER SYSTEM SET ssl_ca_file = 'root.crt'");
    let hba = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n";
    fs::write(cluster.data().join("pg_hba.conf"), hba).expect("write");
    cluster.restart();
    let (cert, key) = authority.certificate(home.path(), "locked", &[]);
    let url = |rest: &str| format!("postgresql://locked@127.0.0.1:{}/postgres?sslmode=require{rest}", cluster.port);
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let both = format!("&sslcert={cert}&sslkey={key}");
    answered(&cluster, &url(&both), &[], home.path());
    let (_, said) = refused(&cluster, &url(""), &[], home.path(), true);
    assert!(said.contains("SQLSTATE 28000"), "{said}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("chmod");
    let (_, said) = refused(&cluster, &url(&both), &[], home.path(), true);
    assert!(said.contains(&format!("chmod 0600 {key}")), "{said}");
    let (_, other) = authority.certificate(home.path(), "other", &[]);
    let (_, said) =
        refused(&cluster, &url(&format!("&sslcert={cert}&sslkey={}", other.display())), &[], home.path(), true);
    assert!(said.contains("is not the key of"), "{said}");
    let locked = home.path().join("locked-with-passphrase.key").display().to_string();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("chmod");
    openssl(&["pkey", "-in", &key, "-aes256", "-passout", "pass:hunter2", "-out", &locked]);
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o600)).expect("chmod");
    let (facts, _) = ask_among(&url(&format!("&sslcert={cert}&sslkey={locked}")), &vec![], home.path());
    let reason = missing(&facts, "rows.q");
    assert!(reason.said.contains("without a passphrase"), "nothing is asked of a terminal: {}", reason.said);
}

/// A certificate authority made by `openssl`.
struct Authority {
    root: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new(dir: &Path, name: &str) -> Self {
        let (root, key) = (dir.join(format!("{name}.crt")), dir.join(format!("{name}.key")));
        let subject = format!("/CN={name}");
        let (out, keyout) = (root.display().to_string(), key.display().to_string());
        let new = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
        openssl(&[&new[..], &["-subj", &subject, "-keyout", &keyout, "-out", &out]].concat());
        Self { root, key }
    }

    /// A certificate and its key for `name`.
    fn certificate(&self, dir: &Path, name: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let path = |ending: &str| dir.join(format!("issued-{name}.{ending}"));
        let (cert, key, request) = (path("crt"), path("key"), path("csr"));
        let shown = |path: &Path| path.display().to_string();
        let new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        openssl(
            &[&new[..], &["-subj", &format!("/CN={name}"), "-keyout", &shown(&key), "-out", &shown(&request)]].concat(),
        );
        let extensions = path("ext");
        let text = if names.is_empty() { String::new() } else { format!("subjectAltName={}\n", names.join(",")) };
        fs::write(&extensions, text).expect("write");
        let (root, ca_key) = (shown(&self.root), shown(&self.key));
        let sign = ["x509", "-req", "-days", "2", "-CA", &root, "-CAkey", &ca_key, "-CAcreateserial"];
        openssl(
            &[&sign[..], &["-in", &shown(&request), "-extfile", &shown(&extensions), "-out", &shown(&cert)]].concat(),
        );
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("chmod");
        (cert, key)
    }

    /// The certificate of a server that is called `localhost`, in its data directory.
    fn issue(&self, data: &Path) {
        let dir = open_dir();
        let (cert, key) = self.certificate(dir.path(), "localhost", &["DNS:localhost"]);
        let owner = fs::metadata(data).expect("the data directory");
        let (uid, gid) = (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
        for (from, name) in [(cert, "server.crt"), (key, "server.key")] {
            let to = data.join(name);
            fs::copy(from, &to).expect("copy");
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).expect("chmod");
            std::os::unix::fs::chown(to, Some(uid), Some(gid)).expect("chown");
        }
    }
}

fn openssl(arguments: &[&str]) {
    let output = Command::new("openssl").args(arguments).output().expect("openssl: apt-get install openssl");
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
