//! Whether reports can be signed: `gpg`, its agent and its home, or the key in a file.
//!
//! `gpg` is asked for its version and for nothing else: to list keys it would make a home, a trust database or an agent.
//! Where the agent listens is found as GnuPG finds it (`common/homedir.c`), for `gpgconf` would make the folder.

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant as Monotonic};

use super::Line;
use crate::commands::interrupt::Interrupts;
use crate::commands::session;
use crate::commands::signing::SignArgs;
use crate::evidence::Fact;
use crate::gates::Loaded;
use crate::probes::{Place, Question};
use crate::trust::Fingerprint;

/// How long a program may take to say its version, and an agent to greet.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest path that a socket may have: `sun_path` of unix(7), without the zero at its end.
const SOCKET_PATH: usize = 107;

pub fn lines(loaded: &Loaded, signing: &SignArgs, interrupts: &Interrupts) -> Vec<Line> {
    let pinned = &loaded.package.trust.auditor;
    if let Some(file) = &signing.sign_key {
        let shown = file.display();
        return vec![match signing.signer(pinned, "auditor", interrupts) {
            Ok(_) => Line::ok("signing key", format!("the key in {shown} can sign; gpg is not needed")),
            Err(error) => Line::problem("signing key", error.to_string(), format!("gpg --show-keys {shown}")),
        }];
    }
    let wanted: Vec<Fingerprint> =
        signing.sign.iter().chain(pinned.iter().filter(|_| signing.sign.is_none())).cloned().collect();
    let needed = !wanted.is_empty();
    let mut lines = vec![program("gpg", needed), program("gpg-agent", needed)];
    let home = home();
    lines.push(agent(&home, needed));
    lines.push(key(loaded, &home, &wanted, interrupts));
    lines
}

/// A program of GnuPG that says its version.
fn program(name: &str, needed: bool) -> Line {
    let install = "sudo apt-get install -y gnupg";
    let Ok(path) = which::which(name) else {
        if needed {
            return Line::problem(name, "not in the search path; reports cannot be signed with --sign", install);
        }
        return Line::ok(name, "not in the search path, and nobody is pinned who signs");
    };
    match version(&path) {
        Ok(version) => Line::ok(name, format!("{version}, {}", path.display())),
        Err(why) => Line::problem(name, format!("{}: {why}", path.display()), install),
    }
}

/// The first line that a program says of its version.
fn version(path: &Path) -> Result<String, String> {
    let mut child = Command::new(path)
        .arg("--version")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut out = child.stdout.take().ok_or("it has no standard output")?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let read = move || {
        let mut text = Vec::new();
        let _ = out.by_ref().take(4096).read_to_end(&mut text);
        // Nobody waits any more when it took too long.
        let _ = sender.send(text);
    };
    let end = Monotonic::now() + PATIENCE;
    let spawned = std::thread::Builder::new().spawn(read);
    let text = spawned.ok().and_then(|_| receiver.recv_timeout(PATIENCE).ok());
    while Monotonic::now() < end && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let ended = matches!(child.try_wait(), Ok(Some(status)) if status.success());
    let _ = child.kill();
    let _ = child.wait();
    let text = text.map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    match text.lines().next().filter(|line| ended && !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err("it does not say its version".to_owned()),
    }
}

/// GnuPG's home, and whether it is the usual one of the user.
struct Home {
    path: PathBuf,
    usual: bool,
}

fn home() -> Home {
    let usual = std::env::home_dir().unwrap_or_default().join(".gnupg");
    let given = std::env::var_os("GNUPGHOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = given.unwrap_or_else(|| usual.clone());
    let path = std::path::absolute(&path).unwrap_or(path);
    Home { usual: path == usual, path }
}

/// Where the agent of a home listens: below the user's run-time folder where there is one, else in the home.
fn socket(home: &Home) -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    let runs = [format!("/run/gnupg/user/{uid}"), format!("/run/user/{uid}"), format!("/var/run/user/{uid}")];
    let Some(run) = runs.iter().map(Path::new).find(|path| path.is_dir()) else {
        return home.path.join("S.gpg-agent");
    };
    if home.usual {
        return run.join("gnupg/S.gpg-agent");
    }
    let digest = openssl::sha::sha1(home.path.as_os_str().as_encoded_bytes());
    run.join(format!("gnupg/d.{}/S.gpg-agent", zbase32(&digest[..15])))
}

