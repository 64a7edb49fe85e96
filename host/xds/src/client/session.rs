//! The life of a stream: everything is asked for, each answer is acknowledged, and a set that is complete is handed over once it is quiet.
//!
//! A control plane sends a change type by type. Between two of its answers the set may be complete and mean nothing, so a set is handed
//! over when nothing has come for [`QUIET`], or after [`QUIET_WAIT_MAX`] of steady changes. A stream that ends before takes it along.
//! Once a set was handed over, a later one that stays incomplete for [`INCOMPLETE_MAX`] ends the stream: silence would look as if nothing
//! had changed.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tonic::client::Grpc;
use tonic::metadata::MetadataValue;
use tonic::{Request, Streaming};

use super::channel::Channel;
use super::dialect::{Dialect, Subscription};
use super::followed::{Followed, Unfit};
use super::inbox::Inbox;
use super::refusal::INCOMPLETE_MAX;
use super::{Ended, Refusal, Target};
use crate::codec::Codec;
use crate::message::Node;
use crate::{CLUSTER, LISTENER, RESOURCES_MAX, STEP};

const QUIET: Duration = Duration::from_millis(100);
const QUIET_WAIT_MAX: Duration = Duration::from_secs(2);
/// Requests that wait to be written. One answer makes a handful.
const REQUESTS_MAX: usize = 32;

pub(super) struct Begun {
    pub channel: Channel,
    pub endpoint: http::Uri,
    pub target: Target,
    pub inbox: Arc<Inbox>,
    pub opened: oneshot::Sender<Result<(), Refusal>>,
}

struct Session<D: Dialect> {
    channel: Channel,
    dialect: D,
    followed: Followed,
    requests: mpsc::Sender<D::Request>,
    node: Node,
    inbox: Arc<Inbox>,
    bytes_max: usize,
    /// When what is held is handed over, and when at the latest.
    due: Option<(Instant, Instant)>,
    has_given: bool,
    /// When the stream ends unless the set becomes complete.
    patience: Option<Instant>,
}

/// Whatever ends the task, even a panic in a library, whoever waits is told.
struct Watch(Arc<Inbox>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.end(Ended::Broken { detail: "this side's own task has ended".to_owned() });
    }
}

pub(super) async fn run<D: Dialect>(begun: Begun) {
    let Begun { channel, endpoint, target, inbox, opened } = begun;
    let _watch = Watch(Arc::clone(&inbox));
    let bytes_max = target.payload_bytes_max;
    let (requests, mut to_send) = mpsc::channel(REQUESTS_MAX);
    let mut client = Grpc::with_origin(channel.requests(), endpoint).max_decoding_message_size(bytes_max);
    let mut session = Session {
        channel,
        dialect: D::default(),
        followed: Followed::new(Arc::clone(&target.reads), bytes_max),
        requests,
        node: Node::of(&target.node, &target.described),
        inbox,
        bytes_max,
        due: None,
        has_given: false,
        patience: None,
    };
    session.inbox.lacks(session.followed.missing());
    for type_url in [CLUSTER, LISTENER] {
        if let Err(ended) = session.subscribe(type_url, Vec::new(), Vec::new()).await {
            session.inbox.end(ended);
            return;
        }
    }
    let mut request = Request::new(futures_util::stream::poll_fn(move |cx| to_send.poll_recv(cx)));
    if let Some(token) = &target.token
        // A token that is made fits into a header.
        && let Ok(mut value) = MetadataValue::try_from(format!("Bearer {}", token.0.as_str()))
    {
        value.set_sensitive(true);
        request.metadata_mut().insert("authorization", value);
    }
    let path = http::uri::PathAndQuery::from_static(D::METHOD);
    let ended = match client.streaming(request, path, Codec::new()).await {
        Ok(response) => {
            // Nobody waits for it any more if the control plane took its time.
            let _ = opened.send(Ok(()));
            session.live(response.into_inner()).await
        }
        Err(status) => {
            let ended = session.channel.why(&status, bytes_max).await;
            let _ = opened.send(Err(ended.clone().into()));
            ended
        }
    };
    session.inbox.end(ended);
}

