//! Reading experiment files: YAML that means the same to `kubectl` and to us, with line numbers for people.
//!
//! `kubectl` reads YAML 1.1, this crate YAML 1.2. Every unquoted scalar on which the two differ is refused with its quoted form,
//! so that one file means one thing.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::Value;

use crate::Problem;

/// Deepest nesting of maps and lists, as the reader of values has it too: all paths of a file together grow with the square of its depth.
const MAX_DEPTH: usize = 64;

/// One YAML document and where its fields stand.
#[derive(Debug)]
pub(crate) struct Document {
    /// The content.
    pub(crate) value: Value,
    /// Line (from 1) of each field, by path.
    lines: BTreeMap<String, usize>,
}

impl Document {
    /// Reads a file that holds exactly one document.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let lines = scan(text)?;
        let options = serde_yaml::options! { strict_booleans: true };
        let value = serde_yaml::from_str_with_options(text, options).map_err(|error| vec![syntax(&error.to_string())])?;
        Ok(Self { value, lines })
    }

    /// Adds the line to a problem: that of its field, or of the nearest field around it.
    pub(crate) fn locate(&self, mut problem: Problem) -> Problem {
        let mut path = problem.path.as_str();
        while problem.line.is_none() && !path.is_empty() {
            problem.line = self.lines.get(path).copied();
            path = path.rfind(['.', '[']).map_or("", |end| &path[..end]);
        }
        problem
    }
}

fn syntax(message: &str) -> Problem {
    let message = message.lines().next().unwrap_or_default();
    Problem::new("", format!("is not valid YAML: {message}"))
}

/// Where in the document the scan is.
enum Place {
    /// In a map: the key whose value comes next, if it was read.
    Map(Option<String>),
    /// In a list, before entry number.
    List(usize),
}

/// Finds the line of each field, and refuses what YAML 1.1 and 1.2 read differently.
fn scan(text: &str) -> Result<BTreeMap<String, usize>, Vec<Problem>> {
    let mut lines = BTreeMap::new();
    let mut problems = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| vec![syntax(&error.to_string())])?;
        let line = span.start.line();
        let mut problem = |path: String, message: String| problems.push(Problem { path, message, line: Some(line) });
        match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents == 2 {
                    problem(String::new(), "holds several documents: keep one experiment a file".to_owned());
                }
            }
            Event::Alias(_) => {
                problem(path_of(&places), "is a YAML alias: write the value itself".to_owned());
                advance(&mut places);
            }
            Event::Scalar(content, style, _, tag) => {
                let is_key = matches!(places.last(), Some(Place::Map(None)));
                let path = if is_key { join(&path_of(&places), &content) } else { path_of(&places) };
                if style == ScalarStyle::Plain && tag.is_none() && reads_differently(&content) {
                    problem(
                        path.clone(),
                        format!(
                            "{content} is read differently by kubectl (YAML 1.1) and YAML 1.2: write \"{content}\" for the text{}",
                            number_hint(&content)
                        ),
                    );
                }
                if documents == 1 {
                    lines.entry(path).or_insert(line);
                }
                match places.last_mut() {
                    Some(Place::Map(key @ None)) => *key = Some(content.into_owned()),
                    _ => advance(&mut places),
                }
            }
            Event::MappingStart(..) | Event::SequenceStart(..) if places.len() == MAX_DEPTH => {
                problem(String::new(), format!("is nested deeper than {MAX_DEPTH} maps and lists"));
                return Err(problems);
            }
            Event::MappingStart(..) => places.push(Place::Map(None)),
            Event::SequenceStart(..) => {
                places.push(Place::List(0));
            }
            Event::MappingEnd | Event::SequenceEnd => {
                places.pop();
                advance(&mut places);
            }
            _ => {}
        }
        if let (Some(Place::List(_)), 1) = (places.last(), documents) {
            lines.entry(path_of(&places)).or_insert(line);
        }
    }
    if problems.is_empty() { Ok(lines) } else { Err(problems) }
}

