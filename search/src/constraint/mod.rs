//! Constraints: CEL rules over a configuration, checked before a trial exists.

mod cost;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use cel::{
    Context, ExecutionError, Program, Value,
    objects::{Key, Map},
};
use thiserror::Error;

use crate::{Assignment, Scalar};

/// Longest rule, in bytes.
pub const MAX_RULE_LENGTH: usize = 2000;
/// Deepest nesting of brackets in a rule.
pub const MAX_RULE_DEPTH: usize = 32;

/// Rules that every configuration must satisfy. The variables are `hp` (the assignment, dotted names nested) and `arch`
/// (what the space says of the architecture, such as `arch.params` and `arch.normal.skip_connect`).
#[derive(Default)]
pub struct Constraints {
    rules: Vec<Rule>,
    describe: Option<Describe>,
    uses_hp: bool,
    uses_arch: bool,
}

/// What is known of a configuration's architecture without building it; `None` where it is not one.
pub type Describe = Arc<dyn Fn(&Assignment) -> Option<Feature> + Send + Sync>;

/// A fact about an architecture.
#[derive(Clone, Debug, PartialEq)]
pub enum Feature {
    /// A number, such as a count of parameters.
    Count(i64),
    /// Facts by name.
    Group(Vec<(&'static str, Feature)>),
}

struct Rule {
    text: String,
    message: String,
    program: Program,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum RuleError {
    /// Not CEL.
    #[error("does not compile: {0}")]
    Syntax(String),
    /// Longer than [`MAX_RULE_LENGTH`] or deeper than [`MAX_RULE_DEPTH`].
    #[error("is too large: at most {MAX_RULE_LENGTH} bytes and {MAX_RULE_DEPTH} nested brackets; split it into several rules")]
    TooLarge,
    /// May take more steps than anybody has time for.
    #[error("may take {steps} steps, and the most is {}: macros such as `all` within one another multiply", cost::MAX_STEPS)]
    TooCostly {
        /// The most that it may take.
        steps: u64,
    },
    /// Speaks of something else than `hp` and `arch`.
    #[error("speaks of {0:?}, but a rule knows only `hp` and `arch`{hint}", hint = hint_for(.0))]
    UnknownVariable(String),
    /// Speaks of `arch` where the space has no architecture.
    #[error("speaks of `arch`, but the experiment has no `space.darts`")]
    NoArchitecture,
}

fn hint_for(name: &str) -> String {
    if matches!(name, "normal" | "reduce" | "params" | "flops") {
        format!("; write `arch.{name}`")
    } else {
        format!("; write `hp.{name}` for a hyperparameter")
    }
}

/// How a configuration fares with the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All rules hold.
    Satisfied,
    /// This rule (by position) does not hold.
    Violated(usize),
    /// This rule cannot be evaluated, or is not true or false.
    Broken(usize, String),
}

impl fmt::Debug for Constraints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.rules.iter().map(|rule| &rule.text)).finish()
    }
}

impl Constraints {
    /// No rules yet; `describe` gives `arch`, where the space has architectures.
    pub fn new(describe: Option<Describe>) -> Self {
        Self { describe, ..Self::default() }
    }

    /// Adds a rule with the message for people.
    pub fn add(&mut self, text: &str, message: &str) -> Result<(), RuleError> {
        if text.len() > MAX_RULE_LENGTH || depth(text) > MAX_RULE_DEPTH {
            return Err(RuleError::TooLarge);
        }
        let program = Program::compile(text).map_err(|error| RuleError::Syntax(first_line(&error.to_string())))?;
        let steps = cost::steps(program.expression());
        if steps > cost::MAX_STEPS {
            return Err(RuleError::TooCostly { steps });
        }
        let references = program.references();
        let mut variables: Vec<_> = references.variables().into_iter().map(str::to_owned).collect();
        variables.sort_unstable();
        if let Some(unknown) = variables.iter().find(|name| !matches!(name.as_str(), "hp" | "arch")) {
            return Err(RuleError::UnknownVariable(unknown.clone()));
        }
        let names = |wanted: &str| variables.iter().any(|name| name == wanted);
        if names("arch") && self.describe.is_none() {
            return Err(RuleError::NoArchitecture);
        }
        self.uses_hp |= names("hp");
        self.uses_arch |= names("arch");
        self.rules.push(Rule { text: text.to_owned(), message: message.to_owned(), program });
        Ok(())
    }

    /// What is known of a configuration's architecture.
    pub(crate) fn describe(&self, assignment: &Assignment) -> Option<Feature> {
        self.describe.as_ref().and_then(|describe| describe(assignment))
    }

    /// Number of rules.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Text of a rule.
    pub fn text(&self, rule: usize) -> &str {
        &self.rules[rule].text
    }

    /// What a rule means, in its author's words; its text where there are none.
    pub fn message(&self, rule: usize) -> &str {
        let rule = &self.rules[rule];
        if rule.message.is_empty() { &rule.text } else { &rule.message }
    }

