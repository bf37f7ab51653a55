//! Typed hyperparameters, out of a trial's assignment.

use nas_api::{AUXILIARY, INIT_CHANNELS, LAYERS, contract::Segment, genotype};
use nas_darts::{Genotype, choice_names};
use nas_search::Scalar;

use crate::{error::TrainerError, optimizer::SgdConfig};

/// Everything that the trainer reads from an assignment. Names and defaults are those of Determined's DARTS benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Hyperparameters {
    /// The two cells.
    pub genotype: Genotype,
    /// `init_channels`: channels of a node in the first cells.
    pub channels: usize,
    /// `layers`: number of cells.
    pub layers: usize,
    /// `auxiliary`: whether there is an auxiliary head.
    pub auxiliary: bool,
    /// `auxiliary_weight`: weight of its loss.
    pub auxiliary_weight: f64,
    /// `global_batch_size`: images in a batch.
    pub batch_size: usize,
    /// `learning_rate`: at the schedule's beginning.
    pub learning_rate: f64,
    /// `drop_path_prob`: at the schedule's end.
    pub drop_path_prob: f64,
    /// `cutout_length`: side of the square that is cut out, in pixels; 0 where `cutout` is false.
    pub cutout: u32,
    /// `momentum`, `weight_decay`, `clip_gradients_l2_norm`.
    pub sgd: SgdConfig,
}

const NAMES: [&str; 12] = [
    "learning_rate",
    "momentum",
    "weight_decay",
    "global_batch_size",
    INIT_CHANNELS.0,
    LAYERS.0,
    AUXILIARY.0,
    "auxiliary_weight",
    "cutout",
    "cutout_length",
    "drop_path_prob",
    "clip_gradients_l2_norm",
];

impl Hyperparameters {
    /// Reads the assignment of a segment.
    ///
    /// # Errors
    ///
    /// Every value that cannot be used, and every name that is not known.
    pub fn from_segment(segment: &Segment) -> Result<Self, TrainerError> {
        let mut reader = Reader { segment, problems: Vec::new() };
        for name in segment.parameters.keys() {
            if !NAMES.contains(&&**name) && !choice_names().any(|choice| *choice == **name) {
                reader.problems.push(format!(
                    "parameter {name} is not known; known are {} and the 32 choices of space.darts",
                    NAMES.join(", ")
                ));
            }
        }
        let cutout = reader.flag("cutout", true);
        let cutout_length = reader.whole("cutout_length", 16, 1..=256);
        let genotype = genotype(&segment.parameters);
        if let Err(error) = &genotype {
            reader.problems.push(error.to_string());
        }
        let channels = reader.whole(INIT_CHANNELS.0, INIT_CHANNELS.1 as usize, 2..=1024);
        if channels % 2 == 1 {
            reader.problems.push(format!("parameter init_channels is {channels}: it must be even"));
        }
        let rest = (
            reader.whole(LAYERS.0, LAYERS.1 as usize, 1..=200),
            reader.flag(AUXILIARY.0, AUXILIARY.1),
            reader.number("auxiliary_weight", 0.4, 0.0, 100.0),
            reader.whole("global_batch_size", 96, 1..=65_536),
            reader.number("learning_rate", 0.025, 0.0, 1e6),
            reader.number("drop_path_prob", 0.2, 0.0, 0.999),
        );
        let sgd = SgdConfig {
            momentum: reader.number("momentum", 0.9, 0.0, 1.0),
            weight_decay: reader.number("weight_decay", 3e-4, 0.0, 1e6),
            max_norm: reader.number("clip_gradients_l2_norm", 5.0, 1e-12, 1e12),
        };
        let (layers, auxiliary, auxiliary_weight, batch_size, learning_rate, drop_path_prob) = rest;
        match genotype {
            Ok(genotype) if reader.problems.is_empty() => Ok(Self {
                genotype,
                channels,
                layers,
                auxiliary,
                auxiliary_weight,
                batch_size,
                learning_rate,
                drop_path_prob,
                cutout: if cutout { cutout_length as u32 } else { 0 },
                sgd,
            }),
            _ => Err(TrainerError::Configuration(reader.problems)),
        }
    }
}

struct Reader<'a> {
    segment: &'a Segment,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn value<T>(&mut self, name: &str, default: T, wanted: &str, accept: impl Fn(&Scalar) -> Option<T>) -> T {
        let Some(scalar) = self.segment.parameters.get(name) else { return default };
        accept(scalar).unwrap_or_else(|| {
            self.problems.push(format!("parameter {name} is {scalar}: it must be {wanted}"));
            default
        })
    }

    fn flag(&mut self, name: &str, default: bool) -> bool {
        self.value(name, default, "true or false", Scalar::as_bool)
    }

    fn whole(&mut self, name: &str, default: usize, range: std::ops::RangeInclusive<usize>) -> usize {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(name, default, &wanted, |scalar| usize::try_from(scalar.as_i64()?).ok().filter(|value| range.contains(value)))
    }

    fn number(&mut self, name: &str, default: f64, min: f64, max: f64) -> f64 {
        let wanted = format!("a number from {min} to {max}");
        self.value(name, default, &wanted, |scalar| scalar.as_f64().filter(|value| (min..=max).contains(value)))
    }
}
