//! Encryption and whom it is spoken with, as libpq has it (PostgreSQL, "SSL Support"): `require` encrypts and, where the
//! user keeps a root certificate, checks the server's; `verify-ca` demands that, `verify-full` the host's name too.

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode, SslVersion};
use openssl::x509::X509;
use openssl::x509::store::X509StoreBuilder;
use postgres_openssl::MakeTlsConnector;

use super::parameters::Values;
use super::{MAX_FILE, Outside};
use crate::evidence::Missing;

/// A connector by the parameters `ssl…`.
pub(super) fn connector(values: &Values, outside: &Outside<'_>) -> Result<MakeTlsConnector, Missing> {
    let value = |name: &str| values.get(name).map(String::as_str);
    let failed = |tried: &str, error: ErrorStack| {
        outside.refused(tried, error.to_string(), "see whether OpenSSL and the certificates are in order")
    };
    let mut builder = SslConnector::builder(SslMethod::tls()).map_err(|error| failed("prepare encryption", error))?;
    for (name, is_lowest) in [("ssl_min_protocol_version", true), ("ssl_max_protocol_version", false)] {
        let version =
            value(name).map(|version| if version == "TLSv1.3" { SslVersion::TLS1_3 } else { SslVersion::TLS1_2 });
        if version.is_none() && is_lowest {
            continue;
        }
        let set =
            if is_lowest { builder.set_min_proto_version(version) } else { builder.set_max_proto_version(version) };
        set.map_err(|error| failed("prepare encryption", error))?;
    }
    let mode = value("sslmode").unwrap_or("prefer");
    let roots = roots(values, outside)?;
    let checks = match (mode, &roots) {
        ("verify-ca" | "verify-full", Roots::None) => {
            let said = format!("sslmode={mode} needs a root certificate, and there is none");
            let next = "give it: sslrootcert=/path/root.crt, or sslrootcert=system for those of the host";
            return Err(outside.refused("check the server's certificate", said, next));
        }
        ("verify-full", Roots::System | Roots::Of(_)) => true,
        (_, Roots::System) => {
            // Any holder of any public certificate would do.
            let next = "say sslmode=verify-full";
            let said = format!("sslrootcert=system checks nothing with sslmode={mode}");
            return Err(outside.refused("check the server's certificate", said, next));
        }
        ("require" | "verify-ca", Roots::Of(_)) => true,
        _ => false,
    };
    if let (true, Roots::Of(certificates)) = (checks, roots) {
        let mut store = X509StoreBuilder::new().map_err(|error| failed("prepare encryption", error))?;
        for certificate in certificates {
            store.add_cert(certificate).map_err(|error| failed("read the root certificates", error))?;
        }
        builder.set_cert_store(store.build());
    }
    builder.set_verify(if checks { SslVerifyMode::PEER } else { SslVerifyMode::NONE });
    own_certificate(values, outside, &mut builder)?;
    if value("sslnegotiation") == Some("direct") {
        builder.set_alpn_protos(b"\x0apostgresql").map_err(|error| failed("prepare encryption", error))?;
    }
    let mut tls = MakeTlsConnector::new(builder.build());
    let by_name = mode == "verify-full";
    tls.set_callback(move |connection, _| {
        connection.set_verify_hostname(by_name);
        Ok(())
    });
    Ok(tls)
}

/// Who may vouch for the server.
enum Roots {
    None,
    System,
    Of(Vec<X509>),
}

fn roots(values: &Values, outside: &Outside<'_>) -> Result<Roots, Missing> {
    let given = values.get("sslrootcert").cloned();
    if given.as_deref() == Some("system") {
        return Ok(Roots::System);
    }
    let is_given = given.is_some();
    let Some(file) = given.or_else(|| outside.door.surroundings().in_home(".postgresql/root.crt")) else {
        return Ok(Roots::None);
    };
    let bytes = match outside.files.read(&file, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(reason) if reason.state.is_absent() && !is_given => return Ok(Roots::None),
        Err(reason) => return Err(reason),
    };
    let certificates = X509::stack_from_pem(&bytes).ok().filter(|found| !found.is_empty());
    let certificates = certificates.ok_or_else(|| {
        outside.refused(&format!("read {file}"), "it holds no certificate in PEM form", format!("correct {file}"))
    })?;
    Ok(Roots::Of(certificates))
}

/// The certificate that the server may ask us for.
fn own_certificate(
    values: &Values,
    outside: &Outside<'_>,
    builder: &mut openssl::ssl::SslConnectorBuilder,
) -> Result<(), Missing> {
    let (cert, key) = (values.get("sslcert").cloned(), values.get("sslkey").cloned());
    let is_given = cert.is_some();
    let around = outside.door.surroundings();
    let Some(file) = cert.or_else(|| around.in_home(".postgresql/postgresql.crt")) else { return Ok(()) };
    let bytes = match outside.files.read(&file, MAX_FILE) {
        Ok(bytes) => bytes,
        Err(reason) if reason.state.is_absent() && !is_given => return Ok(()),
        Err(reason) => return Err(reason),
    };
    let tried = format!("use the certificate {file}");
    let wrong = |said: String| outside.refused(&tried, said, "correct sslcert and sslkey");
    let mut chain = X509::stack_from_pem(&bytes).unwrap_or_default().into_iter();
    let Some(first) = chain.next() else { return Err(wrong("it holds no certificate in PEM form".to_owned())) };
    let Some(key_file) = key.or_else(|| around.in_home(".postgresql/postgresql.key")) else {
        return Err(wrong("there is no key for it".to_owned()));
    };
    let Some(key) = outside.secret_file(&key_file, true)? else {
        return Err(wrong(format!("there is no key for it: {key_file} is absent")));
    };
    let lines = key.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok()).map(str::trim);
    lines.filter(|line| !line.starts_with("-----")).for_each(|line| outside.door.keep_secret(line));
    // An empty answer keeps a key with a passphrase from asking the terminal for it.
    let key = PKey::private_key_from_pem_callback(&key, |_| Ok(0));
    let key = key.map_err(|_| wrong(format!("{key_file} holds no key in PEM form without a passphrase")))?;
    secret_numbers(&key).unwrap_or_default().iter().for_each(|bytes| outside.door.keep_key(bytes));
    builder.set_certificate(&first).map_err(|error| wrong(error.to_string()))?;
    for certificate in chain {
        builder.add_extra_chain_cert(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    builder.set_private_key(&key).map_err(|_| wrong(format!("{key_file} is not the key of {file}")))
}

/// The numbers of a private key that nobody else has.
fn secret_numbers(key: &PKeyRef<Private>) -> Result<Vec<Vec<u8>>, ErrorStack> {
    if let Ok(rsa) = key.rsa() {
        let primes = [rsa.p(), rsa.q()].into_iter().flatten();
        return Ok([rsa.d()].into_iter().chain(primes).map(|number| number.to_vec()).collect());
    }
    match key.ec_key() {
        Ok(key) => Ok(vec![key.private_key().to_vec()]),
        Err(_) => key.raw_private_key().map(|bytes| vec![bytes]),
    }
}
