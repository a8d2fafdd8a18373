//! The egress bypass matrix: each line is one attempt to leave by another way than the granted one.
//!
//! The same table is `docs/egress-bypass-matrix.md`; this test fails when the two differ.

use crate::house::{House, problem, request};
use http::{StatusCode, Uri};

struct Case {
    family: &'static str,
    attempt: &'static str,
    method: &'static str,
    url: &'static str,
    headers: &'static [(&'static str, &'static str)],
    /// What DNS says for the host of the URL.
    dns: &'static [&'static str],
    /// The problem's code; `passes` for the controls; `no request` where the HTTP library itself takes no such address.
    code: &'static str,
}

const fn get(family: &'static str, attempt: &'static str, url: &'static str, code: &'static str) -> Case {
    Case { family, attempt, method: "GET", url, headers: &[], dns: &[], code }
}

const fn by(
    family: &'static str,
    attempt: &'static str,
    method: &'static str,
    url: &'static str,
    code: &'static str,
) -> Case {
    Case { family, attempt, method, url, headers: &[], dns: &[], code }
}

const fn with(attempt: &'static str, headers: &'static [(&'static str, &'static str)], code: &'static str) -> Case {
    Case { family: "header", attempt, method: "POST", url: "https://api.example/x", headers, dns: &[], code }
}

