//! What the pages of an app may reach from a browser: themselves, and the hosts that the manifest names.
//!
//! An app's own policy is sent beside ours; browsers enforce both, so it may tighten and never loosen. Refuses the ways
//! by which a policy itself would reach out (reports), and headers by which a browser connects without asking one.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Headers of an app that would make a browser send reports, or its next requests, somewhere else, or hold it to
/// promises that are not the app's to make.
const REACHING: &[&str] = &[
    "report-to",
    "reporting-endpoints",
    "nel",
    "alt-svc",
    "service-worker-allowed",
    "speculation-rules",
    "strict-transport-security",
    "content-security-policy-report-only",
    "connection-allowlist-report-only",
];

/// What a link of a header may be for (RFC 8288): what a policy judges, or what no browser acts on. The others
/// (`preconnect`, `dns-prefetch`) tell a name to whoever answers for it, and no policy is asked.
const LINKS: [&str; 14] = [
    "alternate",
    "author",
    "canonical",
    "describedby",
    "first",
    "help",
    "last",
    "license",
    "modulepreload",
    "next",
    "preload",
    "prev",
    "self",
    "stylesheet",
];

/// What an app may have cleared: what belongs to its own origin. Cookies are cleared for the whole registrable domain,
/// which may be the console's too; `*` is those as well.
const CLEARS: [&str; 3] = ["\"cache\"", "\"storage\"", "\"executionContexts\""];
const CLEAR: HeaderName = HeaderName::from_static("clear-site-data");

/// What a page may connect to besides (Connection Allowlists, WICG): anything but WebRTC, by which it sends to any
/// address, and which the policy's own word for it stops in no browser yet. All else is allowed here, since a page may
/// navigate anywhere and the policy judges what it loads.
const CONNECTIONS: HeaderName = HeaderName::from_static("connection-allowlist");
const NO_WEBRTC: &str = r#"("*://*:*");redirects=allow;webrtc=block"#;

/// Ours. Inline script and style are the app's own affair within its own origin.
pub(crate) fn policy(hosts: &[String]) -> Option<HeaderValue> {
    let mut reach = String::new();
    for host in hosts {
        reach.push_str(" https://");
        reach.push_str(host);
    }
    HeaderValue::from_str(&format!(
        "default-src 'self'{reach}; \
         script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:{reach}; \
         style-src 'self' 'unsafe-inline'{reach}; \
         img-src 'self' data: blob:{reach}; \
         font-src 'self' data:{reach}; \
         media-src 'self' data: blob:{reach}; \
         connect-src 'self'{reach}; \
         form-action 'self'{reach}; \
         frame-src 'self'{reach}; \
         worker-src 'self' blob:; \
         object-src 'none'; base-uri 'self'; frame-ancestors 'self'; webrtc 'block'"
    ))
    .ok()
}

/// For pages that nobody has agreed to: they reach their own origin. Sent beside another policy, it takes the rest away.
#[must_use]
pub fn own_origin_alone() -> HeaderValue {
    policy(&[]).unwrap_or_else(|| HeaderValue::from_static("default-src 'self'"))
}

/// Puts ours beside the app's.
pub(crate) fn apply(headers: &mut HeaderMap, ours: &HeaderValue) {
    for name in REACHING {
        headers.remove(*name);
    }
    let links: Vec<HeaderValue> = headers.get_all(header::LINK).iter().filter(|link| may_link(link)).cloned().collect();
    headers.remove(header::LINK);
    for link in links {
        headers.append(header::LINK, link);
    }
    let clears: Vec<&str> = headers
        .get_all(CLEAR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|one| CLEARS.into_iter().find(|own| *own == one.trim()))
        .collect();
    let clears = HeaderValue::from_str(&clears.join(", ")).ok().filter(|value| !value.is_empty());
    headers.remove(CLEAR);
    if let Some(clears) = clears {
        headers.insert(CLEAR, clears);
    }
    let theirs: Vec<HeaderValue> =
        headers.get_all(header::CONTENT_SECURITY_POLICY).iter().filter_map(without_reports).collect();
    headers.insert(header::CONTENT_SECURITY_POLICY, ours.clone());
    for policy in theirs {
        headers.append(header::CONTENT_SECURITY_POLICY, policy);
    }
    // Of several, browsers take the first alone: an app's own could only loosen it.
    headers.insert(CONNECTIONS, HeaderValue::from_static(NO_WEBRTC));
}

/// Whether all that a header says of links is of a kind that is known, as nobody could read two ways: `<…>; rel=preload`.
/// A second `rel` counts for nothing, and quotes may hold what looks like one; neither is taken.
fn may_link(links: &HeaderValue) -> bool {
    let Ok(text) = links.to_str() else { return false };
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('>') {
        let (said, next) = behind.split_once('<').unwrap_or((behind, ""));
        rest = next;
        let mut kinds = said.split([';', ',']).filter_map(|param| {
            let (name, value) = param.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
        });
        let known = |kind: &str| LINKS.iter().any(|link| kind.eq_ignore_ascii_case(link));
        let is_known = kinds.next().is_some_and(|kinds| kinds.split_ascii_whitespace().all(known));
        if !is_known || kinds.next().is_some() {
            return false;
        }
    }
    !text.to_ascii_lowercase().contains("preconnect") && !text.to_ascii_lowercase().contains("dns-prefetch")
}

