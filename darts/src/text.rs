//! A genotype for a terminal.

use std::fmt::Write;

use crate::{Cell, Edge, Genotype};

/// What an input is called in a drawing.
pub(crate) fn input_name(input: usize) -> String {
    match input {
        0 => "c_{k-2}".to_owned(),
        1 => "c_{k-1}".to_owned(),
        node => format!("node {}", node - 1),
    }
}

fn term(edge: Edge) -> String {
    format!("{}({})", edge.op, input_name(edge.input))
}

/// The width of the first terms of a cell's nodes.
fn width(cell: &Cell) -> usize {
    cell.nodes().iter().map(|[first, _]| term(*first).len()).max().unwrap_or(0)
}

impl Cell {
    /// One line for each node: `node 1 = sep_conv_3x3(c_{k-1}) + dil_conv_3x3(c_{k-2})`, aligned.
    pub fn to_text(&self) -> String {
        self.aligned(width(self))
    }

    fn aligned(&self, width: usize) -> String {
        let mut text = String::new();
        for (node, [first, second]) in (1..).zip(self.nodes()) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  node {node} = {:width$} + {}", term(*first), term(*second));
        }
        text.push_str("  c_{k}  = concat(node 1, node 2, node 3, node 4)\n");
        text
    }
}

impl Genotype {
    /// Both cells, one line for each node: `node 1 = sep_conv_3x3(c_{k-1}) + dil_conv_3x3(c_{k-2})`, aligned.
    ///
    /// `c_{k-1}` is the output of the cell before, `c_{k-2}` that of the one before it, `c_{k}` that of this one.
    pub fn to_text(&self) -> String {
        let width = self.cells().into_iter().map(|(_, cell)| width(cell)).max().unwrap_or(0);
        self.cells().map(|(kind, cell)| format!("{kind} cell\n{}", cell.aligned(width))).concat()
    }
}
