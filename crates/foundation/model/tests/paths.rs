//! Which paths are taken, which are refused and why, and what a pattern covers.

#![allow(clippy::unwrap_used, reason = "tests")]

use model::manifest::{PathPattern, PathRefusal, PatternRefusal, normalise_path};

#[test]
fn paths_are_normalised_or_refused() {
    let taken = [
        ("/", "/"),
        ("/a", "/a"),
        ("/a/", "/a/"),
        ("/%61", "/a"),
        ("/a%20b", "/a b"),
        ("/caf%C3%A9", "/café"),
        ("/100%25", "/100%"),
        ("/...", "/..."),
        ("/a;v=1", "/a;v=1"),
        ("/%2A", "/*"),
    ];
    for (raw, path) in taken {
        assert_eq!(normalise_path(raw).as_deref(), Ok(path), "{raw}");
    }
    let long = format!("/{}", "a".repeat(8000));
    let refused = [
        ("", PathRefusal::NoSlash),
        ("a", PathRefusal::NoSlash),
        ("%2fa", PathRefusal::NoSlash),
        ("http://x/", PathRefusal::NoSlash),
        ("/a%2fb", PathRefusal::EncodedSlash),
        ("/a%2Fb", PathRefusal::EncodedSlash),
        ("/a%5cb", PathRefusal::Backslash),
        ("/a\\b", PathRefusal::Backslash),
        ("/a%00", PathRefusal::Control),
        ("/a%0d%0ab", PathRefusal::Control),
        ("/a\tb", PathRefusal::Control),
        ("/%7f", PathRefusal::Control),
        ("/%C2%85", PathRefusal::Control),
        ("/..", PathRefusal::Dots),
        ("/a/../b", PathRefusal::Dots),
        ("/.", PathRefusal::Dots),
        ("/a/%2e%2E/b", PathRefusal::Dots),
        ("/a/.%2e", PathRefusal::Dots),
        ("/a/..;x/b", PathRefusal::Dots),
        ("/a/./", PathRefusal::Dots),
        ("//", PathRefusal::EmptyPart),
        ("//a", PathRefusal::EmptyPart),
        ("/a//b", PathRefusal::EmptyPart),
        ("/a//", PathRefusal::EmptyPart),
        ("/a?b", PathRefusal::NotPath),
        ("/a#b", PathRefusal::NotPath),
        ("/%", PathRefusal::BadEscape),
        ("/%2", PathRefusal::BadEscape),
        ("/%zz", PathRefusal::BadEscape),
        ("/%é", PathRefusal::BadEscape),
        ("/%252e%252e", PathRefusal::EncodedTwice),
        ("/%252f", PathRefusal::EncodedTwice),
        ("/%ff", PathRefusal::NotUtf8),
        ("/%c0%af", PathRefusal::NotUtf8),
        (long.as_str(), PathRefusal::TooLong),
    ];
    for (raw, why) in refused {
        assert_eq!(normalise_path(raw), Err(why), "{raw}");
    }
}

#[test]
fn patterns_cover_what_they_say() {
    let table = [
        ("/", "/", true),
        ("/", "/a", false),
        ("/a", "/a", true),
        ("/a", "/a/", true),
        ("/a/", "/a", true),
        ("/a", "/A", false),
        ("/a", "/ab", false),
        ("/a", "/a/b", false),
        ("/a", "a", false),
        ("/*", "/a", true),
        ("/*", "/", false),
        ("/*", "/a/b", false),
        ("/*", "/**", true),
        ("/a/*/c", "/a/b/c", true),
        ("/a/*/c", "/a/c", false),
        ("/a/*/c", "/a/b/b/c", false),
        ("/a/**", "/a", true),
        ("/a/**", "/a/", true),
        ("/a/**", "/a/b/c", true),
        ("/a/**", "/ab", false),
        ("/a/**", "/", false),
        ("/**", "/", true),
        ("/**", "/a/b", true),
        ("/*/**", "/a", true),
        ("/*/**", "/", false),
    ];
    for (pattern, path, covered) in table {
        assert_eq!(PathPattern::parse(pattern).unwrap().matches(path), covered, "{pattern} {path}");
    }
}

#[test]
fn patterns_that_are_refused() {
    let long = format!("/{}", "a".repeat(256));
    let table = [
        ("", PathRefusal::NoSlash.into()),
        ("a", PathRefusal::NoSlash.into()),
        ("/a/../b", PathRefusal::Dots.into()),
        ("/./a", PathRefusal::Dots.into()),
        ("/a%2fb", PathRefusal::EncodedSlash.into()),
        ("/a//b", PathRefusal::EmptyPart.into()),
        ("/a?b", PathRefusal::NotPath.into()),
        ("/a\\b", PathRefusal::Backslash.into()),
        ("/a\nb", PathRefusal::Control.into()),
        ("/a%20b", PatternRefusal::Encoded),
        ("/a*", PatternRefusal::PartialStar),
        ("/***", PatternRefusal::PartialStar),
        ("/**/a", PatternRefusal::RestNotLast),
        ("/**/", PatternRefusal::RestNotLast),
        ("/a\u{202e}b", PatternRefusal::Invisible),
        (long.as_str(), PatternRefusal::TooLong),
    ];
    for (pattern, why) in table {
        assert_eq!(PathPattern::parse(pattern), Err(why), "{pattern:?}");
    }
}
