//! What an operator's token allows: one snapshot, in spite of marks, floor and lineage (boot-07). Never in spite of a seal.

use super::candidate::Published;
use super::capabilities::{Cache, Clock, Events};
use super::events::{Event, Name};
use super::marks::Marks;
use super::{Facts, Settings};
use crate::model::{Digest, GatewayVersion, Lineage, UnixMs};
use crate::snapshot::break_glass::{SignedToken, Token};

/// A token that this node may use now; none for most nodes at most times.
#[derive(Clone, Debug, Default)]
pub struct Glass(Option<SignedToken>);

impl Glass {
    /// `now` is the later of all clocks that this node has seen.
    pub fn read<C: Clock + Events>(caps: &C, facts: &Facts, marks: &Marks, now: UnixMs) -> Self {
        let settings = &facts.settings;
        let Some(text) = &settings.break_glass else { return Self::default() };
        match usable(text, settings, marks, now) {
            Ok(token) => Self(Some(token)),
            Err((reason, sentence)) => {
                let sentence = format!("The token in holdover_break_glass is not used: {sentence}.");
                caps.emit(Event::warning(Name::BreakGlassRefused, sentence).with("reason", reason));
                Self::default()
            }
        }
    }

    pub fn is_for_lineage(&self, lineage: Lineage) -> bool {
        self.0.as_ref().is_some_and(|signed| signed.token().lineage == lineage)
    }

    pub fn allows(&self, lineage: Lineage, version: &GatewayVersion, file_digest: Digest) -> bool {
        self.0.as_ref().is_some_and(|signed| {
            let token = signed.token();
            token.lineage == lineage && token.gateway_version == *version && token.file_digest == file_digest
        })
    }

    /// Used up on disk first, then said. `Err`: it could be used again, so it is not used at all.
    pub async fn break_it<C: Cache + Events>(&mut self, caps: &C, marks: &mut Marks, published: &Published) -> Result<(), String> {
        let Some(signed) = self.0.take() else { return Err("there is no token".into()) };
        let token = signed.token();
        marks.spend(caps, token.nonce).await?;
        let sentence = format!("An operator's break-glass token is used for a snapshot that is otherwise refused: {}.", token.why);
        caps.emit(
            Event::alarm(Name::BreakGlassUsed, sentence)
                .with("lineage", published.lineage)
                .with("position", published.position)
                .with("file_digest", token.file_digest)
                .with("operator_key", signed.signer())
                .with("nonce", token.nonce),
        );
        Ok(())
    }
}

fn usable(text: &str, settings: &Settings, marks: &Marks, now: UnixMs) -> Result<SignedToken, (&'static str, String)> {
    let signed = Token::read(text.as_bytes(), &settings.operators).map_err(|refusal| (refusal.reason(), refusal.to_string()))?;
    let token = signed.token();
    if now > token.not_after {
        return Err(("expired", "its time is over".into()));
    }
    if let Some(node) = token.node.as_ref().filter(|node| **node != settings.node) {
        return Err(("other-node", format!("it is for node '{node}', and this is '{}'", settings.node)));
    }
    if marks.is_spent(token.nonce) {
        return Err(("used", "this node has used it already".into()));
    }
    Ok(signed)
}
