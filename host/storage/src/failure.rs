//! The one place where a storage's failure is put together, and what a `Retry-After` header means.

use std::time::Duration;

use holdover_plugin::model::UnixMs;
use holdover_ports::{StorageFailure, StorageFailureKind};

use crate::date;

/// The longest pause that a storage may ask for: who asks for more is asked again before.
const PAUSE_MAX: Duration = Duration::from_secs(300);

pub(crate) fn failure(kind: StorageFailureKind, detail: String, retry_after: Option<Duration>) -> StorageFailure {
    StorageFailure { kind, detail, retry_after }
}

/// `storage` is its name with the setting before it.
pub(crate) fn too_large(storage: &str, key: &str, bytes: u64, bytes_max: u64) -> StorageFailure {
    let detail = format!("{storage}: '{key}' has at least {bytes} bytes; {bytes_max} is the most that is taken, so look who put it there");
    failure(StorageFailureKind::TooLarge, detail, None)
}

/// A `Retry-After` header: seconds, or a date, which is held against the storage's own clock where it tells.
pub(crate) fn retry_after(header: &str, now: UnixMs) -> Option<Duration> {
    let text = header.trim();
    let pause = match text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        // More seconds than a number holds are more than is waited.
        true => Duration::from_secs(text.parse().unwrap_or(u64::MAX)),
        false => Duration::from_millis(date::parse(text)?.0.saturating_sub(now.0)),
    };
    Some(pause.min(PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_read_as_seconds_or_as_a_date_and_has_a_bound() {
        let now = UnixMs(784_111_777_000);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let headers = [
            ("0", seconds(0)),
            (" 7 ", seconds(7)),
            ("300", seconds(300)),
            ("301", seconds(300)),
            ("99999999999999999999999", seconds(300)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", seconds(10)),
            ("Sun, 06 Nov 1994 08:49:27 GMT", seconds(0)),
            ("Mon, 06 Nov 2034 08:49:27 GMT", seconds(300)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ];
        for (header, pause) in headers {
            assert_eq!(retry_after(header, now), pause, "{header}");
        }
    }
}
