//! One sandbox for all tests of this binary, with its compiled code kept between runs.

use aws_lc_rs::hmac;
use sandbox::{Authenticator, Config, Image, Maxima, Sandbox, Source};
use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::sync::OnceCell;

struct Key(hmac::Key);

impl Authenticator for Key {
    fn tag(&self, context: &str, bytes: &[u8]) -> [u8; 32] {
        let mut signing = hmac::Context::with_key(&self.0);
        signing.update(context.as_bytes());
        signing.update(&[0]);
        signing.update(bytes);
        signing.sign().as_ref().try_into().unwrap()
    }

    fn verify(&self, context: &str, bytes: &[u8], tag: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(&self.tag(context, bytes), tag).is_ok()
    }
}

pub(crate) fn sandbox() -> Arc<Sandbox> {
    static SHARED: OnceLock<Arc<Sandbox>> = OnceLock::new();
    Arc::clone(SHARED.get_or_init(|| {
        let maxima = Maxima { instances: 48, workers: 2, queue: Duration::from_secs(30), ..Maxima::default() };
        let authenticator = Arc::new(Key(hmac::Key::new(hmac::HMAC_SHA256, b"a key for tests alone")));
        let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gateway-compiled");
        Sandbox::start(Config { cache_dir, authenticator, maxima }).unwrap()
    }))
}

/// One app for most tests; the path says what it does.
const APP: &str = r#"
export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case '/echo': case '/open/echo': case '/export/echo':
        return Response.json({ user: env.user ?? null, app: env.app, url: request.url, secret: env.SLACK_TOKEN,
          headers: Object.fromEntries(request.headers), body: await request.text() });
      case '/headers':
        return new Response('x', { headers: [
          ['set-cookie', 'theme=dark'], ['set-cookie', 'bailiwick-app-i1=evil'], ['set-cookie', 'a=b; Domain=localhost'],
          ['content-security-policy', "script-src 'none'; report-uri https://evil.example"],
          ['service-worker-allowed', '/'], ['bailiwick-user', 'root'], ['x-mine', '1'],
          ['cache-control', 'public, max-age=60'],
          ['connection-allowlist', '("*://*:*");webrtc=allow'], ['x-accel-redirect', '/internal/'],
          ['x-accel-expires', '600'], ['x-accel-buffering', 'no'], ['x-sendfile', '/etc/passwd'], ['x-sendfile2', '/etc/passwd 0-'],
          ['x-lighttpd-send-file', '/etc/passwd'], ['x-litespeed-location', '/internal/'],
          ['x-reproxy-url', 'http://10.0.0.1/'] ] });
      case '/away': return new Response(null, { status: 302, headers: { location: 'https://elsewhere.example/' } });
      case '/boom': throw new Error('inside-words');
      case '/spin': for (;;) {}
      case '/late': await new Promise(r => setTimeout(r, 60000)); return new Response('late');
      case '/bomb': { const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1)); }
      case '/print': console.warn('printed', 1); return new Response('');
      case '/notes': await fetch('http://data.bailiwick/'); throw new Error('inside-words');
      case '/style': return env.assets.fetch(new Request('http://assets.bailiwick/style.css'));
      case '/stream': {
        let n = 0;
        return new Response(new ReadableStream({ async pull(c) {
          c.enqueue(new TextEncoder().encode('piece ' + n++ + '\n'));
          await new Promise(r => setTimeout(r, 5));
        } }));
      }
    }
    return new Response('hello ' + url.pathname);
  },
  async scheduled(event, env) {
    if (event.name === 'bad') throw new Error('late');
    if (event.name === 'endless') await new Promise(r => setTimeout(r, 60000));
    console.log('ran ' + event.name + ' ' + event.runId + ' ' + (env.user === undefined));
  },
};
"#;

pub(crate) async fn image() -> Image {
    static IMAGE: OnceCell<Image> = OnceCell::const_new();
    let prepare = || async {
        let source = Source {
            main: "app.js".to_owned(),
            files: [("app.js".to_owned(), APP.as_bytes().to_vec())].into(),
            collections: vec![],
            secrets: vec!["SLACK_TOKEN".to_owned()],
        };
        sandbox().prepare(source).await.unwrap_or_else(|error| panic!("{error}")).image
    };
    IMAGE.get_or_init(prepare).await.clone()
}
