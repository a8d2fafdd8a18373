//! What a browser meets: the app, signed in as the made-up person; and two addresses of `dev` itself.
//!
//! Signing in takes the ordinary path, a link that is spent and the session that comes of it: only the page between is
//! left out. `dev`'s own addresses refuse what another site sends.

use crate::{
    dev::{Happened, bench::Bench},
    reply::Refusal,
};
use authority::AppRef;
use axum::{
    Json,
    body::Body,
    http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header},
    response::{IntoResponse, Redirect},
};
use bytes::Bytes;
use gateway::Sender;
use model::{Env, Problem, ProblemKind, RequestId};
use serde_json::json;
use std::{net::SocketAddr, time::Instant};

/// Where `dev`'s own addresses stand, on the console's host.
const OWN: &str = "/dev/";
/// The longest that a token may live.
const TOKEN_SECONDS: u32 = 3_600;

impl Bench {
    /// Answers one request, and tells it when it is the app's.
    pub(crate) async fn answer(&self, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        if !self.server.is_control(&request) {
            let begun = Instant::now();
            let response = self.pass(request, peer).await;
            (self.say)(Happened::Request {
                method: method.to_string(),
                path: uri.path().to_owned(),
                status: response.status().as_u16(),
                ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            });
            return response;
        }
        if let Some(rest) = uri.path().strip_prefix(OWN) {
            let answered = self.own(&method, rest, request.headers()).await;
            return answered.unwrap_or_else(|problem| Refusal(problem).into_response());
        }
        let opens = opens_a_page(request.headers());
        let response = self.pass(request, peer).await;
        let asks = response.status() == StatusCode::UNAUTHORIZED && method == Method::GET && opens;
        if asks && !uri.path().starts_with("/api/") {
            return self.signed_in(&uri).await.unwrap_or_else(|problem| Refusal(problem).into_response());
        }
        response
    }

    pub(crate) async fn pass(&self, request: Request<Body>, peer: SocketAddr) -> Response<Body> {
        self.server.route(self.control.clone(), request, peer).await
    }

    /// Signs the browser in, and sends it on to where it was going.
    async fn signed_in(&self, to: &Uri) -> Result<Response<Body>, Problem> {
        let cookie = self.sign_in().await?;
        let to = to.path_and_query().map_or("/", |path| path.as_str());
        let mut response = Redirect::to(to).into_response();
        response.headers_mut().append(header::SET_COOKIE, cookie);
        Ok(response)
    }

    async fn own(&self, method: &Method, rest: &str, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
        from_here(headers, self.server.url())?;
        let serving = self.app.load_full().ok_or_else(nothing_serves)?;
        match (method, rest.split_once('/').unwrap_or((rest, ""))) {
            (&Method::GET, ("token", "")) => Ok(self.token(&serving.name).await?.into_response()),
            (&Method::POST, ("jobs", job)) => {
                if !serving.jobs.iter().any(|known| known == job) {
                    return Err(no_job(job, &serving.jobs));
                }
                let app = AppRef { id: serving.id.clone(), env: Env::Prod };
                let (now, run) = (self.server.clock.now(), RequestId::generate());
                self.server.gateway.run_job(&app, job, now, run.as_str()).await?;
                Ok(Json(json!({ "job": job, "run": run, "ok": true })).into_response())
            }
            _ => Err(no_address()),
        }
    }

    /// A token for scripts, by the ordinary route, as the made-up person.
    pub(crate) async fn token(&self, app: &str) -> Result<String, Problem> {
        let cookie = self.sign_in().await?;
        let cookie = cookie.to_str().ok().and_then(|cookie| cookie.split(';').next()).unwrap_or_default();
        let path = format!("/api/v1/apps/{app}/token");
        let body = Bytes::from(json!({ "env": Env::Prod, "seconds": TOKEN_SECONDS }).to_string());
        let headers = [("cookie", cookie), ("sec-fetch-site", "same-origin"), ("content-type", "application/json")];
        let document = self.send(Method::POST, &path, &headers, body).await?.accepted()?;
        Ok(document.get("token").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned())
    }
}

/// A page in a window of its own: no picture, script or frame of another page signs anyone in.
fn opens_a_page(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_none_or(|to| to == "document")
}

/// Browsers say when another site sends; programs on this machine say nothing.
fn from_here(headers: &HeaderMap, own_origin: &str) -> Result<(), Problem> {
    if Sender::of(headers, own_origin) == Sender::Foreign {
        return Err(Problem::new(
            ProblemKind::Denied,
            "request.cross_site",
            "another site may not do this",
            "a page that you have open would act in your name",
            "send it from a terminal",
        ));
    }
    Ok(())
}

fn nothing_serves() -> Problem {
    Problem::new(
        ProblemKind::Unavailable,
        "dev.nothing_serves",
        "no version of the app serves yet",
        "the first save was refused",
        "mend what the terminal shows",
    )
}

fn no_job(job: &str, known: &[String]) -> Problem {
    let fix = match known {
        [] => "add it under `[jobs]` in `bailiwick.toml`".to_owned(),
        known => format!("there is {}", known.join(", ")),
    };
    let what = format!("the app has no job `{job}`");
    Problem::new(ProblemKind::NotFound, "job.unknown", what, "the manifest names none of this name", fix)
}

fn no_address() -> Problem {
    let fix = "`GET /dev/token` gives a token, `POST /dev/jobs/NAME` runs a job";
    Problem::new(ProblemKind::NotFound, "page.unknown", "there is nothing here", "`dev` has two addresses", fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    const OWN: &str = "http://localhost:7171";

    #[test]
    fn other_sites_are_refused() {
        let with = |name: &'static str, value: &'static str| -> HeaderMap {
            [(header::HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect()
        };
        let judged = |headers: &HeaderMap| from_here(headers, OWN).map_err(|problem| problem.code);
        assert!(judged(&HeaderMap::new()).is_ok() && judged(&with("sec-fetch-site", "none")).is_ok());
        assert!(judged(&with("origin", OWN)).is_ok());
        let mut twice: HeaderMap = with("sec-fetch-site", "same-origin");
        twice.append("sec-fetch-site", HeaderValue::from_static("cross-site"));
        assert_eq!(judged(&twice).unwrap_err(), "request.cross_site");
        for (name, value) in
            [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "http://x.localhost:7171")]
        {
            assert_eq!(judged(&with(name, value)).unwrap_err(), "request.cross_site", "{value}");
        }
    }
}
