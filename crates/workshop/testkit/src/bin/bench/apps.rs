//! The apps that are measured, small on purpose: what the house adds shows the more, the less the app does.

use bytes::Bytes;
use model::{Clock, SystemClock};
use std::time::Duration;

/// Reads a small JSON document and answers with one; streams, for whoever wants to see a stream end.
pub(crate) const JSON_CODE: &str = r#"
const encoder = new TextEncoder();
export default {
  async fetch(request, env) {
    if (request.method === "GET") {
      if (!request.url.endsWith("/stream")) return new Response("measured");
      const stream = new ReadableStream({
        async pull(controller) {
          await new Promise((resume) => setTimeout(resume, 5));
          controller.enqueue(encoder.encode("tick\n"));
        },
      });
      return new Response(stream, { headers: { "content-type": "text/plain" } });
    }
    const body = await request.json();
    return Response.json({ hello: body.name, sum: body.items.reduce((a, b) => a + b, 0), release: env.app?.release ?? 0 });
  },
};
"#;

pub(crate) const JSON_BODY: &str = r#"{"name":"world","items":[1,2,3,4,5,6,7,8,9,10],"note":"small json body","nested":{"a":[true,false,null],"b":"text"}}"#;
pub(crate) const JSON_ANSWER: &str = r#"{"hello":"world","sum":55"#;

/// One file of a kilobyte, for the way as far as the sandbox.
pub(crate) fn file() -> String {
    "0123456789abcdef".repeat(64)
}

fn manifest(name: &str, runtime: &str) -> String {
    let expires = SystemClock.now().plus(Duration::from_secs(80 * 86_400)).to_string();
    let expires = &expires[..10];
    format!(
        "[app]\nname = \"{name}\"\nteam = \"people-ops\"\npurpose = \"Is measured\"\nexpires = \"{expires}\"\n\
         class = \"internal\"\n\n[runtime]\n{runtime}\n\n[access]\nuse = [\"everyone\"]\n"
    )
}

fn archive<const N: usize>(files: [(&str, String); N]) -> Bytes {
    let files = files.map(|(name, text)| (name.to_owned(), Bytes::from(text)));
    catalog::Unpacked::of(files).unwrap().pack().unwrap()
}

/// The archive of the app in JavaScript.
pub(crate) fn json(name: &str) -> Bytes {
    let runtime = "profile = \"wasm\"\nmain = \"app.js\"\nlimits = { parallel = 64, time = \"60s\" }";
    archive([("bailiwick.toml", manifest(name, runtime)), ("app.js", JSON_CODE.to_owned())])
}

pub(crate) fn name(number: usize) -> String {
    format!("app-{number}")
}

/// One of many such apps, each with code of its own.
pub(crate) fn numbered(number: usize) -> Bytes {
    let runtime = "profile = \"wasm\"\nmain = \"app.js\"\nlimits = { parallel = 64 }";
    let code = format!("const NUMBER = {number};\n{JSON_CODE}");
    archive([("bailiwick.toml", manifest(&name(number), runtime)), ("app.js", code)])
}

/// The archive of the app that is files alone.
pub(crate) fn files(name: &str) -> Bytes {
    let runtime = "profile = \"static\"\nmain = \"public/index.html\"\nassets = \"public\"";
    let page = "<!doctype html><title>measured</title>".to_owned();
    archive([("bailiwick.toml", manifest(name, runtime)), ("public/index.html", page), ("public/file.bin", file())])
}
