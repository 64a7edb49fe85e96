//! Times and sizes as operators read them: RFC 3339 in UTC, ages, bytes.

use holdover_plugin::model::UnixMs;

use super::status::span;

const DAY_S: u64 = 24 * 60 * 60;

/// `2026-11-22T18:05:09Z`. A year beyond 9999 is none that anybody meant, and is written as it comes.
pub fn rfc3339(at: UnixMs) -> String {
    let seconds = at.0 / 1000;
    let of_day = seconds % DAY_S;
    format!("{}T{:02}:{:02}:{:02}Z", at.day(), of_day / 3600, of_day % 3600 / 60, of_day % 60)
}

/// `5 min 3 s ago`, or that it lies ahead.
pub fn ago(at: UnixMs, now: UnixMs) -> String {
    match at > now {
        true => format!("in the future by {}", span(at.since(now).as_millis() as u64)),
        false => format!("{} ago", span(now.since(at).as_millis() as u64)),
    }
}

pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_the_calendar_has_it() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_370_709_999, "2026-11-22T18:05:09Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(UnixMs(ms)), text);
        }
        assert!(!rfc3339(UnixMs(u64::MAX)).is_empty());
    }

    #[test]
    fn an_age_is_never_negative_and_a_clock_that_is_ahead_is_named() {
        assert_eq!(ago(UnixMs(1_000), UnixMs(66_000)), "1 min 5 s ago");
        assert_eq!(ago(UnixMs(66_000), UnixMs(1_000)), "in the future by 1 min 5 s");
        assert_eq!((size(999), size(1_234), size(2_500_000)), ("999 bytes".into(), "1.2 kB".into(), "2.5 MB".into()));
    }
}
