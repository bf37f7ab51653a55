//! Amounts as Kubernetes writes them (apimachinery's `resource.Quantity`), as numbers.

/// What each suffix multiplies by.
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

/// The number; `None`: it is no amount.
pub(super) fn amount(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !".+-".contains(c)).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = SUFFIXES.iter().find(|(known, _)| *known == suffix).map(|(_, factor)| *factor);
    // 1e3 and 1E3 are numbers as they stand.
    factor.map_or_else(|| text.parse().ok(), |factor| Some(number.parse::<f64>().ok()? * factor))
}

#[cfg(test)]
mod tests {
    use super::amount;

    #[test]
    fn amounts_are_read_with_their_suffix() {
        for (text, expected) in
            [("8", 8.0), ("500m", 0.5), ("2Ki", 2048.0), ("1.5G", 1.5e9), ("1e3", 1000.0), ("1E", 1e18), ("0", 0.0)]
        {
            assert_eq!(amount(text).map(f64::to_bits), Some(f64::to_bits(expected)), "{text}");
        }
        for text in ["", "Gi", "8GiB", "lots", "1.2.3"] {
            assert_eq!(amount(text), None, "{text}");
        }
    }
}
