//! Durations as operators write them: `10s`, `500ms`, `5m`, `24h`, `7d`, and a bare number for seconds, as Kong has it.

use std::time::Duration;

/// Longer than any wait that makes sense, short enough that no sum of durations overflows.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// `Err` says how to write one.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    const HOW: &str = "write a whole number with a unit, for example 500ms, 10s, 5m, 24h or 7d; a bare number is seconds";
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| HOW)?;
    let unit_ms: u64 = match unit.trim() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(HOW),
    };
    let duration = number.checked_mul(unit_ms).map(Duration::from_millis).ok_or(HOW)?;
    if duration > LONGEST {
        return Err("write at most 3650d");
    }
    Ok(duration)
}

/// The shortest text that reads back as this duration.
pub fn text(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_seconds_and_units_are_what_they_say() {
        for (written, ms) in
            [("60", 60_000), ("0", 0), ("10s", 10_000), ("500ms", 500), ("5 m", 300_000), ("24h", 86_400_000), ("1d", 86_400_000)]
        {
            assert_eq!(parse(written), Ok(Duration::from_millis(ms)), "{written}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for written in ["", "s", "-1", "1.5s", "1w", "10 seconds", "99999999999999999999", "18446744073709551615d", "4000d"] {
            assert!(parse(written).is_err(), "{written}");
        }
    }

    #[test]
    fn a_duration_reads_back_from_its_own_text() {
        for ms in [0, 1, 1_000, 1_500, 60_000, 90_000, 3_600_000, 86_400_000] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse(&text(duration)), Ok(duration));
        }
    }
}
