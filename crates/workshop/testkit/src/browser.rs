//! A browser as far as HTTP goes: cookies by host, redirects when asked to follow them, the headers that browsers send.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, self.text())
    }
}

impl Answer {
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Cookies by host name, as a browser keeps host-only cookies (ports do not count).
pub struct Browser {
    client: reqwest::Client,
    port: u16,
    cookies: Mutex<BTreeMap<String, BTreeMap<String, String>>>,
}

impl Browser {
    /// One that nobody has used, for the server at a port of loopback.
    #[must_use]
    pub fn new(port: u16) -> Self {
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Self { client, port, cookies: Mutex::default() }
    }

    pub async fn get(&self, url: &str) -> Answer {
        self.send(
            "GET",
            url,
            &[("accept", "text/html"), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")],
            b"",
        )
        .await
    }

    /// Follows redirects as a click does, up to ten.
    pub async fn open(&self, url: &str) -> Answer {
        let mut url = url.to_owned();
        for _ in 0..10 {
            let answer = self.get(&url).await;
            match answer.header("location") {
                Some(to) if (300..400).contains(&answer.status) => url = joined(&url, to),
                _ => return answer,
            }
        }
        panic!("too many redirects, last to {url}");
    }

    /// A form sent from the same origin.
    pub async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Answer {
        let body = fields.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect::<Vec<_>>().join("&");
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("sec-fetch-site", "same-origin"),
            ("accept", "text/html"),
        ];
        self.send("POST", url, &headers, body.as_bytes()).await
    }

    /// A form sent from the same origin, and sent on where the answer says so, as browsers do (307); then the page that
    /// it leads to.
    pub async fn submit(&self, url: &str, fields: &[(String, String)]) -> Answer {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut url = url.to_owned();
        for _ in 0..5 {
            let answer = self.post(&url, &fields).await;
            match answer.header("location") {
                Some(to) if answer.status == 307 => url = joined(&url, to),
                Some(to) if answer.status == 303 => return self.open(&joined(&url, to)).await,
                _ => return answer,
            }
        }
        panic!("too many redirects, last to {url}");
    }

    /// What arrived, a body that broke off as far as it is.
    pub async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut response = self.request(method, url, headers, body).send().await.unwrap();
        let (status, headers) = self.head(url, &response);
        let mut body = Vec::new();
        while let Ok(Some(piece)) = response.chunk().await {
            body.extend_from_slice(&piece);
        }
        Answer { status, headers, body }
    }

    /// The same, where the server may be gone: `None` unless the whole answer arrived.
    pub async fn attempt(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        let response = self.request(method, url, headers, body).send().await.ok()?;
        let (status, headers) = self.head(url, &response);
        let body = response.bytes().await.ok()?.to_vec();
        Some(Answer { status, headers, body })
    }

    fn request(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> reqwest::RequestBuilder {
        let (host, path) = split(url);
        let mut request = self
            .client
            .request(method.parse().unwrap(), format!("http://127.0.0.1:{}{path}", self.port))
            .header("host", &host)
            .body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let sent = self.cookies(&name_of(url));
        if !sent.is_empty() {
            request = request.header("cookie", sent);
        }
        request
    }

    fn head(&self, url: &str, response: &reqwest::Response) -> (u16, Vec<(String, String)>) {
        let name = name_of(url);
        let status = response.status().as_u16();
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .map(|(key, value)| (key.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        for (_, value) in headers.iter().filter(|(key, _)| key == "set-cookie") {
            self.keep(&name, value);
        }
        (status, headers)
    }

    /// The cookies that would be sent to a host, as one line.
    #[must_use]
    pub fn cookies(&self, host: &str) -> String {
        let all = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let pairs = all.get(host).into_iter().flatten();
        pairs.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, host: &str, line: &str) {
        let mut parts = line.split(';');
        let Some((key, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let over = parts.any(|part| part.trim().eq_ignore_ascii_case("max-age=0"));
        let mut all = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let jar = all.entry(host.to_owned()).or_default();
        if over {
            jar.remove(key);
        } else {
            jar.insert(key.to_owned(), value.to_owned());
        }
    }
}

fn split(url: &str) -> (String, String) {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    match rest.find('/') {
        Some(at) => (rest[..at].to_owned(), rest[at..].to_owned()),
        None => (rest.to_owned(), "/".to_owned()),
    }
}

/// The host without its port.
fn name_of(url: &str) -> String {
    split(url).0.split(':').next().unwrap_or_default().to_owned()
}

fn joined(from: &str, to: &str) -> String {
    if to.starts_with("http://") {
        return to.to_owned();
    }
    let (host, _) = split(from);
    format!("http://{host}{to}")
}

pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|c| if c.is_ascii_alphanumeric() { char::from(c).to_string() } else { format!("%{c:02X}") })
        .collect()
}
