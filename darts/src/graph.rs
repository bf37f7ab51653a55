//! A cell as a graph of characters: what the picture shows, in a terminal.
//!
//! Each state has a column of its own, from where it begins to the output; an edge leaves it at a dot, runs right to its operation, and
//! both edges of a node come back to where the node's column begins:
//!
//! ```text
//!  k-2 k-1
//!   │   ●──────────────────── avg_pool_3x3 ┐
//!   ●───┼──────────────────── sep_conv_3x3 ┤
//!   │   │   1◀─────────────────────────────┘
//! ```

use crate::{Cell, Edge, Genotype, NODES};

/// Characters from a state's column to the next.
const PITCH: usize = 4;
/// Where names of operations begin.
const OPERATION: usize = 2 + PITCH * (NODES + 2);
/// Where both edges of a node meet.
const JOIN: usize = OPERATION + 13;

/// The column of a state, numbered as in [`Edge`].
const fn lane(state: usize) -> usize {
    2 + PITCH * state
}

/// A line of characters, blank at first.
struct Row([char; JOIN + 1]);

impl Row {
    /// A row that shows which states are there: those below `states`, as far as they are read further down.
    fn new(states: usize, lives: impl Fn(usize) -> bool) -> Self {
        let mut row = Self([' '; JOIN + 1]);
        (0..states).filter(|state| lives(*state)).for_each(|state| row.0[lane(state)] = '│');
        row
    }

    /// A horizontal line, which crosses what is there.
    fn line(&mut self, from: usize, to: usize) {
        for at in &mut self.0[from..=to] {
            *at = if *at == '│' { '┼' } else { '─' };
        }
    }

    fn put(&mut self, at: usize, text: &str) {
        self.0[at..].iter_mut().zip(text.chars()).for_each(|(place, character)| *place = character);
    }

    fn finish(&self) -> String {
        let text: String = self.0.iter().collect();
        format!("{}\n", text.trim_end())
    }
}

impl Cell {
    /// The cell as a graph, in 14 lines of at most 40 characters.
    pub fn to_graph(&self) -> String {
        let mut text = String::from(" k-2 k-1\n");
        for (node, edges) in self.nodes().iter().enumerate() {
            let states = node + 2;
            for (edge, &Edge { op, input }) in edges.iter().enumerate() {
                let mut row = Row::new(states, |state| self.is_read_after(state, 2 * node + edge) || state == input);
                row.line(lane(input) + 1, OPERATION - 2);
                row.put(lane(input), "●");
                row.put(OPERATION, op.as_str());
                row.put(JOIN, if edge == 0 { "┐" } else { "┤" });
                text.push_str(&row.finish());
            }
            let mut row = Row::new(states, |state| self.is_read_after(state, 2 * node + 1));
            row.line(lane(states) + 1, JOIN - 1);
            row.put(lane(states), &format!("{}◀", node + 1));
            row.put(JOIN, "┘");
            text.push_str(&row.finish());
        }
        let mut row = Row::new(0, |_| false);
        row.line(lane(2), OPERATION - 2);
        (3..NODES + 2).for_each(|state| row.put(lane(state), "┴"));
        row.put(lane(2), "└");
        row.put(OPERATION, "concat = c_{k}");
        text.push_str(&row.finish());
        text
    }

    /// Whether the state is needed below an edge (numbered 0 to 7): every node goes to the output.
    fn is_read_after(&self, state: usize, edge: usize) -> bool {
        state >= 2 || self.edges().skip(edge + 1).any(|edge| edge.input == state)
    }
}

impl Genotype {
    /// Both cells as graphs, one above the other.
    pub fn to_graph(&self) -> String {
        self.cells().map(|(kind, cell)| format!("{kind} cell\n{}", cell.to_graph())).join("\n")
    }
}
