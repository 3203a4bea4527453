//! Sizes as people write them: `"1MiB"`, `"64 KiB"`, `"1_000"`.

pub(crate) const EXPECTED: &str =
    "expected a number of bytes, as in 4096, \"1_000\", \"64 KiB\", \"1MiB\"";

const UNITS: [(&str, u64); 6] =
    [("", 1), ("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Bytes, or what is wrong with it.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(match unit.chars().next() {
            Some('.' | ',') => format!("{text:?} is no whole number: use the next smaller unit"),
            Some('-') => format!("{text:?} is below zero"),
            _ => format!("{unit:?} is no unit: use B, KiB, MiB, GiB or TiB"),
        });
    };
    let number = number.replace('_', "");
    if number.is_empty() {
        return Err(format!("{text:?} has no number"));
    }
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    bytes.ok_or_else(|| format!("{text:?} is more than 64 bits hold"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_people_write() {
        for (text, bytes) in [
            ("0", 0),
            ("1_000", 1000),
            ("4096 B", 4096),
            ("64KiB", 64 << 10),
            ("64 KiB", 64 << 10),
            (" 1 MiB ", 1 << 20),
            ("2GiB", 2 << 30),
            ("1 TiB", 1 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_says_why() {
        for (text, why) in [
            ("", "has no number"),
            ("_", "has no number"),
            ("KiB", "has no number"),
            ("1KB", "\"KB\" is no unit: use B, KiB"),
            ("1 kib", "\"kib\" is no unit"),
            ("1.5MiB", "no whole number"),
            ("-1", "below zero"),
            ("1 MiB x", "no unit"),
            ("18446744073709551616", "64 bits"),
            ("99999999999 GiB", "64 bits"),
        ] {
            let problem = parse(text).unwrap_err();
            assert!(problem.contains(why), "{text}: {problem}");
        }
    }
}
