//! A bare proxy of axum and hyper: takes the request, sends it on over kept connections, gives the answer back. It judges
//! nothing, adds nothing and takes nothing away.

use super::announce;
use axum::{Router, body::Body, extract::State, http::Request, response::Response};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::net::TcpListener;

type Upstream = (Client<HttpConnector, Body>, String);

async fn pass(State((client, upstream)): State<Upstream>, mut request: Request<Body>) -> Response {
    let path = request.uri().path_and_query().map_or("/", |address| address.as_str());
    *request.uri_mut() = format!("http://{upstream}{path}").parse().unwrap();
    client.request(request).await.unwrap().map(Body::new)
}

pub(super) async fn run(upstream: &str) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let router = Router::new().fallback(pass).with_state((client, upstream.to_owned()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    announce(listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let service = TowerToHyperService::new(router.clone());
        let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(serving);
    }
}