fn without_reports(policy: &HeaderValue) -> Option<HeaderValue> {
    // What cannot be read as text could tighten nothing that browsers understand.
    let text = policy.to_str().ok()?;
    let reports = |directive: &&str| {
        let name = directive.trim().split_ascii_whitespace().next().unwrap_or_default();
        !(name.eq_ignore_ascii_case("report-uri") || name.eq_ignore_ascii_case("report-to"))
    };
    // One header may hold several policies, separated by commas.
    let policies = text.split(',').map(|policy| policy.split(';').filter(reports).collect::<Vec<_>>().join(";"));
    HeaderValue::from_str(&policies.collect::<Vec<_>>().join(",")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_reach_what_the_manifest_names() {
        let none = policy(&[]).unwrap();
        let none = none.to_str().unwrap();
        assert!(none.contains("connect-src 'self';") && !none.contains("https:"));
        let one = policy(&["tiles.example:8443".to_owned()]).unwrap();
        let one = one.to_str().unwrap();
        for directive in ["default-src", "connect-src", "img-src", "font-src", "form-action", "frame-src", "script-src"]
        {
            let found = one.split(';').find(|part| part.trim().starts_with(directive)).unwrap();
            assert!(found.contains(" https://tiles.example:8443"), "{found}");
        }
        assert!(one.contains("webrtc 'block'") && !one.contains('*'));
    }

    #[test]
    fn an_app_may_tighten_and_never_loosen_or_report() {
        let mut headers = HeaderMap::new();
        let theirs = "script-src 'none'; report-uri https://evil.example/r; REPORT-TO evil; img-src *";
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(theirs));
        headers.insert("reporting-endpoints", HeaderValue::from_static("e=\"https://evil.example\""));
        headers.insert("service-worker-allowed", HeaderValue::from_static("/"));
        headers.insert("alt-svc", HeaderValue::from_static("h3=\":1\""));
        headers.append(CONNECTIONS, HeaderValue::from_static("(\"*://*:*\");webrtc=allow"));
        headers.append(CONNECTIONS, HeaderValue::from_static("();report-to=e"));
        headers.insert("connection-allowlist-report-only", HeaderValue::from_static("();report-to=e"));
        apply(&mut headers, &policy(&[]).unwrap());
        let all: Vec<_> = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(all.len(), 2);
        assert!(all[0].to_str().unwrap().starts_with("default-src 'self';"));
        assert_eq!(all[1], "script-src 'none'; img-src *");
        assert_eq!(headers.get_all(CONNECTIONS).iter().collect::<Vec<_>>(), [NO_WEBRTC]);
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn a_link_that_would_tell_a_name_is_dropped() {
        for (link, kept) in [
            ("</style.css>; rel=preload; as=style", true),
            ("</a>; rel=\"next last\"; title=\"b\", </c>; rel=prev", true),
            ("<https://evil.example>; rel=preconnect", false),
            ("<//secret.evil.example>; rel=\"dns-prefetch\"", false),
            ("<https://evil.example>; REL = PreConnect; crossorigin", false),
            ("</a>; rel=preload, <https://evil.example>; rel=preconnect", false),
            ("</a>; rel=\"preload preconnect\"", false),
            ("</a>; rel=preload; rel=preconnect", false),
            ("</a>; title=\"; rel=preload; x=\"; rel=preconnect", false),
            ("<https://evil.example>; rel=prefetch", false),
            ("<https://evil.example>", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(header::LINK, HeaderValue::from_str(link).unwrap());
            headers.append(header::LINK, HeaderValue::from_static("<https://evil.example>; rel=preconnect"));
            apply(&mut headers, &policy(&[]).unwrap());
            let all: Vec<_> = headers.get_all(header::LINK).iter().collect();
            assert_eq!(all, if kept { vec![link] } else { vec![] }, "{link}");
        }
    }

    #[test]
    fn an_app_clears_its_own_origin_alone() {
        for (theirs, left) in [
            ("\"cookies\"", None),
            ("\"*\"", None),
            ("\"cache\", \"cookies\",\"storage\"", Some("\"cache\", \"storage\"")),
            ("\"executionContexts\"", Some("\"executionContexts\"")),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(CLEAR, HeaderValue::from_static(theirs));
            headers.append(CLEAR, HeaderValue::from_static("\"cookies\""));
            apply(&mut headers, &policy(&[]).unwrap());
            let all: Vec<_> = headers.get_all(CLEAR).iter().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(all, left.into_iter().collect::<Vec<_>>(), "{theirs}");
        }
    }

    #[test]
    fn a_second_policy_in_one_header_cannot_hide_its_reports() {
        let mut headers = HeaderMap::new();
        let theirs = "img-src 'self', report-uri https://evil.example";
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(theirs));
        apply(&mut headers, &policy(&[]).unwrap());
        let all: Vec<_> =
            headers.get_all(header::CONTENT_SECURITY_POLICY).iter().map(|v| v.to_str().unwrap()).collect();
        assert!(all.iter().all(|policy| !policy.contains("evil.example")), "{all:?}");
    }
}
