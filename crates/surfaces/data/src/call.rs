//! Calls to `http://data.bailiwick`, in HTTP: what was asked, and the answer.
//!
//! Refuses unknown paths and methods, bodies that are too large, not JSON or not declared as such. The host is the
//! caller's to judge; nothing in a request says who asks.

use crate::{
    Error,
    act::Verb,
    json,
    places::{Exporting, Held},
    query::object,
    records::RECORD_BYTES_MAX,
    refusal,
};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use model::Problem;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A record, its names, and escapes that its text form may need.
const CALL_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Where the document stands that says all this.
const DOCUMENT_PATH: &str = "/v1/openapi.json";
const DOCUMENT: &str = include_str!("openapi.json");

/// The document, when it is asked for.
pub(crate) fn document<B>(request: &Request<B>) -> Option<Response<Full<Bytes>>> {
    let asked = request.method() == Method::GET && request.uri().path() == DOCUMENT_PATH;
    asked.then(|| {
        let mut response = Response::new(Full::from(DOCUMENT));
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        response
    })
}

/// A call that was understood.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) collection: String,
    pub(crate) ask: Ask,
}

#[derive(Debug)]
pub(crate) enum Ask {
    Insert(Value),
    Get(String),
    List(Value),
    Count(Value),
    /// Changes, and the version that they were made from.
    Update(String, Value, Option<u64>),
    Delete(String),
    Export,
}

impl Ask {
    pub(crate) const fn verb(&self) -> Verb {
        match self {
            Self::Insert(_) => Verb::Insert,
            Self::Get(_) => Verb::Get,
            Self::List(_) => Verb::List,
            Self::Count(_) => Verb::Count,
            Self::Update(..) => Verb::Update,
            Self::Delete(_) => Verb::Delete,
            Self::Export => Verb::Export,
        }
    }
}

impl Call {
    pub(crate) async fn read<B>(request: Request<B>) -> Result<Self, Error>
    where
        B: BodyExt<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let unknown = || Error::from(refusal::unknown_call(head.method.as_str(), head.uri.path()));
        let segments = segments(head.uri.path()).ok_or_else(unknown)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let ["v1", "collections", collection, rest @ ..] = segments.as_slice() else { return Err(unknown()) };
        let ask = match (&head.method, rest) {
            (&Method::GET, ["records", id]) => Ask::Get((*id).to_owned()),
            (&Method::DELETE, ["records", id]) => Ask::Delete((*id).to_owned()),
            (&Method::POST, ["records"]) => Ask::Insert(content(&head, body).await?),
            (&Method::POST, ["query"]) => Ask::List(content(&head, body).await?),
            (&Method::POST, ["count"]) => Ask::Count(content(&head, body).await?),
            (&Method::POST, ["export"]) => Ask::Export,
            (&Method::PATCH, ["records", id]) => update((*id).to_owned(), content(&head, body).await?)?,
            _ => return Err(unknown()),
        };
        Ok(Self { collection: (*collection).to_owned(), ask })
    }
}

/// The parts of a path, decoded; none when one of them is not text.
fn segments(path: &str) -> Option<Vec<String>> {
    let decoded = |part: &str| percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned);
    path.strip_prefix('/')?.split('/').map(decoded).collect()
}

fn update(id: String, content: Value) -> Result<Ask, Error> {
    let mut content = object(content, &["changes", "version"])?;
    let changes = content.remove("changes").unwrap_or_default();
    let version = match content.remove("version") {
        None | Some(Value::Null) => None,
        Some(version) => Some(version.as_u64().ok_or_else(|| refusal::malformed("`version` is not a version"))?),
    };
    Ok(Ask::Update(id, changes, version))
}

async fn content<B>(head: &http::request::Parts, body: B) -> Result<Value, Error>
where
    B: BodyExt<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/json") {
        return Err(refusal::content_type().into());
    }
    let bytes = match Limited::new(body, CALL_BYTES_MAX).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(refusal::call_too_large(CALL_BYTES_MAX).into());
        }
        Err(_) => return Err(refusal::malformed("its body broke off").into()),
    };
    json::read(&bytes).map_err(|error| refusal::malformed(error.to_string()).into())
}

/// What goes back.
#[derive(Debug)]
pub(crate) enum Reply {
    Created(Value),
    Found(Value),
    /// JSON that is written already.
    Taken(Vec<u8>, Exporting),
    Gone,
}

impl Reply {
    /// Its body holds what was taken for it.
    pub(crate) fn response(self, mut held: Held) -> Response<Full<Bytes>> {
        let text = |value: Value| value.to_string().into_bytes();
        match self {
            Self::Created(value) => with(StatusCode::CREATED, JSON, held.body(text(value))),
            Self::Found(value) => with(StatusCode::OK, JSON, held.body(text(value))),
            Self::Taken(text, export) => {
                held.with_export(export);
                with(StatusCode::OK, JSON, held.body(text))
            }
            Self::Gone => {
                let mut response = Response::new(Full::default());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
        }
    }
}

/// A refusal: RFC 9457, with our fields beside the standard ones. It holds a place, if it got that far.
pub(crate) fn told(problem: &Problem, held: Option<Held>) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let text = problem.document(status.as_u16()).to_string().into_bytes();
    let body = match held {
        Some(held) => held.body(text),
        None => text.into(),
    };
    with(status, PROBLEM, body)
}

fn with(status: StatusCode, kind: HeaderValue, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every call that the document names is understood, and every verb is in it.
    #[tokio::test]
    async fn the_document_says_what_is_understood() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let mut named = vec![];
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let path = path.replace("{collection}", "answers").replace("{id}", "0af7");
                let method: Method = method.to_uppercase().parse().unwrap();
                let mut request = Request::new(Full::<Bytes>::from(r#"{"changes":{}}"#));
                (*request.method_mut(), *request.uri_mut()) = (method, path.parse().unwrap());
                request.headers_mut().insert(header::CONTENT_TYPE, JSON);
                if document_of(&request) {
                    continue;
                }
                named.push(operation["operationId"].as_str().unwrap().to_owned());
                let call = Call::read(request).await.unwrap();
                assert_eq!(call.ask.verb().as_str(), named.last().unwrap());
            }
        }
        named.sort();
        assert_eq!(named, ["count", "delete", "export", "get", "insert", "list", "update"]);
    }

    fn document_of(request: &Request<Full<Bytes>>) -> bool {
        super::document(request).is_some()
    }
}
