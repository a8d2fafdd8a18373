//! A request as it arrived: for which host, by whom over which address, along which path, if it can be read one way only.
//!
//! Refuses what two parsers could read as two things, and what is larger than an app may be sent.

use crate::{browser::Reader, config::Config, cookies, page::Page, pages, record, serve::Connection, trace::Trace};
use authority::{Caller, Origin, Who};
use axum::body::Body;
use http::{HeaderMap, Method, Request, Uri, header};
use model::manifest::{PathRefusal, normalise_path};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, SocketAddr};
use tokio_util::sync::CancellationToken;

/// Path and query together.
const ADDRESS_BYTES_MAX: usize = 16_000;
/// What a client calls itself is cut here.
const DEVICE_CHARS_MAX: usize = 200;

pub(crate) struct Arrival {
    /// The part of the host before the apps domain; `None` for hosts that are not under it.
    pub(crate) label: Option<String>,
    pub(crate) method: Method,
    /// Decoded and normalised: what patterns are matched against.
    pub(crate) path: String,
    /// As it came, with the query: what the app sees.
    pub(crate) address: String,
    pub(crate) reader: Reader,
    pub(crate) trace: Trace,
    pub(crate) client: IpAddr,
    /// Whether a trusted proxy brought it.
    pub(crate) proxied: bool,
    pub(crate) device: Option<std::sync::Arc<str>>,
    pub(crate) connection: Option<Connection>,
}

impl Arrival {
    pub(crate) fn read(
        config: &Config,
        request: &Request<Body>,
        peer: SocketAddr,
        trace: Trace,
    ) -> Result<Self, Box<Page>> {
        let headers = request.headers();
        fits(config, request)?;
        let host = host(request.uri(), headers)?;
        let address = request.uri().path_and_query().map_or("/", |address| address.as_str());
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(pages::address_too_long());
        }
        let path = normalise_path(request.uri().path()).map_err(|refusal| match refusal {
            PathRefusal::TooLong => pages::address_too_long(),
            other @ (PathRefusal::NoSlash
            | PathRefusal::NotPath
            | PathRefusal::Dots
            | PathRefusal::EmptyPart
            | PathRefusal::EncodedSlash
            | PathRefusal::Backslash
            | PathRefusal::Control
            | PathRefusal::BadEscape
            | PathRefusal::EncodedTwice
            | PathRefusal::NotUtf8) => pages::malformed(&format!("its address can be read in two ways: {other}")),
        })?;
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            return Err(pages::method("what apps are used by"));
        }
        let device = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            label: config.label_of(&host),
            method: request.method().clone(),
            path,
            address: address.to_owned(),
            reader: Reader::of(headers),
            trace,
            client: config.client(peer.ip(), headers.get_all("x-forwarded-for").iter()),
            proxied: config.trusts(peer.ip()),
            device: device.map(|text| text.chars().take(DEVICE_CHARS_MAX).collect::<String>().into()),
            connection: request.extensions().get::<Connection>().cloned(),
        })
    }

    /// What ends the way back of its answer.
    pub(crate) fn closing(&self) -> Option<CancellationToken> {
        self.connection.as_ref().map(|connection| connection.closing().clone())
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin { ip: Some(self.client), device: self.device.clone() }
    }

    pub(crate) fn stranger(&self, config: &Config) -> Caller {
        Caller::new(config.tenant.clone(), Who::Stranger).from(self.origin()).traced(self.trace.id.clone())
    }

    /// What the event says of the request: its shape, never its words.
    pub(crate) fn detail(&self) -> Map<String, Value> {
        let mut detail = Map::new();
        detail.insert("method".to_owned(), json!(self.method.as_str()));
        detail.insert("path".to_owned(), json!(record::shape(&self.path)));
        detail
    }
}