    /// A checker, to be used for many configurations.
    pub fn checker(&self) -> Checker<'_> {
        Checker { constraints: self, root: Context::default() }
    }
}

/// Checks configurations one after the other; making one costs as much as several checks.
pub struct Checker<'a> {
    constraints: &'a Constraints,
    root: Context<'static, 'static>,
}

impl Checker<'_> {
    /// Evaluates the rules in order, up to the first that does not hold.
    pub fn check(&self, assignment: &Assignment) -> Verdict {
        let Constraints { rules, describe, uses_hp, uses_arch } = self.constraints;
        if rules.is_empty() {
            return Verdict::Satisfied;
        }
        let mut scope = self.root.new_inner_scope();
        if *uses_hp {
            scope.add_variable_from_value("hp", Nested::of(assignment).into_value());
        }
        if let Some(describe) = describe.as_ref().filter(|_| *uses_arch) {
            scope.add_variable_from_value("arch", describe(assignment).map_or(Value::Null, value_of_feature));
        }
        for (position, rule) in rules.iter().enumerate() {
            match rule.program.execute(&scope) {
                Ok(Value::Bool(true)) => {}
                Ok(Value::Bool(false)) => return Verdict::Violated(position),
                Ok(other) => {
                    return Verdict::Broken(position, format!("gives a {}, not true or false", other.type_of()));
                }
                Err(error) => return Verdict::Broken(position, describe_error(&error)),
            }
        }
        Verdict::Satisfied
    }
}

fn describe_error(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => format!(
            "{name:?} is not there; a parameter with `when`, or a name that may be missing, is asked for by `has(...)` first"
        ),
        other => first_line(&other.to_string()),
    }
}

fn first_line(text: &str) -> String {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

fn depth(rule: &str) -> usize {
    let mut open = 0_usize;
    let mut deepest = 0;
    for byte in rule.bytes() {
        match byte {
            b'(' | b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
    }
    // A chain of unary operators (`!!!x`) nests as well.
    let chain = rule.split(|c: char| c != '!' && c != '-').map(str::len).max();
    deepest.max(chain.unwrap_or(0))
}

fn value_of_scalar(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Bool(value) => Value::Bool(*value),
        Scalar::Int(value) => Value::Int(*value),
        Scalar::Float(value) => Value::Float(*value),
        Scalar::Text(text) => Value::String(Arc::new(text.to_string())),
    }
}

fn value_of_feature(feature: Feature) -> Value {
    match feature {
        Feature::Count(value) => Value::Int(value),
        Feature::Group(features) => map(features.into_iter().map(|(name, feature)| (name.to_owned(), value_of_feature(feature)))),
    }
}

fn map(entries: impl Iterator<Item = (String, Value)>) -> Value {
    let entries = entries.map(|(name, value)| (Key::String(Arc::new(name)), value)).collect::<HashMap<_, _>>();
    Value::Map(Map { map: Arc::new(entries) })
}

/// An assignment whose dotted names are taken apart.
#[derive(Default)]
struct Nested<'a> {
    values: Vec<(&'a str, &'a Scalar)>,
    groups: BTreeMap<&'a str, Nested<'a>>,
}

impl<'a> Nested<'a> {
    fn of(assignment: &'a Assignment) -> Self {
        let mut nested = Self::default();
        for (name, scalar) in assignment {
            nested.insert(name, scalar);
        }
        nested
    }

    fn insert(&mut self, name: &'a str, scalar: &'a Scalar) {
        match name.split_once('.') {
            None => self.values.push((name, scalar)),
            Some((group, rest)) => self.groups.entry(group).or_default().insert(rest, scalar),
        }
    }

