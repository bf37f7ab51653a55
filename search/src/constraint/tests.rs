//! Rules hold, fail or are refused as their texts say, and none keeps anybody busy.

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
        "['normal'].all(cell, arch[cell].skip_connect in [1, 2])",
        "[4, 8].exists(layers, hp.layers == layers)",
    ] {
        assert_eq!(verdict(rule), Verdict::Satisfied, "{rule}");
    }
    assert_eq!(verdict("arch.params < 2500000"), Verdict::Violated(0));
}

#[test]
fn a_float_that_is_whole_is_a_double_to_rules() {
    for rule in ["hp.x * 2.0 == 2.0", "hp.x + 0.5 > 1.0", "hp.x in [1.0]"] {
        let mut constraints = Constraints::new(None);
        constraints.add(rule, "").unwrap();
        let drawn = Assignment::from([("x".into(), 1.0.into())]);
        assert_eq!(constraints.checker().check(&drawn), Verdict::Satisfied, "{rule}");
    }
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
    assert_eq!(refused("hp.map(name, name)[0] == 'layers'", None), RuleError::Unordered);
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
