//! Text that is drawn anew in its place at the end of a terminal, while what was written before stays above it.

/// What stands there now. It only says what to write; elsewhere than on a terminal nobody should.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    drawn: usize,
}

impl Screen {
    /// What puts `text` in the place of what was drawn last.
    #[must_use]
    pub(crate) fn redraw(&mut self, text: &str) -> String {
        let erased = self.erase();
        self.drawn = text.lines().count();
        let lines: String = text.lines().flat_map(|line| [line, "\n"]).collect();
        // A line that is longer than the terminal is wide is cut, not broken: else the count would not hold.
        format!("{erased}\x1b[?7l{lines}\x1b[?7h")
    }

    /// What takes it away.
    #[must_use]
    pub(crate) fn erase(&mut self) -> String {
        match std::mem::take(&mut self.drawn) {
            0 => String::new(),
            // Up so many lines, and clear from there.
            drawn => format!("\x1b[{drawn}A\x1b[J"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a terminal of so many columns shows after this.
    fn shown(columns: usize, mut left: &str) -> Vec<String> {
        let mut rows: Vec<Vec<char>> = vec![Vec::new()];
        let (mut row, mut column, mut breaks) = (0, 0, true);
        while let Some(letter) = left.chars().next() {
            left = &left[letter.len_utf8()..];
            match letter {
                '\n' => (row, column) = (row + 1, 0),
                '\x1b' => {
                    let (code, after) = left.split_at(left.find(|letter: char| letter.is_ascii_alphabetic()).unwrap() + 1);
                    left = after;
                    match code {
                        "[J" => {
                            rows.truncate(row + 1);
                            rows[row].truncate(column);
                        }
                        "[?7l" => breaks = false,
                        "[?7h" => breaks = true,
                        up => row -= up.trim_start_matches('[').trim_end_matches('A').parse::<usize>().unwrap(),
                    }
                }
                letter => {
                    if column == columns {
                        (row, column) = if breaks { (row + 1, 0) } else { (row, columns - 1) };
                    }
                    rows.resize(rows.len().max(row + 1), Vec::new());
                    rows[row].truncate(column);
                    rows[row].push(letter);
                    column += 1;
                }
            }
            rows.resize(rows.len().max(row + 1), Vec::new());
        }
        rows.iter().map(|row| row.iter().collect()).collect()
    }

    #[test]
    fn nothing_is_left_of_what_was_drawn_however_narrow_the_terminal() {
        for columns in [5, 8, 80] {
            let mut screen = Screen::default();
            let mut text = String::from("$ run\n");
            text += &screen.redraw("a line of many words\nshort");
            text += &screen.redraw("another line of many words\nshort\nlast\n");
            assert_eq!(shown(columns, &text).len(), 5, "{:?}", shown(columns, &text));
            text += &screen.erase();
            text += "said\n";
            text += &screen.redraw("end\n");
            let above: Vec<String> = shown(columns, "$ run\nsaid\n");
            assert_eq!(shown(columns, &text), [&above[..above.len() - 1], &["end".to_owned(), String::new()]].concat());
        }
    }
}
