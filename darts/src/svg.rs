//! A genotype as a picture.
//!
//! Each cell is drawn like a circuit: a state is a horizontal line, an edge leaves its input at a dot, falls to its operation and
//! joins the sum of its node. Every edge has a column and a row of its own, so nothing can overlap, whatever the genotype.
//!
//! The picture is in itself whole: it takes light or dark from its reader, tells operations apart by name first and by colours that
//! colour-blind people tell apart, too, and says in words what it shows.

use std::fmt::{self, Write};

use crate::{Cell, CellKind, Edge, Genotype, NODES, Op, text::input_name};

/// Pixels: the size of one cell's drawing, and of both under a title.
const WIDTH: usize = 1064;
const CELL_HEIGHT: usize = 424;
const GAP: usize = 14;
const TITLE_HEIGHT: usize = 52;

/// Where the lines of the inputs begin.
const LEFT: usize = 84;
/// Where the lines of the nodes end, in the output.
const OUTPUT: usize = 980;
/// From a node's column to its parts.
const BOX_LEFT: usize = 34;
const BOX: [usize; 2] = [116, 26];
const SUM: usize = 176;

/// On light ground; the colours of the operations come after it.
const LIGHT: &str = "\
    .nas-cells{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:14px;fill:none}\
    .nas-page{fill:#f6f7f9}.nas-card{fill:#fff;stroke:#dde1e7}.nas-halo{stroke:#fff;stroke-width:7}.nas-face{fill:#fff}\
    .nas-cells text{fill:#12161c}.nas-cells .nas-note{fill:#525c69;font-size:13px}\
    .nas-line{stroke:#8a94a3;stroke-width:2}.nas-sum{stroke:#3b4452;stroke-width:2}.nas-bar{fill:#3b4452}\
    .nas-edge{stroke:currentColor;stroke-width:2.5;stroke-linejoin:round}.nas-dot{fill:currentColor}\
    .nas-box{fill:currentColor;fill-opacity:.14;stroke:currentColor;stroke-width:1.5}.nas-edge:hover,g:hover>.nas-edge{stroke-width:4}\
    .nas-none{color:#8a94a3}.nas-none .nas-edge,.nas-none .nas-box{stroke-dasharray:4 4}";

/// What is otherwise on dark ground, likewise.
const DARK: &str = "\
    .nas-page{fill:#0e1116}.nas-card{fill:#171b22;stroke:#2b323d}.nas-halo{stroke:#171b22}.nas-face{fill:#171b22}\
    .nas-cells text{fill:#e8ebf0}.nas-cells .nas-note{fill:#a3adba}\
    .nas-line{stroke:#6b7585}.nas-sum{stroke:#b6bfcb}.nas-bar{fill:#b6bfcb}.nas-box{fill-opacity:.2}";

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
        let _ = write_both(&mut svg, self);
        svg
    }

    /// One cell as a self-contained SVG of 1064×424 pixels.
    pub fn cell_to_svg(&self, kind: CellKind) -> String {
        let mut svg = String::new();
        let _ = write_one(&mut svg, kind, self.cell(kind));
        svg
    }
}

