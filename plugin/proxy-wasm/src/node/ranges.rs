//! Parts of an object, as HTTP's range requests name them (RFC 9110, section 14).

/// Well below what Envoy buffers of an answer (32 MiB).
const PART_BYTES: u64 = 8 << 20;

/// What a `Content-Range` says of a part.
pub struct Part {
    pub first: u64,
    /// The whole object's bytes.
    pub total: u64,
}

/// The value of `Range` for the part that begins at this byte.
pub fn from(start: u64) -> String {
    format!("bytes={start}-{}", start + PART_BYTES - 1)
}

impl Part {
    /// `None` if it is no range of bytes, or does not say how large the whole is.
    pub fn parse(content_range: &str) -> Option<Self> {
        let (range, total) = content_range.strip_prefix("bytes ")?.split_once('/')?;
        let (first, _) = range.split_once('-')?;
        Some(Self { first: first.parse().ok()?, total: total.parse().ok()? })
    }
}
