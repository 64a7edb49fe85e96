//! The break-glass token: an operator's word that one snapshot may be used although it is older than, or of another lineage than,
//! what a node remembers (boot-07). Signed with an operator key, good for a day at most, used once per node.

use serde::{Deserialize, Serialize};

use super::lines::{UnsignedLines, read_lines};
use super::signature::{KeyId, Purpose, Trust};
use super::{FORMAT, Refusal};
use crate::model::{Digest, GatewayVersion, Lineage, UnixMs};

pub const TOKEN_BYTES_MAX: u64 = 16 * 1024;
/// A day.
pub const TOKEN_LIFE_MAX_MS: u64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    format: u16,
    pub lineage: Lineage,
    pub gateway_version: GatewayVersion,
    /// Of the snapshot file: `holdover history` shows it.
    pub file_digest: Digest,
    pub issued_at: UnixMs,
    pub not_after: UnixMs,
    /// Which node may use it; `None`: any.
    pub node: Option<String>,
    /// Tells one token from another: a node uses each once.
    pub nonce: u64,
    /// For people: who allows this, and why.
    pub why: String,
}

/// A token that an operator signed. Only [`Token::read`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedToken {
    token: Token,
    signer: KeyId,
}

/// What a token allows, as asked for.
#[derive(Clone, Debug)]
pub struct Allowance {
    pub lineage: Lineage,
    pub gateway_version: GatewayVersion,
    pub file_digest: Digest,
    pub issued_at: UnixMs,
    /// At most a day.
    pub life_ms: u64,
    pub node: Option<String>,
    pub nonce: u64,
    pub why: String,
}

impl Token {
    pub fn new(allowance: Allowance) -> Result<Self, String> {
        if allowance.life_ms > TOKEN_LIFE_MAX_MS {
            return Err("a break-glass token lives 24 h at most".into());
        }
        let Allowance { lineage, gateway_version, file_digest, issued_at, life_ms, node, nonce, why } = allowance;
        let not_after = UnixMs(issued_at.0.saturating_add(life_ms));
        Ok(Self { format: FORMAT, lineage, gateway_version, file_digest, issued_at, not_after, node, nonce, why })
    }

    /// Without operator keys nobody can allow anything: then every token is refused.
    pub fn read(file: &[u8], operators: &Trust) -> Result<SignedToken, Refusal> {
        let (token, signer) = read_lines::<Self>(file, Purpose::BreakGlass, operators)?;
        let signer = signer.ok_or(Refusal::NoOperatorKeys)?;
        if token.format != FORMAT {
            return Err(Refusal::UnknownFormat(token.format));
        }
        if token.not_after.0.saturating_sub(token.issued_at.0) > TOKEN_LIFE_MAX_MS {
            return Err(Refusal::OutOfBounds("time to live"));
        }
        Ok(SignedToken { token, signer })
    }

    pub fn lines(&self) -> Result<UnsignedLines, String> {
        UnsignedLines::of(self)
    }
}

impl SignedToken {
    pub fn token(&self) -> &Token {
        &self.token
    }

    pub fn signer(&self) -> KeyId {
        self.signer
    }
}
