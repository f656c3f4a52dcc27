//! Sizes and durations as people write and read them.

pub use crate::config::size::{bytes, parse};
use std::time::Duration;

/// `text` as a time: `500ms`, `2s`, `1min`; without a unit in seconds.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()));
    let scale: u64 = match unit.trim_start() {
        "ms" => 1,
        "s" | "" => 1_000,
        "min" => 60_000,
        _ => return Err(format!("{text:?} is no time: write one like 500ms, 2s or 1min")),
    };
    // Decimals are milliseconds at the finest.
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let millis = || -> Option<u64> {
        let part: u64 = format!("{fraction:0<3}").parse().ok().filter(|_| (1..=3).contains(&fraction.len()))?;
        whole.parse::<u64>().ok()?.checked_mul(scale)?.checked_add(part * scale / 1_000)
    };
    millis().map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no time: write one like 500ms, 2s or 1min"))
}

/// `count` for reading: `950`, `12.3 k`, `4.56 M`.
pub fn count(count: u64) -> String {
    const UNITS: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
    let mut value = count as f64;
    let mut unit = None;
    while value >= 999.5 && unit.is_none_or(|unit| unit + 1 < UNITS.len()) {
        value /= 1000.0;
        unit = Some(unit.map_or(0, |unit: usize| unit + 1));
    }
    match unit {
        None => count.to_string(),
        Some(unit) => {
            let digits = if value < 9.995 {
                2
            } else if value < 99.95 {
                1
            } else {
                0
            };
            format!("{value:.digits$} {}", UNITS[unit])
        }
    }
}

/// `micros` for reading: `85 us`, `1.2 ms`, `3.4 s`; `-` for 0, which means nothing was measured.
pub fn micros(micros: u64) -> String {
    match micros {
        0 => "-".to_owned(),
        1..1_000 => format!("{micros} us"),
        1_000..9_950 => format!("{:.1} ms", micros as f64 / 1e3),
        9_950..999_500 => format!("{:.0} ms", micros as f64 / 1e3),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// `millis` as a duration for reading: `12 s`, `3 min`, `5 h 12 min`, `4 d 3 h`.
pub fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..3_600 => format!("{minutes} min"),
        3_600..86_400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, millis) in
            [("500ms", 500), ("2s", 2_000), ("2", 2_000), ("1.5 s", 1_500), ("0.25s", 250), ("1min", 60_000), ("0", 0)]
        {
            assert_eq!(parse_time(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "s", "-1s", "2h", "1.s", ".5s", "1.2.3s", "1.2345s", "99999999999999999999", "18446744073709551615min"]
        {
            assert!(parse_time(text).unwrap_err().contains("500ms"), "{text}");
        }
    }

    #[test]
    fn quantities_are_written() {
        let counts = [0, 999, 1_000, 12_345, 999_499, 999_500, 4_560_000].map(count);
        assert_eq!(counts, ["0", "999", "1.00 k", "12.3 k", "999 k", "1.00 M", "4.56 M"]);
        let times = [0, 85, 1_234, 45_678, 1_500_000].map(micros);
        assert_eq!(times, ["-", "85 us", "1.2 ms", "46 ms", "1.5 s"]);
        let spans = [0, 119_999, 180_000, 18_720_000, 356_400_000].map(duration);
        assert_eq!(spans, ["0 s", "119 s", "3 min", "5 h 12 min", "4 d 3 h"]);
    }
}
