//! Deploying: what loads, and what is refused with file, line and column.

use crate::support::*;
use model::Problem;
use sandbox::{Error, Image};

async fn refused(files: &[(&str, &str)]) -> Problem {
    match prepare(files).await {
        Err(Error::Refused(problem)) => *problem,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was accepted"),
    }
}

#[tokio::test]
async fn mistakes_are_named_with_their_place() {
    for (files, what, at) in [
        (&[("app.js", "const a = 1;\nconst b = ;\nexport default {};")][..], "", "app.js:2:"),
        (&[("app.js", "const f = () => {\n  throw new Error('at load');\n};\nf();")][..], "at load", "app.js:2:"),
        (
            &[("app.js", "import './lib.ts';"), ("lib.ts", "interface A {\n  x: number\n}\n\nnope();")][..],
            "nope",
            "lib.ts:5:",
        ),
        (&[("app.ts", "const a: number = 1;\nconst b: = 2;")][..], "", "app.ts:2:"),
        (&[("app.js", "import x from 'left-pad';\nexport default { fetch() {} };")][..], "left-pad", "app.js"),
        (&[("app.js", "import x from './gone.js';\nexport default { fetch() {} };")][..], "gone.js", "app.js"),
        (&[("app.js", "import x from '../../etc/passwd';\nexport default { fetch() {} };")][..], "", "app.js"),
        (&[("app.js", "import x from './x.json';"), ("x.json", "{\n  \"a\": 1,\n}")][..], "not JSON", "x.json:3:"),
        (&[("app.ts", "@sealed class A {}\nexport default { fetch() {} };")][..], "", "app.ts:1:"),
        (&[("app.tsx", "export default {};")][..], "JSX", "app.tsx"),
        (&[("app.js", "export const a = 1;")][..], "", "app.js"),
    ] {
        let problem = refused(files).await;
        assert!(problem.what.contains(what), "{what}: {problem}");
        assert!(problem.at.as_deref().is_some_and(|found| found.starts_with(at)), "{at}: {problem}");
    }
}

#[tokio::test]
async fn what_would_be_frozen_is_refused_with_the_reason() {
    for code in [
        "Math.random()",
        "crypto.randomUUID()",
        "crypto.getRandomValues(new Uint8Array(4))",
        "await fetch('https://x.test/')",
    ] {
        let problem = refused(&[("app.js", &format!("{code};\nexport default {{ fetch() {{}} }};"))]).await;
        assert!(!problem.why.is_empty() && problem.what.len() > 20, "{code}: {problem}");
    }
}

#[tokio::test]
async fn endless_and_huge_loads_end() {
    for (code, what) in [
        ("for (;;);", "CPU"),
        ("const a = []; for (;;) a.push(new Uint8Array(1 << 20).fill(1));", "memory"),
        ("globalThis.big = new Uint8Array(20 << 20).fill(1);", "MiB"),
    ] {
        let problem = refused(&[("app.js", &format!("{code}\nexport default {{ fetch() {{}} }};"))]).await;
        assert!(problem.what.contains(what), "{code}: {problem}");
    }
}

#[tokio::test]
async fn what_is_printed_and_doubtful_while_loading_is_told() {
    let code = "console.log('loading'); export const at = Date.now(); export default { fetch() { return new Response('x'); } };";
    let prepared = prepare(&[("app.js", code)]).await.unwrap();
    assert_eq!(prepared.handlers, ["fetch"]);
    assert!(prepared.printed.iter().any(|line| line.text.contains("loading")), "{:?}", prepared.printed);
    assert!(!prepared.warnings.is_empty());
}

#[tokio::test]
async fn an_image_travels_as_bytes_and_another_engines_is_refused() {
    let prepared = prepare(&[("app.js", "export default { fetch: () => new Response('moved') };")]).await.unwrap();
    let bytes = prepared.image.to_bytes();
    let app = sandbox().load(&Image::from_bytes(bytes.clone()).unwrap(), 1).await.unwrap();
    assert_eq!(get(&app, "/").await.1, "moved");

    // The same image under another engine's name.
    let start = b"bailiwick-image-1\n".len();
    let mut payload = zstd::decode_all(&bytes[start..]).unwrap();
    let here = sandbox::engine_id().as_bytes();
    let at = payload.windows(here.len()).position(|window| window == here).unwrap();
    payload[at] = if payload[at] == b'x' { b'y' } else { b'x' };
    let mut other = bytes[..start].to_vec();
    other.extend(zstd::encode_all(&payload[..], 3).unwrap());
    let other = Image::from_bytes(other).unwrap();
    assert!(matches!(sandbox().load(&other, 1).await, Err(Error::OtherEngine { .. })));
}
