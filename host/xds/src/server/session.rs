//! A node's stream, until it ends: reads requests, answers from the snapshot, pushes the next one, and gives way to the control plane.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::{Client, Desk, Gate, Limits, Snapshot, State, Told};
use crate::message::{self, ErrorDetail};
use crate::{Mode, Node, bounded};

/// A node sends its first request with the stream.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// For the last word to a client that does not read.
const LAST_WORD: Duration = Duration::from_secs(1);
/// Of a node's id and of its cluster. By them a node is known again, so they are not cut.
const NODE_BYTES_MAX: usize = 1024;
/// Of what a request names: what is asked for is kept as long as the stream, so its number alone is no bound.
const NAME_BYTES_MAX: usize = 4096;
const TYPE_URL_BYTES_MAX: usize = 256;

/// One of the two variants of ADS: what has been asked for on a stream, and what was sent.
pub(super) trait Variant: Default + Send + 'static {
    type Request: prost::Message + Default + 'static;
    type Response: prost::Message + Default + 'static;
    const MODE: Mode;

    fn node(request: &mut Self::Request) -> Option<message::Node>;
    fn type_url(request: &Self::Request) -> &str;
    /// The bytes of the longest name, or version of a name, that the request has.
    fn longest(request: &Self::Request) -> usize;
    /// Whether this type was asked for on this stream before.
    fn knows(&self, type_url: &str) -> bool;
    /// Whether the node says that it holds something of the type.
    fn is_configured(request: &Self::Request) -> bool;
    /// Whether all that it says it holds is of this snapshot.
    fn holds_only(request: &Self::Request, snapshot: &Snapshot) -> bool;
    fn heard(&mut self, request: Self::Request, snapshot: Option<&Snapshot>, limits: &Limits) -> Result<Heard<Self::Response>, Status>;
    /// What a snapshot changes for this stream, type by type. `before` is the one that was offered last.
    fn offered(&mut self, before: Option<&Snapshot>, snapshot: &Snapshot) -> Vec<(String, Self::Response)>;
}

/// What a request comes to.
pub(super) struct Heard<R> {
    pub answer: Option<R>,
    /// What the node makes of the latest answer of the type.
    pub about: Option<Reply>,
}

pub(super) enum Reply {
    Acknowledged,
    Rejected(ErrorDetail),
}

pub(super) struct Begun<V: Variant> {
    pub desk: Arc<Desk>,
    pub stream: u64,
    pub ip: IpAddr,
    pub gate: watch::Receiver<Gate>,
    pub requests: Streaming<V::Request>,
    pub answers: mpsc::Sender<Result<V::Response, Status>>,
    pub permit: OwnedSemaphorePermit,
}

struct Session<V: Variant> {
    desk: Arc<Desk>,
    variant: V,
    /// What is served; `None` while there is nothing.
    snapshot: Option<Arc<Snapshot>>,
    /// What was served last, also while there is nothing.
    offered: Option<Arc<Snapshot>>,
    outbox: VecDeque<V::Response>,
    present: Option<Present>,
}

/// Whatever ends the stream, that it is gone is said.
struct Present {
    desk: Arc<Desk>,
    client: Client,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.desk.offers.gone(&self.client);
    }
}

impl Present {
    fn seen(&self) {
        self.desk.offers.seen(&self.client);
    }
}

pub(super) fn belongs_there() -> Status {
    Status::unavailable("the control plane answers; ask it")
}

pub(super) async fn run<V: Variant>(begun: Begun<V>) {
    let Begun { desk, stream, ip, gate, requests, answers, permit: _permit } = begun;
    let (outbox, variant) = (VecDeque::new(), V::default());
    let mut session = Session::<V> { desk, variant, snapshot: None, offered: None, outbox, present: None };
    if let Err(status) = session.live(stream, ip, gate, requests, &answers).await {
        tracing::debug!(stream, %ip, "a node's stream is ended: {}", status.message());
        // Who does not read it finds the stream closed.
        let _ = timeout(LAST_WORD, answers.send(Err(status))).await;
    }
}

impl<V: Variant> Session<V> {
    /// `Err` is what the client is told last.
    async fn live(
        &mut self,
        stream: u64,
        ip: IpAddr,
        mut gate: watch::Receiver<Gate>,
        mut requests: Streaming<V::Request>,
        answers: &mpsc::Sender<Result<V::Response, Status>>,
    ) -> Result<(), Status> {
        let first_due = Instant::now() + FIRST_REQUEST;
        let mut is_told = true;
        self.turn(&gate.borrow_and_update())?;
        loop {
            tokio::select! {
                // Nothing more is read from who does not take what it asked for.
                request = requests.message(), if self.outbox.is_empty() => match request? {
                    None => return Ok(()),
                    Some(mut request) => {
                        if self.present.is_none() {
                            self.admit(stream, ip, V::node(&mut request))?;
                        }
                        self.heard(request)?;
                    }
                },
                permit = answers.reserve(), if !self.outbox.is_empty() => match (permit, self.outbox.pop_front()) {
                    (Ok(permit), Some(answer)) => permit.send(Ok(answer)),
                    (Ok(_), None) => {}
                    (Err(_), _) => return Ok(()),
                },
                changed = gate.changed(), if is_told => {
                    is_told = changed.is_ok();
                    self.turn(&gate.borrow_and_update())?;
                }
                () = answers.closed() => return Ok(()),
                () = sleep_until(first_due), if self.present.is_none() => {
                    return Err(Status::deadline_exceeded(format!("nothing was asked for within {} seconds", FIRST_REQUEST.as_secs())));
                }
            }
        }
    }

