//! Dates in HTTP headers, of files and listed objects, and this machine's own.

use std::time::SystemTime;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use holdover_plugin::model::UnixMs;

pub(crate) fn parse(text: &str) -> Option<UnixMs> {
    of_listing(&DateTime::from_str(text, Format::HttpDate).ok()?)
}

pub(crate) fn now() -> UnixMs {
    of_system(SystemTime::now()).unwrap_or_default()
}

/// When an object was written. One that does not say counts as written just now: nobody takes it for old.
pub(crate) fn written(date: Option<UnixMs>) -> UnixMs {
    date.unwrap_or_else(now)
}

/// `None` before 1970.
pub(crate) fn of_system(time: SystemTime) -> Option<UnixMs> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

/// `None` before 1970.
pub(crate) fn of_listing(date: &DateTime) -> Option<UnixMs> {
    u64::try_from(date.to_millis().ok()?).ok().map(UnixMs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_header_is_read_and_a_bad_one_is_none() {
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(UnixMs(784_111_777_000)));
        for bad in ["", "yesterday", "Sun, 06 Nov 1894 08:49:37 GMT"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_object_that_does_not_say_when_it_was_written_is_not_old() {
        let before_1970 = SystemTime::UNIX_EPOCH - std::time::Duration::from_millis(1);
        assert_eq!(of_system(SystemTime::UNIX_EPOCH), Some(UnixMs(0)));
        assert_eq!(of_system(before_1970), None);
        assert_eq!(of_listing(&DateTime::from_secs(-1)), None);
        assert_eq!(written(Some(UnixMs(7))), UnixMs(7));
        assert!(written(None) >= UnixMs(1_700_000_000_000));
    }
}
