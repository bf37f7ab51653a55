//! What is wrong with an experiment file: the field, and the way out.

use std::fmt;

/// One problem of an object or file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, as in `spec.space.parameters[2].int.min`; empty: the file as a whole.
    pub path: String,
    /// What is wrong and how to mend it.
    pub message: String,
    /// Line in the file, from 1, where known.
    pub line: Option<usize>,
}

impl Problem {
    /// A problem of one field.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into(), line: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}