const fn named(attempt: &'static str, dns: &'static [&'static str], code: &'static str) -> Case {
    Case { family: "address", attempt, method: "GET", url: "https://rebind.example/x", headers: &[], dns, code }
}

const CASES: &[Case] = &[
    get("control", "a granted call", "https://api.example/x", "passes"),
    get("control", "the granted host in capitals, its port written out", "https://API.example:443/x", "passes"),
    get(
        "control",
        "an encoded character that changes nothing",
        "https://rooms.corp.example:8443/v1/rooms/caf%C3%A9",
        "passes",
    ),
    get("control", "a granted name with an umlaut, as A-labels", "https://xn--bcher-kva.example/x", "passes"),
    get("control", "without TLS towards an address in `private`", "http://plain.example/x", "passes"),
    get("grant", "a host that nobody granted", "https://evil.example/x", "egress.not_granted"),
    get("grant", "a name under a granted one", "https://a.api.example/x", "egress.not_granted"),
    get("grant", "the name above a granted one", "https://example/x", "egress.not_granted"),
    get("grant", "a granted name as the start of another", "https://api.example.evil.example/x", "egress.not_granted"),
    get("grant", "a look-alike as A-labels", "https://xn--slck-6qa.com/api/x", "egress.not_granted"),
    get("grant", "another port of a granted host", "https://api.example:8443/x", "egress.port"),
    get("grant", "another scheme", "http://api.example:443/x", "egress.scheme"),
    get("grant", "TLS where the grant says none", "https://plain.example:80/x", "egress.scheme"),
    by("grant", "another method", "DELETE", "https://rooms.corp.example:8443/v1/rooms/1", "egress.method"),
    by("grant", "the method in small letters", "get", "https://api.example/x", "egress.method"),
    by("grant", "a method that nobody knows", "FROBNICATE", "https://api.example/x", "egress.method"),
    get("grant", "another path", "https://rooms.corp.example:8443/v2/rooms/1", "egress.path"),
    get("grant", "a path that starts alike", "https://rooms.corp.example:8443/v1/rooms-secret", "egress.path"),
    get("grant", "the path in capitals", "https://rooms.corp.example:8443/V1/ROOMS/1", "egress.path"),
    by("method", "CONNECT", "CONNECT", "https://api.example/x", "egress.method"),
    by("method", "TRACE", "TRACE", "https://api.example/x", "egress.method"),
    by("method", "the HTTP/2 preface as a method (h2c)", "PRI", "https://api.example/x", "egress.method"),
    get("scheme", "`ftp`", "ftp://api.example/x", "egress.url"),
    get("scheme", "`ws`", "ws://api.example/x", "egress.url"),
    get("scheme", "no scheme and no host", "/x", "egress.url"),
    get("host", "userinfo before a granted host", "https://user:pass@api.example/x", "egress.url"),
    get("host", "a granted host as userinfo of another", "https://api.example@evil.example/x", "egress.url"),
    get("host", "a dot at the end", "https://api.example./x", "egress.url"),
    get("host", "an encoded letter", "https://api%2eexample/x", "no request"),
    get("host", "an empty label", "https://api..example/x", "egress.url"),
    get("host", "a granted name in wide letters", "https://ａｐｉ.example/x", "no request"),
    get("host", "a granted name with a wide dot", "https://api。example/x", "no request"),
    get("host", "an umlaut as it is", "https://bücher.example/x", "no request"),
    get("host", "a backslash before the `@`", "https://api.example\\@evil.example/x", "no request"),
    get("host", "a space", "https://api.example /x", "no request"),
    get("host", "port 0", "https://api.example:0/x", "egress.url"),
    get("host", "an empty port", "https://api.example:/x", "egress.url"),
    get("host", "a port with zeroes before it", "https://api.example:00443/x", "egress.url"),
    get("host", "A-labels that decode to nothing", "https://xn--a/x", "egress.url"),
    get("numeral", "loopback as one decimal number", "https://2130706433/x", "egress.url"),
    get("numeral", "loopback in hexadecimal", "https://0x7f.1/x", "egress.url"),
    get("numeral", "loopback in octal", "https://0177.0.0.1/x", "egress.url"),
    get("numeral", "loopback as one octal number", "https://017700000001/x", "egress.url"),
    get("numeral", "loopback as one hexadecimal number", "https://0x7f000001/x", "egress.url"),
    get("numeral", "loopback shortened", "https://127.1/x", "egress.url"),
    get("numeral", "zero", "https://0/x", "egress.url"),
    get("numeral", "an address with a dot at the end", "https://127.0.0.1./x", "egress.url"),
    get("numeral", "an IPv4 address within IPv6", "https://[::ffff:127.0.0.1]/x", "egress.url"),
    get("numeral", "an IPv6 address with a zone", "https://[fe80::1%25lo]/x", "egress.url"),
    get("numeral", "IPv6 loopback written out", "https://[0:0:0:0:0:0:0:1]/x", "egress.url"),
    get(
        "path",
        "`..` out of the granted path",
        "https://rooms.corp.example:8443/v1/rooms/../admin",
        "egress.path_spelling",
    ),
    get("path", "`..` encoded", "https://rooms.corp.example:8443/v1/rooms/%2e%2e/admin", "egress.path_spelling"),
    get("path", "`..` half encoded", "https://rooms.corp.example:8443/v1/rooms/.%2E/admin", "egress.path_spelling"),
    get(
        "path",
        "`..` encoded twice",
        "https://rooms.corp.example:8443/v1/rooms/%252e%252e/admin",
        "egress.path_spelling",
    ),
    get("path", "`..` before a `;`", "https://rooms.corp.example:8443/v1/rooms/..;/admin", "egress.path_spelling"),
    get("path", "an encoded slash", "https://rooms.corp.example:8443/v1/rooms/a%2f..%2fadmin", "egress.path_spelling"),
    get("path", "two slashes", "https://rooms.corp.example:8443//v1/rooms/1", "egress.path_spelling"),
    get("path", "an encoded backslash", "https://rooms.corp.example:8443/v1/rooms/..%5cadmin", "egress.path_spelling"),
    get("path", "an encoded line break", "https://rooms.corp.example:8443/v1/rooms/a%0d%0aX:1", "egress.path_spelling"),
    get("path", "an encoded NUL", "https://rooms.corp.example:8443/v1/rooms/a%00", "egress.path_spelling"),
    get("path", "bytes that are no text", "https://rooms.corp.example:8443/v1/rooms/%ff", "egress.path_spelling"),
    with("a `Host` of another", &[("host", "evil.example")], "egress.header"),
    with("two `Host`, one of them another", &[("host", "api.example"), ("host", "evil.example")], "egress.header"),
    with("`Transfer-Encoding`", &[("transfer-encoding", "chunked")], "egress.header"),
    with("both lengths", &[("transfer-encoding", "chunked"), ("content-length", "0")], "egress.header"),
    with("`Transfer_Encoding`, which some servers read alike", &[("transfer_encoding", "chunked")], "egress.header"),
    with("`Content_Length`, which some servers read alike", &[("content_length", "5")], "egress.header"),
    with("a length that is not the body's", &[("content-length", "5")], "egress.header"),
    with("two lengths", &[("content-length", "0"), ("content-length", "5")], "egress.header"),
    with("a length with a sign", &[("content-length", "+0")], "egress.header"),
    with("a list of lengths", &[("content-length", "0, 0")], "egress.header"),
    with("`Upgrade: h2c`", &[("upgrade", "h2c"), ("http2-settings", "AAMAAABkAARAAAAAAAIAAAAA")], "egress.header"),
    with("`Upgrade: websocket`", &[("connection", "upgrade"), ("upgrade", "websocket")], "egress.header"),
    with("`Connection` that names another header", &[("connection", "close, authorization")], "egress.header"),
    with("`Proxy-Authorization`", &[("proxy-authorization", "Basic eDp5")], "egress.header"),
    with("`Expect`", &[("expect", "100-continue")], "egress.header"),
    with("`TE` with codings", &[("te", "gzip")], "egress.header"),
    with("`Trailer`", &[("trailer", "authorization")], "egress.header"),
    with("the method overridden", &[("x-http-method-override", "PATCH")], "egress.header"),
    with("the path overridden", &[("x-original-url", "/admin")], "egress.header"),
    with("the host overridden", &[("x-forwarded-host", "evil.example")], "egress.header"),
    with("`bailiwick_redirect`, which some servers read as ours", &[("bailiwick_redirect", "x")], "egress.header"),
    get(
        "address",
        "a literal loopback address that is granted, on a port that `private` does not name",
        "https://127.0.0.1/x",
        "egress.address",
    ),
    get("address", "the same in IPv6", "https://[::1]/x", "egress.address"),
    get(
        "address",
        "the metadata service as a literal, granted",
        "http://169.254.169.254/latest/meta-data",
        "egress.address",
    ),
    named("a name for a private address", &["10.0.0.1"], "egress.address"),
    named("a name for a private address (172.16/12)", &["172.31.255.1"], "egress.address"),
    named("a name for a private address (192.168/16)", &["192.168.1.1"], "egress.address"),
    named("a name for loopback", &["127.0.0.1"], "egress.address"),
    named("a name for link-local", &["169.254.1.1"], "egress.address"),
    named("a name for the metadata service", &["169.254.169.254"], "egress.address"),
    named("a name for the metadata service in IPv6", &["fd00:ec2::254"], "egress.address"),
    named("a name for CGNAT", &["100.64.0.1"], "egress.address"),
    named("a name for multicast", &["224.0.0.251"], "egress.address"),
    named("a name for broadcast", &["255.255.255.255"], "egress.address"),
    named("a name for 0.0.0.0", &["0.0.0.0"], "egress.address"),
    named("a name for 0.0.0.0/8", &["0.1.2.3"], "egress.address"),
    named("a name for 192.0.0.0/24", &["192.0.0.8"], "egress.address"),
    named("a name for a test net", &["203.0.113.7"], "egress.address"),
    named("a name for benchmarks", &["198.18.0.1"], "egress.address"),
    named("a name for reserved space", &["250.0.0.1"], "egress.address"),
    named("a name for IPv6 loopback", &["::1"], "egress.address"),
    named("a name for a unique local address", &["fd12:3456::1"], "egress.address"),
    named("a name for IPv6 link-local", &["fe80::1"], "egress.address"),
    named("a name for site-local", &["fec0::1"], "egress.address"),
    named("a name for IPv6 multicast", &["ff02::1"], "egress.address"),
    named("loopback as v4-mapped IPv6", &["::ffff:127.0.0.1"], "egress.address"),
    named("a public address as v4-mapped IPv6", &["::ffff:93.184.216.34"], "egress.address"),
    named("loopback as v4-compatible IPv6", &["::127.0.0.1"], "egress.address"),
    named("loopback by NAT64", &["64:ff9b::7f00:1"], "egress.address"),
    named("loopback by local NAT64", &["64:ff9b:1::7f00:1"], "egress.address"),
    named("loopback by 6to4", &["2002:7f00:1::1"], "egress.address"),
    named("an address by Teredo", &["2001:0:7f00:1::1"], "egress.address"),
    named("the platform's own public address", &["93.184.216.99"], "egress.address"),
    named("one bad address among good ones", &["93.184.216.34", "10.0.0.1"], "egress.address"),
    named("one bad address before good ones, in IPv6", &["::1", "2606:4700::1", "93.184.216.34"], "egress.address"),
    named("the cloud's own metadata address (100.100.100.200)", &["100.100.100.200"], "egress.address"),
    named("documentation in IPv6", &["2001:db8::1"], "egress.address"),
    named("the discard prefix", &["100::1"], "egress.address"),
    named("segment routing", &["5f00::1"], "egress.address"),
    named("a private address by NAT64", &["64:ff9b::10.0.0.1"], "egress.address"),
    named("no address at all", &[], "egress.unresolved"),
    get("name", "the platform's own name", "https://console.example/x", "egress.address"),
    get("name", "an app of the platform by its name", "https://poll.apps.example/x", "egress.address"),
    get("name", "a certificate of another name", "https://wrong-name.example/x", "egress.untrusted"),
    get("name", "a name of the platform that nobody answers", "http://admin.bailiwick/x", "egress.inside"),
    get("name", "a name of the platform on another port", "http://data.bailiwick:81/x", "egress.inside"),
    get("name", "a name of the platform by TLS", "https://data.bailiwick/x", "egress.inside"),
    with(
        "a placeholder in a header of a host that it is not bound to",
        &[("x-token", "bw-ph-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")],
        "secret.wrong_place",
    ),
    with(
        "a placeholder as the password of `Basic` credentials",
        &[("authorization", "Basic dXNlcjpidy1waC1hYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh")],
        "secret.wrong_place",
    ),
    with(
        "a placeholder in a header, in base64",
        &[("x-token", "YnctcGgtYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYQ")],
        "secret.wrong_place",
    ),
    get(
        "placeholder",
        "a placeholder in the query",
        "https://api.example/x?t=bw-ph-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "secret.wrong_place",
    ),
    get(
        "placeholder",
        "a placeholder in the query, encoded",
        "https://api.example/x?t=%62w-ph%2daaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "secret.wrong_place",
    ),
    get(
        "placeholder",
        "a placeholder in the path",
        "https://api.example/bw-ph-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "secret.wrong_place",
    ),
];

fn extra() -> String {
    ["rebind", "wrong-name", "console", "poll.apps"]
        .map(|name| {
            format!(
                "\n[connect.{}]\nhost = \"{name}.example\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\nwhy = \"A test\"\n",
                name.replace('.', "-")
            )
        })
        .concat()
}

#[tokio::test]
async fn every_way_around_is_refused_before_a_byte_leaves() {
    let manifest = format!("{}{}", crate::house::MANIFEST, extra());
    let house = House::with(crate::house::Setting { manifest, ..Default::default() }).await;
    let mut wrong = Vec::new();
    for case in CASES {
        house.dns.says("rebind.example", &[case.dns]);
        let before = house.upstream.seen().len();
        let got = if case.url.parse::<Uri>().is_err() {
            "no request".to_owned()
        } else {
            let response = house.call(request(case.method, case.url, case.headers, "")).await;
            if response.status() == StatusCode::OK { "passes".to_owned() } else { problem(response).await.code }
        };
        let sent = house.upstream.seen().len() - before;
        if got != case.code || (sent > 0) != (case.code == "passes") {
            wrong.push(format!(
                "{} ({} {}): {got} instead of {}, {sent} sent",
                case.attempt, case.method, case.url, case.code
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_page_is_the_table() {
    let mut page = String::from(HEAD);
    for (number, case) in CASES.iter().enumerate() {
        let shown = |text: &str| text.replace('|', "\\|");
        let mut what = format!("`{} {}`", case.method, shown(case.url));
        for (name, value) in case.headers {
            what.push_str(&format!(", `{name}: {}`", shown(value)));
        }
        if !case.dns.is_empty() {
            what.push_str(&format!(", DNS says `{}`", case.dns.join("`, `")));
        }
        page.push_str(&format!(
            "| {} | {} | {} | {what} | `{}` |\n",
            number + 1,
            case.family,
            shown(case.attempt),
            case.code
        ));
    }
    page.push_str(TAIL);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/egress-bypass-matrix.md");
    let written = std::fs::read_to_string(path).unwrap_or_default();
    if written != page {
        let fresh = concat!(env!("CARGO_TARGET_TMPDIR"), "/egress-bypass-matrix.md");
        std::fs::write(fresh, &page).unwrap();
        panic!("docs/egress-bypass-matrix.md differs from the table of this test: copy {fresh} over it");
    }
}

const HEAD: &str = "\
# Ways around the broker, and what stops them

Every byte that leaves an app passes the broker. This page lists the attempts that a test makes against it, on real
sockets, each time the tests run (`crates/surfaces/broker/tests/egress/matrix.rs`). The test fails when this page and
its table differ, when a call is refused for another reason, and when a byte of a refused call reaches the other side.

In the test, the manifest grants `api.example`, `slack.com`, `rooms.corp.example:8443` (`GET /v1/rooms/**`), and the
hosts that DNS tricks need; the lines of family `control` must pass. `no request` marks what cannot even be said: the HTTP
library under the broker takes no such address.

| # | family | attempt | what the guest sends | answer |
|---|---|---|---|---|
";

const TAIL: &str = "
Beside the table, tests of their own hold these: names are resolved once for each hop and the connection goes to the
address that was judged; redirects are judged anew, hop by hop; placeholders in streamed bodies are found across the
borders of chunks; answers cannot carry `bailiwick-*` headers, switch protocols, or hide a secret behind compression.

What this does not stop: a host that is granted can pass on what it was sent, and an app can put any data that it
holds into a granted request. A range request to a host that echoes a secret can split it over two answers. Scrubbing
is a second line; the promise is that a value goes only to the hosts that its entry names.
";
