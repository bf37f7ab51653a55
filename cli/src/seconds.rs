//! Times as they are given on the command line.

/// Seconds of a time such as 45s, 2m or 1.5h; a number alone is seconds.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let (number, unit) = match text.char_indices().last() {
        Some((at, 's')) => (&text[..at], 1.0),
        Some((at, 'm')) => (&text[..at], 60.0),
        Some((at, 'h')) => (&text[..at], 3600.0),
        _ => (text, 1.0),
    };
    let number: Option<f64> = number.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.map(|number| number * unit).ok_or_else(|| "must be a time, such as 45s, 2m or 1.5h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let cases = [("45s", 45.0), ("2m", 120.0), ("1.5h", 5400.0), ("7", 7.0), ("2.5", 2.5), ("0s", 0.0)];
        assert!(cases.into_iter().all(|(text, expected)| seconds(text) == Ok(expected)));
        assert!(["", "s", "-1s", "-1", "1d", "NaN", "inf", "ms", "soon"].into_iter().all(|text| seconds(text).is_err()));
    }
}