/// A value has ended: the next is another key's, or the next of the list.
fn advance(places: &mut [Place]) {
    match places.last_mut() {
        Some(Place::Map(key)) => *key = None,
        Some(Place::List(index)) => *index += 1,
        None => {}
    }
}

fn path_of(places: &[Place]) -> String {
    places.iter().fold(String::new(), |path, place| match place {
        Place::Map(None) => path,
        Place::Map(Some(key)) => join(&path, key),
        Place::List(index) => format!("{path}[{index}]"),
    })
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Whether an unquoted scalar is one thing in YAML 1.1 (as go-yaml reads it for kubectl) and another in YAML 1.2's core schema.
fn reads_differently(text: &str) -> bool {
    let is_old_boolean = matches!(text.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off");
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.chars().next().is_some_and(|first| first.is_ascii_digit() || first == '.');
    let old_number = digits
        && (
            // 1_000
            unsigned.contains('_') && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '_' | '.'))
            // 010 is 8 in YAML 1.1
            || unsigned.len() > 1 && unsigned.starts_with('0') && unsigned.chars().all(|c| c.is_ascii_digit())
            // 0b101, 0x1F, 0o17: readers differ on each
            || has_radix(unsigned)
            // 190:20:30
            || is_base_60(unsigned)
        );
    let is_no_json_number = matches!(unsigned.to_ascii_lowercase().as_str(), ".inf" | ".nan");
    is_old_boolean || old_number || is_no_json_number || is_time_stamp(text) || text == "<<"
}

fn has_radix(text: &str) -> bool {
    let radix = match text.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => 2,
        [b'0', b'o' | b'O', _, ..] => 8,
        [b'0', b'x' | b'X', _, ..] => 16,
        _ => return false,
    };
    text[2..].chars().all(|c| c == '_' || c.is_digit(radix))
}

fn is_base_60(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_digit = |part: &str| part.len() <= 2 && is_number(part) && part.parse::<u8>().is_ok_and(|digit| digit < 60);
    text.split_once(':').is_some_and(|(first, rest)| is_number(first) && !first.starts_with('0') && rest.split(':').all(is_digit))
}

/// A date, or a date and a time, in YAML 1.1.
fn is_time_stamp(text: &str) -> bool {
    let is_of = |text: &[u8], shape: &[u8]| {
        text.iter().zip(shape).all(|(byte, wanted)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted })
    };
    let Some((date, rest)) = text.as_bytes().split_at_checked(10) else { return false };
    is_of(date, b"0000-00-00")
        && match rest {
            [] => true,
            [b'T' | b't' | b' ', time @ ..] => {
                let zone = time.get(8..).unwrap_or_default();
                time.len() >= 8
                    && is_of(time, b"00:00:00")
                    && zone.iter().all(|byte| byte.is_ascii_digit() || b" .:+-Z".contains(byte))
            }
            _ => false,
        }
}

