//! An admitted data plane, until its connection ends: pushes what is offered, and reads from pings what became of it.
//!
//! ```text
//!              offer           ping = offer
//! Connected ─────────► Served ─────────────► Applied
//!     │ vetoed           └─ a minute later ─► Rejected
//!     └─────► Incompatible: stays open, is answered, is sent nothing
//! ```
//! Where there is a control plane behind this one, what it sends is passed on, and the offer waits until it is not there.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::relay::{Relay, Word};
use super::{DataPlane, Desk, Offer, State, at};
use crate::frames::{CONTROL_BYTES_MAX, Frame, Kind, Link, LinkError};
use crate::version::{admit, check_plugins};
use crate::{HASH_BYTES, Plugin, Received, SILENCE_MAX, Target};

/// How long the first ping is waited for before the first push, where it could spare one. A real data plane sends it at once.
const FIRST_PING: Duration = Duration::from_secs(1);
/// A data plane that runs something else this long after a push has refused it, or cannot load it.
const APPLIED_WITHIN: Duration = Duration::from_secs(60);

pub(super) struct Session<S> {
    link: Link<S>,
    plugins: Vec<Plugin>,
    /// The control plane behind this one.
    relay: Option<Relay>,
    /// Whether the offer is this data plane's: that control plane is not there, or there is none.
    is_ours: bool,
    sent: Option<Sent>,
    present: Present,
}

struct Sent {
    hash: String,
    at: Instant,
}

/// Whatever ends the connection, that it is gone is said.
struct Present {
    desk: Arc<Desk>,
    data_plane: DataPlane,
}

