//! One connection from its first byte to its admission: TLS, the request, the introduction, the version.
//!
//! ```text
//! TLS ──┬─ shared: not our certificate ─► closed, no answer
//!       └─► request ──┬─ other path, no id, no certificate in pki mode ─► 404, 400
//!                     ├─ no websocket ─► closed, no answer
//!                     └─► 101 ─► basic_info ──┬─ unreadable, wrong type, no plugins, wrong version ─► close frame
//!                                             └─► session
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::session::Session;
use super::{DataPlane, Desk, Introduced, State};
use crate::frames::{Kind, Link, Side, part};
use crate::tls::Judged;
use crate::upgrade::{Asked, Caller, NoHead};
use crate::{BasicInfo, NO_HASH, PAYLOAD_MAX_MIN, STEP, upgrade, version};

/// A data plane with the least `cluster_max_payload` may send as much; a real one sends a few kilobytes.
const INTRODUCTION_BYTES_MAX: usize = PAYLOAD_MAX_MIN;
/// Of each text by which a data plane calls itself, in characters, and of its labels.
const WORDS_MAX: usize = 256;
const LABELS_MAX: usize = 64;

/// Such a data plane does not come back to `/v1/outlet` by itself.
const SYNC_V2: &str = "it asked for /v2/outlet, Kong's sync v2, which is not spoken here; set cluster_rpc = off in its settings";

/// Never fails: whatever happens ends this connection, and is logged.
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(desk: Arc<Desk>, stream: S, peer: SocketAddr, number: u64) {
    match attend(&desk, stream, peer, number).await {
        Ok(()) => tracing::debug!(%peer, connection = number, "a data plane has left"),
        Err(why) => tracing::warn!(%peer, connection = number, "a data plane's connection has ended: {why}"),
    }
}

async fn attend<S: AsyncRead + AsyncWrite + Unpin>(desk: &Arc<Desk>, stream: S, peer: SocketAddr, number: u64) -> Result<(), String> {
    let handshake = TlsAcceptor::from(desk.tls.config()).accept(stream);
    let mut stream = match timeout(STEP, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(format!("TLS was not agreed on ({error})")),
        Err(_) => return Err(late("the TLS handshake")),
    };
    let judged = desk.tls.judge(stream.get_ref().1);
    if judged == Judged::Stranger {
        let presented = if stream.get_ref().1.peer_certificates().is_some() { "another certificate" } else { "no certificate" };
        part(stream).await;
        return Err(format!("it presented {presented}, and only the one in cluster_cert is admitted"));
    }
    let mut read_ahead = BytesMut::new();
    let asked = match timeout(STEP, upgrade::receive(&mut stream, &mut read_ahead)).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(NoHead::Closed)) => return Err("it asked for nothing".to_owned()),
        Ok(Err(NoHead::TooLong)) => return Err("its request has no end".to_owned()),
        Ok(Err(NoHead::Malformed(detail))) => return refuse(stream, 400, &format!("its request is no HTTP ({detail})")).await,
        Ok(Err(NoHead::Io(error))) => return Err(format!("the connection broke ({error})")),
        Err(_) => return Err(late("its request")),
    };
    match (judged, asked) {
        (Judged::WithoutCertificate, _) => {
            refuse(stream, 400, "it presented no certificate, and one signed by cluster_ca_cert is due").await
        }
        (_, Asked::SyncV2) => refuse(stream, 404, SYNC_V2).await,
        (_, Asked::Refused(404)) => refuse(stream, 404, "it asked for another path than /v1/outlet").await,
        (_, Asked::Refused(status)) => refuse(stream, status, "its request says no node_id or no node_version").await,
        (_, Asked::Ignored(why)) => {
            part(stream).await;
            Err(why.to_owned())
        }
        (_, Asked::Outlet(caller)) => admit(desk, stream, read_ahead, caller, peer, number).await,
    }
}

async fn admit<S: AsyncRead + AsyncWrite + Unpin>(
    desk: &Arc<Desk>,
    mut stream: TlsStream<S>,
    read_ahead: BytesMut,
    caller: Caller,
    peer: SocketAddr,
    number: u64,
) -> Result<(), String> {
    say(&mut stream, &upgrade::accepted(&caller.key)).await?;
    let mut link = Link::new(stream, Side::ControlPlane, read_ahead, desk.limits.payload_max);
    link.receive_at_most(INTRODUCTION_BYTES_MAX.min(desk.limits.payload_max));
    let introduced = match timeout(STEP, link.read()).await {
        Ok(Ok(frame)) if frame.kind == Kind::Binary => BasicInfo::decode(&frame.payload).map(|info| (info, frame.payload)),
        Ok(Ok(frame)) => Err(format!("its first frame is {}, and basic_info in a binary frame is due", frame.kind.named())),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(late("its introduction")),
    };
    let (BasicInfo { plugins, labels }, basic_info) = match introduced {
        Ok(info) => info,
        Err(why) => {
            link.close().await;
            return Err(why);
        }
    };
    let words = |text: String| if text.len() <= WORDS_MAX { text } else { text.chars().take(WORDS_MAX).collect() };
    let labels = labels.into_iter().take(LABELS_MAX).map(|(name, value)| (words(name), words(value))).collect();
    let Caller { id: node_id, hostname, version, .. } = caller;
    let introduced = Introduced { node_id, hostname, version, basic_info };
    let behind = desk.offers.relays(&introduced);
    let Introduced { node_id, hostname, version, .. } = introduced;
    let (id, hostname, version) = (words(node_id), words(hostname), words(version));
    let (ip, running) = (peer.ip().to_canonical(), NO_HASH.to_owned());
    let data_plane = DataPlane { connection: number, id, hostname, version, ip, labels, running, relayed: false, state: State::Connected };
    let session = Session::new(Arc::clone(desk), link, data_plane, plugins);
    if let Some(target) = behind {
        // Whom to admit is the word of the control plane behind, as long as it can be had.
        return session.relayed_to(target).run().await;
    }
    if let Some(ours) = desk.offers.version()
        && let Err(why) = version::admit(&ours, session.version())
    {
        session.turn_away(State::Incompatible(why.clone())).await;
        return Err(why);
    }
    if !desk.offers.keeps_unserved() && desk.offers.offer().is_none() {
        session.turn_away(State::Connected).await;
        return Err("there is nothing to serve it with".to_owned());
    }
    session.run().await
}

/// Answers with a status, and closes.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, status: u16, why: &str) -> Result<(), String> {
    say(&mut stream, &upgrade::refused(status)).await?;
    part(stream).await;
    Err(why.to_owned())
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, text: &str) -> Result<(), String> {
    let said = async {
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await
    };
    timeout(STEP, said).await.map_err(|_| late("this side's answer"))?.map_err(|error| format!("the connection broke ({error})"))
}

fn late(what: &str) -> String {
    format!("{what} took longer than {} seconds", STEP.as_secs())
}
