//! A genotype as a picture.
//!
//! Each cell is drawn like a circuit: a state is a horizontal line, an edge leaves its input at a dot, falls to its operation and
//! joins the sum of its node. Every edge has a column and a row of its own, so nothing can overlap, whatever the genotype.

use std::fmt::{self, Write};

use crate::{Cell, CellKind, Edge, Genotype, NODES, Op};

/// Pixels: the size of one cell's drawing, and of both under a title.
const WIDTH: usize = 1064;
const CELL_HEIGHT: usize = 438;
const TITLE_HEIGHT: usize = 52;

/// Where the lines of the inputs begin.
const LEFT: usize = 84;
/// Where the lines of the nodes end, in the output.
const OUTPUT: usize = 980;
/// From a node's column to its parts.
const BOX_LEFT: usize = 34;
const BOX: [usize; 2] = [116, 26];
const SUM: usize = 176;

/// Strong and pale colour of an operation.
const fn colours(op: Op) -> [&'static str; 2] {
    match op {
        Op::None => ["#94a3b8", "#f8fafc"],
        Op::MaxPool3x3 => ["#2563eb", "#dbeafe"],
        Op::AvgPool3x3 => ["#0891b2", "#cffafe"],
        Op::SkipConnect => ["#15803d", "#dcfce7"],
        Op::SepConv3x3 => ["#dc2626", "#fee2e2"],
        Op::SepConv5x5 => ["#c2410c", "#ffedd5"],
        Op::DilConv3x3 => ["#7c3aed", "#ede9fe"],
        Op::DilConv5x5 => ["#be185d", "#fce7f3"],
    }
}

/// The height of the line of an input, numbered as in [`Edge`].
const fn line(input: usize) -> usize {
    match input {
        0 => 72,
        1 => 104,
        node => 160 + 72 * (node - 2),
    }
}

/// Where the column of a node (from 0) begins.
const fn column(node: usize) -> usize {
    118 + 212 * node
}

/// Where an edge leaves its input: the lower box's wire runs left of the upper one's, so that they do not cross.
const fn wire(node: usize, edge: usize) -> usize {
    column(node) + 18 * (1 - edge)
}

impl Genotype {
    /// Both cells, one above the other, as a self-contained SVG of 1064×936 pixels.
    pub fn to_svg(&self) -> String {
        let mut svg = String::new();
        // Writing to a string cannot fail.
        let _ = write_svg(&mut svg, self);
        svg
    }
}

