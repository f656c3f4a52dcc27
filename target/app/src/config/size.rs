//! Sizes as people write and read them.

/// The bytes that `text` names: a number with an optional unit, `KiB MiB GiB TiB PiB` (or `K M G T P`) for powers of
/// 1024, `kB MB GB TB PB` for powers of 1000. The error says what would be right.
pub fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_' && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        "p" | "pib" => 1 << 50,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "pb" => 1_000_000_000_000_000,
        other => return Err(format!("{other:?} is no unit: write a size like 512M, 10G or 1.5T")),
    };
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let wrong = || format!("{text:?} is no size: write one like 512M, 10G or 1.5T");
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let mut bytes = whole.checked_mul(factor).ok_or_else(|| format!("{text:?} is too large"))?;
    if !fraction.is_empty() {
        let scale = 10u128.checked_pow(fraction.len() as u32).ok_or_else(wrong)?;
        let part: u128 = fraction.parse().map_err(|_| wrong())?;
        let product = part * u128::from(factor);
        if !product.is_multiple_of(scale) && factor == 1 {
            return Err(wrong());
        }
        bytes = bytes.checked_add((product / scale) as u64).ok_or_else(|| format!("{text:?} is too large"))?;
    } else if number.ends_with('.') {
        return Err(wrong());
    }
    Ok(bytes)
}

/// `bytes` for reading: exact when a unit divides it (`1 GiB`), else with two or three digits (`1.37 GiB`).
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (bytes.max(1).ilog2() / 10) as usize;
    let one = 1u64 << (unit * 10);
    if bytes.is_multiple_of(one) {
        return format!("{} {}", bytes / one, UNITS[unit]);
    }
    let value = bytes as f64 / one as f64;
    let digits = if value < 9.995 {
        2
    } else if value < 99.95 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("4k", 4096),
            ("1 GiB", 1 << 30),
            ("1gb", 1_000_000_000),
            ("1.5T", 3 << 39),
            ("0.5 KiB", 512),
            ("1_000", 1000),
            ("16383P", 16383 << 50),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "-1", "1X", "1..5G", "1.G", "1.5", "0x10", "16384P", "1e3", "1 G B", ".5G"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("10Gx").unwrap_err().contains("10G"));
    }

    #[test]
    fn sizes_are_written() {
        let sizes = [0, 512, 1 << 30, (1 << 30) + 1, 1_500_000, u64::MAX].map(bytes);
        assert_eq!(sizes, ["0 B", "512 B", "1 GiB", "1.00 GiB", "1.43 MiB", "16.0 EiB"]);
    }

    #[test]
    fn what_is_written_can_be_read() {
        for exact in [1 << 10, 3 << 20, 7 << 30, 5 << 40] {
            assert_eq!(parse(&bytes(exact)), Ok(exact));
        }
    }
}
