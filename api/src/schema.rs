//! Checks a document against the structural schema of its CRD, as the API server does, and names every problem.
//!
//! The keywords are the ones that occur in the project's own CRDs; a test fails on any other. A general JSON-schema library would
//! neither know Kubernetes' extensions nor say what to do.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;
use strsim::levenshtein;

use crate::Problem;

/// Every difference between `value` and `schema`, with paths that start at `path`.
pub(crate) fn check(value: &Value, schema: &JSONSchemaProps, path: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_value(value, schema, path, &mut problems);
    problems
}

fn check_value(value: &Value, schema: &JSONSchemaProps, path: &str, problems: &mut Vec<Problem>) {
    let mut problem = |message: String| problems.push(Problem::new(path, message));
    if value.is_null() && schema.nullable == Some(true) {
        return;
    }
    let Some(kind) = schema.type_.as_deref() else {
        // Only scalars are left open (see `ScalarValue`).
        if value.is_null() || value.is_array() || value.is_object() {
            problem(format!("must be a number, text, true or false, not {}", describe(value)));
        }
        return;
    };
    match (kind, value) {
        ("object", Value::Object(fields)) => check_object(fields, schema, path, problems),
        ("array", Value::Array(items)) => check_array(items, schema, path, problems),
        ("string", Value::String(text)) => check_text(text, schema, &mut problem),
        ("boolean", Value::Bool(_)) => {}
        ("integer", Value::Number(number)) if is_whole(number) => check_number(number, schema, &mut problem),
        ("number", Value::Number(number)) => check_number(number, schema, &mut problem),
        (kind, other) => problem(format!("must be {}, not {}", expected(kind), describe(other))),
    }
}

fn check_object(fields: &serde_json::Map<String, Value>, schema: &JSONSchemaProps, path: &str, problems: &mut Vec<Problem>) {
    let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    if let Some(JSONSchemaPropsOrBool::Schema(of_values)) = &schema.additional_properties {
        for (name, value) in fields {
            check_value(value, of_values, &inside(name), problems);
        }
        if schema.max_properties.is_some_and(|max| fields.len() > usize::try_from(max).unwrap_or_default()) {
            problems.push(Problem::new(
                path,
                format!("has {} entries, more than {}", fields.len(), schema.max_properties.unwrap_or(0)),
            ));
        }
        return;
    }
    if schema.properties.is_none() && schema.x_kubernetes_preserve_unknown_fields == Some(true) {
        return;
    }
    let empty = std::collections::BTreeMap::new();
    let known = schema.properties.as_ref().unwrap_or(&empty);
    for (name, value) in fields {
        match known.get(name) {
            Some(schema) => check_value(value, schema, &inside(name), problems),
            None => problems.push(Problem::new(inside(name), unknown_key(name, known.keys().map(String::as_str)))),
        }
    }
    for name in schema.required.iter().flatten().filter(|name| !fields.contains_key(*name)) {
        problems.push(Problem::new(inside(name), "is required, but missing"));
    }
    // `oneOf` of single required keys: how an enum with data is written.
    let alternatives: Vec<&str> =
        schema.one_of.iter().flatten().filter_map(|one| one.required.as_ref()?.first()).map(String::as_str).collect();
    if !alternatives.is_empty() {
        let present: Vec<&str> = alternatives.iter().copied().filter(|name| fields.contains_key(*name)).collect();
        if present.len() != 1 {
            let found = if present.is_empty() { "none is there".to_owned() } else { format!("not {}", present.join(" and ")) };
            let wanted = alternatives.join(", ");
            let wanted = if alternatives.len() == 1 {
                format!("must have {wanted}")
            } else {
                format!("must have exactly one of {wanted}")
            };
            problems.push(Problem::new(path, format!("{wanted}: {found}")));
        }
    }
}

fn check_array(items: &[Value], schema: &JSONSchemaProps, path: &str, problems: &mut Vec<Problem>) {
    let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if schema.min_items.is_some_and(|min| count < min) {
        problems.push(Problem::new(path, format!("must have at least {} entry", schema.min_items.unwrap_or(1))));
    }
    if schema.max_items.is_some_and(|max| count > max) {
        problems.push(Problem::new(path, format!("has {count} entries, more than {}", schema.max_items.unwrap_or(0))));
    }
    if let Some(JSONSchemaPropsOrArray::Schema(of_items)) = &schema.items {
        for (index, item) in items.iter().enumerate() {
            check_value(item, of_items, &format!("{path}[{index}]"), problems);
        }
    }
    if schema.x_kubernetes_list_type.as_deref() == Some("set") {
        for (index, item) in items.iter().enumerate().filter(|(index, item)| items[..*index].contains(item)) {
            problems.push(Problem::new(format!("{path}[{index}]"), format!("{item} is there twice: remove one")));
        }
    }
}

fn check_text(text: &str, schema: &JSONSchemaProps, problem: &mut impl FnMut(String)) {
    if let Some(words) = &schema.enum_ {
        let words: Vec<&str> = words.iter().filter_map(|word| word.0.as_str()).collect();
        if !words.contains(&text) {
            problem(format!("is {text:?}, but must be one of {}{}", words.join(", "), did_you_mean(text, words.iter().copied())));
        }
    }
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if schema.max_length.is_some_and(|max| length > max) {
        problem(format!("is {length} characters long, more than {}", schema.max_length.unwrap_or(0)));
    }
    if schema.min_length.is_some_and(|min| length < min) {
        problem("must not be empty".to_owned());
    }
}

fn check_number(number: &serde_json::Number, schema: &JSONSchemaProps, problem: &mut impl FnMut(String)) {
    let value = number.as_f64().unwrap_or(f64::NAN);
    if schema.minimum.is_some_and(|min| value < min) {
        problem(format!("is {number}, but must be at least {}", schema.minimum.unwrap_or(0.0)));
    }
    if schema.maximum.is_some_and(|max| value > max) {
        problem(format!("is {number}, but must be at most {}", schema.maximum.unwrap_or(0.0)));
    }
}

/// Kubernetes takes 3.0 for an integer as well; the typed reading does not, so neither does this check.
fn is_whole(number: &serde_json::Number) -> bool {
    number.is_i64()
}

fn expected(kind: &str) -> &'static str {
    match kind {
        "object" => "a map",
        "array" => "a list",
        "string" => "text",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    }
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Bool(value) => format!("{value}"),
        Value::Number(number) => format!("{number}"),
        Value::String(text) => format!("the text {text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a map".to_owned(),
    }
}

fn unknown_key<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let suggestion = did_you_mean(name, known.clone());
    if !suggestion.is_empty() {
        return format!("is not a known key{suggestion}");
    }
    let known: Vec<&str> = known.collect();
    if known.is_empty() {
        "is not a known key: nothing can stand here".to_owned()
    } else {
        format!("is not a known key; known are {}", known.join(", "))
    }
}

/// `; did you mean X?` where one of the words is close to `text`.
pub(crate) fn did_you_mean<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> String {
    let close = words.map(|word| (levenshtein(&text.to_lowercase(), &word.to_lowercase()), word)).min();
    match close {
        Some((distance, word)) if distance <= text.len().max(word.len()) / 3 => format!("; did you mean {word}?"),
        _ => String::new(),
    }
}
