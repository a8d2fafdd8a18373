//! What a guest asks of the platform: destinations and headers of calls, questions to its data, places of secrets.

use broker::hostile as egress;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use jiff::civil::date;
use model::{Manifest, TenantId};
use percent_encoding::percent_decode;
use seal::RootKey;
use std::sync::LazyLock;
use url::Url;
use vault::{Place, SecretHost, hostile::Held};

const BASE: &str = "https://slack.com/api/x?y=1";

fn headers(lines: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        if let (Some(name), Some(value)) = (parts.next(), parts.next())
            && let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value.trim_ascii()))
            && headers.len() < 200
        {
            headers.append(name, value);
        }
    }
    headers
}

/// What is read is what the URL standard reads too, or it is refused.
pub(crate) fn destination(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(read) = egress::destination(&text) {
        let url = Url::parse(&text).expect("the standard reads it");
        assert_eq!(url.host_str(), Some(read.host.as_str()), "{read:?}");
        assert_eq!(url.port_or_known_default(), Some(read.port), "{read:?}");
        assert_eq!(url.scheme(), read.scheme);
        assert!(url.username().is_empty() && url.password().is_none(), "{read:?}");
        plain(&read);
    }
    if let Some(read) = egress::redirected(BASE, bytes) {
        let joined = Url::parse(BASE).unwrap().join(&text).expect("the standard reads it");
        assert_eq!(joined.host_str(), Some(read.host.as_str()), "{read:?}");
        plain(&read);
    }
    if let Ok(host) = text.parse::<SecretHost>() {
        assert_eq!(host.to_string().parse::<SecretHost>().expect("what is shown is read"), host);
        assert!(!host.to_string().ends_with(".bailiwick"));
    }
}

fn plain(read: &egress::Read) {
    assert!(read.path.starts_with('/') && !read.path.contains('\\') && !read.path.contains("//"), "{read:?}");
    assert!(read.path.split('/').all(|part| part != "." && part != ".."), "{read:?}");
    assert!(read.port != 0 && !read.host.is_empty() && !read.host.ends_with('.'), "{read:?}");
    assert_eq!(read.inside, read.host == "bailiwick" || read.host.ends_with(".bailiwick"), "{read:?}");
}

/// What goes out holds nothing by which one request could become two.
pub(crate) fn headers_out(bytes: &[u8]) {
    let Some(out) = egress::judged(headers(bytes), BASE) else { return };
    for name in out.keys() {
        let name = name.as_str().replace('_', "-");
        for never in ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "expect", "trailer"]
        {
            assert_ne!(name, never);
        }
        assert!(!name.starts_with("bailiwick-") && !name.starts_with("proxy-"), "{name}");
    }
}

static ASKED: LazyLock<data::hostile::Asked> = LazyLock::new(|| {
    let text = br#"
[app]
name = "poll"
team = "people-ops"
purpose = "Asks"
expires = "2026-12-31"
class = "personal"
[runtime]
profile = "wasm"
main = "app.js"
[access]
use = ["everyone"]
[data.answers]
retain = "30d"
fields.person = { class = "personal" }
fields.slots = { class = "internal" }
fields.count = { class = "internal", type = "number" }
"#;
    let manifest = Manifest::parse(text, date(2026, 11, 23)).unwrap().manifest;
    let keys = RootKey::from_bytes([7; 32]).tenant(&TenantId::main());
    data::hostile::Asked::of(&manifest, &keys).unwrap()
});

/// One document, read strictly; a question that is understood is understood again from its plain form.
pub(crate) fn query(bytes: &[u8]) {
    let Some(document) = data::hostile::document(bytes) else { return };
    let plain = serde_json::to_vec(&document).unwrap();
    let again = data::hostile::document(&plain).expect("what was read is written and read");
    assert_eq!(document, again);
    assert_eq!(ASKED.understands(document), ASKED.understands(again));
}

const PLACEHOLDER: &str = "bw-ph-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const VALUE: &str = "VALUE-of-the-secret";

/// The first line is the place, the second the address, the rest headers; `@` stands for the placeholder. Where a value
/// is put in, it stands once and the placeholder no more.
pub(crate) fn attach(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).replace('@', PLACEHOLDER);
    let mut lines = text.splitn(3, '\n');
    let (place, address, rest) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let Ok(place) = place.parse::<Place>() else { return };
    assert_eq!(place.to_string().parse::<Place>().expect("what is shown is read"), place);
    let Ok(request) = Request::builder().uri(format!("https://slack.com/{address}")).body(()) else { return };
    let (mut head, ()) = request.into_parts();
    head.headers = headers(rest.as_bytes());
    let found = vault::hostile::placeholder(&head);
    let (before, names) = (head.clone(), head.headers.len());
    let Held::One(placeholder) = found else { return };
    assert_eq!(placeholder.len(), PLACEHOLDER.len());
    if !vault::hostile::fill(&place, &mut head, &placeholder, VALUE) {
        assert_eq!((&before.uri, &before.headers), (&head.uri, &head.headers));
        return;
    }
    let shown = shown(&head);
    assert_eq!(shown.matches(VALUE).count(), 1, "{place}: {shown}");
    assert!(!shown.contains(&placeholder), "{place}: {shown}");
    assert_eq!((names, before.uri.path()), (head.headers.len(), head.uri.path()));
}

/// Everything that goes out, with what `Basic` hides.
fn shown(head: &http::request::Parts) -> String {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let mut shown = percent_decode(head.uri.to_string().as_bytes()).decode_utf8_lossy().into_owned();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let hidden = value.split_once(' ').filter(|_| *name == header::AUTHORIZATION);
        let hidden = hidden.and_then(|(_, text)| BASE64_STANDARD.decode(text).ok());
        shown.push('\n');
        shown.push_str(&hidden.map_or(value, |hidden| String::from_utf8_lossy(&hidden).into_owned()));
    }
    shown
}
