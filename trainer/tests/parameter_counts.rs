//! Networks of full size have the parameters, tensors, buffers and shapes that were counted in `PyTorch`.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use nas_darts::{Cell, Edge, Genotype, Image, Skeleton};
use nas_trainer::model::{MemoryFormat, Network, Pass, Variables};
use serde_json::Value;
use tch::{Device, Kind, Tensor, no_grad};

fn genotype(golden: &Value) -> Genotype {
    let cell = |name: &str| {
        let edges: Vec<(String, usize)> = serde_json::from_value(golden[name].clone()).unwrap();
        let edge = |place: usize| Edge { op: edges[place].0.parse().unwrap(), input: edges[place].1 };
        Cell::new(std::array::from_fn(|node| [edge(2 * node), edge(2 * node + 1)])).unwrap()
    };
    Genotype { normal: cell("normal"), reduce: cell("reduce") }
}

#[test]
fn every_network_is_as_large_as_in_pytorch() {
    let goldens: Vec<Value> = serde_json::from_str(include_str!("../../darts/tests/golden/param_counts.json")).unwrap();
    assert_eq!(goldens.len(), 12);
    for golden in goldens {
        let case = format!("{} auxiliary {}", golden["name"], golden["auxiliary"]);
        let number = |name: &str| golden[name].as_u64().unwrap();
        let skeleton = Skeleton {
            channels: number("C") as u32,
            layers: number("layers") as u32,
            auxiliary: golden["auxiliary"].as_bool().unwrap(),
            image: Image::CIFAR,
            classes: 10,
        };
        let mut variables = Variables::new(Kind::Float, Device::Cpu, MemoryFormat::ChannelsLast, 0);
        let network = Network::new(&mut variables, &genotype(&golden["genotype"]), &skeleton).unwrap();

        let count = |wanted: &dyn Fn(&str, bool) -> bool| -> u64 {
            let of = variables.iter().filter(|variable| wanted(&variable.name, variable.trainable));
            of.map(|variable| variable.tensor.numel() as u64).sum()
        };
        let part = |prefix: &str| count(&|name, trainable| trainable && name.starts_with(prefix));
        assert_eq!(variables.parameter_count() as u64, number("total"), "{case}");
        assert_eq!(variables.parameters().count() as u64, number("num_param_tensors"), "{case}");
        // PyTorch counts a buffer more for each batch norm, its number of batches, which nothing uses.
        let norms = variables.iter().filter(|variable| variable.name.ends_with("running_mean")).count() as u64;
        assert_eq!(count(&|_, trainable| !trainable) + norms, number("buffers"), "{case}");
        assert_eq!(
            [part("stem."), part("auxiliary_head."), part("classifier.")],
            ["stem", "aux_head", "classifier"].map(number),
            "{case}"
        );
        for (index, cell) in golden["cells"].as_array().unwrap().iter().enumerate() {
            assert_eq!(part(&format!("cells.{index}.")), cell.as_u64().unwrap(), "{case}, cell {index}");
        }

        let mut shapes: Vec<Vec<i64>> = Vec::new();
        let image = Tensor::zeros([1, 3, 32, 32], (Kind::Float, Device::Cpu));
        no_grad(|| network.forward_observed(&image, Pass::Evaluate, |stage| shapes.push(stage.size()[1..].to_vec())));
        if let Some(expected) = golden["shapes"].as_array() {
            // Layers inside the auxiliary head are recorded as [name, channels, height, width].
            let expected = expected.iter().filter_map(|shape| serde_json::from_value::<Vec<i64>>(shape.clone()).ok());
            assert!(expected.eq(shapes), "{case}");
        }
    }
}
