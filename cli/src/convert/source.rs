//! The file that is converted: what is taken out of it is gone, and what is left at the end becomes a note. So nothing is dropped silently.

use serde_json::{Map, Value};

use super::notes::Notes;

/// A map of the source, and where it stands.
pub(super) struct Part {
    path: String,
    fields: Map<String, Value>,
}

impl Part {
    /// A map; anything else is noted as lost, and the part is empty.
    pub(super) fn new(path: impl Into<String>, value: Value, notes: &mut Notes) -> Self {
        let path = path.into();
        let fields = match value {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            other => {
                notes.lost(&path, format!("is {}, but should be a map", short(&other)));
                Map::new()
            }
        };
        Self { path, fields }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The path of one of its fields.
    pub(super) fn at(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.fields.get(name).is_some_and(|value| !value.is_null())
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.fields.keys().cloned().collect()
    }

    /// A field's value; `None` where it is absent or null.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    /// A map below this one; empty where it is absent.
    pub(super) fn part(&mut self, name: &str, notes: &mut Notes) -> Self {
        Self::new(self.at(name), self.take(name).unwrap_or_default(), notes)
    }

    /// The entries of a list, each with its path.
    pub(super) fn list(&mut self, name: &str, notes: &mut Notes) -> Vec<(String, Value)> {
        let path = self.at(name);
        match self.take(name) {
            None => Vec::new(),
            Some(Value::Array(items)) => {
                items.into_iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
            }
            Some(other) => {
                notes.lost(path, format!("is {}, but should be a list", short(&other)));
                Vec::new()
            }
        }
    }

    /// The maps of a list.
    pub(super) fn parts(&mut self, name: &str, notes: &mut Notes) -> Vec<Self> {
        let items = self.list(name, notes);
        items.into_iter().map(|(path, item)| Self::new(path, item, notes)).collect()
    }

    pub(super) fn text(&mut self, name: &str, notes: &mut Notes) -> Option<String> {
        self.read(name, "text", notes, |value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// A number, also one that is written as text.
    pub(super) fn number(&mut self, name: &str, notes: &mut Notes) -> Option<f64> {
        self.read(name, "a number", notes, number)
    }

    /// A whole number, also one that is written as text or as `9.0`.
    pub(super) fn whole(&mut self, name: &str, notes: &mut Notes) -> Option<i64> {
        self.read(name, "a whole number", notes, whole)
    }

    pub(super) fn flag(&mut self, name: &str, notes: &mut Notes) -> Option<bool> {
        self.read(name, "true or false", notes, Value::as_bool)
    }

    fn read<T>(&mut self, name: &str, wanted: &str, notes: &mut Notes, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let value = self.take(name)?;
        let found = read(&value);
        if found.is_none() {
            notes.lost(self.at(name), format!("is {}, but should be {wanted}", short(&value)));
        }
        found
    }

    /// Notes what is left: each field with the advice for its name.
    pub(super) fn rest(self, advice: &[(&str, &str)], notes: &mut Notes) {
        for (name, value) in self.fields.iter().filter(|(_, value)| says_something(value)) {
            let found = advice.iter().find(|(known, _)| known == name);
            let advice = found.map_or("there is nothing like it here", |(_, advice)| advice);
            let shown = if value.is_object() || value.is_array() { String::new() } else { format!("{}: ", short(value)) };
            notes.lost(self.at(name), format!("{shown}{advice}"));
        }
    }
}

/// Whether leaving a value out changes anything.
pub(super) fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// A value in at most 40 characters.
pub(super) fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() <= 40 { text } else { text.chars().take(37).chain("...".chars()).collect() }
}

pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// A whole number within the range where every one is a float, too.
pub(super) fn whole(value: &Value) -> Option<i64> {
    let exact = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
    number(value).filter(|number| number.fract() == 0.0 && number.abs() <= exact).map(|number| number as i64)
}
