//! One request in one instance, from the call to the last byte: it ends by itself, at a limit, or when told to.

use crate::{
    admission::Place,
    ahead::read_ahead,
    body::Body,
    cpu::{CpuSpent, Meter, Metered},
    door::Door,
    guest::Guest,
    log::Log,
    memory::{MemoryLimit, Usage},
    outgoing::Outgoing,
    positions::Positions,
    resident::Loaded,
    response::{Answer, BodyEnd, Wires, read_head, respond},
    stop::Stop,
    stopped::{Report, Stopped},
    ticker::Ticking,
};
use http::Method;
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi_http::{
    WasiBody, WasiHttpView as _,
    p2::bindings::http::types::{ErrorCode, Scheme},
};

/// What a guest may hand to the host in one call; the host copies it.
const CALL_BYTES: usize = 8 << 20;

/// What one request may use, after the house's maxima.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) memory_bytes: u64,
    pub(crate) cpu: Duration,
    pub(crate) time: Duration,
    pub(crate) response_bytes: u64,
    pub(crate) outgoing: u32,
}

/// Says once, at the very end, what the request used.
pub(crate) struct Reporter {
    door: Arc<dyn Door>,
    started: Instant,
    meter: Arc<Meter>,
    usage: Arc<Usage>,
    response_bytes: Arc<AtomicU64>,
    stopped: Option<Stopped>,
}

impl Reporter {
    pub(crate) fn new(door: Arc<dyn Door>, limits: Limits) -> Self {
        Self {
            door,
            started: Instant::now(),
            meter: Meter::new(limits.cpu),
            usage: Arc::default(),
            response_bytes: Arc::default(),
            // What is true if nobody gets to say otherwise: the task went away.
            stopped: Some(Stopped::Cancelled),
        }
    }

    pub(crate) fn end(mut self, stopped: Option<Stopped>) {
        self.stopped = stopped;
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.door.ended(Report {
            cpu: self.meter.spent(),
            wall: self.started.elapsed(),
            peak_memory_bytes: self.usage.peak_bytes(),
            response_bytes: self.response_bytes.load(Relaxed),
            stopped: self.stopped.take(),
        });
    }
}

/// A request that was let in.
pub(crate) struct Job {
    pub(crate) machine: Engine,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) positions: Arc<Positions>,
    pub(crate) request: http::Request<WasiBody>,
    pub(crate) limits: Limits,
    /// The caller's runtime, on which its door works.
    pub(crate) host: Handle,
    pub(crate) stop: Stop,
    pub(crate) reporter: Reporter,
    pub(crate) head: oneshot::Sender<Result<http::Response<Body>, Stopped>>,
    pub(crate) held: Held,
}

/// Given back when the instance is gone, not when its last byte was read.
pub(crate) struct Held {
    pub(crate) _ticking: Ticking,
    pub(crate) _places: [Place; 2],
}

type Answered = Result<http::Response<WasiBody>, ErrorCode>;
type Running = Pin<Box<dyn Future<Output = Result<Returned, CpuSpent>> + Send>>;

/// How the guest's call ended, with the instance: dropping it closes the response's body as if it were whole.
struct Returned {
    ended: wasmtime::Result<()>,
    instance: Store<Guest>,
}

/// Runs the job to its end and reports.
pub(crate) async fn run(job: Job) {
    let Job { machine, loaded, positions, request, limits, host, stop, reporter, head, held } = job;
    let door = Arc::clone(&reporter.door);
    let log = Log::new(Arc::new(Arc::clone(&door)), positions);
    let limit = MemoryLimit::new(limits.memory_bytes, Arc::clone(&reporter.usage));
    let guest = Guest::new(limit, Outgoing::new(door, host, limits.outgoing), &log);
    let (answered, answer) = oneshot::channel();
    let method = request.method().clone();
    let meter = Arc::clone(&reporter.meter);
    let call = call(machine, loaded, guest, Arc::clone(&meter), request, answered, held);
    let exchange = Exchange {
        limits,
        log: log.clone(),
        usage: Arc::clone(&reporter.usage),
        counted: Arc::clone(&reporter.response_bytes),
        deadline: reporter.started + limits.time,
        method,
        stop,
        guest: Some(Box::pin(Metered::new(meter, call))),
        failed: None,
        answer: Some(answer),
        answered: None,
        head: Some(head),
        cut: None,
        body: None,
        uncaught: false,
    };
    let stopped = exchange.drive().await.err();
    log.close();
    reporter.end(stopped);
}

