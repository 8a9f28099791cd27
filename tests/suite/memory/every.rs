//! Every kind of secret that an audit can meet, in one audit: each is gone from memory when it is over, and in nothing that it wrote.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use sequoia_openpgp::Cert;
use sequoia_openpgp::crypto::mpi;
use sequoia_openpgp::packet::key::SecretKeyMaterial;
use sequoia_openpgp::parse::Parse as _;

use super::{Stopped, forms, holds, whole_without};
use crate::keyring::Home;
use crate::postgres::Cluster;
use crate::signing::secret_key;

/// What opens the key that signs.
const PASSPHRASE: &str = "p4ssphr4se-of-the-signer-5xT";
/// The role's password, in a password file.
const IN_PASSFILE: &str = "c4n4ry-in-the-passfile-R8w";
/// Of other roles, before and after it there.
const BESIDE_IT: [&str; 2] = ["0ther-before-it-hY2kd", "0ther-after-it-qP9zx"];
/// In a service file.
const IN_SERVICE: &str = "s3rvice-file-pw-Lm41c";
/// Values of a configuration file that the package calls secret.
const CONFIGURED: [&str; 2] = ["t0ken-of-the-service-Zz7", "postgres://u:dsn-p4ss-jW6@db/x"];
/// In a variable that the package names.
const IN_ENVIRONMENT: &str = "v4riable-that-is-named-C3o";

/// What the gate of the password's test also asks.
const MORE: &str = r#"
[probe.service]
kind = "sql"
url = "postgresql:///?service=canary"

[probe.service.queries.one]
sql = "SELECT 1 AS number"
columns = { number = "int" }

[probe.settings]
kind = "config"
file = "service.env"
format = "env"

[[probe.settings.keys]]
key = "API_TOKEN"
kind = "text"
secret = true

[[probe.settings.keys]]
key = "DSN"
kind = "text"
secret = true

[[check]]
id = "others"
tier = "essential"
require = 'service.rows.one.exists(row, row.number == 1) && settings.keys["API_TOKEN"].present && settings.keys["DSN"].present'
otherwise = "the others do not answer"
next = "pg_ctl start"
cites = ["service.rows.one", "settings.keys"]
"#;

fn private(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    fs::write(dir.join(name), bytes).unwrap();
    fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
}

/// The number that an unprotected key of gpg is.
fn scalar(key: &[u8]) -> Vec<u8> {
    let cert = Cert::from_bytes(key).unwrap();
    let key = cert.primary_key().key().clone().parts_into_secret().unwrap();
    let SecretKeyMaterial::Unencrypted(secret) = key.secret() else { panic!("it is protected") };
    secret.map(|numbers| match numbers {
        mpi::SecretKeyMaterial::EdDSA { scalar } => scalar.value().to_vec(),
        other => panic!("another kind of key: {other:?}"),
    })
}

/// A private key that OpenSSL makes, and the number in it.
fn ed25519(dir: &Path, name: &str) -> Vec<u8> {
    let made = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output().unwrap();
    private(dir, name, &made.stdout);
    let text = String::from_utf8(made.stdout).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    der[der.len() - 32..].to_vec()
}

