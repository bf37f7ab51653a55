//! What the model sees of a configuration: its choices one by one, where numbers lie, and how often alike parameters make a choice.

use crate::{
    Domain, Space,
    sampler::axes::{Axes, Axis},
};

/// Centres of the bumps that let a model bend along a range, and their width.
const BUMPS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
const BUMP_WIDTH: f64 = 0.2;

/// A row of few numbers that are not 0: where, and what.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Features(Vec<(u32, f64)>);

impl Features {
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, f64)> + Clone + '_ {
        self.0.iter().map(|(at, value)| (*at as usize, *value))
    }

    /// The product with a dense vector.
    pub(super) fn dot(&self, dense: &[f64]) -> f64 {
        self.iter().map(|(at, value)| value * dense[at]).sum()
    }

    /// Adds `factor` times this to a dense vector.
    pub(super) fn add_to(&self, dense: &mut [f64], factor: f64) {
        self.iter().for_each(|(at, value)| dense[at] += factor * value);
    }

    /// Sets to 0 where this is not.
    pub(super) fn clear(&self, dense: &mut [f64]) {
        self.iter().for_each(|(at, _)| dense[at] = 0.0);
    }

    fn push(&mut self, at: usize, value: f64) {
        self.0.push((u32::try_from(at).unwrap_or(u32::MAX), value));
    }
}

/// Which feature stands where.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Of each axis: where its features begin, and those that count its choice among its like.
    places: Vec<(usize, Option<usize>)>,
    width: usize,
}

impl Layout {
    /// Parameters are alike where their choices are the same and their names differ in digits only, such as the operations of a cell;
    /// `counts`: whether it is counted how often they make a choice.
    pub(super) fn new(space: &Space, axes: &[Axis], counts: bool) -> Self {
        let mut width = 0;
        let mut take = |count: usize| {
            width += count;
            width - count
        };
        let own: Vec<usize> = axes
            .iter()
            .map(|axis| {
                take(match axis {
                    Axis::Constant => 0,
                    Axis::Choice(count) | Axis::Ladder(count) => *count,
                    Axis::Range => 2 + BUMPS.len(),
                })
            })
            .collect();
        let stem = |name: &str| name.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect::<String>();
        let kinds: Vec<Option<(String, &Domain)>> = space
            .parameters()
            .iter()
            .zip(axes)
            .map(|(parameter, axis)| {
                (counts && matches!(axis, Axis::Choice(_))).then(|| (stem(&parameter.name), &parameter.domain))
            })
            .collect();
        let mut groups: Vec<(&(String, &Domain), usize)> = Vec::new();
        let mut places = Vec::with_capacity(axes.len());
        for (at, kind) in kinds.iter().enumerate() {
            let has_like = || kinds.iter().enumerate().any(|(other, of)| other != at && of == kind);
            let counts = kind.as_ref().filter(|_| has_like()).map(|kind| {
                let known = groups.iter().find(|(other, _)| *other == kind).map(|(_, counts)| *counts);
                known.unwrap_or_else(|| {
                    let Axis::Choice(count) = axes[at] else { return 0 };
                    groups.push((kind, take(count)));
                    groups.last().map_or(0, |(_, counts)| *counts)
                })
            });
            places.push((own[at], counts));
        }
        Self { places, width }
    }

    /// Number of features.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The features of a point. A parameter that does not exist there has none.
    pub(super) fn of(&self, axes: &Axes<'_>, point: &[f64]) -> Features {
        let mut features = Features::default();
        for (at, (axis, (own, counts))) in axes.list().iter().zip(&self.places).enumerate() {
            if *axis == Axis::Constant || !axes.exists(at, point) {
                continue;
            }
            match axis {
                Axis::Constant => {}
                Axis::Choice(_) | Axis::Ladder(_) => {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
                    let choice = point[at] as usize;
                    features.push(own + choice, 1.0);
                    if let Some(counts) = counts {
                        features.push(counts + choice, 1.0);
                    }
                }
                Axis::Range => {
                    let centred = 2.0 * point[at] - 1.0;
                    features.push(*own, centred);
                    features.push(own + 1, centred * centred);
                    for (bump, centre) in BUMPS.iter().enumerate() {
                        let distance = (point[at] - centre) / BUMP_WIDTH;
                        features.push(own + 2 + bump, libm::exp(-0.5 * distance * distance));
                    }
                }
            }
        }
        features.merge();
        features
    }
}

impl Features {
    /// Sums what stands at the same place: sparse products must see each place once.
    fn merge(&mut self) {
        self.0.sort_by_key(|(at, _)| *at);
        self.0.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 += later.1;
            }
            same
        });
    }
}
