//! The edges of the server: TLS by certificate files, plain HTTP sent on, and who may collect metrics.
//!
//! Refuses TLS for a console that is opened without it, and a token that could be guessed.

use super::{Reader, secret_file::secret_file};
use gateway::{Certificates, Clients, Scheme, TlsError, TlsFiles};
use model::manifest::PathPattern;
use seal::TokenHash;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

const TLS_FORM: &str = "`{ cert = \"tls.pem\", key = \"tls.key\" }`";
/// A token shorter than this can be guessed.
const TOKEN_MIN_CHARS: usize = 24;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

pub(super) fn tls(reader: &mut Reader, folder: &Path, scheme: Scheme) -> Option<Arc<Certificates>> {
    let files: Files = reader.take("server.tls", TLS_FORM)?;
    if scheme == Scheme::Http {
        let why = "the listener would speak TLS, and `server.public_url` says `http://`";
        reader.wrong("server.tls", why, "write `public_url = \"https://…\"` with the name in the certificate");
    }
    let files = TlsFiles { cert: folder.join(files.cert), key: folder.join(files.key) };
    match Certificates::load(files) {
        Ok(certificates) => Some(certificates),
        Err(error) => {
            let fix = if let TlsError::OpenKey(key) = &error {
                format!("run `chmod 640 {}`: it is for its owner and one group", key.display())
            } else {
                "name PEM files: the whole chain with the leaf first, and its key, for its owner and one group"
                    .to_owned()
            };
            reader.wrong("server.tls", error.to_string(), fix);
            None
        }
    }
}

const CLIENTS_FORM: &str = "`{ ca = \"clients.pem\", apps = { payroll = [\"/**\"] } }`";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Needed {
    ca: PathBuf,
    apps: BTreeMap<String, Vec<String>>,
}

/// Where the operator asks for client certificates. Only our own handshake can ask for one.
pub(super) fn clients(reader: &mut Reader, folder: &Path, apps_domain: &str, tls: bool) -> Option<Arc<Clients>> {
    let Needed { ca, apps } = reader.take("server.clients", CLIENTS_FORM)?;
    if !tls {
        let why = "certificates are shown in the handshake, and there is no `server.tls`";
        reader.wrong("server.clients", why, "add `tls`, or ask for certificates at the proxy in front");
        return None;
    }
    let mut needed = BTreeMap::new();
    for (label, paths) in apps {
        let mut patterns = Vec::with_capacity(paths.len());
        for path in &paths {
            match PathPattern::parse(path) {
                Ok(pattern) => patterns.push(pattern),
                Err(why) => {
                    reader.wrong("server.clients", format!("`{path}`: {why}"), "write paths as `\"/admin/**\"`")
                }
            }
        }
        if patterns.is_empty() {
            let why = format!("no path of `{label}` is named");
            reader.wrong("server.clients", why, "name its paths, or `[\"/**\"]` for all of them");
        }
        needed.insert(label.to_ascii_lowercase(), patterns);
    }
    match Clients::load(&folder.join(ca), apps_domain, needed) {
        Ok(clients) => Some(Arc::new(clients)),
        Err(error) => {
            reader.wrong("server.clients", error.to_string(), "name a PEM file with the authority's certificates");
            None
        }
    }
}

pub(super) fn redirect(reader: &mut Reader, scheme: Scheme, listen: SocketAddr) -> Option<SocketAddr> {
    let redirect: SocketAddr = reader.take("server.redirect", "`\"0.0.0.0:80\"`")?;
    if scheme == Scheme::Http {
        let why = "there is nothing to send on to: `server.public_url` says `http://`";
        reader.wrong("server.redirect", why, "leave it out");
    }
    if redirect == listen {
        reader.wrong("server.redirect", "it is the address of the listener itself", "use the port for plain HTTP, 80");
    }
    Some(redirect)
}

/// `file:PATH`: the token itself never stands in the configuration.
pub(super) fn metrics(reader: &mut Reader, folder: &Path) -> Option<TokenHash> {
    let text: String = reader.take("metrics.token", "`\"file:metrics.token\"`")?;
    let Some(path) = text.strip_prefix("file:") else {
        let why = "a token does not stand in the configuration";
        reader.wrong("metrics.token", why, "put it into a file for the server's user, and write `\"file:PATH\"`");
        return None;
    };
    let token = secret_file(reader, folder, "metrics.token", path)?;
    if token.len() < TOKEN_MIN_CHARS {
        let why = format!("a token of fewer than {TOKEN_MIN_CHARS} characters could be guessed");
        reader.wrong("metrics.token", why, "make one with `openssl rand -hex 24`");
        return None;
    }
    Some(TokenHash::of(&token))
}

/// The collector's address, as the specification of OTLP over HTTP has it: without `/v1/traces`.
pub(super) fn otlp(reader: &mut Reader) -> Option<String> {
    let form = "`\"https://collector.corp.example:4318\"`";
    let text: String = reader.take("telemetry.otlp", form)?;
    let address = url::Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(address) = address.filter(|url| url.username().is_empty() && url.password().is_none()) else {
        reader.wrong("telemetry.otlp", "it is no address of a collector", format!("write it as {form}"));
        return None;
    };
    Some(address.as_str().trim_end_matches('/').to_owned())
}
