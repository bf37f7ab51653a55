//! Amounts as Kubernetes writes them: 8Gi, 500M, 1.5e9 (apimachinery's `resource.Quantity`).

/// Suffixes that are no exponent.
const SUFFIXES: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// Whether this is an amount above zero.
pub(super) fn is_positive(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let is_number = number.matches('.').count() <= 1 && number.contains(|c: char| c.is_ascii_digit());
    let is_exponent = || suffix.strip_prefix(['e', 'E']).is_some_and(|digits| digits.parse::<i8>().is_ok());
    is_number && number.contains(|c: char| ('1'..='9').contains(&c)) && (SUFFIXES.contains(&suffix) || is_exponent())
}

#[cfg(test)]
mod tests {
    use super::is_positive;

    #[test]
    fn amounts_are_told_from_other_words() {
        for good in ["8Gi", "500M", "1.5e9", "1e3", "1E", "1E3", "+2Ki", ".5Gi", "1.", "128974848", "1e+3"] {
            assert!(is_positive(good), "{good}");
        }
        for bad in ["", "8gb", "8 Gi", "Gi", "1.2.3", "-1Gi", "0", "0.0Gi", "8GiB", "lots", "1e", ".", "1,5Gi"] {
            assert!(!is_positive(bad), "{bad}");
        }
    }
}