fn write_both(svg: &mut String, genotype: &Genotype) -> fmt::Result {
    let height = TITLE_HEIGHT + 2 * (CELL_HEIGHT + GAP) + 8;
    write_head(svg, height, "DARTS genotype", &genotype.to_text())?;
    writeln!(svg, r#"<rect class="nas-page" width="{WIDTH}" height="{height}"/>"#)?;
    writeln!(svg, r#"<text x="24" y="35" font-size="20" font-weight="bold">DARTS genotype</text>"#)?;
    for ((kind, cell), top) in genotype.cells().into_iter().zip([TITLE_HEIGHT, TITLE_HEIGHT + CELL_HEIGHT + GAP]) {
        writeln!(svg, r#"<g transform="translate(0 {top})">"#)?;
        writeln!(svg, r#"<rect class="nas-card" x="16" width="{}" height="{CELL_HEIGHT}" rx="10"/>"#, WIDTH - 32)?;
        write_cell(svg, kind, cell)?;
        writeln!(svg, "</g>")?;
    }
    writeln!(svg, "</svg>")
}

fn write_one(svg: &mut String, kind: CellKind, cell: &Cell) -> fmt::Result {
    write_head(svg, CELL_HEIGHT, heading(kind)[0], &cell.to_text())?;
    writeln!(svg, r#"<rect class="nas-card" x="1" y="1" width="{}" height="{}" rx="10"/>"#, WIDTH - 2, CELL_HEIGHT - 2)?;
    write_cell(svg, kind, cell)?;
    writeln!(svg, "</svg>")
}

fn write_head(svg: &mut String, height: usize, title: &str, words: &str) -> fmt::Result {
    let words = words.lines().map(str::trim).collect::<Vec<_>>().join("; ");
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" class="nas-cells" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}: {words}">"#
    )?;
    writeln!(svg, "<title>{title}</title>\n<desc>{words}</desc>")?;
    write_style(svg)
}

/// Light, then dark.
fn write_style(svg: &mut String) -> fmt::Result {
    write!(svg, "<style>{LIGHT}")?;
    write_colours(svg, 0)?;
    write!(svg, "@media(prefers-color-scheme:dark){{{DARK}")?;
    write_colours(svg, 1)?;
    writeln!(svg, "}}</style>")
}

/// The operations' colours on light (0) or dark (1) ground.
fn write_colours(svg: &mut String, ground: usize) -> fmt::Result {
    for op in Op::ALL {
        if let Some(colours) = op.colours() {
            write!(svg, ".nas-{op}{{color:{}}}", colours[ground])?;
        }
    }
    Ok(())
}

/// Title and note of a cell.
const fn heading(kind: CellKind) -> [&'static str; 2] {
    match kind {
        CellKind::Normal => ["Normal cell", "keeps height and width"],
        CellKind::Reduce => ["Reduction cell", "halves height and width: edges from earlier cells have stride 2"],
    }
}

fn write_cell(svg: &mut String, kind: CellKind, cell: &Cell) -> fmt::Result {
    let [title, note] = heading(kind);
    writeln!(svg, r#"<text x="34" y="32" font-size="16" font-weight="bold">{title}</text>"#)?;
    writeln!(svg, r#"<text class="nas-note" x="{}" y="32">{note}</text>"#, 34 + 9 * title.len() + 16)?;

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
        writeln!(svg, r#"<circle class="nas-sum nas-face" cx="{x}" cy="{y}" r="15"/>"#)?;
        writeln!(svg, r#"<text x="{x}" y="{}" text-anchor="middle" font-weight="bold">{}</text>"#, y + 5, node + 1)?;
    }

    let (top, bottom) = (line(2), line(NODES + 1));
    let middle = usize::midpoint(top, bottom);
    writeln!(svg, "<g><title>all nodes, concatenated by channel</title>")?;
    writeln!(
        svg,
        r#"<rect class="nas-bar" x="{OUTPUT}" y="{}" width="10" height="{}" rx="5"/></g>"#,
        top - 14,
        bottom - top + 28
    )?;
    write_line(svg, OUTPUT + 10, OUTPUT + 24, middle)?;
    write_state(svg, OUTPUT + 30, middle + 5, "k")
}

/// The line of a state.
fn write_line(svg: &mut String, from: usize, to: usize, y: usize) -> fmt::Result {
    writeln!(svg, r#"<path class="nas-line" d="M{from} {y}H{to}"/>"#)
}

/// The name of a cell's output, c with an index.
fn write_state(svg: &mut String, x: usize, y: usize, index: &str) -> fmt::Result {
    writeln!(svg, r#"<text x="{x}" y="{y}" font-size="16">c<tspan dy="4" font-size="12">{index}</tspan></text>"#)
}

/// An edge from its input's line through its operation to the sum.
fn write_edge(svg: &mut String, node: usize, edge: usize, op: Op, input: usize) -> fmt::Result {
    let [width, height] = BOX;
    let (x, from, sum) = (wire(node, edge), line(input), line(node + 2));
    let y = sum - 17 + 34 * edge;
    let left = column(node) + BOX_LEFT;
    let path = format!("M{x} {from}V{y}H{left}");
    writeln!(svg, r#"<g class="nas-{op}"><title>node {}, edge {}: {op} of {}</title>"#, node + 1, edge + 1, input_name(input))?;
    // A border as the ground keeps crossing lines apart.
    writeln!(svg, r#"<path class="nas-halo" d="{path}"/><path class="nas-edge" d="{path}"/>"#)?;
    writeln!(svg, r#"<path class="nas-edge" d="M{} {y}L{} {sum}"/>"#, left + width, column(node) + SUM)?;
    writeln!(svg, r#"<circle class="nas-dot" cx="{x}" cy="{from}" r="4.5"/>"#)?;
    writeln!(svg, r#"<rect class="nas-box" x="{left}" y="{}" width="{width}" height="{height}" rx="6"/>"#, y - height / 2)?;
    writeln!(svg, r#"<text x="{}" y="{}" text-anchor="middle">{op}</text></g>"#, left + width / 2, y + 5)
}