fn fits(config: &Config, request: &Request<Body>) -> Result<(), Box<Page>> {
    let (limits, headers) = (&config.limits, request.headers());
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let cookies = cookies::bytes(headers);
    // A browser may send each in a line of its own (RFC 9113, section 8.2.3); an app gets one.
    let crumbs = headers.get_all(header::COOKIE).iter().count().saturating_sub(1);
    if headers.len() - crumbs > limits.header_count || bytes > limits.header_bytes {
        let mut page = pages::headers_too_large();
        if bytes - cookies <= limits.header_bytes {
            // Half of it, so that there is room for what the app sets next.
            let left = (limits.header_bytes / 2).saturating_sub(bytes - cookies);
            page.cookies = cookies::clearing(request, left);
        }
        return Err(page);
    }
    let lengths = headers.get_all(header::CONTENT_LENGTH).iter().count();
    if headers.contains_key(header::TRANSFER_ENCODING) && lengths > 0 || lengths > 1 {
        return Err(pages::malformed("it gives the length of its body in two ways"));
    }
    let length =
        headers.get(header::CONTENT_LENGTH).map(|value| value.to_str().ok().and_then(|text| text.parse::<u64>().ok()));
    match length {
        Some(None) => Err(pages::malformed("the length of its body is no number")),
        Some(Some(length)) if length > limits.body_bytes => Err(pages::too_large(limits.body_bytes)),
        Some(Some(_)) | None => Ok(()),
    }
}

/// The one host that the request names (RFC 9112, section 3.2).
fn host(uri: &Uri, headers: &HeaderMap) -> Result<String, Box<Page>> {
    let mut named = headers.get_all(header::HOST).iter();
    let (host, more) = (named.next(), named.next());
    if more.is_some() {
        return Err(pages::malformed("it names two hosts"));
    }
    let host = host.map(|host| host.to_str().map_err(|_| pages::malformed("its host cannot be read"))).transpose()?;
    match (uri.authority(), host) {
        (Some(authority), Some(host)) if !authority.as_str().eq_ignore_ascii_case(host) => {
            Err(pages::malformed("it names two hosts"))
        }
        (Some(authority), _) => Ok(authority.as_str().to_owned()),
        (None, Some(host)) => Ok(host.to_owned()),
        (None, None) => Err(pages::malformed("it names no host")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Scheme, test_config};

    fn read(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> Result<Arrival, u16> {
        let request = build(Request::builder().uri("/a?b=c")).body(Body::empty()).unwrap();
        let config = test_config(Scheme::Http, "localhost:7070");
        let trace = Trace::of(request.headers());
        Arrival::read(&config, &request, "127.0.0.1:9".parse().unwrap(), trace).map_err(|page| page.status)
    }

    const HOST: (&str, &str) = ("host", "poll.localhost:7070");

    #[test]
    fn one_host_one_length_one_path() {
        let good = read(|r| r.header(HOST.0, HOST.1)).unwrap();
        assert_eq!((good.label.as_deref(), good.path.as_str(), good.address.as_str()), (Some("poll"), "/a", "/a?b=c"));
        let status = |result: Result<Arrival, u16>| result.map(drop).unwrap_err();
        assert_eq!(status(read(|r| r)), 400);
        assert_eq!(status(read(|r| r.header(HOST.0, HOST.1).header("host", "other.localhost:7070"))), 400);
        assert_eq!(status(read(|r| r.uri("http://other.localhost:7070/").header(HOST.0, HOST.1))), 400);
        assert_eq!(
            status(read(|r| r
                .header(HOST.0, HOST.1)
                .header("content-length", "1")
                .header("transfer-encoding", "chunked"))),
            400
        );
        assert_eq!(
            status(read(|r| r.header(HOST.0, HOST.1).header("content-length", "1").header("content-length", "1"))),
            400
        );
        assert_eq!(status(read(|r| r.header(HOST.0, HOST.1).header("content-length", "99999999"))), 413);
        assert_eq!(status(read(|r| r.header(HOST.0, HOST.1).header("x", "y".repeat(40_000)))), 431);
        assert_eq!(status(read(|r| r.header(HOST.0, HOST.1).uri(format!("/{}", "y".repeat(9_000))))), 414);
        assert_eq!(status(read(|r| r.header(HOST.0, HOST.1).uri(format!("/?{}", "y".repeat(17_000))))), 414);
        for path in ["/a//b", "/a/../b", "/%2e%2e/b", "/a%2fb", "/%252e", "/a%00b", "/a\\b", "/;/..;/x"] {
            if let Ok(uri) = path.parse::<Uri>() {
                assert_eq!(status(read(|r| r.header(HOST.0, HOST.1).uri(uri))), 400, "{path}");
            }
        }
        assert_eq!(status(read(|r| r.header(HOST.0, HOST.1).method("TRACE"))), 405);
        assert!(read(|r| r.header(HOST.0, "elsewhere.example")).unwrap().label.is_none());
    }
}
