//! Reads times such as `90s` or `1h30m` out of objects that anybody may have written.

use kube::core::Duration;
use serde::{Deserialize, Deserializer, de::Error};

/// A number of a time is no longer: more than a hundred thousand years in hours.
const MOST_DIGITS: usize = 9;

/// As [`Duration`] reads itself, but for what it would panic at: a part that is negative, or too long to be counted.
fn parse(text: &str) -> Result<Duration, String> {
    let said = || format!("{text:?} is no time: write a number with a unit, such as 90s, 5m or 1h30m");
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = |part: &str| part.len() <= MOST_DIGITS && part.chars().all(|c| c.is_ascii_digit() || c == '.');
    if unsigned.is_empty() || !unsigned.split(char::is_alphabetic).all(is_number) {
        return Err(said());
    }
    text.parse().map_err(|_| said())
}

pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
}

pub(super) fn read_optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| parse(&text)).transpose().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_nonsense_is_told() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5400), ("0", 0), ("1.5h", 5400), ("+2m", 120)] {
            assert_eq!(parse(text), Ok(std::time::Duration::from_secs(seconds).into()), "{text}");
        }
        for text in ["5h-3m", "99999999999999999999h", "1e30h", "--5h-3m", "h", "5", "5 m", "5h3", "-", "", "nan", "1..2s", "5d"]
        {
            assert!(parse(text).is_err_and(|error| error.contains("such as 90s")), "{text}");
        }
        assert!(parse("999999999h999999999h999999999h").is_ok(), "the longest");
    }
}
