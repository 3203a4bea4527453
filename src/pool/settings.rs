//! The environment's defaults for pools.

use super::PoolError;

/// Objects that a pool retains if neither it nor the environment says otherwise.
const RETAINED_MAX: u64 = 1000;

/// In the order of their rank.
const VARIABLES: [&str; 2] = ["HEAPLEDGER_POOL_MAX", "MEMORY_POOL_MAX_SIZE"];

/// Objects that a pool retains if it does not say otherwise.
///
/// `HEAPLEDGER_POOL_MAX`, else `MEMORY_POOL_MAX_SIZE`, else 1000. Spaces around the
/// number do not matter; a variable that is set and empty is malformed.
///
/// # Errors
///
/// [`PoolError::Setting`] if the variable does not hold a number. (A static pool
/// has nobody to tell: it says so once on standard error, and retains 1000. A
/// program that wants to stop there asks this function when it starts.)
///
/// # Examples
///
/// ```
/// assert_eq!(heapledger::default_retained_max().unwrap(), 1000);
/// ```
pub fn default_retained_max() -> Result<u64, PoolError> {
    read(|variable| std::env::var_os(variable))
}

fn read(get: impl Fn(&str) -> Option<std::ffi::OsString>) -> Result<u64, PoolError> {
    let found = VARIABLES.into_iter().find_map(|variable| Some((variable, get(variable)?)));
    let Some((variable, value)) = found else { return Ok(RETAINED_MAX) };
    let value = value.to_string_lossy().into_owned();
    value.trim().parse().map_err(|_| PoolError::Setting { variable, value })
}

/// As `default_retained_max`, for those who cannot return an error.
pub(super) fn default_retained_max_or_say() -> u64 {
    default_retained_max().unwrap_or_else(|error| {
        static SAID: std::sync::Once = std::sync::Once::new();
        SAID.call_once(|| eprintln!("heapledger: {error}; static pools retain {RETAINED_MAX}"));
        RETAINED_MAX
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(first: Option<&str>, second: Option<&str>) -> Result<u64, String> {
        read(|variable| if variable == VARIABLES[0] { first } else { second }.map(Into::into))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_that_is_set_counts() {
        assert_eq!(with(None, None), Ok(1000));
        assert_eq!(with(None, Some("500")), Ok(500));
        assert_eq!(with(Some(" 7 "), Some("500")), Ok(7));
        assert_eq!(with(Some("0"), None), Ok(0));
    }

    #[test]
    fn what_is_no_number_is_an_error_that_says_where() {
        for malformed in ["", "many", "-1", "1e3", "1000 objects"] {
            let error = with(None, Some(malformed)).unwrap_err();
            assert!(error.contains("MEMORY_POOL_MAX_SIZE"), "{error}");
            assert!(error.contains(&format!("{malformed:?}")), "{error}");
        }
        assert!(with(Some("x"), Some("1")).unwrap_err().contains("HEAPLEDGER_POOL_MAX"));
    }
}
