//! The JavaScript engine that runs inside the sandbox: QuickJS, the web's interfaces, and the app.
//! `init` loads an app once, at deploy; the memory it leaves is what every request starts from.
//! Refuses whatever would make that memory lie: randomness, waiting and network while loading.

mod alloc;
mod boot;
mod digest;
mod events;
mod fetch;
mod forms;
mod host;
mod log;
mod modules;
mod natives;
mod respond;
mod serve;
mod streams;
mod text;
mod urls;

wit_bindgen::generate!({
    inline: "package bailiwick:engine; world boot { export init: func(app: string) -> result<string, string>; }",
});

struct Engine;

impl Guest for Engine {
    fn init(app: String) -> Result<String, String> {
        let result = boot::init(&app);
        drop(app);
        alloc::sweep();
        result
    }
}

export!(Engine);

impl wasip2::exports::http::incoming_handler::Guest for Engine {
    fn handle(
        request: wasip2::http::types::IncomingRequest,
        response: wasip2::http::types::ResponseOutparam,
    ) {
        serve::handle(request, response);
    }
}

wasip2::http::proxy::export!(Engine);
