//! A genotype for a terminal.

use std::fmt::Write;

use crate::{Edge, Genotype};

/// What an input is called in a drawing.
pub(crate) fn input_name(input: usize) -> String {
    match input {
        0 => "c_{k-2}".to_owned(),
        1 => "c_{k-1}".to_owned(),
        node => format!("node {}", node - 1),
    }
}

impl Genotype {
    /// Both cells, one line for each node: `node 1 = sep_conv_3x3(c_{k-1}) + dil_conv_3x3(c_{k-2})`, aligned.
    ///
    /// `c_{k-1}` is the output of the cell before, `c_{k-2}` that of the one before it, `c_{k}` that of this one.
    pub fn to_text(&self) -> String {
        let term = |edge: Edge| format!("{}({})", edge.op, input_name(edge.input));
        let width =
            self.cells().iter().flat_map(|(_, cell)| cell.nodes()).map(|[first, _]| term(*first).len()).max().unwrap_or(0);
        let mut text = String::new();
        for (kind, cell) in self.cells() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{kind} cell");
            for (node, [first, second]) in (1..).zip(cell.nodes()) {
                let _ = writeln!(text, "  node {node} = {:width$} + {}", term(*first), term(*second));
            }
            text.push_str("  c_{k}  = concat(node 1, node 2, node 3, node 4)\n");
        }
        text
    }
}
