//! What the control API answers: a document, or a problem (RFC 9457) with our fields beside the standard ones.

use axum::{
    Json,
    extract::{FromRequestParts, Query, Request},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use model::{Problem, ProblemKind};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::IntoParams;

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

/// RFC 9457.
const PROBLEM: &str = "application/problem+json";

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.with(status)
    }
}

impl Refusal {
    fn with(self, status: StatusCode) -> Response {
        let mut response = (status, Json(self.0.document(status.as_u16()))).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM));
        come_back(&mut response, &self.0);
        response
    }
}

/// Says when to come back, where that is known.
pub(crate) fn come_back(response: &mut Response, problem: &Problem) {
    if let Some(seconds) = problem.retry_after_secs() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// What the framework refuses by itself under `/api/`, as we say such things: a method that an address does not take, an
/// address that cannot be read.
pub(crate) async fn in_our_words(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with("/api/") {
        return next.run(request).await;
    }
    let asked = (request.method().clone(), path.to_owned());
    let response = next.run(request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let ours = kind.starts_with(PROBLEM) || kind.starts_with("application/json");
    if ours || !status.is_client_error() {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let takes = allow.as_ref().and_then(|allow| allow.to_str().ok()).unwrap_or_default();
    let mut answer = Refusal(refused_before_us(status, &asked, takes)).with(status);
    answer.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    answer
}

fn refused_before_us(status: StatusCode, (method, path): &(Method, String), takes: &str) -> Problem {
    match status {
        StatusCode::METHOD_NOT_ALLOWED => Problem::new(
            ProblemKind::Invalid,
            "request.method",
            format!("`{path}` does not take `{method}`"),
            format!("it takes {}", takes.replace(',', ", ")),
            "see `/api/v1/openapi.json` for what each address takes",
        ),
        _ => Problem::new(
            ProblemKind::Invalid,
            "request.address",
            "this address cannot be read",
            "a part of it is not text once its `%` escapes are undone, or it is too long",
            "write each part of it as UTF-8, and escape that; see `/api/v1/openapi.json`",
        ),
    }
}

pub(crate) fn ok<T: Serialize>(document: T) -> Reply {
    Ok(Json(document).into_response())
}

pub(crate) fn with<T: Serialize>(status: StatusCode, document: T) -> Reply {
    Ok((status, Json(document)).into_response())
}

/// Lists give this many unless they are asked for more or fewer.
pub(crate) const PART_DEFAULT: u32 = 100;
pub(crate) const PART_MAX: u32 = 1_000;

/// Which part of a list: how many, and after which entry (`next` of the part before).
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Part {
    pub(crate) limit: Option<u32>,
    pub(crate) after: Option<String>,
}

impl Part {
    /// That part of a whole list, and where the next begins; `name` tells entries apart.
    ///
    /// # Errors
    /// An `after` that is no entry of the list: what it named is gone, or was never there.
    pub(crate) fn of<T>(
        &self,
        whole: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Refusal> {
        let limit = self.limit.unwrap_or(PART_DEFAULT).clamp(1, PART_MAX);
        let from = match &self.after {
            None => 0,
            Some(after) => whole.iter().position(|item| name(item) == *after).ok_or_else(|| no_entry(after))? + 1,
        };
        let mut part: Vec<T> = whole.into_iter().skip(from).collect();
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = part.len() > limit;
        part.truncate(limit);
        let next = part.last().filter(|_| more).map(name);
        Ok((part, next))
    }
}

fn no_entry(after: &str) -> Refusal {
    Refusal(Problem::new(
        ProblemKind::NotFound,
        "request.after",
        format!("there is no `{after}` in this list"),
        "a list goes on after an entry that it has; this one is gone, or never was there",
        "begin again without `after`",
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Trouble;
    use std::time::Duration;

    #[test]
    fn a_refusal_that_passes_says_when_to_come_back_in_its_header_too() {
        let busy = || Problem::new(ProblemKind::Unavailable, "x.busy", "what", "why", "fix");
        let after = |response: Response| response.headers().get(header::RETRY_AFTER).cloned();
        let wait = Duration::from_millis(1_500);
        assert_eq!(after(Refusal(busy().later(wait)).into_response()).unwrap(), "2");
        assert_eq!(after(Trouble(busy().later(wait)).into_response()).unwrap(), "2");
        assert_eq!(after(Refusal(busy()).into_response()), None);
        assert_eq!(after(Trouble(busy()).into_response()), None);
    }

    fn part(limit: Option<u32>, after: Option<&str>) -> Result<(Vec<u8>, Option<String>), String> {
        let part = Part { limit, after: after.map(str::to_owned) };
        part.of(vec![5, 4, 3, 2, 1], u8::to_string).map_err(|Refusal(problem)| problem.code)
    }

    #[test]
    fn a_list_in_parts_is_the_list() {
        assert_eq!(part(None, None).unwrap(), (vec![5, 4, 3, 2, 1], None));
        assert_eq!(part(Some(2), None).unwrap(), (vec![5, 4], Some("4".to_owned())));
        assert_eq!(part(Some(2), Some("4")).unwrap(), (vec![3, 2], Some("2".to_owned())));
        assert_eq!(part(Some(2), Some("2")).unwrap(), (vec![1], None));
        assert_eq!(part(Some(5), None).unwrap().1, None);
        assert_eq!(part(Some(0), None).unwrap().0, [5]);
        assert_eq!(part(None, Some("1")).unwrap(), (vec![], None));
        assert_eq!(part(None, Some("9")).unwrap_err(), "request.after");
    }
}
