//! The one position of a request in which a secret attaches.
//!
//! Refuses headers that frame a request or belong to a connection. Finds the placeholder exactly there, or not at all.

use crate::refusal;
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::BASE64_STANDARD,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header, request::Parts, uri::PathAndQuery};
use model::Problem;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use seal::Zeroizing;
use std::{fmt, str::FromStr};

/// RFC 3986, section 2.3: everything but these is encoded.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Clients pad or do not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// Headers that say where a request ends or for whom it is, and those of one connection: never a place for a value.
const NEVER: &[&str] = &[
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "keep-alive",
    "accept-encoding",
    "traceparent",
    "tracestate",
    "cookie",
    "content-type",
];
/// Names of headers and parameters; longer ones are a mistake.
const NAME_BYTES_MAX: usize = 64;

/// Where a value attaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `Authorization: Bearer VALUE` (RFC 6750).
    Bearer,
    /// `Authorization: Basic …` (RFC 7617): the value is the password, the user before an empty password, or both.
    Basic,
    /// The whole value of a header, or what follows a word and a space in it.
    Header { name: HeaderName, word: Option<String> },
    /// The value of one query parameter.
    Query { name: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::Basic => f.write_str("basic"),
            Self::Header { name, word: None } => write!(f, "header:{name}"),
            Self::Header { name, word: Some(word) } => write!(f, "header:{name}:{word}"),
            Self::Query { name } => write!(f, "query:{name}"),
        }
    }
}

impl FromStr for Place {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let token = |text: &str| {
            !text.is_empty()
                && text.len() <= NAME_BYTES_MAX
                && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        };
        match text.split_once(':') {
            None if text == "bearer" => Ok(Self::Bearer),
            None if text == "basic" => Ok(Self::Basic),
            Some(("query", name)) if token(name) => Ok(Self::Query { name: name.to_owned() }),
            Some(("header", rest)) => {
                let (name, word) = rest.split_once(':').map_or((rest, None), |(name, word)| (name, Some(word)));
                let lower = name.to_ascii_lowercase();
                let never = NEVER.contains(&lower.replace('_', "-").as_str())
                    || ["proxy-", "bailiwick-", "sec-"].iter().any(|prefix| lower.starts_with(prefix));
                if !token(name) || never || word.is_some_and(|word| !token(word)) {
                    return Err(refusal::attach(text));
                }
                let name = lower.parse().map_err(|_| refusal::attach(text))?;
                Ok(Self::Header { name, word: word.map(str::to_owned) })
            }
            _ => Err(refusal::attach(text)),
        }
    }
}

impl Place {
    /// How app code puts the placeholder there, for messages.
    pub(crate) fn example(&self, variable: &str) -> String {
        match self {
            Self::Bearer => format!("authorization: `Bearer ${{env.{variable}}}`"),
            Self::Basic => format!("authorization: `Basic ${{btoa(\"USER:\" + env.{variable})}}`"),
            Self::Header { name, word: None } => format!("{name}: env.{variable}"),
            Self::Header { name, word: Some(word) } => format!("{name}: `{word} ${{env.{variable}}}`"),
            Self::Query { name } => format!("?{name}=${{env.{variable}}}"),
        }
    }

    /// Whether headers carry it: then the value must be fit for one.
    pub(crate) const fn is_plain_header(&self) -> bool {
        matches!(self, Self::Bearer | Self::Header { .. })
    }

    /// Where exactly the placeholder stands, if it stands in this place and is all that stands there.
    pub(crate) fn find(&self, head: &Parts, placeholder: &str) -> Option<Spot> {
        match self {
            Self::Bearer => after_word(&head.headers, header::AUTHORIZATION, Some("Bearer"), placeholder),
            Self::Header { name, word } => after_word(&head.headers, name.clone(), word.as_deref(), placeholder),
            Self::Basic => basic(&head.headers, placeholder),
            Self::Query { name } => parameter(&head.uri, name, placeholder),
        }
    }
}