#[test]
fn every_secret_is_gone_when_the_audit_is_over() {
    let cluster = Cluster::shared();
    for (role, password) in [("canary_file", IN_PASSFILE), ("canary_service", IN_SERVICE)] {
        let made = format!("CREATE ROLE {role} LOGIN PASSWORD '{password}'");
        cluster.sql("postgres", &format!("DO $$ BEGIN {made}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"));
    }
    let folder = crate::harness::open_dir();
    let dir = folder.path();
    let home = Home::new();
    let print = home.make("signer", "ed25519", "cert,sign", "never", None);
    let signs = scalar(&secret_key(&home, &print, ""));
    private(dir, "signer.key", secret_key(&home, &print, PASSPHRASE));
    private(dir, "passphrase", format!("{PASSPHRASE}\n"));
    fs::create_dir(dir.join("credentials")).unwrap();
    private(&dir.join("credentials"), "cutgate.passphrase", PASSPHRASE);
    let attests = ed25519(dir, "attest.key");
    let connects = ed25519(dir, "client.key");
    let certificate = Command::new("openssl")
        .args(["req", "-x509", "-key", "client.key", "-subj", "/CN=canary", "-out", "client.crt"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(certificate.status.success(), "{}", String::from_utf8_lossy(&certificate.stderr));
    let [before, after] = BESIDE_IT;
    let entries = format!("*:*:*:first:{before}\n*:*:*:canary_file:{IN_PASSFILE}\n*:*:*:last:{after}\n");
    private(dir, "passwords", entries);
    let service = format!(
        "[canary]\nhost=127.0.0.1\nport={}\nuser=canary_service\ndbname=postgres\npassword={IN_SERVICE}\n",
        cluster.port
    );
    private(dir, "services", service);
    private(dir, "service.env", format!("API_TOKEN={}\nDSN='{}'\n", CONFIGURED[0], CONFIGURED[1]));
    let files = include_str!("../memory.toml");
    let (package, gate) = files.split_once("\n---\n").unwrap();
    fs::write(
        dir.join("cutgate.toml"),
        format!("{package}\n\n[executor]\nargv = [\"true\"]\nenv = [\"CANARY_TOKEN\"]\n"),
    )
    .unwrap();
    fs::create_dir(dir.join("gates")).unwrap();
    let [certificate, key] = ["client.crt", "client.key"].map(|name| dir.join(name).display().to_string());
    let url =
        format!("postgresql://canary_file@127.0.0.1:{}/postgres?sslcert={certificate}&sslkey={key}", cluster.port);
    fs::write(dir.join("gates/answers.toml"), gate.replace("URL", &url) + MORE).unwrap();

    let single = [PASSPHRASE, IN_PASSFILE, IN_SERVICE, IN_ENVIRONMENT];
    let texts = CONFIGURED.into_iter().chain(BESIDE_IT).chain(single);
    let texts = texts.map(|text| (text, text.as_bytes().to_vec()));
    let keys = [("the signing key", signs), ("the attesting key", attests)];
    let secrets: Vec<(&str, Vec<u8>)> = texts.chain(keys).collect();
    let program = assert_cmd::cargo::cargo_bin("cutgate").display().to_string();
    let signed = format!("{program} audit --sign-key signer.key --attest-key attest.key");
    let by_descriptor = format!("{signed} --passphrase-fd 3 3< passphrase");
    // Nothing secret is met before the first probe.
    let unsigned = format!("env --unset=CANARY_TOKEN {program} audit");
    let stopped = |step: &str, line: &str| {
        let mut command = Command::new("bash");
        command.env_clear().env("PATH", "/usr/bin:/bin").env("CUTGATE_TEST_STOP_AT", step).current_dir(dir);
        command.env("PGPASSFILE", dir.join("passwords")).env("PGSERVICEFILE", dir.join("services"));
        command.env("CANARY_TOKEN", IN_ENVIRONMENT).env("CREDENTIALS_DIRECTORY", dir.join("credentials"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        Stopped(command.args(["-c", &format!("exec {line}")]).spawn().unwrap())
    };
    // What is searched for in what is written is there until then.
    let during = stopped("collected", &by_descriptor).memory();
    for known in [IN_PASSFILE, IN_SERVICE, CONFIGURED[0], CONFIGURED[1], IN_ENVIRONMENT] {
        assert!(holds(&during, known.as_bytes()), "{known} was met");
    }
    for line in [&by_descriptor, &signed, &unsigned] {
        let over = stopped("over", line);
        let memory = over.memory();
        assert!(holds(&memory, b"the database answers"), "its memory was read");
        let left = secrets.iter().flat_map(|(name, secret)| forms(name, secret));
        let left: Vec<String> =
            left.filter(|(form, _)| holds(&memory, form) || holds(&over.command_line(), form)).map(|it| it.1).collect();
        assert!(left.is_empty(), "{line}: still in memory: {left:#?}");
    }
    // OpenSSL wipes the client's key itself, and not the file's content that it decoded.
    for secret in secrets.iter().map(|(_, secret)| secret).chain([&connects]) {
        whole_without(dir, secret);
    }
    let audits = fs::read_to_string(dir.join("reports/ledger.jsonl")).unwrap();
    assert_eq!(audits.lines().count(), 3, "each was published: {audits}");
    let newest = walkdir::WalkDir::new(dir.join("reports")).into_iter().flatten();
    let signed = newest.filter(|entry| entry.path().extension().is_some_and(|it| it == "asc")).count();
    assert!(signed > 2, "{signed} signatures");
}
