//! How much work a rule can be, from its text alone: an experiment's author must not be able to keep everybody's operator busy.

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue};

/// Most steps that a rule may take; what people write takes a few dozen.
pub(super) const MAX_STEPS: u64 = 100_000;
/// Taken for the length of what is only known when a rule is evaluated: a variable, a part of one, an element of a list. A list of
/// lists within the longest rule has no longer element, and `hp` has no more entries.
const UNKNOWN: u64 = 1000;

/// An upper bound for one expression.
#[derive(Clone, Copy)]
struct Bound {
    /// Expressions that are evaluated.
    steps: u64,
    /// Elements, entries or bytes of what it gives.
    length: u64,
}

/// The most expressions that evaluating this one can take.
pub(super) fn steps(expression: &IdedExpr) -> u64 {
    bound(&expression.expr).steps
}

fn bound(expression: &Expr) -> Bound {
    match expression {
        Expr::Unspecified | Expr::Ident(_) => Bound { steps: 1, length: UNKNOWN },
        Expr::Literal(literal) => Bound { steps: 1, length: length_of(literal) },
        Expr::Select(select) => Bound { steps: more(steps(&select.operand), 1), length: UNKNOWN },
        Expr::Call(call) => {
            let parts: Vec<Bound> =
                call.target.iter().map(AsRef::as_ref).chain(&call.args).map(|part| bound(&part.expr)).collect();
            let lengths = parts.iter().map(|part| part.length).fold(UNKNOWN, u64::saturating_add);
            // Whatever it does, it walks over what it is given.
            let walked = if call.args.is_empty() { 1 } else { 1 + lengths / UNKNOWN };
            Bound { steps: parts.iter().map(|part| part.steps).fold(walked, more), length: lengths }
        }
        Expr::List(list) => Bound {
            steps: list.elements.iter().map(steps).fold(1, more),
            length: u64::try_from(list.elements.len()).unwrap_or(u64::MAX),
        },
        Expr::Map(map) => entries(&map.entries),
        Expr::Struct(of) => entries(&of.entries),
        Expr::Comprehension(comprehension) => repeated(comprehension),
    }
}

/// A macro such as `all`: its body once for each element of its range.
fn repeated(of: &ComprehensionExpr) -> Bound {
    let range = bound(&of.iter_range.expr);
    let body = more(steps(&of.loop_cond), steps(&of.loop_step));
    let rounds = range.length.saturating_mul(more(body, 1));
    let around = [&of.accu_init, &of.result].into_iter().map(steps).fold(range.steps, more);
    Bound { steps: more(rounds, around), length: range.length.max(UNKNOWN) }
}

fn entries(entries: &[IdedEntryExpr]) -> Bound {
    let of_entry = |entry: &IdedEntryExpr| match &entry.expr {
        EntryExpr::StructField(field) => steps(&field.value),
        EntryExpr::MapEntry(entry) => more(steps(&entry.key), steps(&entry.value)),
    };
    Bound { steps: entries.iter().map(of_entry).fold(1, more), length: u64::try_from(entries.len()).unwrap_or(u64::MAX) }
}

fn length_of(literal: &LiteralValue) -> u64 {
    match literal {
        LiteralValue::String(text) => u64::try_from(text.inner().len()).unwrap_or(u64::MAX),
        LiteralValue::Bytes(bytes) => u64::try_from(bytes.inner().len()).unwrap_or(u64::MAX),
        _ => 1,
    }
}

fn more(one: u64, other: u64) -> u64 {
    one.saturating_add(other)
}

#[cfg(test)]
mod tests {
    use cel::Program;

    use super::*;

    fn steps_of(rule: &str) -> u64 {
        let program = Program::compile(rule).unwrap_or_else(|error| unreachable!("{rule}: {error}"));
        steps(program.expression())
    }

    #[test]
    fn what_people_write_is_far_from_the_bound() {
        for rule in [
            "true",
            "arch.params >= 2500000 && arch.params <= 4500000",
            "arch.normal.skip_connect in [1, 2] && arch.reduce.skip_connect in [1, 2]",
            "['normal', 'reduce'].all(c, arch[c].sep_conv_3x3 >= 3 && arch[c].depth in [1, 2, 3])",
            "['normal', 'reduce'].all(c, [0, 1, 2, 3].exists(n, arch[c].depth == n))",
        ] {
            assert!(steps_of(rule) < MAX_STEPS / 100, "{rule}: {}", steps_of(rule));
        }
        assert!(steps_of("hp.all(name, name != 'secret')") < MAX_STEPS);
    }

    #[test]
    fn loops_within_loops_are_multiplied() {
        let list = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";
        let nested = |depth: usize| (0..depth).fold("true".to_owned(), |rule, at| format!("{list}.all(x{at}, {rule})"));
        assert!(steps_of(&nested(1)) < 1000);
        assert!(steps_of(&nested(6)) > MAX_STEPS);
        assert!(steps_of("hp.all(a, hp.all(b, a == b))") > MAX_STEPS);
        assert!(steps_of(&format!("{list}.map(a, {list}.map(b, {list}.map(c, {list}.map(d, {list}))))  == []")) > MAX_STEPS);
    }
}