impl<D: Dialect> Session<D> {
    async fn live(&mut self, mut answers: Streaming<D::Response>) -> Ended {
        loop {
            let due = self.due.map(|(at, _)| at);
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        if let Err(ended) = self.heard(answer).await {
                            return ended;
                        }
                    }
                    Ok(None) => return Ended::Closed,
                    Err(status) => return self.channel.why(&status, self.bytes_max).await,
                },
                () = at(due) => self.hand_over(),
                () = at(self.patience) => {
                    // What came last may have made it complete, and waits to be quiet.
                    self.hand_over();
                    if self.patience.is_some() {
                        return Ended::Incomplete { missing: self.followed.missing() };
                    }
                }
            }
        }
    }

    async fn heard(&mut self, answer: D::Response) -> Result<(), Ended> {
        let answer = D::read(answer);
        let receipt = answer.receipt();
        let type_url = receipt.type_url.clone();
        match self.followed.take(answer) {
            Ok(()) => {
                let changes = self.followed.follow();
                let Some(wanted) = self.followed.wanted(&type_url) else { return Ok(()) };
                let accepted = self.dialect.accept(self.node.clone(), &receipt, wanted);
                self.send(accepted).await?;
                // The acknowledgement of this type has said its names already where requests repeat them; saying them twice is harmless.
                for change in changes {
                    self.subscribe(&change.type_url, change.added, change.dropped).await?;
                }
                self.changed();
            }
            Err(Unfit::Rejected(why)) => {
                tracing::warn!(type_url, "an answer of the control plane cannot be read, and is turned down: {}", crate::bounded(&why));
                let Some(wanted) = self.followed.wanted(&type_url) else { return Ok(()) };
                let rejected = self.dialect.reject(self.node.clone(), &receipt, wanted, &why);
                self.send(rejected).await?;
                self.changed();
            }
            Err(Unfit::Unasked) => tracing::debug!(type_url, "the control plane sent what nobody asked for"),
            Err(Unfit::Empty) => return Err(Ended::Empty { type_url }),
            Err(Unfit::TooMany) => return Err(Ended::TooMany { resources_max: RESOURCES_MAX }),
            Err(Unfit::TooLarge) => return Err(Ended::TooLarge { bytes_max: self.bytes_max }),
        }
        Ok(())
    }

    async fn subscribe(&mut self, type_url: &str, added: Vec<String>, dropped: Vec<String>) -> Result<(), Ended> {
        let Some(wanted) = self.followed.wanted(type_url) else { return Ok(()) };
        let request = self.dialect.subscribe(self.node.clone(), &Subscription { type_url, wanted, added, dropped });
        self.send(request).await
    }

    async fn send(&self, request: D::Request) -> Result<(), Ended> {
        match timeout(STEP, self.requests.send(request)).await {
            // A stream that is gone says why where it is read.
            Ok(Ok(()) | Err(_)) => Ok(()),
            Err(_) => Err(Ended::Stalled),
        }
    }

    fn changed(&mut self) {
        let now = Instant::now();
        let latest = self.due.map_or(now + QUIET_WAIT_MAX, |(_, latest)| latest);
        self.due = Some(((now + QUIET).min(latest), latest));
    }

    fn hand_over(&mut self) {
        self.due = None;
        self.inbox.lacks(self.followed.missing());
        match self.followed.complete() {
            Some(set) => {
                self.inbox.put(set);
                (self.has_given, self.patience) = (true, None);
            }
            None if self.has_given => {
                self.patience.get_or_insert_with(|| Instant::now() + INCOMPLETE_MAX);
            }
            // The caller knows how long it waits for the first.
            None => {}
        }
    }
}

/// Never, if there is no such moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
