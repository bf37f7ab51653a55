//! Curves over time as SVG: readable on a light and on a dark page.

use std::fmt::Write;

use crate::{measure::HORIZON, measure::Measured, measure::TIMES, peers::Peer, policies::Benchmark};

const WIDTH: f64 = 920.0;
const HEIGHT: f64 = 460.0;
/// The plot, without labels and legend.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 530.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 400.0;
/// The earliest time.
const START: f64 = 0.125;
/// Mid tones that can be told apart on white and on black, by people with red-green blindness too.
const COLOURS: [&str; 8] = ["#8a8a8a", "#2f7ed8", "#e08a00", "#12a37a", "#b0579c", "#d1495b", "#5fa8e8", "#a08c00"];
const INK: &str = "#808080";

/// Accuracies that a drawing shows.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn y(&self, accuracy: f64) -> f64 {
        BOTTOM - (accuracy - self.low) / (self.high - self.low) * (BOTTOM - TOP)
    }
}

/// Time on a scale on which each doubling is as wide.
fn x(time: f64) -> f64 {
    LEFT + libm::log2(time / START) / libm::log2(HORIZON / START) * (RIGHT - LEFT)
}

/// The mean true accuracy of the incumbents over time; of other programs, dots at the times of the tables.
pub(crate) fn drawing(benchmark: &Benchmark, measured: &[Measured], peers: &[Peer]) -> String {
    let highest = measured.iter().flat_map(|one| one.curve.iter().map(|(_, truth)| *truth)).fold(benchmark.floor, f64::max);
    let axis = Axis { low: benchmark.floor, high: (highest * 10.0 + 0.5).ceil() / 10.0 };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"{INK}\">\n\
        <title>{title}: true accuracy of the incumbent over time</title>\n\
        <text x=\"{LEFT}\" y=\"28\" font-size=\"15\">{title}</text>\n\
        <clipPath id=\"plot\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/></clipPath>\n",
        RIGHT - LEFT + 5.0,
        BOTTOM - TOP,
        title = benchmark.title,
    );
    axes(&mut svg, &axis);
    svg.push_str("<g clip-path=\"url(#plot)\">\n");
    for point in peers.iter().flat_map(|peer| &peer.at).filter(|point| point.time <= HORIZON) {
        let _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"none\" stroke=\"{INK}\"/>",
            x(point.time),
            axis.y(point.truth)
        );
    }
    for (at, (one, colour)) in measured.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let points = one.curve.iter().filter(|(time, _)| *time >= START);
        let points: Vec<String> = points.map(|(time, truth)| format!("{:.1},{:.1}", x(*time), axis.y(*truth))).collect();
        let points = points.join(" ");
        let dash = dash(at);
        let _ = writeln!(svg, "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>");
    }
    svg.push_str("</g>\n");
    legend(&mut svg, measured);
    svg.push_str("</svg>\n");
    svg
}

/// Where colours come a second time, lines are broken.
fn dash(at: usize) -> &'static str {
    if at < COLOURS.len() { "" } else { " stroke-dasharray=\"6 3\"" }
}

fn axes(svg: &mut String, axis: &Axis) {
    let line = |svg: &mut String, [x1, y1, x2, y2]: [f64; 4], opacity: f64| {
        let _ = writeln!(
            svg,
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{INK}\" stroke-opacity=\"{opacity}\"/>"
        );
    };
    // Ten lines at most, at whole tenths of a percent, halves or whole percents.
    let step = [0.1, 0.2, 0.5].into_iter().find(|step| (axis.high - axis.low) / step <= 10.0).unwrap_or(1.0);
    let mut accuracy = axis.low;
    while accuracy <= axis.high + 1e-9 {
        let y = axis.y(accuracy);
        line(svg, [LEFT, y, RIGHT, y], 0.25);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{accuracy:.1}</text>", LEFT - 8.0, y + 4.0);
        accuracy += step;
    }
    for time in [START].into_iter().chain(TIMES) {
        line(svg, [x(time), TOP, x(time), BOTTOM], 0.25);
        let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{time}</text>", x(time), BOTTOM + 18.0);
    }
    line(svg, [LEFT, BOTTOM, RIGHT, BOTTOM], 1.0);
    line(svg, [LEFT, TOP, LEFT, BOTTOM], 1.0);
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">time in mean full trainings (T_R), 16 workers</text>",
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 42.0
    );
    let middle = f64::midpoint(TOP, BOTTOM);
    let _ = writeln!(
        svg,
        "<text x=\"20\" y=\"{middle:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 20 {middle:.1})\">true accuracy of the incumbent, percent</text>"
    );
}

fn legend(svg: &mut String, measured: &[Measured]) {
    let left = RIGHT + 25.0;
    let mut y = TOP + 12.0;
    for (at, (one, colour)) in measured.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let dash = dash(at);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"3\"{dash}/>\n\
            <text x=\"{}\" y=\"{}\">{}</text>",
            left + 22.0,
            left + 28.0,
            y + 4.0,
            one.name
        );
        y += 24.0;
    }
    let _ = writeln!(
        svg,
        "<circle cx=\"{}\" cy=\"{y}\" r=\"2.5\" fill=\"none\" stroke=\"{INK}\"/>\n<text x=\"{}\" y=\"{}\">other programs (search.md)</text>",
        left + 11.0,
        left + 28.0,
        y + 4.0
    );
}
