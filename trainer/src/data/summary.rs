//! What a data set holds, in numbers.

use std::fmt::{self, Display};

use serde::Serialize;

use super::{DataSet, Images, Normalization};

/// What a data set holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How the files lie.
    pub layout: &'static str,
    /// C, H, W.
    pub shape: [usize; 3],
    /// Number of classes.
    pub classes: usize,
    /// Name of each class; empty where the files name none.
    pub class_names: Vec<String>,
    /// Training images.
    pub train: Counts,
    /// Test images.
    pub test: Counts,
    /// Of the training images.
    #[serde(flatten)]
    pub normalization: Normalization,
}

/// How many images there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// In all.
    pub images: usize,
    /// Of each class.
    pub by_class: Vec<usize>,
}

impl Counts {
    fn of(images: &Images, classes: usize) -> Self {
        let mut by_class = vec![0; classes];
        for &label in &images.labels {
            by_class[label as usize] += 1;
        }
        Self { images: images.len(), by_class }
    }

    /// `6000`, or `500 to 800` where classes differ.
    fn range(&self) -> String {
        match (self.by_class.iter().min(), self.by_class.iter().max()) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (least, _) => least.copied().unwrap_or_default().to_string(),
        }
    }
}

impl Summary {
    /// Counts and measures.
    pub fn of(data: &DataSet) -> Self {
        Self {
            layout: data.layout.as_str(),
            shape: data.train.shape,
            classes: data.classes,
            class_names: data.class_names.clone(),
            train: Counts::of(&data.train, data.classes),
            test: Counts::of(&data.test, data.classes),
            normalization: Normalization::measured(&data.train),
        }
    }
}

impl Display for Summary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [channels, height, width] = self.shape;
        let numbers = |values: &[f64]| values.iter().map(|value| format!("{value:.4}")).collect::<Vec<_>>().join(" ");
        writeln!(formatter, "layout     {}", self.layout)?;
        writeln!(formatter, "images     {channels}x{height}x{width} (channels, height, width)")?;
        writeln!(formatter, "train      {} ({} of each class)", self.train.images, self.train.range())?;
        writeln!(formatter, "test       {} ({} of each class)", self.test.images, self.test.range())?;
        writeln!(formatter, "mean       {}", numbers(&self.normalization.mean))?;
        writeln!(formatter, "deviation  {}", numbers(&self.normalization.std))?;
        write!(formatter, "classes    {}", self.classes)?;
        for (class, (train, test)) in self.train.by_class.iter().zip(&self.test.by_class).enumerate() {
            write!(formatter, "\n  {class:>5}  {train:>7} train {test:>7} test")?;
            if let Some(name) = self.class_names.get(class) {
                write!(formatter, "  {name}")?;
            }
        }
        Ok(())
    }
}
