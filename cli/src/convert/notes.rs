//! What a conversion says beside its experiment.

use std::fmt::{self, Write};

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    /// It is not in the experiment.
    Lost,
    /// It is in the experiment, but does not mean quite the same.
    Changed,
    /// The experiment needs it, and the file does not say it.
    Assumed,
    /// `nasctl validate` refuses it: a person must decide.
    Open,
}

impl Fate {
    const ALL: [Self; 4] = [Self::Open, Self::Lost, Self::Changed, Self::Assumed];

    const fn title(self) -> &'static str {
        match self {
            Self::Lost => "Not carried over",
            Self::Changed => "Carried over with another meaning",
            Self::Assumed => "Assumed, since the file does not say it",
            Self::Open => "To be mended before this is a valid experiment",
        }
    }
}

/// One thing that a person should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) fate: Fate,
    /// The field: of the source where it was lost or changed, of the experiment where it was assumed or is open.
    pub(super) path: String,
    /// What became of it, and what to do.
    pub(super) message: String,
}

/// All notes of a conversion, in the order in which they came up.
#[derive(Debug, Default)]
pub(super) struct Notes(pub(super) Vec<Note>);

impl Notes {
    pub(super) fn lost(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.push(Fate::Lost, path, message);
    }

    pub(super) fn changed(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.push(Fate::Changed, path, message);
    }

    pub(super) fn assumed(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.push(Fate::Assumed, path, message);
    }

    pub(super) fn push(&mut self, fate: Fate, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Note { fate, path: path.into(), message: message.into() });
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.iter().any(|note| note.fate == Fate::Open)
    }
}

/// The notes by fate, a line each; nothing where there are none.
impl fmt::Display for Notes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fate in Fate::ALL {
            let mut notes = self.0.iter().filter(|note| note.fate == fate).peekable();
            if notes.peek().is_some() {
                writeln!(f, "{}:", fate.title())?;
            }
            for Note { path, message, .. } in notes {
                // A value of the source may hold anything; a line that it breaks would no longer be a comment.
                writeln!(f, "  {path}: {}", message.replace(char::is_control, " "))?;
            }
        }
        Ok(())
    }
}

/// As comments of a YAML file.
pub(super) fn commented(text: &str) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        let _ = writeln!(all, "# {line}");
        all
    })
}