    fn admit(&mut self, stream: u64, ip: IpAddr, node: Option<message::Node>) -> Result<(), Status> {
        let Some(node) = node else {
            return Err(Status::invalid_argument("the first request of a stream says no node"));
        };
        if node.id.len() > NODE_BYTES_MAX || node.cluster.len() > NODE_BYTES_MAX {
            return Err(Status::invalid_argument(format!("node.id or node.cluster has more than {NODE_BYTES_MAX} bytes")));
        }
        let state = if self.snapshot.is_some() { State::Serving } else { State::Waiting };
        let client = Client { stream, ip, node: Node::from(node), mode: V::MODE, state, types: BTreeMap::new() };
        let admitted = self.desk.offers.admits(&client.node);
        self.present = Some(Present { desk: Arc::clone(&self.desk), client });
        match admitted {
            Ok(()) => {
                self.changed(|_| {});
                Ok(())
            }
            Err(why) => Err(self.refuse(&why, Status::permission_denied)),
        }
    }

    fn heard(&mut self, request: V::Request) -> Result<(), Status> {
        let type_url = V::type_url(&request).to_owned();
        if type_url.is_empty() {
            return Err(Status::invalid_argument("a request says no type_url, and on this stream there are all types"));
        }
        if type_url.len() > TYPE_URL_BYTES_MAX {
            return Err(Status::invalid_argument(format!("a type_url has more than {TYPE_URL_BYTES_MAX} bytes")));
        }
        if V::longest(&request) > NAME_BYTES_MAX {
            return Err(Status::invalid_argument(format!("a name, or its version, has more than {NAME_BYTES_MAX} bytes")));
        }
        if !self.variant.knows(&type_url) && V::is_configured(&request) && !self.is_of_ours(&request) {
            return Err(self.refuse("it has a configuration, and this one may be older", Status::unavailable));
        }
        let Heard { answer, about } = self.variant.heard(request, self.snapshot.as_deref(), &self.desk.limits)?;
        if let Some(about) = about {
            self.noted(&type_url, &about);
        }
        if let Some(answer) = answer {
            self.send(type_url, answer);
        }
        Ok(())
    }

    /// See the head of this module's parent.
    fn is_of_ours(&self, request: &V::Request) -> bool {
        let Some(present) = &self.present else { return false };
        self.desk.roll.sent_to(&present.client.node).iter().any(|sent| V::holds_only(request, sent))
    }

    fn turn(&mut self, gate: &Gate) -> Result<(), Status> {
        match gate {
            Gate::ControlPlaneAnswers => return Err(belongs_there()),
            Gate::Waiting => {
                self.snapshot = None;
                self.changed(|client| client.state = State::Waiting);
            }
            Gate::Serving(snapshot) => {
                self.snapshot = Some(Arc::clone(snapshot));
                let before = self.offered.replace(Arc::clone(snapshot));
                self.changed(|client| client.state = State::Serving);
                for (type_url, answer) in self.variant.offered(before.as_deref(), snapshot) {
                    self.send(type_url, answer);
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, type_url: String, answer: V::Response) {
        if let (Some(present), Some(snapshot)) = (&self.present, &self.snapshot) {
            self.desk.roll.enter(&present.client.node, snapshot);
        }
        self.outbox.push_back(answer);
        self.changed(|client| {
            client.types.insert(type_url, Told::Sent);
        });
    }

    fn noted(&mut self, type_url: &str, reply: &Reply) {
        let Some(present) = &self.present else { return };
        let about = match reply {
            Reply::Acknowledged => Told::Acknowledged,
            Reply::Rejected(detail) => Told::Rejected(detail.code_name()),
        };
        if present.client.types.get(type_url) == Some(&about) {
            return;
        }
        if let Reply::Rejected(detail) = reply {
            let Client { stream, node, .. } = &present.client;
            let (node, code) = (bounded(&node.id), detail.code_name());
            tracing::warn!(stream, node, type_url, code, "a node turned down what it was sent; its own log says why");
            // It quotes the configuration, in which there are secrets (all-04).
            tracing::debug!(stream, node, type_url, "a node turned down what it was sent: {}", bounded(&detail.message));
        }
        self.changed(|client| {
            client.types.insert(type_url.to_owned(), about);
        });
    }

    fn refuse(&mut self, why: &str, status: fn(String) -> Status) -> Status {
        self.changed(|client| client.state = State::Refused(why.to_owned()));
        status(bounded(why))
    }

    fn changed(&mut self, change: impl FnOnce(&mut Client)) {
        if let Some(present) = &mut self.present {
            change(&mut present.client);
            present.seen();
        }
    }
}

/// How many types one stream may ask for. Envoy has about twenty.
pub(super) const TYPES_MAX: usize = 64;

pub(super) fn too_many(what: &str, max: usize) -> Status {
    Status::resource_exhausted(format!("more than {max} {what} were asked for on one stream"))
}
