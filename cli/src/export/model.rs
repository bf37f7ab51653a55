//! The network as a file of Python that needs torch alone.

use nas_darts::{Image, Network};
use serde::Deserialize;

const TEMPLATE: &str = include_str!("../../assets/export/model.py");

/// What a trainer writes beside its checkpoints about the images that it sees.
#[derive(Deserialize, Default)]
pub(super) struct Input {
    pub(super) mean: Option<Vec<f64>>,
    pub(super) std: Option<Vec<f64>>,
}

/// The file; `title` says of which trial it is.
///
/// # Errors
///
/// Where the genotype cannot be written as JSON, which it always can.
pub(super) fn source(title: &str, network: &Network, input: &Input) -> Result<String, serde_json::Error> {
    let Image { channels, height, width } = network.image;
    // JSON without `true`, `false` and `null` is Python, too.
    let genotype = serde_json::to_string_pretty(&network.genotype)?;
    let list = |numbers: &Option<Vec<f64>>| numbers.as_ref().map_or_else(|| "None".to_owned(), |numbers| format!("{numbers:?}"));
    let values = [
        ("@TITLE@", within_docstring(title)),
        ("@CHANNELS_IN@", channels.to_string()),
        ("@GENOTYPE@", genotype),
        ("@CHANNELS@", network.channels.to_string()),
        ("@LAYERS@", network.layers.to_string()),
        ("@AUXILIARY@", if network.auxiliary { "True" } else { "False" }.to_owned()),
        ("@CLASSES@", network.classes.to_string()),
        ("@IMAGE@", format!("({channels}, {height}, {width})")),
        ("@MEAN@", list(&input.mean)),
        ("@STD@", list(&input.std)),
    ];
    let filled = TEMPLATE.split_inclusive('\n').map(|line| {
        let known = values.iter().find(|(name, _)| line.contains(name));
        known.map_or_else(|| line.to_owned(), |(name, value)| line.replace(name, value))
    });
    Ok(filled.collect())
}

/// Words that cannot end the docstring that holds them.
fn within_docstring(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "'")
}