async fn call(
    machine: Engine,
    loaded: Arc<Loaded>,
    guest: Guest,
    meter: Arc<Meter>,
    request: http::Request<WasiBody>,
    answered: oneshot::Sender<Answered>,
    _held: Held,
) -> Returned {
    let mut store = Store::new(&machine, guest);
    store.limiter(|guest| &mut guest.memory);
    store.set_hostcall_fuel(CALL_BYTES);
    yield_on_tick(&mut store, meter);
    let ended = handle(&mut store, &loaded, request, answered).await;
    Returned { ended, instance: store }
}

async fn handle(
    store: &mut Store<Guest>,
    loaded: &Loaded,
    request: http::Request<WasiBody>,
    answered: oneshot::Sender<Answered>,
) -> wasmtime::Result<()> {
    let request = store.data_mut().http().new_incoming_request(Scheme::Http, request)?;
    let answer = store.data_mut().http().new_response_outparam(answered)?;
    let proxy = loaded.pre.instantiate_async(&mut *store).await?;
    proxy.wasi_http_incoming_handler().call_handle(store, request, answer).await
}

/// At each tick: out when over the limit, else the thread goes to the next guest.
pub(crate) fn yield_on_tick<T>(store: &mut Store<T>, meter: Arc<Meter>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        meter.check_running().map_err(wasmtime::Error::from)?;
        Ok(UpdateDeadline::Yield(1))
    });
}

/// The instance and all that can happen to it.
struct Exchange {
    limits: Limits,
    log: Log,
    usage: Arc<Usage>,
    counted: Arc<AtomicU64>,
    deadline: Instant,
    method: Method,
    stop: Stop,
    /// Until the handler has returned.
    guest: Option<Running>,
    /// An instance that failed, until the reader of its body was told.
    failed: Option<Store<Guest>>,
    /// Until the guest has answered.
    answer: Option<oneshot::Receiver<Answered>>,
    /// An answer that waits for the guest's next pause, so that what the guest has ready goes with it.
    answered: Option<http::Response<Body>>,
    /// Until the caller has its answer.
    head: Option<oneshot::Sender<Result<http::Response<Body>, Stopped>>>,
    cut: Option<oneshot::Sender<Stopped>>,
    /// While the response's body is read.
    body: Option<oneshot::Receiver<BodyEnd>>,
    uncaught: bool,
}

impl Exchange {
    async fn drive(mut self) -> Result<(), Stopped> {
        let ended = self.follow().await;
        if let Err(why) = &ended {
            // INVARIANT: told before the guest is dropped, since a dropped guest looks like a body's proper end.
            if let Some(cut) = self.cut.take() {
                let _ = cut.send(why.clone());
            }
            if let Some(head) = self.head.take() {
                let _ = head.send(Err(why.clone()));
            }
        }
        ended
    }

    async fn follow(&mut self) -> Result<(), Stopped> {
        // One timer for all turns of the loop.
        let mut deadline = std::pin::pin!(tokio::time::sleep_until(self.deadline));
        while self.guest.is_some() || self.answer.is_some() || self.body.is_some() {
            tokio::select! {
                biased;
                () = self.stop.stopped() => return Err(Stopped::Cancelled),
                () = caller_gone(&mut self.head) => return Err(Stopped::Cancelled),
                answered = next(&mut self.answer) => {
                    self.answer = None;
                    self.answered(answered)?;
                }
                end = next(&mut self.body) => {
                    self.body = None;
                    self.body_ended(end.unwrap_or(BodyEnd::Abandoned))?;
                }
                returned = returned(&mut self.guest) => {
                    let over = self.guest.take();
                    let judged = self.returned(returned);
                    if judged.is_ok() {
                        drop(over);
                    } else {
                        self.guest = over;
                    }
                    judged?;
                }
                () = std::future::ready(()), if self.answered.is_some() => self.hand_over(),
                () = deadline.as_mut() => {
                    return Err(Stopped::Time { limit: self.limits.time });
                }
            }
        }
        if self.uncaught { Err(self.uncaught()) } else { Ok(()) }
    }

