//! Counts taken from the DARTS model classes of determined-examples, built in `PyTorch` 2.13: six networks, each with and
//! without the auxiliary head.

use crate::sample;
use nas_darts::{Cell, Edge, Genotype, Image, Layer, Network, Op, Part, Skeleton};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Golden {
    name: String,
    #[serde(rename = "C")]
    channels: u32,
    layers: u32,
    auxiliary: bool,
    genotype: Cells,
    total: u64,
    stem: u64,
    cells: Vec<u64>,
    aux_head: u64,
    classifier: u64,
    num_param_tensors: u64,
    buffers: u64,
    /// Recorded where there is an auxiliary head.
    shapes: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Cells {
    normal: [(Op, usize); 8],
    reduce: [(Op, usize); 8],
}

#[test]
fn every_count_is_that_of_pytorch() {
    let goldens: Vec<Golden> = serde_json::from_str(include_str!("../golden/param_counts.json")).unwrap();
    assert_eq!(goldens.len(), 12);
    let mut shapes_compared = 0;
    for golden in goldens {
        let Golden { channels, layers, auxiliary, .. } = golden;
        let genotype = Genotype { normal: sample::cell(golden.genotype.normal), reduce: sample::cell(golden.genotype.reduce) };
        let skeleton = Skeleton { channels, layers, auxiliary, image: Image::CIFAR, classes: 10 };
        let network = Network { genotype, skeleton };

        let cost = network.cost().unwrap();
        let case = format!("{} auxiliary {auxiliary}", golden.name);
        assert_eq!(cost.params, golden.total, "{case}");
        assert_eq!(cost.params_without_auxiliary, golden.total - golden.aux_head, "{case}");
        assert_eq!((cost.tensors, cost.buffers), (golden.num_param_tensors, golden.buffers), "{case}");

        let breakdown = network.breakdown().unwrap();
        let params = |wanted: fn(&Part) -> bool| -> Vec<u64> {
            breakdown.iter().filter(|layer| wanted(&layer.part)).map(|layer| layer.params).collect()
        };
        assert_eq!(params(|part| matches!(part, Part::Stem)), [golden.stem], "{case}");
        assert_eq!(params(|part| matches!(part, Part::Cell(_))), golden.cells, "{case}");
        assert_eq!(params(|part| matches!(part, Part::AuxiliaryHead)).iter().sum::<u64>(), golden.aux_head, "{case}");
        assert_eq!(params(|part| matches!(part, Part::Classifier)), [golden.classifier], "{case}");

        if let Some(shapes) = golden.shapes {
            shapes_compared += 1;
            // Layers inside the auxiliary head are recorded as [name, channels, height, width].
            let shapes: Vec<[u32; 3]> = shapes.into_iter().filter_map(|shape| serde_json::from_value(shape).ok()).collect();
            let feature_maps = breakdown.iter().filter(|layer| matches!(layer.part, Part::Stem | Part::Cell(_)));
            let outputs =
                feature_maps.map(|Layer { output: Image { channels, height, width }, .. }| [*channels, *height, *width]);
            assert_eq!(outputs.collect::<Vec<_>>(), shapes, "{case}");
        }
    }
    assert_eq!(shapes_compared, 6);
}

#[test]
fn the_auxiliary_head_follows_the_cell_that_it_sits_on() {
    let skeleton = Skeleton { channels: 36, layers: 20, auxiliary: true, image: Image::CIFAR, classes: 100 };
    let network = Network { genotype: sample::darts_v2(), skeleton };
    let breakdown = network.breakdown().unwrap();
    assert_eq!(breakdown.len(), 23);
    assert_eq!(breakdown[15].part, Part::AuxiliaryHead);
    assert_eq!(breakdown[15].output, Image { channels: 100, height: 1, width: 1 });
    assert_eq!(breakdown[22].params, 57_700);
}

#[test]
fn a_cell_is_read_from_json_only_if_its_edges_point_back() {
    let genotype = sample::darts_v2();
    let json = serde_json::to_string(&genotype).unwrap();
    assert!(json.starts_with(r#"{"normal":{"nodes":[[{"op":"sep_conv_3x3","input":0},"#), "{json}");
    assert_eq!(serde_json::from_str::<Genotype>(&json).unwrap(), genotype);

    let mut nodes = *genotype.normal.nodes();
    nodes[2][1] = Edge { op: Op::SkipConnect, input: 4 };
    let error = Cell::new(nodes).unwrap_err().to_string();
    assert_eq!(error, "edge 2 of node 3 reads input 4: it may read 0 to 3 (0 and 1 are the cells before, 2 and more the nodes)");
    let json = serde_json::json!({ "nodes": nodes }).to_string();
    assert!(serde_json::from_str::<Cell>(&json).unwrap_err().to_string().starts_with(&error));
}
