//! Numbers as people read them.

use core::fmt;

/// Bytes with a unit: `512 B`, `1.5 KiB`, `-3.0 MiB`.
#[derive(Clone, Copy)]
pub(super) struct Bytes(pub(super) i64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0.unsigned_abs() < 1024 {
            return f.pad(&format!("{} B", self.0));
        }
        let mut scaled = self.0 as f64 / 1024.0;
        let mut unit = UNITS[0];
        for next in &UNITS[1..] {
            // What would be rounded up to four digits goes to the next unit.
            if scaled.abs() < 1023.95 {
                break;
            }
            scaled /= 1024.0;
            unit = next;
        }
        f.pad(&format!("{scaled:.1} {unit}"))
    }
}

/// A number with its thousands apart: `1,234,567`.
#[derive(Clone, Copy)]
pub(super) struct Thousands(pub(super) u64);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
        for (index, digit) in digits.chars().enumerate() {
            if index != 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// A part of the whole: `12.3 %`.
#[derive(Clone, Copy)]
pub(super) struct Percent(pub(super) f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.0 * 100.0;
        // No "-0.0 %".
        let percent = if percent.abs() < 0.05 { 0.0 } else { percent };
        f.pad(&format!("{percent:.1} %"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_at_most_four_digits_before_the_point() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (-1023, "-1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1_048_524, "1023.9 KiB"),
            (1_048_525, "1.0 MiB"),
            (-3 << 20, "-3.0 MiB"),
            (5 << 30, "5.0 GiB"),
            (i64::MAX, "8.0 EiB"),
            (i64::MIN, "-8.0 EiB"),
        ] {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
        assert_eq!(format!("{:>9}|", Bytes(1536)), "  1.5 KiB|");
    }

    #[test]
    fn thousands_and_percents() {
        assert_eq!(Thousands(0).to_string(), "0");
        assert_eq!(Thousands(999).to_string(), "999");
        assert_eq!(Thousands(1000).to_string(), "1,000");
        assert_eq!(Thousands(u64::MAX).to_string(), "18,446,744,073,709,551,615");
        assert_eq!(Percent(0.1234).to_string(), "12.3 %");
        assert_eq!(Percent(-0.0001).to_string(), "0.0 %");
        assert_eq!(Percent(-0.5).to_string(), "-50.0 %");
    }
}
