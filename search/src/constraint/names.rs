//! Of what a rule speaks: the names in it that are not those of its own macros.

use std::collections::BTreeSet;

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, IdedExpr};

/// The variables that an expression needs. `x` of `[1, 2].all(x, x > 0)` is none: the macro gives it.
pub(super) fn variables(expression: &IdedExpr) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    collect(&expression.expr, &mut Vec::new(), &mut found);
    found
}

/// Adds those of `expression`, which stands within macros whose variables are `own`.
fn collect<'e>(expression: &'e Expr, own: &mut Vec<&'e str>, found: &mut BTreeSet<&'e str>) {
    match expression {
        Expr::Unspecified | Expr::Literal(_) => {}
        Expr::Ident(name) => {
            if !own.contains(&name.as_str()) {
                found.insert(name);
            }
        }
        Expr::Select(select) => collect(&select.operand.expr, own, found),
        Expr::Call(call) => {
            for part in call.target.iter().map(AsRef::as_ref).chain(&call.args) {
                collect(&part.expr, own, found);
            }
        }
        Expr::List(list) => list.elements.iter().for_each(|element| collect(&element.expr, own, found)),
        Expr::Map(map) => map.entries.iter().for_each(|entry| collect_entry(&entry.expr, own, found)),
        Expr::Struct(of) => of.entries.iter().for_each(|entry| collect_entry(&entry.expr, own, found)),
        Expr::Comprehension(of) => collect_macro(of, own, found),
    }
}

fn collect_entry<'e>(entry: &'e EntryExpr, own: &mut Vec<&'e str>, found: &mut BTreeSet<&'e str>) {
    match entry {
        EntryExpr::StructField(field) => collect(&field.value.expr, own, found),
        EntryExpr::MapEntry(entry) => {
            collect(&entry.key.expr, own, found);
            collect(&entry.value.expr, own, found);
        }
    }
}

/// Its variables are known in its body alone, not in what it goes over.
fn collect_macro<'e>(of: &'e ComprehensionExpr, own: &mut Vec<&'e str>, found: &mut BTreeSet<&'e str>) {
    for outside in [&of.iter_range, &of.accu_init] {
        collect(&outside.expr, own, found);
    }
    let before = own.len();
    own.extend([Some(&of.iter_var), of.iter_var2.as_ref(), Some(&of.accu_var)].into_iter().flatten().map(String::as_str));
    for body in [&of.loop_cond, &of.loop_step, &of.result] {
        collect(&body.expr, own, found);
    }
    own.truncate(before);
}

#[cfg(test)]
mod tests {
    use cel::Program;

    use super::*;

    #[test]
    fn a_macro_gives_its_variable_to_its_body_alone() {
        let names = |rule: &str| {
            let program = Program::compile(rule).unwrap_or_else(|error| unreachable!("{rule}: {error}"));
            variables(program.expression()).into_iter().collect::<Vec<_>>().join(" ")
        };
        for (rule, expected) in [
            ("hp.layers <= 8 && !has(hp.optimizer.beta2) || arch.normal.depth > 1", "arch hp"),
            ("['normal', 'reduce'].all(c, arch[c].depth >= hp.depth)", "arch hp"),
            ("[1, 2].exists(n, [n, hp.layers].all(m, m == n))", "hp"),
            ("[c].all(c, c > 0)", "c"),
            ("[1].all(c, c > 0) && c > 0", "c"),
            ("{'sgd': least}[hp.kind] < size(hp.name) ? other : true", "hp least other"),
            ("[1, 2].filter(n, n > 1).map(n, n * 2) == [4]", ""),
        ] {
            assert_eq!(names(rule), expected, "{rule}");
        }
    }
}
