//! The network as a file of Python that needs torch alone.

use nas_api::objects::ImageShape;
use nas_darts::{Image, Network, Op, OpKind};
use serde::Deserialize;

const TEMPLATE: &str = include_str!("../../assets/export/model.py");

/// What a trainer writes beside its checkpoints about the images that it sees.
#[derive(Deserialize, Default)]
pub(super) struct Input {
    /// Channels, height, width.
    shape: Option<[i64; 3]>,
    classes: Option<i64>,
    pub(super) mean: Option<Vec<f64>>,
    pub(super) std: Option<Vec<f64>>,
}

impl Input {
    /// The images that a network is made for.
    pub(super) fn images(&self) -> Option<ImageShape> {
        let [channels, height, width] = self.shape?;
        Some(ImageShape { channels, height, width, classes: self.classes? })
    }
}

/// The file; `title` says of which trial it is.
///
/// # Errors
///
/// Where the genotype cannot be written as JSON, which it always can.
pub(super) fn source(title: &str, network: &Network, input: &Input) -> Result<String, serde_json::Error> {
    let Network { genotype, skeleton } = network;
    let Image { channels, height, width } = skeleton.image;
    // JSON without `true`, `false` and `null` is Python, too.
    let genotype = serde_json::to_string_pretty(genotype)?;
    let list = |numbers: &Option<Vec<f64>>| numbers.as_ref().map_or_else(|| "None".to_owned(), |numbers| format!("{numbers:?}"));
    let values = [
        ("@TITLE@", within_docstring(title)),
        ("@CHANNELS_IN@", channels.to_string()),
        ("@GENOTYPE@", genotype),
        ("@CHANNELS@", skeleton.channels.to_string()),
        ("@LAYERS@", skeleton.layers.to_string()),
        ("@AUXILIARY@", if skeleton.auxiliary { "True" } else { "False" }.to_owned()),
        ("@CHAINS@", chains()),
        ("@CLASSES@", skeleton.classes.to_string()),
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

/// Kernel, number and dilation of each operation that consists of separable convolutions, as Python.
fn chains() -> String {
    let chain = |op: Op| match op.kind() {
        OpKind::Separable { kernel, times, dilation } => Some(format!("\"{op}\": ({kernel}, {times}, {dilation})")),
        OpKind::Zero | OpKind::MaxPool | OpKind::AvgPool | OpKind::Skip => None,
    };
    let chains: Vec<String> = Op::ALL.into_iter().filter_map(chain).collect();
    format!("{{{}}}", chains.join(", "))
}

/// Words that cannot end the docstring that holds them.
fn within_docstring(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "'")
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    use nas_darts::{Cell, Edge, Genotype, NODES, Skeleton};

    use super::*;

    /// Makes the network of each source that it is given, with a `torch` that counts parameters and does nothing else, and prints how many there are.
    const COUNT: &str = r#"
import json, sys, types

counted = 0

def layer(parameters=lambda *inputs, **named: 0):
    class Layer:
        def __init__(self, *arguments, **named):
            global counted
            counted += parameters(*arguments, **named)
    return Layer

torch = types.ModuleType("torch")
torch.nn = types.SimpleNamespace(
    Module=layer(), Sequential=layer(), ModuleList=list, Identity=layer(), ReLU=layer(), AvgPool2d=layer(), MaxPool2d=layer(),
    Conv2d=layer(lambda inputs, outputs, kernel, *rest, groups=1, bias=True, **named: (inputs // groups * kernel**2 + bias) * outputs),
    BatchNorm2d=layer(lambda channels: 2 * channels),
    Linear=layer(lambda inputs, outputs: inputs * outputs + outputs),
)
sys.modules["torch"] = torch
for source in json.load(sys.stdin):
    counted, model = 0, {"__name__": "model", "__file__": "model.py"}
    exec(source, model)
    model["Network"]()
    print(counted)
"#;

    /// A network whose edges all apply the same operation, in reduction cells at stride 2.
    fn network(op: Op) -> Network {
        let cell = Cell::new([[Edge { op, input: 0 }; 2]; NODES]).unwrap();
        let genotype = Genotype { normal: cell, reduce: cell };
        Network { genotype, skeleton: Skeleton { channels: 4, layers: 4, auxiliary: true, image: Image::CIFAR, classes: 10 } }
    }

    #[test]
    fn the_images_are_those_that_the_trainer_wrote_down() {
        let of = |text: &str| serde_json::from_str::<Input>(text).unwrap().images();
        let images = of(r#"{"data": "own", "shape": [1, 28, 20], "mean": [0.3], "std": [0.2], "classes": 7, "class_names": []}"#);
        assert_eq!(images, Some(ImageShape { channels: 1, height: 28, width: 20, classes: 7 }));
        assert_eq!(of(r#"{"mean": [0.3], "std": [0.2]}"#), None);
    }

    #[test]
    fn every_operation_is_built_with_the_parameters_that_it_is_counted_with() {
        let networks = Op::ALL.map(network);
        let sources = networks.each_ref().map(|network| source("a trial", network, &Input::default()).unwrap());
        let mut python =
            Command::new("python3").args(["-c", COUNT]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        python.stdin.take().unwrap().write_all(&serde_json::to_vec(&sources[..]).unwrap()).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "python3 has said why");
        let found: Vec<u64> = String::from_utf8(output.stdout).unwrap().lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(found, networks.map(|network| network.cost().unwrap().params));
    }
}
