//! Constraints: CEL rules over a configuration, checked before a trial exists.

mod cost;
mod names;
mod order;
mod values;

use std::{fmt, sync::Arc};

use cel::{Context, ExecutionError, Program, Value};
use thiserror::Error;

pub use values::Feature;

use crate::Assignment;

/// Longest rule, in bytes.
pub const MAX_RULE_LENGTH: usize = 2000;
/// Deepest nesting of brackets in a rule.
pub const MAX_RULE_DEPTH: usize = 32;

/// Rules that every configuration must satisfy. The variables are `hp` (the assignment, dotted names nested) and `arch`
/// (what the space says of the architecture, such as `arch.params` and `arch.normal.skip_connect`).
#[derive(Clone, Default)]
pub struct Constraints {
    rules: Vec<Rule>,
    describe: Option<Describe>,
    uses_hp: bool,
    uses_arch: bool,
}

/// What is known of a configuration's architecture without building it; `None` where it is not one.
pub type Describe = Arc<dyn Fn(&Assignment) -> Option<Feature> + Send + Sync>;

#[derive(Clone)]
struct Rule {
    text: String,
    message: String,
    program: Arc<Program>,
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
    /// Makes a list of what has no order, so that it could say one thing now and another later.
    #[error(
        "goes with `map` or `filter` over what may be a group of parameters or facts, which have no order: go over a list, or ask with `all` or `exists`"
    )]
    Unordered,
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
        if order::lists_a_map(program.expression()) {
            return Err(RuleError::Unordered);
        }
        let variables = names::variables(program.expression());
        if let Some(unknown) = variables.iter().find(|name| !["hp", "arch"].contains(name)) {
            return Err(RuleError::UnknownVariable((*unknown).to_owned()));
        }
        if variables.contains("arch") && self.describe.is_none() {
            return Err(RuleError::NoArchitecture);
        }
        self.uses_hp |= variables.contains("hp");
        self.uses_arch |= variables.contains("arch");
        self.rules.push(Rule { text: text.to_owned(), message: message.to_owned(), program: program.into() });
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
            scope.add_variable_from_value("hp", values::of_assignment(assignment));
        }
        if let Some(describe) = describe.as_ref().filter(|_| *uses_arch) {
            scope.add_variable_from_value("arch", describe(assignment).map_or(Value::Null, values::of_feature));
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

#[cfg(test)]
mod tests;
