//! Requests that leave an instance: each is handed to the [`Door`] on the caller's runtime and ends with the instance.

use crate::{
    body::{Body, BoxError},
    door::{Door, DoorError},
};
use http_body_util::BodyExt as _;
use std::sync::Arc;
use tokio::{runtime::Handle, sync::Semaphore, task::JoinHandle};
use wasmtime_wasi_http::{Error as WasiError, RequestOptions, WasiBody, WasiHttpHooks};

/// What the guest may write ahead of the reader, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

type Io = Box<dyn Future<Output = Result<(), WasiError>> + Send>;
type Sent = Result<(http::Response<WasiBody>, Io), WasiError>;

/// The way out of one instance.
pub(crate) struct Outgoing {
    door: Arc<dyn Door>,
    /// Not the guests' runtime: a neighbour that spins must not hold up an answer.
    host: Handle,
    places: Arc<Semaphore>,
}

impl Outgoing {
    pub(crate) fn new(door: Arc<dyn Door>, host: Handle, at_once: u32) -> Self {
        let places = usize::try_from(at_once).unwrap_or(Semaphore::MAX_PERMITS);
        Self { door, host, places: Arc::new(Semaphore::new(places)) }
    }
}

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), WasiError>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let (door, host, places) = (Arc::clone(&self.door), self.host.clone(), Arc::clone(&self.places));
        Box::new(async move {
            let place = places.acquire_owned().await.map_err(|_| WasiError::ConnectionLimitReached)?;
            let request = request.map(outward);
            let mut sending = Sending(host.spawn(async move { door.send(request).await }));
            let answer = (&mut sending.0).await;
            // Held until the head is there, not until the body was read: a guest that asks for many answers before
            // it reads the first must not wait for itself.
            drop(place);
            let response = answer.map_err(|_| WasiError::ConnectionTerminated)?.map_err(refusal)?;
            Ok((response.map(inward), Box::new(async { Ok(()) }) as Io))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }
}

/// A request under way; dropped with the instance, it is given up.
struct Sending(JoinHandle<Result<http::Response<Body>, DoorError>>);

impl Drop for Sending {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn refusal(error: DoorError) -> WasiError {
    match error {
        DoorError::Unreachable(_) => WasiError::DestinationUnavailable,
        DoorError::TimedOut => WasiError::HttpResponseTimeout,
        DoorError::Broken(_) => WasiError::ConnectionTerminated,
        DoorError::Denied => WasiError::HttpRequestDenied,
    }
}

pub(crate) fn outward(body: WasiBody) -> Body {
    body.map_err(|error| BoxError::from(error.to_string())).boxed_unsync()
}

pub(crate) fn inward(body: Body) -> WasiBody {
    body.map_err(|_| WasiError::ConnectionTerminated).boxed_unsync()
}