    fn answered(&mut self, answered: Option<Answered>) -> Result<(), Stopped> {
        let Some(Ok(response)) = answered else { return Err(Stopped::NoResponse) };
        let (head, body) = response.into_parts();
        let head = match read_head(head)? {
            Answer::Response(head) => head,
            Answer::Uncaught => {
                // The caller hears of it at the end, when the log is whole.
                self.uncaught = true;
                return Ok(());
            }
        };
        let (ended, body_end) = oneshot::channel();
        let (cut, was_cut) = oneshot::channel();
        let (counted, most_bytes) = (Arc::clone(&self.counted), self.limits.response_bytes);
        let response = respond(head, body, &self.method, Wires { ended, cut: was_cut, counted, most_bytes });
        self.cut = Some(cut);
        self.body = Some(body_end);
        self.answered = Some(response);
        Ok(())
    }

    /// The guest has returned, or waits for something.
    fn hand_over(&mut self) {
        let Some(response) = self.answered.take() else { return };
        // A caller that is gone drops the body, which ends the instance.
        let _ = self.head.take().map(|head| head.send(Ok(response.map(read_ahead))));
    }

    fn body_ended(&self, end: BodyEnd) -> Result<(), Stopped> {
        match end {
            BodyEnd::Whole => Ok(()),
            BodyEnd::Abandoned => Err(Stopped::Cancelled),
            BodyEnd::Broken => Err(Stopped::Incomplete),
            BodyEnd::TooLong => {
                let what = format!("its body has more than {} MiB", self.limits.response_bytes >> 20);
                Err(Stopped::Output { what })
            }
        }
    }

    fn returned(&mut self, returned: Result<Returned, CpuSpent>) -> Result<(), Stopped> {
        let error = match returned {
            Ok(Returned { ended: Ok(()), .. }) => return Ok(()),
            Ok(Returned { ended: Err(error), instance }) => {
                self.failed = Some(instance);
                error
            }
            Err(CpuSpent) => return Err(Stopped::Cpu { limit: self.limits.cpu }),
        };
        if error.is::<CpuSpent>() {
            return Err(Stopped::Cpu { limit: self.limits.cpu });
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Err(Stopped::Busy);
        }
        if self.usage.denied() {
            return Err(Stopped::Memory { limit_bytes: self.limits.memory_bytes });
        }
        let text = match (error.downcast_ref::<Trap>(), error.downcast_ref::<I32Exit>()) {
            (Some(Trap::StackOverflow), _) => "its calls are nested too deep".to_owned(),
            (Some(trap), _) => trap.to_string(),
            (_, Some(exit)) => format!("it left with exit code {}", exit.0),
            _ => error.root_cause().to_string(),
        };
        Err(Stopped::Trap { text })
    }

    fn uncaught(&self) -> Stopped {
        if self.usage.denied() {
            return Stopped::Memory { limit_bytes: self.limits.memory_bytes };
        }
        Stopped::Uncaught { text: self.log.last_error().unwrap_or_else(|| "no more is known".into()) }
    }
}

async fn next<T>(channel: &mut Option<oneshot::Receiver<T>>) -> Option<T> {
    match channel {
        Some(channel) => channel.await.ok(),
        None => std::future::pending().await,
    }
}

async fn returned(guest: &mut Option<Running>) -> Result<Returned, CpuSpent> {
    match guest {
        Some(guest) => guest.await,
        None => std::future::pending().await,
    }
}

async fn caller_gone<T>(head: &mut Option<oneshot::Sender<T>>) {
    match head {
        Some(head) => head.closed().await,
        None => std::future::pending().await,
    }
}
