//! Whether a rule could say another thing each time: the entries of a map come in no order, so no list may be made of them.

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedEntryExpr, IdedExpr, operators};

/// Whether somewhere in it `map` or `filter` goes over what may be a map: a group of `hp` or `arch`, or one that the rule writes itself. What
/// `all` and `exists` say depends on no order.
pub(super) fn lists_a_map(expression: &IdedExpr) -> bool {
    let here = match &expression.expr {
        Expr::Comprehension(of) => makes_a_list(of) && !is_list(&of.iter_range),
        _ => false,
    };
    here || parts(&expression.expr).into_iter().any(lists_a_map)
}

/// `map` and `filter` begin with a list that is empty; `all`, `exists` and `exists_one` with a truth value or a number.
fn makes_a_list(of: &ComprehensionExpr) -> bool {
    matches!(of.accu_init.expr, Expr::List(_))
}

/// Whether it is a list whatever the configuration is. No parameter and no fact about an architecture is one.
fn is_list(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::List(_) => true,
        Expr::Comprehension(of) => makes_a_list(of),
        Expr::Call(call) => match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::ADD, both) | (operators::CONDITIONAL, [_, both @ ..]) => both.iter().all(is_list),
            _ => false,
        },
        _ => false,
    }
}

fn parts(expression: &Expr) -> Vec<&IdedExpr> {
    match expression {
        Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Vec::new(),
        Expr::Select(select) => vec![&*select.operand],
        Expr::Call(call) => call.target.iter().map(AsRef::as_ref).chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => of_entries(&map.entries),
        Expr::Struct(of) => of_entries(&of.entries),
        Expr::Comprehension(of) => vec![&of.iter_range, &of.accu_init, &of.loop_cond, &of.loop_step, &of.result],
    }
}

fn of_entries(entries: &[IdedEntryExpr]) -> Vec<&IdedExpr> {
    let mut parts = Vec::new();
    for entry in entries {
        match &entry.expr {
            EntryExpr::StructField(field) => parts.push(&field.value),
            EntryExpr::MapEntry(entry) => parts.extend([&entry.key, &entry.value]),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use cel::Program;

    use super::*;

    #[test]
    fn a_list_is_made_of_a_list_alone() {
        let lists_a_map = |rule: &str| {
            let program = Program::compile(rule).unwrap_or_else(|error| unreachable!("{rule}: {error}"));
            lists_a_map(program.expression())
        };
        for rule in [
            "hp.map(name, name)[0] == 'layers'",
            "hp.optimizer.filter(name, name != 'kind') == []",
            "{'a': 1, 'b': 2}.map(key, key)[0] == 'a'",
            "has(hp.x) && size(arch[['normal'][0]].map(name, name)) > 3",
            "['normal'].all(cell, arch[cell].map(name, name) == [])",
            "[hp].all(group, group.map(name, name) == [])",
            "(hp.x ? ['a'] : hp).map(name, name) == []",
            "{'a': hp.filter(name, true)}['a'] == []",
        ] {
            assert!(lists_a_map(rule), "{rule}");
        }
        for rule in [
            "hp.all(name, name != 'secret') && hp.optimizer.exists(name, name == 'kind') && hp.exists_one(name, name == 'x')",
            "['normal', 'reduce'].map(cell, arch[cell].depth) == [1, 2]",
            "[1, 2].filter(n, n > 1).map(n, n * 2) == [4]",
            "([1] + [2]).map(n, n) == [1, 2]",
            "(hp.x ? [1] : [2]).filter(n, n > 1) == []",
            "'x' in hp && size(hp.optimizer) == 2",
        ] {
            assert!(!lists_a_map(rule), "{rule}");
        }
    }
}