impl Drop for Present {
    fn drop(&mut self) {
        self.desk.offers.gone(&self.data_plane);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub fn new(desk: Arc<Desk>, mut link: Link<S>, data_plane: DataPlane, plugins: Vec<Plugin>) -> Self {
        // Nothing but pings is due from here on.
        link.receive_at_most(CONTROL_BYTES_MAX);
        Self { link, plugins, relay: None, is_ours: true, sent: None, present: Present { desk, data_plane } }
    }

    /// What is offered is its own only once this control plane is not there.
    pub fn relayed_to(self, target: Target) -> Self {
        let relay = Relay::begin(target, self.present.desk.limits.patience);
        Self { relay: Some(relay), is_ours: false, ..self }
    }

    pub fn version(&self) -> &str {
        &self.present.data_plane.version
    }

    pub async fn turn_away(mut self, state: State) {
        self.moved_to(state);
        self.link.close().await;
    }

    /// `Err` says what the data plane did wrong.
    pub async fn run(mut self) -> Result<(), String> {
        let outcome = self.serve().await;
        match outcome {
            Err(LinkError::Closed) => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(ended) => {
                self.link.close().await;
                ended
            }
        }
    }

    /// The inner result is for connections that can still be closed in order.
    async fn serve(&mut self) -> Result<Result<(), String>, LinkError> {
        let mut changes = self.present.desk.offers.changes();
        // From here on each change is seen; what was before is in the first offer.
        changes.mark_unchanged();
        let mut are_told = true;
        self.present.seen();
        let mut first_push = None;
        if self.present.desk.limits.spare_reload {
            first_push = Some(Instant::now() + FIRST_PING);
        } else {
            self.push().await?;
        }
        let mut heard = Instant::now();
        loop {
            let judged_at = self.judged_at();
            tokio::select! {
                frame = self.link.read() => {
                    let frame = frame?;
                    heard = Instant::now();
                    if frame.kind == Kind::Close {
                        return Ok(Ok(()));
                    }
                    if let Err(why) = self.pinged(frame).await? {
                        return Ok(Err(why));
                    }
                    if first_push.take().is_some() {
                        self.push().await?;
                    }
                }
                changed = changes.changed(), if are_told => {
                    are_told = changed.is_ok();
                    if are_told {
                        first_push = None;
                        self.push().await?;
                    }
                }
                () = at(first_push) => {
                    first_push = None;
                    self.push().await?;
                }
                word = word(&mut self.relay) => {
                    if let Err(why) = self.told(word).await? {
                        return Ok(Err(why));
                    }
                }
                () = at(judged_at) => self.judge(),
                () = sleep_until(heard + SILENCE_MAX) => return Ok(Err(format!("it was silent for {} seconds", SILENCE_MAX.as_secs()))),
            }
        }
    }

    async fn pinged(&mut self, frame: Frame) -> Result<Result<(), String>, LinkError> {
        if frame.kind != Kind::Ping {
            return Ok(Err(format!("it sent {}, and only pings are due", frame.kind.named())));
        }
        let Some(hash) = std::str::from_utf8(&frame.payload).ok().filter(|hash| hash.len() == HASH_BYTES) else {
            return Ok(Err(format!("its ping does not carry the {HASH_BYTES} characters of a hash")));
        };
        self.present.data_plane.running = hash.to_owned();
        if let Some(relay) = &self.relay {
            relay.runs(hash);
        }
        // Empty, as Kong's own.
        self.link.write(Kind::Pong, &[]).await?;
        self.judge();
        Ok(Ok(()))
    }

    /// What the control plane behind this one says. The inner error ends the connection.
    async fn told(&mut self, word: Word) -> Result<Result<(), String>, LinkError> {
        match word {
            Word::Sent(Received { hash, payload, .. }) => {
                self.is_ours = false;
                self.present.data_plane.relayed = true;
                self.send(hash, &payload).await?;
            }
            Word::Away => {
                self.is_ours = true;
                self.present.data_plane.relayed = false;
                if let Some(ours) = self.present.desk.offers.version()
                    && let Err(why) = admit(&ours, &self.present.data_plane.version)
                {
                    self.moved_to(State::Incompatible(why.clone()));
                    return Ok(Err(why));
                }
                self.present.seen();
                self.push().await?;
            }
            Word::Refused(why) => {
                self.present.data_plane.relayed = false;
                let why = format!("the control plane turns it away: {why}");
                self.moved_to(State::Incompatible(why.clone()));
                return Ok(Err(why));
            }
        }
        Ok(Ok(()))
    }

    /// The offer, if it is this data plane's.
    async fn push(&mut self) -> Result<(), LinkError> {
        let Some(offer) = self.present.desk.offers.offer().filter(|_| self.is_ours) else { return Ok(()) };
        if let Err(why) = self.fits(&offer) {
            self.sent = None;
            tracing::warn!(connection = self.present.data_plane.connection, "a data plane is not sent the configuration: {why}");
            self.moved_to(State::Incompatible(why));
            return Ok(());
        }
        self.send(offer.hash, &offer.payload).await
    }

    async fn send(&mut self, hash: String, payload: &[u8]) -> Result<(), LinkError> {
        let is_known = self.present.data_plane.running == hash || self.sent.as_ref().is_some_and(|sent| sent.hash == hash);
        let is_spared = self.present.desk.limits.spare_reload && is_known;
        if !is_spared {
            self.link.write(Kind::Binary, payload).await?;
        }
        if !is_spared || self.sent.as_ref().is_none_or(|sent| sent.hash != hash) {
            self.sent = Some(Sent { hash, at: Instant::now() });
        }
        // Sent again, it is known to run only once it says so again.
        let state = self.found(is_spared);
        self.moved_to(state);
        Ok(())
    }

    fn fits(&self, offer: &Offer) -> Result<(), String> {
        let Present { desk, data_plane } = &self.present;
        if let Some(ours) = desk.offers.version() {
            admit(&ours, &data_plane.version)?;
        }
        check_plugins(offer.plugins.iter().map(|name| (name.as_str(), None)), &self.plugins)?;
        let (bytes, max) = (offer.payload.len(), desk.limits.payload_max);
        if bytes > max {
            return Err(format!("it has {bytes} bytes and cluster_max_payload = {max}; give both sides the same, larger value"));
        }
        Ok(())
    }

    /// When what was sent counts as rejected.
    fn judged_at(&self) -> Option<Instant> {
        let is_served = matches!(self.present.data_plane.state, State::Served { .. });
        self.sent.as_ref().filter(|_| is_served).map(|sent| sent.at + APPLIED_WITHIN)
    }

    fn judge(&mut self) {
        let state = self.found(true);
        if matches!(state, State::Rejected { .. }) && state != self.present.data_plane.state {
            let seconds = APPLIED_WITHIN.as_secs();
            tracing::warn!(connection = self.present.data_plane.connection, "a data plane does not run what it was sent {seconds} s ago");
        }
        self.moved_to(state);
    }

    /// What is known of the latest push. `believed`: the latest ping came after it.
    fn found(&self, believed: bool) -> State {
        let DataPlane { state, running, .. } = &self.present.data_plane;
        let Some(Sent { hash, at }) = &self.sent else { return state.clone() };
        let hash = hash.clone();
        if believed && *running == hash {
            State::Applied { hash }
        } else if at.elapsed() >= APPLIED_WITHIN {
            State::Rejected { hash }
        } else {
            State::Served { hash }
        }
    }

    fn moved_to(&mut self, state: State) {
        self.present.data_plane.state = state;
        self.present.seen();
    }
}

impl Present {
    fn seen(&self) {
        self.desk.offers.seen(&self.data_plane);
    }
}

/// Never, if there is nobody behind.
async fn word(relay: &mut Option<Relay>) -> Word {
    match relay {
        Some(relay) => relay.word().await,
        None => std::future::pending().await,
    }
}
