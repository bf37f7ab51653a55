//! Reads times such as `90s` or `1h30m` out of objects that anybody may have written.

use kube::core::Duration;
use serde::{Deserialize, Deserializer, de::Error};

/// As the definition says. Two numbers of the digits below fit into it, which in hours can still be counted in seconds.
const MOST_CHARACTERS: usize = 32;
/// Digits of a number before its point.
const MOST_DIGITS: usize = 15;

/// As [`Duration`] reads itself, but for what it would panic at: a part that is negative, or too long to be counted.
fn parse(text: &str) -> Result<Duration, String> {
    let said = || format!("{text:?} is no time: write a number with a unit, such as 90s, 5m or 1h30m");
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number =
        |part: &str| part.find('.').unwrap_or(part.len()) <= MOST_DIGITS && part.chars().all(|c| c.is_ascii_digit() || c == '.');
    if unsigned.is_empty() || text.len() > MOST_CHARACTERS || !unsigned.split(char::is_alphabetic).all(is_number) {
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
        assert!(parse("999999999999999h99999999999999h").is_ok(), "the longest");
        assert!(parse("999999999999999h999999999999999hh").is_err());
        // What is written down can be read again.
        for text in ["300000h", "1234567.123456789s", "0.000000001s"] {
            let time = parse(text);
            assert_eq!(parse(&time.clone().map(|time| time.to_string()).unwrap_or_default()), time, "{text}");
        }
    }
}