fn number_hint(text: &str) -> String {
    let plain = text.replace('_', "");
    let plain = plain.trim_start_matches('0');
    if text.chars().all(|c| c.is_ascii_digit() || c == '_') && !plain.is_empty() {
        format!(", or {plain} for the number")
    } else if matches!(text.to_ascii_lowercase().as_str(), "y" | "yes" | "on") {
        ", or true".to_owned()
    } else if matches!(text.to_ascii_lowercase().as_str(), "n" | "no" | "off") {
        ", or false".to_owned()
    } else {
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_yaml_versions_read_differently_is_refused_with_its_quoted_form() {
        for scalar in [
            "n",
            "y",
            "Yes",
            "no",
            "on",
            "OFF",
            "010",
            "1_000",
            "-0x1F",
            "0b11",
            "0o17",
            "12:30:00",
            ".inf",
            "-.INF",
            ".nan",
            "2026-01-01",
            "2026-01-01T10:30:00Z",
            "2026-01-01 10:30:00.5 +02:00",
        ] {
            let problems = scan(&format!("a: [{scalar}]")).unwrap_err();
            assert_eq!(problems.len(), 1, "{scalar}");
            assert!(problems[0].message.contains(&format!("\"{scalar}\"")), "{}", problems[0].message);
            assert_eq!((problems[0].path.as_str(), problems[0].line), ("a[0]", Some(1)));
        }
        let key = scan("x:\n  on: 1").unwrap_err();
        assert_eq!((key[0].path.as_str(), key[0].line), ("x.on", Some(2)));
        assert!(scan("a: 1_000").unwrap_err()[0].message.contains("or 1000 for the number"));
        assert!(scan("a: yes").unwrap_err()[0].message.contains("or true"));
    }

    #[test]
    fn what_both_read_alike_is_left_alone() {
        let text = "a: ['n', \"yes\", true, 0, 10, -3, 1.5, 1.0e-5, 1e3, 0.5, max_pool_3x3, node_1, 48h, null, a:b]";
        let document = Document::parse(text).unwrap();
        let expected = serde_json::json!(
            {"a": ["n", "yes", true, 0, 10, -3, 1.5, 1.0e-5, 1e3, 0.5, "max_pool_3x3", "node_1", "48h", null, "a:b"]}
        );
        assert_eq!(document.value, expected);
    }

    #[test]
    fn text_that_looks_like_something_else_is_read_as_it_is_written() {
        // A digest, ports, a score, a build: no version of YAML takes them for anything but text, and whoever writes them sets no quotes.
        for text in ["0b3f", "0x", "0o19", "8080:8080", "0:30", "12:75:00", "2026-01-01-nightly", "2026-01-01T10", "010:1"] {
            assert_eq!(scan(&format!("a: {text}")).map(|_| ()), Ok(()), "{text}");
        }
        for text in ["0b3f", "0b11", "8080:8080", "12:30:00", "2026-01-01", "2026-01-01-nightly", "yes", "1_000", "<<", "null"] {
            let value = serde_json::json!({"a": text, text: "a"});
            let written = serde_yaml::to_string(&value).unwrap();
            assert_eq!(Document::parse(&written).unwrap().value, value, "{written}");
        }
    }

    #[test]
    fn what_is_nested_too_deeply_is_refused_before_its_paths_take_the_memory() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let problems = scan(&nested(65)).unwrap_err();
        assert!(problems[0].message.contains("deeper than 64"), "{}", problems[0].message);
        assert!(scan(&nested(64)).is_ok());
        // In blocks, which the parser itself takes at any depth.
        let blocks: Vec<String> = (0..1000).map(|depth| format!("{}a:", " ".repeat(depth))).collect();
        assert!(scan(&blocks.join("\n")).is_err());
        assert!(scan(&"[".repeat(20_000)).is_err());
    }

    #[test]
    fn problems_get_the_line_of_their_field_or_of_the_nearest_around_it() {
        let document =
            Document::parse("spec:\n  space:\n    parameters:\n    - {name: a}\n    - name: b\n      int: {min: 3}\n").unwrap();
        let line = |path: &str| document.locate(Problem::new(path, "")).line;
        assert_eq!(line("spec.space.parameters[1].int.min"), Some(6));
        assert_eq!(line("spec.space.parameters[1].int.max"), Some(6));
        assert_eq!(line("spec.space.parameters[0].name"), Some(4));
        assert_eq!(line("spec.scheduler"), Some(1));
        assert_eq!(line("metadata"), None);
    }

    #[test]
    fn files_that_are_no_single_document_are_refused() {
        assert!(scan("a: 1\n---\nb: 2").unwrap_err()[0].message.contains("several documents"));
        assert!(scan("a: &x 1\nb: *x").unwrap_err()[0].message.contains("alias"));
        assert!(Document::parse("a: [1").unwrap_err()[0].message.contains("not valid YAML"));
        assert!(Document::parse("a: 1\na: 2").unwrap_err()[0].message.contains("not valid YAML"));
    }
}
