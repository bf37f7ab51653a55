//! Amounts as Kubernetes writes them: 8Gi, 500M, 1.5e9 (apimachinery's `resource.Quantity`), as numbers.

/// What each suffix that is no exponent multiplies by.
const SUFFIXES: [(&str, f64); 16] = [
    ("", 1.0),
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// The number; `None`: it is no amount. None is negative: nothing has or asks for less than nothing.
pub fn amount(text: &str) -> Option<f64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let value: f64 = if let Some((_, factor)) = SUFFIXES.iter().find(|(known, _)| *known == suffix) {
        number.parse::<f64>().ok()? * factor
    } else {
        let exponent: i8 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
        format!("{number}e{exponent}").parse().ok()?
    };
    Some(value).filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_are_read_with_their_suffix() {
        for (text, expected) in [
            ("8", 8.0),
            ("500m", 0.5),
            ("+2Ki", 2048.0),
            ("8Gi", 8_589_934_592.0),
            ("1.5G", 1.5e9),
            (".5k", 500.0),
            ("1.", 1.0),
            ("128974848", 128_974_848.0),
            ("1e3", 1000.0),
            ("1E3", 1000.0),
            ("1e+3", 1000.0),
            ("25e-1", 2.5),
            ("1E", 1e18),
            ("0", 0.0),
            ("0.0Gi", 0.0),
        ] {
            assert_eq!(amount(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn other_words_are_no_amounts() {
        for text in
            ["", "Gi", "8gb", "8 Gi", "8GiB", "lots", "1.2.3", "1,5Gi", "1e", "e3", ".", ".e3", "-1Gi", "-1", "1e-", "1e999"]
        {
            assert_eq!(amount(text), None, "{text}");
        }
        // What Rust takes for numbers.
        for text in ["inf", "infinity", "nan", "NaN", "-inf", "1_000", "0x10", &"9".repeat(400)] {
            assert_eq!(amount(text), None, "{text}");
        }
    }
}