fn write_svg(svg: &mut String, genotype: &Genotype) -> fmt::Result {
    let height = TITLE_HEIGHT + 2 * CELL_HEIGHT + 8;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" font-family="Helvetica, Arial, sans-serif" font-size="14" fill="none">"#
    )?;
    writeln!(svg, "<title>DARTS genotype</title>")?;
    writeln!(svg, r##"<rect width="{WIDTH}" height="{height}" fill="#f8fafc"/>"##)?;
    writeln!(svg, r##"<text x="24" y="35" font-size="20" font-weight="bold" fill="#0f172a">DARTS genotype</text>"##)?;
    for ((kind, cell), top) in genotype.cells().into_iter().zip([TITLE_HEIGHT, TITLE_HEIGHT + CELL_HEIGHT]) {
        writeln!(svg, r#"<g transform="translate(0 {top})">"#)?;
        write_cell(svg, kind, cell)?;
        writeln!(svg, "</g>")?;
    }
    writeln!(svg, "</svg>")
}

fn write_cell(svg: &mut String, kind: CellKind, cell: &Cell) -> fmt::Result {
    let (title, note) = match kind {
        CellKind::Normal => ("Normal cell", "keeps height and width"),
        CellKind::Reduce => ("Reduction cell", "edges from earlier cells have stride 2"),
    };
    writeln!(
        svg,
        r##"<rect x="16" y="0" width="{}" height="{}" rx="10" fill="#ffffff" stroke="#e2e8f0"/>"##,
        WIDTH - 32,
        CELL_HEIGHT - 14
    )?;
    writeln!(
        svg,
        r##"<text x="34" y="32" font-size="16" fill="#0f172a"><tspan font-weight="bold">{title}</tspan><tspan dx="10" font-size="13" fill="#475569">{note}</tspan></text>"##
    )?;

    for input in 0..2 {
        // An input's line ends at the last edge that reads it.
        let end = (0..NODES * 2).filter(|at| cell.nodes()[at / 2][at % 2].input == input).map(|at| wire(at / 2, at % 2)).max();
        let y = line(input);
        write_line(svg, LEFT, end.unwrap_or(LEFT + 12), y)?;
        write_state(svg, 34, y + 5, &format!("k−{}", 2 - input))?;
    }
    for node in 0..NODES {
        write_line(svg, column(node) + SUM, OUTPUT, line(node + 2))?;
    }
    for (node, edges) in cell.nodes().iter().enumerate() {
        for (edge, &Edge { op, input }) in edges.iter().enumerate() {
            write_edge(svg, node, edge, op, input)?;
        }
        let (x, y) = (column(node) + SUM, line(node + 2));
        writeln!(svg, r##"<circle cx="{x}" cy="{y}" r="15" fill="#ffffff" stroke="#334155" stroke-width="2"/>"##)?;
        writeln!(
            svg,
            r##"<text x="{x}" y="{}" text-anchor="middle" font-weight="bold" fill="#0f172a">{}</text>"##,
            y + 5,
            node + 1
        )?;
    }

    let (top, bottom) = (line(2), line(NODES + 1));
    let middle = usize::midpoint(top, bottom);
    writeln!(svg, r##"<rect x="{OUTPUT}" y="{}" width="10" height="{}" rx="5" fill="#334155"/>"##, top - 14, bottom - top + 28)?;
    write_line(svg, OUTPUT + 10, OUTPUT + 24, middle)?;
    write_state(svg, OUTPUT + 30, middle + 5, "k")
}

/// The line of a state.
fn write_line(svg: &mut String, from: usize, to: usize, y: usize) -> fmt::Result {
    writeln!(svg, r##"<path d="M{from} {y}H{to}" stroke="#94a3b8" stroke-width="2"/>"##)
}

/// The name of a cell's output, c with an index.
fn write_state(svg: &mut String, x: usize, y: usize, index: &str) -> fmt::Result {
    writeln!(svg, r##"<text x="{x}" y="{y}" font-size="16" fill="#0f172a">c<tspan dy="4" font-size="12">{index}</tspan></text>"##)
}

/// An edge from its input's line through its operation to the sum.
fn write_edge(svg: &mut String, node: usize, edge: usize, op: Op, input: usize) -> fmt::Result {
    let [strong, pale] = colours(op);
    let [width, height] = BOX;
    let (x, from, sum) = (wire(node, edge), line(input), line(node + 2));
    let y = sum - 17 + 34 * edge;
    let left = column(node) + BOX_LEFT;
    let path = format!("M{x} {from}V{y}H{left}");
    // A pale border keeps crossing lines apart.
    writeln!(svg, r##"<path d="{path}" stroke="#ffffff" stroke-width="7"/>"##)?;
    writeln!(svg, r#"<path d="{path}" stroke="{strong}" stroke-width="2.5" stroke-linejoin="round"/>"#)?;
    writeln!(svg, r#"<circle cx="{x}" cy="{from}" r="4.5" fill="{strong}"/>"#)?;
    writeln!(svg, r#"<path d="M{} {y}L{} {sum}" stroke="{strong}" stroke-width="2.5"/>"#, left + width, column(node) + SUM)?;
    writeln!(
        svg,
        r#"<rect x="{left}" y="{}" width="{width}" height="{height}" rx="6" fill="{pale}" stroke="{strong}" stroke-width="1.5"/>"#,
        y - height / 2
    )?;
    writeln!(svg, r##"<text x="{}" y="{}" text-anchor="middle" fill="#0f172a">{op}</text>"##, left + width / 2, y + 5)
}
