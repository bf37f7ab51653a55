//! Which edges drop-path may drop, and what that does to a network.

#![allow(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "a test fails by panicking")]

use nas_darts::{Cell, Edge, Genotype, Image, Op, Skeleton};
use nas_trainer::model::{DropPath, MemoryFormat, Network, Pass, Variables};
use tch::{Device, Kind, Tensor};

/// Each cell of one operation, whose nodes read `input` as far as there is one.
fn cell(op: Op, input: usize) -> Cell {
    Cell::new(std::array::from_fn(|node| [Edge { op, input: input.min(node + 1) }; 2])).unwrap()
}

fn network(variables: &mut Variables, normal: Cell, reduce: Cell, layers: u32) -> Network {
    let image = Image { channels: 3, height: 16, width: 16 };
    let skeleton = Skeleton { channels: 4, layers, auxiliary: false, image, classes: 10 };
    Network::new(variables, &Genotype { normal, reduce }, &skeleton).unwrap()
}

fn variables() -> Variables {
    Variables::new(Kind::Double, Device::Cpu, MemoryFormat::ChannelsLast, 1)
}

#[test]
fn identities_are_never_dropped_and_every_other_edge_may_be() {
    let count = |normal, reduce| network(&mut variables(), normal, reduce, 5).droppable_edges();
    // Five cells, of which two reduce; eight edges in each.
    for op in Op::ALL.into_iter().filter(|op| *op != Op::SkipConnect) {
        assert_eq!(count(cell(op, 0), cell(op, 0)), 5 * 8, "{op:?}");
    }
    // A skip connection from a cell is an identity in a normal cell, and a convolution where it halves.
    assert_eq!(count(cell(Op::SkipConnect, 0), cell(Op::SkipConnect, 1)), 2 * 8);
    // In a reducing cell too, those between nodes are identities: here the first node's two edges and no more read a cell.
    assert_eq!(count(cell(Op::SkipConnect, 0), cell(Op::SkipConnect, 4)), 2 * 2);
}

#[test]
fn a_node_of_an_image_keeps_none_one_or_both_of_its_edges_scaled_up() {
    let mut variables = variables();
    // Pools have no batch norm behind them: what is scaled up stays so.
    let network = network(&mut variables, cell(Op::MaxPool3x3, 0), cell(Op::MaxPool3x3, 0), 1);
    let edges = network.droppable_edges();
    tch::manual_seed(1);
    let images = Tensor::randn([64, 3, 16, 16], (Kind::Double, Device::Cpu));
    let probability = 0.9;
    let drop_path = DropPath::draw(4, 0, edges, 64, probability, Kind::Double, Device::Cpu).unwrap();
    let features = |drop_path: Option<&DropPath>| {
        let mut last = Tensor::new();
        network.forward_observed(&images, Pass::Train { drop_path }, |stage| last = stage.shallow_clone());
        last
    };
    // Node by node, both edges add the same pool: each image keeps none, one or both, each tenfold.
    let [whole, dropped] = [None, Some(&drop_path)].map(|drop_path| features(drop_path).detach());
    let mut seen = [0; 3];
    for image in 0..64 {
        for node in 0..4 {
            let part = |of: &Tensor| of.get(image).narrow(0, node * 4, 4);
            let ratio = (part(&dropped).norm() / part(&whole).norm()).double_value(&[]);
            let kept = (ratio / 5.0).round();
            assert!((ratio - 5.0 * kept).abs() < 1e-9 && kept <= 2.0, "image {image}, node {node}: {ratio}");
            seen[if kept == 0.0 {
                0
            } else if kept < 1.5 {
                1
            } else {
                2
            }] += 1;
        }
    }
    // Of 256: 207, 46 and 3 expected.
    assert!(seen[0] > 170 && seen[1] > 20 && seen[2] < 15, "{seen:?}");
}

#[test]
fn nothing_is_dropped_at_probability_zero_or_where_no_edge_may_be() {
    assert!(DropPath::draw(4, 0, 10, 64, 0.0, Kind::Double, Device::Cpu).is_none());
    assert!(DropPath::draw(4, 0, 0, 64, 0.5, Kind::Double, Device::Cpu).is_none());
}
