//! The shape of small mutable files: one line of JSON, one line with the BLAKE3 digest of the first. Anything else is refused.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Refusal;
use crate::model::Digest;

const DIGEST_PREFIX: &str = "blake3:";

pub(crate) fn write_lines<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut file = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    let digest = Digest::of(&file);
    file.extend_from_slice(format!("\n{DIGEST_PREFIX}{digest}\n").as_bytes());
    Ok(file)
}

pub(crate) fn read_lines<T: DeserializeOwned>(file: &[u8]) -> Result<T, Refusal> {
    if file.first() != Some(&b'{') {
        return Err(Refusal::NotOurs);
    }
    let (line, rest) = split_line(file).ok_or(Refusal::Torn)?;
    let (digest, rest) = split_line(rest).ok_or(Refusal::Torn)?;
    if !rest.is_empty() {
        return Err(Refusal::NotPlain);
    }
    let said: Option<Digest> =
        std::str::from_utf8(digest).ok().and_then(|text| text.strip_prefix(DIGEST_PREFIX)).and_then(|hex| hex.parse().ok());
    if said != Some(Digest::of(line)) {
        return Err(Refusal::Corrupt);
    }
    serde_json::from_slice(line).map_err(|error| Refusal::Unreadable(error.to_string()))
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}
