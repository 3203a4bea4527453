//! Why files are left out, and how many for each reason.

use std::fmt;
use std::ops::AddAssign;

use crate::output::count;

/// A reason to leave a file out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It holds a zero byte, as text never does.
    Binary,
    /// A program wrote it for another program: lines of many hundred bytes.
    Generated,
    /// Nothing to index is left once the markup is gone.
    Empty,
    /// Larger than `corpus::FILE_BYTES_MAX`.
    TooLarge,
    /// HTML elements within each other beyond anything meant to be read.
    TooDeep,
    /// It could not be opened, read or listed.
    Unreadable,
}

impl Reason {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Binary, "binary"),
        (Self::Generated, "generated"),
        (Self::Empty, "without text"),
        (Self::TooLarge, "too large"),
        (Self::TooDeep, "nested too deep"),
        (Self::Unreadable, "unreadable"),
    ];
}

/// Files left out, counted by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    counts: [usize; Reason::ALL.len()],
}

impl Skipped {
    /// Count one more file.
    pub fn add(&mut self, reason: Reason) {
        self.counts[reason as usize] += 1;
    }

    /// Files left out for any reason.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }
}

impl AddAssign for Skipped {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }
}

/// `12 binary, 3 unreadable`: the reasons that occurred.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (reason, name) in Reason::ALL {
            let files = self.counts[reason as usize];
            if files > 0 {
                write!(f, "{separator}{} {name}", count(files))?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reasons_that_occurred_are_named() {
        let mut skipped = Skipped::default();
        assert_eq!((skipped.to_string().as_str(), skipped.total()), ("", 0));
        skipped.add(Reason::Binary);
        skipped.add(Reason::Unreadable);
        skipped.add(Reason::Binary);
        assert_eq!(skipped.to_string(), "2 binary, 1 unreadable");

        let mut sum = skipped;
        sum += skipped;
        assert_eq!(sum.total(), 6);
    }

    #[test]
    fn the_table_of_names_follows_the_reasons() {
        for (position, (reason, _)) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(position, reason as usize);
        }
    }
}
