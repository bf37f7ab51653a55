//! Words of somebody else (a trainer, a kubelet, a webhook), made fit for a condition, an event, a table or a line of a log.

/// `text` as one line of at most `longest` characters, with `…` where it was cut.
///
/// Line ends, control characters, colours of a terminal, and characters that reorder or hide the text around them become single spaces:
/// whoever reads the line sees what it says, and no line can pretend to be two.
pub fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    let mut length = 0;
    let mut gap = false;
    let mut left = text.chars();
    while let Some(character) = left.next() {
        if character == '\u{1b}' && left.as_str().starts_with('[') {
            // The parameters of a control sequence end at its command (ECMA-48, 5.4).
            left.find(|character| ('\u{40}'..='\u{7e}').contains(character) && *character != '[');
        }
        if character.is_whitespace() || is_unseen(character) {
            gap = !line.is_empty();
            continue;
        }
        let space = usize::from(gap);
        if length + space + 1 > longest {
            // Room for the mark, which takes one character.
            while length >= longest.max(1) {
                line.pop();
                length -= 1;
            }
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        if gap {
            line.push(' ');
        }
        line.push(character);
        length += space + 1;
        gap = false;
    }
    line
}

/// Whether a character shows nothing of its own: controls, marks of direction, joiners, separators, tags.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn what_is_not_words_becomes_single_spaces() {
        for (text, line) in [
            ("", ""),
            ("  CUDA out of memory\n", "CUDA out of memory"),
            ("a\r\n\tb\0\u{7f}\u{85}c", "a b c"),
            ("\u{1b}[1;31mred\u{1b}[0m\u{1b}]0;title\u{7}", "red ]0;title"),
            ("\u{1b}[31", ""),
            ("\u{1b}", ""),
            ("abc\u{202e}fed\u{2066}g\u{feff}h\u{e0041}i", "abc fed g h i"),
            ("naïve ≤ 語 🙂", "naïve ≤ 語 🙂"),
        ] {
            assert_eq!(one_line(text, 100), line, "{text:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_says_so() {
        for (text, longest, line) in [
            ("abcd", 4, "abcd"),
            ("abcde", 4, "abc…"),
            ("ab de", 4, "ab…"),
            ("ab  \n", 2, "ab"),
            ("語語語", 2, "語…"),
            ("ab", 1, "…"),
        ] {
            assert_eq!(one_line(text, longest), line, "{text:?} {longest}");
        }
        assert_eq!(one_line(&"🙂".repeat(5000), 250).chars().count(), 250);
    }
}