/// The z-base-32 form of whole groups of five bytes.
fn zbase32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
    let groups = bytes.chunks_exact(5).map(|group| group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte)));
    groups.flat_map(|bits| (0..8).rev().map(move |at| char::from(LETTERS[(bits >> (5 * at) & 31) as usize]))).collect()
}

fn agent(home: &Home, needed: bool) -> Line {
    let what = "agent's socket";
    let socket = socket(home);
    let shown = socket.display();
    if socket.as_os_str().len() > SOCKET_PATH {
        let said = format!("{shown} is too long for a socket; gpg cannot reach an agent there");
        return if needed {
            Line::problem(what, said, "export GNUPGHOME=/a/shorter/path")
        } else {
            Line::ok(what, said)
        };
    }
    if !socket.exists() {
        return Line::ok(what, format!("nobody listens at {shown}; gpg starts the agent when it signs"));
    }
    match greeting(&socket) {
        Ok(()) => Line::ok(what, format!("the agent answers at {shown}")),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Line::ok(what, format!("{shown} is left of an agent that is gone; gpg starts another when it signs"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            let said = format!("{shown}: {error}: it is another user's; sign as that one, or with --sign-key");
            Line::problem(what, said, format!("ls -l {shown}"))
        }
        Err(error) => Line::untold(what, format!("{shown}: {error}"), "gpg-connect-agent --no-autostart /bye"),
    }
}

/// The first line of an agent, by the Assuan protocol: `OK …`. Nothing is said to it.
fn greeting(socket: &Path) -> std::io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut said = [0; 2];
    stream.read_exact(&mut said)?;
    if &said == b"OK" { Ok(()) } else { Err(std::io::Error::other("what listens there is no agent")) }
}

/// Whether the home has the certificate of one who signs, and secret keys at all.
fn key(loaded: &Loaded, home: &Home, wanted: &[Fingerprint], interrupts: &Interrupts) -> Line {
    let what = "signing key";
    let shown = home.path.display();
    if wanted.is_empty() {
        return Line::ok(what, "the package pins nobody who signs reports; --sign FPR takes any key");
    }
    let next = "export GNUPGHOME=…, or sign with --sign-key FILE: cutgate doctor --sign-key FILE";
    let names = wanted.iter().map(Fingerprint::as_str).collect::<Vec<_>>().join(", ");
    // The home is this user's and not the audited host's.
    let place = Place { root: None, ..loaded.place.clone() };
    let settings = serde_json::json!({"home": home.path, "judge": Vec::<String>::new()});
    let settings = settings.as_object().cloned().unwrap_or_default().into_iter().collect();
    let question = Question { kind: "openpgp-keyring".to_owned(), settings };
    let (seen, _) = session::ask(loaded, place, &[((), question)].into(), interrupts);
    let facts = seen.get(&()).map(|seen| &seen.facts);
    let listed = facts.map(|facts| facts.at("fingerprints").unwrap_or(facts));
    if let Some(Fact::Missing(missing)) = listed {
        return match missing.state.is_absent() {
            true => Line::problem(what, format!("{names} would sign, and there is no GnuPG home {shown}"), next),
            false => Line::missing(what, missing),
        };
    }
    let listed = |fingerprint: &&Fingerprint| match listed {
        Some(Fact::List(items)) => items.contains(&Fact::from(fingerprint.as_str())),
        Some(_) | None => false,
    };
    let Some(found) = wanted.iter().find(listed) else {
        return Line::problem(what, format!("no certificate of {names} in {shown}"), next);
    };
    let secret = std::fs::read_dir(home.path.join("private-keys-v1.d"));
    match secret.map(|entries| {
        entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "key")).count()
    }) {
        Ok(0) => {
            Line::problem(what, format!("the certificate of {found} is in {shown}, and no secret key at all"), next)
        }
        Ok(count) => {
            let said = format!(
                "the certificate of {found} and {count} secret keys are in {shown}; that one of them is its own, gpg --list-secret-keys says"
            );
            Line::ok(what, said)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Line::problem(what, format!("the certificate of {found} is in {shown}, and no secret key at all"), next)
        }
        Err(error) => Line::untold(what, format!("{shown}/private-keys-v1.d: {error}"), format!("namei -l {shown}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `gpgconf --list-dirs agent-socket` shows it for a home of its own.
    #[test]
    fn the_folder_of_a_socket_is_named_as_gnupg_names_it() {
        assert_eq!(zbase32(&[0; 15]), "y".repeat(24));
        assert_eq!(zbase32(&[0xff; 15]), "9".repeat(24));
        assert_eq!(zbase32(&[0, 0, 0, 0, 1]), "yyyyyyyb");
    }
}