    fn into_value(self) -> Value {
        let values = self.values.into_iter().map(|(name, scalar)| (name.to_owned(), value_of_scalar(scalar)));
        let groups = self.groups.into_iter().map(|(name, group)| (name.to_owned(), group.into_value()));
        map(values.chain(groups))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "the shape of a `Describe`")]
    fn described(_: &Assignment) -> Option<Feature> {
        Some(Feature::Group(vec![
            ("params", Feature::Count(3_000_000)),
            ("normal", Feature::Group(vec![("skip_connect", Feature::Count(2))])),
        ]))
    }

    fn verdict(rule: &str) -> Verdict {
        let assignment = Assignment::from([
            ("optimizer.kind".into(), "sgd".into()),
            ("optimizer.lr.start".into(), 0.1.into()),
            ("layers".into(), 8.into()),
        ]);
        let mut constraints = Constraints::new(Some(Arc::new(described)));
        constraints.add(rule, "").unwrap();
        constraints.checker().check(&assignment)
    }

    #[test]
    fn rules_see_nested_parameters_and_the_architecture() {
        for rule in [
            "hp.optimizer.kind == 'sgd' && hp.layers <= 8",
            "hp.optimizer.lr.start < 1",
            "arch.normal.skip_connect in [1, 2]",
            "arch.params >= 2500000 && arch.params <= 4500000",
            "!has(hp.optimizer.beta2) || hp.optimizer.beta2 > 0.9",
            "!has(hp.nothing)",
        ] {
            assert_eq!(verdict(rule), Verdict::Satisfied, "{rule}");
        }
        assert_eq!(verdict("arch.params < 2500000"), Verdict::Violated(0));
    }

    #[test]
    fn what_is_not_true_or_false_is_broken_with_its_reason() {
        let broken = |rule: &str| match verdict(rule) {
            Verdict::Broken(0, reason) => reason,
            other => panic!("{rule}: {other:?}"),
        };
        assert!(broken("arch.params + 1").contains("int"));
        assert!(broken("hp.optimizer.beta2 > 0.9").contains("has(...)"));
        assert!(!broken("hp.optimizer.kind > 3").is_empty());
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_refused_with_the_way_out() {
        let refused = |rule: &str, describe| Constraints::new(describe).add(rule, "").unwrap_err();
        let describe: Option<Describe> = Some(Arc::new(described));
        assert!(matches!(refused("arch.params >", describe.clone()), RuleError::Syntax(_)));
        assert!(matches!(refused("", describe.clone()), RuleError::Syntax(_)));
        assert!(refused("params > 3", describe.clone()).to_string().contains("`arch.params`"));
        assert!(refused("layers > 3", describe.clone()).to_string().contains("`hp.layers`"));
        assert_eq!(refused("arch.params > 3", None), RuleError::NoArchitecture);
        assert_eq!(refused(&format!("{}true{}", "(".repeat(33), ")".repeat(33)), describe.clone()), RuleError::TooLarge);
        assert_eq!(refused(&format!("{}true", "!".repeat(40)), describe.clone()), RuleError::TooLarge);
        assert_eq!(refused(&"true && ".repeat(300), describe), RuleError::TooLarge);
    }

    #[test]
    fn the_first_rule_that_fails_is_the_one_at_fault() {
        let mut constraints = Constraints::new(None);
        for rule in ["true", "hp.x < 0", "hp.x < 0"] {
            constraints.add(rule, "x must be negative").unwrap();
        }
        let assignment = Assignment::from([("x".into(), 1.into())]);
        assert_eq!(constraints.checker().check(&assignment), Verdict::Violated(1));
        assert_eq!(constraints.message(1), "x must be negative");
    }

    /// Adds a rule if it can be used, and checks a configuration with it.
    fn try_out(rule: &str) {
        let mut constraints = Constraints::new(Some(Arc::new(described)));
        if constraints.add(rule, "").is_ok() {
            let assignment = Assignment::from([("x".into(), 1.into()), ("a.b".into(), "c".into())]);
            constraints.checker().check(&assignment);
        }
    }

    #[test]
    fn a_rule_that_would_never_end_is_refused() {
        let list = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";
        let rule = (0..12).fold("hp.x > 0".to_owned(), |rule, at| format!("{list}.all(x{at}, {rule})"));
        assert!(rule.len() <= MAX_RULE_LENGTH && depth(&rule) <= MAX_RULE_DEPTH);
        let refused = Constraints::new(None).add(&rule, "").unwrap_err();
        assert!(matches!(refused, RuleError::TooCostly { .. }) && refused.to_string().contains("macros"), "{refused}");
    }

    #[test]
    fn a_long_chain_needs_no_more_stack_than_there_is() {
        for (first, link) in [
            ("true", " && true"),
            ("true", " || hp.x > 0"),
            ("1", "+1"),
            ("1", "<1"),
            ("hp", ".a"),
            ("hp", "[0]"),
            ("hp", ".a()"),
            ("true", "?true:true"),
            ("1", " in 1"),
            ("'", "\\n"),
        ] {
            try_out(&format!("{first}{}", link.repeat((MAX_RULE_LENGTH - first.len()) / link.len())));
        }
        for link in ["-", "!", "- ", "! ", "!-", "true?", "1?1:", "hp.", "[", "{", "("] {
            try_out(&format!("{}1", link.repeat((MAX_RULE_LENGTH - 1) / link.len())));
        }
    }

    /// What rules are made of, and what they are not.
    const WORDS: &[&str] = &[
        "hp",
        "arch",
        "x",
        "y",
        ".",
        ".x",
        ".params",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        "?",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">=",
        " in ",
        "0",
        "1",
        "9223372036854775807",
        "1.5",
        "1e309",
        "0x1F",
        "1u",
        "'a'",
        "\"b\"",
        "b'c'",
        "r'\\'",
        "'''",
        "true",
        "null",
        ".all(x, ",
        ".exists(y, ",
        ".map(x, ",
        ".filter(y, ",
        ".exists_one(x, ",
        "has(",
        "size(",
        "string(",
        "int(",
        " ",
        "\n",
        "\\",
        "é",
    ];

    proptest! {
        #[test]
        fn no_rule_breaks_the_operator_or_keeps_it_busy(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..80)) {
            try_out(&words.concat());
        }

        #[test]
        fn no_text_does(text in "\\PC{0,200}") {
            try_out(&text);
        }
    }
}
