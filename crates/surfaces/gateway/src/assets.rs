//! Static files of a release: by normalised path, with their digest as ETag. No listing of folders, no path beyond.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body::{Frame, SizeHint};
use model::TenantId;
use serde::Deserialize;
use std::{
    collections::HashMap,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use store::{Store, StoreError};
use tokio::sync::OnceCell;

const INDEX: &str = "index.html";
/// A file is given out in pieces of so many bytes, each judged when the connection takes it; what the connection's buffers
/// hold of it is out of our hands, and goes with a reset. One that is a single piece is judged too: behind other answers of its connection, and on a
/// stream of HTTP/2 whose client gives no room, it can wait as long as any.
const PIECE_BYTES: usize = 64 << 10;

/// One file, as the list of a release says it.
#[derive(Debug, Clone, Deserialize)]
struct Listed {
    path: String,
    digest: String,
}

type Paths = HashMap<String, seal::Digest>;

/// The files of one release, read when first needed.
#[derive(Debug)]
pub(crate) struct Listing {
    list: Option<seal::Digest>,
    paths: OnceCell<Paths>,
}

/// Files in memory, of all apps.
pub(crate) struct Files {
    store: Arc<Store>,
    tenant: TenantId,
    kept: moka::future::Cache<seal::Digest, Bytes>,
}

/// One file that is there.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    bytes: Bytes,
    digest: seal::Digest,
    kind: HeaderValue,
}

/// A file's bytes, piece by piece: parts of the same memory, no copies.
struct Pieces(Bytes);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        let bytes = self.0.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.0.split_to(bytes)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

impl Listing {
    pub(crate) fn new(list: Option<seal::Digest>) -> Self {
        Self { list, paths: OnceCell::new() }
    }

    async fn paths(&self, files: &Files) -> Result<&Paths, StoreError> {
        let Some(list) = self.list.as_ref() else {
            return Ok(self.paths.get_or_init(|| async { Paths::new() }).await);
        };
        let read = || async {
            let bytes = files.store.blobs(&files.tenant).get(list).await?.unwrap_or_default();
            let listed: Vec<Listed> =
                serde_json::from_slice(&bytes).map_err(|error| StoreError::Json(Arc::new(error)))?;
            Ok(listed.into_iter().filter_map(|asset| Some((asset.path, asset.digest.parse().ok()?))).collect())
        };
        self.paths.get_or_try_init(read).await
    }
}

impl Files {
    pub(crate) fn new(store: Arc<Store>, tenant: TenantId, most_bytes: u64) -> Self {
        let weigh = |_: &seal::Digest, bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { store, tenant, kept: moka::future::Cache::builder().max_capacity(most_bytes).weigher(weigh).build() }
    }

    /// The file at a normalised path (`normalise_path`); a folder's is its `index.html`.
    pub(crate) async fn find(&self, listing: &Listing, path: &str) -> Result<Option<Asset>, StoreError> {
        let paths = listing.paths(self).await?;
        let name = path.strip_prefix('/').unwrap_or(path);
        let name = if name.is_empty() || name.ends_with('/') { format!("{name}{INDEX}") } else { name.to_owned() };
        let Some(digest) = paths.get(&name) else { return Ok(None) };
        let read =
            async { self.store.blobs(&self.tenant).get(digest).await?.map(Bytes::from).ok_or(StoreError::Closed) };
        let bytes = self.kept.try_get_with(*digest, read).await.map_err(|error| StoreError::clone(&error))?;
        Ok(Some(Asset { bytes, digest: *digest, kind: kind(&name) }))
    }
}

/// The type by the name's ending; text says its charset, the unknown is a download.
fn kind(name: &str) -> HeaderValue {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let text = guess.type_() == "text"
        || matches!(guess.subtype().as_str(), "javascript" | "json" | "xml" | "wasm-text")
        || guess.suffix().is_some_and(|suffix| suffix == "xml" || suffix == "json");
    let kind = if text { format!("{}; charset=utf-8", guess.essence_str()) } else { guess.essence_str().to_owned() };
    HeaderValue::from_str(&kind).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

impl Asset {
    /// The answer to a `GET` or `HEAD`.
    pub(crate) fn respond(self, method: &Method, asked: &HeaderMap) -> Response<axum::body::Body> {
        let etag = format!("\"{}\"", self.digest);
        let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        // Weak comparison (RFC 9110, section 13.1.2).
        let fresh = known
            .flat_map(|text| text.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag);
        let length = self.bytes.len();
        let body = if fresh || method == Method::HEAD { Bytes::new() } else { self.bytes };
        let mut response = Response::new(axum::body::Body::new(Pieces(body)));
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        if let Ok(etag) = HeaderValue::from_str(&etag) {
            headers.insert(header::ETAG, etag);
        }
        if fresh {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(header::CONTENT_TYPE, self.kind);
        if method == Method::HEAD {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        response
    }
}

/// Compresses what is worth it, when the browser takes it. For static files alone: what holds secrets beside a
/// stranger's words must not be compressed (BREACH).
pub(crate) async fn compressed(response: Response<axum::body::Body>, asked: &HeaderMap) -> Response<axum::body::Body> {
    use tower::{Layer as _, ServiceExt as _};
    let mut question = http::Request::new(());
    if let Some(accepts) = asked.get(header::ACCEPT_ENCODING) {
        question.headers_mut().insert(header::ACCEPT_ENCODING, accepts.clone());
    }
    let slot = std::sync::Mutex::new(Some(response));
    let service = tower::service_fn(move |_: http::Request<()>| {
        let response = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        async move { Ok::<_, std::convert::Infallible>(response.unwrap_or_default()) }
    });
    let Ok(response) = tower_http::compression::CompressionLayer::new().layer(service).oneshot(question).await;
    let mut response = response.map(axum::body::Body::new);
    let headers = response.headers_mut();
    if headers.contains_key(header::CONTENT_ENCODING)
        && let Some(strong) =
            headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| !tag.starts_with("W/"))
        && let Ok(weak) = HeaderValue::from_str(&format!("W/{strong}"))
    {
        headers.insert(header::ETAG, weak);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn a_file_comes_in_pieces_of_its_own_memory() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let whole = Bytes::from(vec![b'x'; length]);
            let (mut body, mut at) = (Pieces(whole.clone()), 0);
            while let Some(Ok(frame)) = body.frame().await {
                let piece = frame.into_data().unwrap();
                assert!(piece.len() <= PIECE_BYTES && piece.as_ptr() == whole[at..].as_ptr());
                at += piece.len();
                assert_eq!(body.size_hint().exact(), Some((length - at) as u64));
            }
            assert!(at == length && body.is_end_stream());
        }
    }

    #[test]
    fn types_come_from_names_and_text_says_its_charset() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/app.js", "text/javascript; charset=utf-8"),
            ("data.json", "application/json; charset=utf-8"),
            ("logo.svg", "image/svg+xml; charset=utf-8"),
            ("logo.png", "image/png"),
            ("noending", "application/octet-stream"),
            ("style.css", "text/css; charset=utf-8"),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