/// A place in one request, ready for the value.
#[derive(Debug)]
pub(crate) enum Spot {
    Header {
        name: HeaderName,
        before: String,
    },
    /// Before and after the value, within what is encoded.
    Basic {
        before: String,
        after: String,
    },
    /// Before and after the value, within the query.
    Query {
        before: String,
        after: String,
    },
}

impl Spot {
    /// Puts the value there. Nothing of the request changes when it does not fit.
    pub(crate) fn fill(self, head: &mut Parts, value: &str) -> Option<()> {
        match self {
            Self::Header { name, before } => set(head, name, &Zeroizing::new([before.as_str(), value].concat())),
            Self::Basic { before, after } => {
                let plain = Zeroizing::new([before.as_str(), value, after.as_str()].concat());
                let encoded = Zeroizing::new(BASE64_STANDARD.encode(plain.as_bytes()));
                set(head, header::AUTHORIZATION, &Zeroizing::new(["Basic ", encoded.as_str()].concat()))
            }
            Self::Query { before, after } => {
                let value = Zeroizing::new(utf8_percent_encode(value, COMPONENT).to_string());
                let query = Zeroizing::new([head.uri.path(), "?", &before, value.as_str(), &after].concat());
                let mut uri = head.uri.clone().into_parts();
                uri.path_and_query = Some(PathAndQuery::try_from(query.as_str()).ok()?);
                head.uri = Uri::from_parts(uri).ok()?;
                Some(())
            }
        }
    }
}

fn set(head: &mut Parts, name: HeaderName, text: &str) -> Option<()> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    head.headers.insert(name, value);
    Some(())
}

/// The header's value, when there is one alone.
fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok())?
}

fn after_word(headers: &HeaderMap, name: HeaderName, word: Option<&str>, placeholder: &str) -> Option<Spot> {
    let before = single(headers, &name)?.strip_suffix(placeholder)?;
    let fits = match word {
        None => before.is_empty(),
        // Schemes are compared without case (RFC 9110, section 11.1).
        Some(word) => before.strip_suffix(' ').is_some_and(|found| found.eq_ignore_ascii_case(word)),
    };
    fits.then(|| Spot::Header { before: before.to_owned(), name })
}

fn basic(headers: &HeaderMap, placeholder: &str) -> Option<Spot> {
    let spot = |before: &str, after: &str| Some(Spot::Basic { before: before.to_owned(), after: after.to_owned() });
    let credentials = credentials(single(headers, &header::AUTHORIZATION)?)?;
    if credentials == placeholder {
        return spot("", "");
    }
    let decoded = decoded(credentials)?;
    match decoded.split_once(placeholder)? {
        (before, "") if before.strip_suffix(':').is_some_and(|user| !user.contains(':')) => spot(before, ""),
        ("", "") => spot("", ""),
        ("", ":") => spot("", ":"),
        _ => None,
    }
}

/// What follows `Basic `.
fn credentials(header: &str) -> Option<&str> {
    let (scheme, credentials) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("basic").then_some(credentials)
}

fn decoded(credentials: &str) -> Option<String> {
    String::from_utf8(LENIENT.decode(credentials).ok()?).ok()
}

/// The text that a `Basic` header hides, for those who look for placeholders.
pub(crate) fn hidden(header: &HeaderValue) -> Option<String> {
    decoded(credentials(header.to_str().ok()?)?)
}

fn parameter(uri: &Uri, name: &str, placeholder: &str) -> Option<Spot> {
    let query = uri.query()?;
    let named = |pair: &&str| {
        let raw = pair.split_once('=').map_or(*pair, |(raw, _)| raw);
        raw == name || percent_decode_str(raw).decode_utf8().is_ok_and(|decoded| decoded == name)
    };
    let mut pairs = query.split('&').filter(named);
    let (pair, None) = (pairs.next()?, pairs.next()) else {
        return None;
    };
    let (raw, value) = pair.split_once('=')?;
    if raw != name || value != placeholder {
        return None;
    }
    let (before, after) = query.split_once(placeholder)?;
    Some(Spot::Query { before: before.to_owned(), after: after.to_owned() })
}
