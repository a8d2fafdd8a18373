//! What the control API answers: a document, or a problem (RFC 9457) with our fields beside the standard ones.

use axum::{
    Json,
    extract::{FromRequestParts, Query},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use model::{Problem, ProblemKind};
use serde::{Serialize, de::DeserializeOwned};

/// A document with its status, or a refusal.
pub(crate) type Reply = Result<Response, Refusal>;

/// A problem, as an answer.
#[derive(Debug)]
pub(crate) struct Refusal(pub(crate) Problem);

impl<E> From<E> for Refusal
where
    for<'a> Problem: From<&'a E>,
{
    fn from(error: E) -> Self {
        let problem = Problem::from(&error);
        Self(problem)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    problem: &'a Problem,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = self.0;
        let document = Document {
            kind: format!("urn:bailiwick:problem:{}", problem.code),
            title: &problem.what,
            status: problem.status(),
            detail: &problem.why,
            problem: &problem,
        };
        let status = StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(document)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

pub(crate) fn ok<T: Serialize>(document: T) -> Reply {
    Ok(Json(document).into_response())
}

pub(crate) fn with<T: Serialize>(status: StatusCode, document: T) -> Reply {
    Ok((status, Json(document)).into_response())
}

/// The query of an address, typed; what does not fit is a problem like any other.
#[derive(Debug)]
pub(crate) struct Params<T>(pub(crate) T);

impl<S, T> FromRequestParts<S> for Params<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Refusal> {
        Query::<T>::try_from_uri(&parts.uri).map(|Query(params)| Self(params)).map_err(|_| {
            Refusal(Problem::new(
                ProblemKind::Invalid,
                "request.query",
                "the query of this address does not fit",
                "a parameter is of another form than expected",
                "see `/api/v1/openapi.json` for the parameters",
            ))
        })
    }
}
