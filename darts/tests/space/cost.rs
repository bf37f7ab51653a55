//! Costs against the closed form, against the known ranges, and against a slow count that follows a network layer by layer.

use crate::sample::{cell, darts_v2, genotypes};
use nas_darts::{Cell, CellKind, CostModel, Edge, Genotype, Image, Network, NetworkError, Op, Skeleton, auxiliary_pooling};
use proptest::prelude::*;

const SEED: Skeleton = Skeleton { channels: 36, layers: 20, auxiliary: true, image: Image::CIFAR, classes: 10 };

fn network(genotype: Genotype, skeleton: Skeleton) -> Network {
    Network { genotype, skeleton }
}

/// Parameters that an edge adds to the network of [`SEED`].
fn closed_form(kind: CellKind, edge: Edge) -> u64 {
    match (kind, edge.op) {
        (CellKind::Normal, Op::SepConv3x3) => 359_856,
        (CellKind::Normal, Op::SepConv5x5) => 408_240,
        (CellKind::Normal, Op::DilConv3x3) => 179_928,
        (CellKind::Normal, Op::DilConv5x5) => 204_120,
        (CellKind::Reduce, Op::SkipConnect) if edge.input < 2 => 26_352,
        (_, Op::None | Op::MaxPool3x3 | Op::AvgPool3x3 | Op::SkipConnect) => 0,
        (CellKind::Reduce, Op::SepConv3x3) => 56_592,
        (CellKind::Reduce, Op::SepConv5x5) => 63_504,
        (CellKind::Reduce, Op::DilConv3x3) => 28_296,
        (CellKind::Reduce, Op::DilConv5x5) => 31_752,
    }
}

/// Counts as a network would be built and run, in the manner of `PyTorch`: each layer maps a shape to a shape.
#[derive(Default)]
struct Tracer {
    params: u64,
    flops: u64,
    tensors: u64,
    buffers: u64,
}

#[derive(Clone, Copy)]
struct Shape {
    channels: u64,
    height: u64,
    width: u64,
}

/// Kernel, stride, padding, dilation.
type Window = (u64, u64, u64, u64);

const POINT: Window = (1, 1, 0, 1);

impl Shape {
    fn slide(self, (kernel, stride, padding, dilation): Window) -> Self {
        let slide = |side: u64| (side + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
        Self { height: slide(self.height), width: slide(self.width), ..self }
    }

    fn sum(self, other: Self) -> Self {
        assert_eq!((self.channels, self.height, self.width), (other.channels, other.height, other.width));
        self
    }
}

impl Tracer {
    fn conv(&mut self, x: Shape, outputs: u64, groups: u64, window: Window) -> Shape {
        assert_eq!((x.channels % groups, outputs % groups), (0, 0));
        let y = Shape { channels: outputs, ..x.slide(window) };
        let taps = x.channels / groups * window.0 * window.0;
        self.params += outputs * taps;
        self.tensors += 1;
        self.flops += y.channels * y.height * y.width * taps;
        y
    }

    fn batch_norm(&mut self, x: Shape) -> Shape {
        self.params += 2 * x.channels;
        self.tensors += 2;
        self.buffers += 2 * x.channels + 1;
        x
    }

    fn linear(&mut self, inputs: u64, outputs: u64) {
        self.params += inputs * outputs + outputs;
        self.tensors += 2;
        self.flops += inputs * outputs;
    }

    fn relu_conv_bn(&mut self, x: Shape, outputs: u64) -> Shape {
        let y = self.conv(x, outputs, 1, POINT);
        self.batch_norm(y)
    }

    fn factorized_reduce(&mut self, x: Shape, outputs: u64) -> Shape {
        assert_eq!(outputs % 2, 0);
        let even = self.conv(x, outputs / 2, 1, (1, 2, 0, 1));
        // Without the first row and column; an odd side has one of zeros behind.
        let shifted = Shape { height: x.height - 1 + x.height % 2, width: x.width - 1 + x.width % 2, ..x };
        let odd = self.conv(shifted, outputs / 2, 1, (1, 2, 0, 1));
        let half = even.sum(odd);
        self.batch_norm(Shape { channels: outputs, ..half })
    }

    fn separable(&mut self, x: Shape, window: Window) -> Shape {
        let spatial = self.conv(x, x.channels, x.channels, window);
        let mixed = self.conv(spatial, x.channels, 1, POINT);
        self.batch_norm(mixed)
    }

    fn edge(&mut self, op: Op, x: Shape, stride: u64) -> Shape {
        match op {
            Op::None => x.slide((1, stride, 0, 1)),
            Op::MaxPool3x3 | Op::AvgPool3x3 => x.slide((3, stride, 1, 1)),
            Op::SkipConnect if stride == 1 => x,
            Op::SkipConnect => self.factorized_reduce(x, x.channels),
            Op::SepConv3x3 => {
                let y = self.separable(x, (3, stride, 1, 1));
                self.separable(y, (3, 1, 1, 1))
            }
            Op::SepConv5x5 => {
                let y = self.separable(x, (5, stride, 2, 1));
                self.separable(y, (5, 1, 2, 1))
            }
            Op::DilConv3x3 => self.separable(x, (3, stride, 2, 2)),
            Op::DilConv5x5 => self.separable(x, (5, stride, 4, 2)),
        }
    }

    fn cell(&mut self, cell: &Cell, [older, newer]: [Shape; 2], channels: u64, reduces: bool, follows_reduction: bool) -> Shape {
        let older = if follows_reduction { self.factorized_reduce(older, channels) } else { self.relu_conv_bn(older, channels) };
        let mut states = vec![older, self.relu_conv_bn(newer, channels)];
        for edges in cell.nodes() {
            let [first, second] =
                edges.map(|Edge { op, input }| self.edge(op, states[input], if reduces && input < 2 { 2 } else { 1 }));
            states.push(first.sum(second));
        }
        let output = states[2..].iter().copied().reduce(Shape::sum).unwrap();
        Shape { channels: 4 * channels, ..output }
    }

    fn auxiliary_head(&mut self, x: Shape, classes: u64) {
        let pool = |side: u64| {
            let (kernel, stride) = auxiliary_pooling(u32::try_from(side).unwrap());
            (side - u64::from(kernel)) / u64::from(stride) + 1
        };
        let pooled = Shape { height: pool(x.height), width: pool(x.width), ..x };
        let narrow = self.conv(pooled, 128, 1, POINT);
        let narrow = self.batch_norm(narrow);
        let spread = self.conv(narrow, 768, 1, (2, 1, 0, 1));
        assert_eq!((spread.height, spread.width), (1, 1));
        self.batch_norm(spread);
        self.linear(768, classes);
    }

    fn network(genotype: &Genotype, skeleton: &Skeleton) -> [Self; 2] {
        let (mut evaluated, mut head) = (Self::default(), Self::default());
        let layers = u64::from(skeleton.layers);
        let reductions = [layers / 3, 2 * layers / 3];
        let mut channels = u64::from(skeleton.channels);
        let image = skeleton.image;
        let x = Shape { channels: image.channels.into(), height: image.height.into(), width: image.width.into() };
        let stem = evaluated.conv(x, 3 * channels, 1, (3, 1, 1, 1));
        let mut states = [evaluated.batch_norm(stem); 2];
        let mut follows_reduction = false;
        for index in 0..layers {
            let reduces = reductions.contains(&index);
            let cell = if reduces { &genotype.reduce } else { &genotype.normal };
            channels *= if reduces { 2 } else { 1 };
            states = [states[1], evaluated.cell(cell, states, channels, reduces, follows_reduction)];
            follows_reduction = reduces;
            if skeleton.auxiliary && index == reductions[1] {
                head.auxiliary_head(states[1], skeleton.classes.into());
            }
        }
        evaluated.linear(states[1].channels, skeleton.classes.into());
        [evaluated, head]
    }
}

proptest! {
    #[test]
    fn parameters_follow_the_closed_form(genotype in genotypes(&Op::ALL)) {
        let edges = genotype.cells().into_iter().flat_map(|(kind, cell)| cell.edges().map(move |edge| closed_form(kind, edge)));
        prop_assert_eq!(network(genotype, SEED).cost().unwrap().params, 1_846_560 + edges.sum::<u64>());
    }

    #[test]
    fn every_count_is_that_of_the_layers(
        genotype in genotypes(&Op::ALL),
        channels in 1..50_u32,
        layers in 1..25_u32,
        auxiliary: bool,
        image_channels in 1..4_u32,
        // After two reductions, 5 pixels are the least that leave the auxiliary head 2.
        [height, width] in [5..80_u32, 5..80_u32],
        classes in 1..200_u32,
    ) {
        let image = Image { channels: image_channels, height, width };
        let skeleton = Skeleton { channels, layers, auxiliary, image, classes };
        let cost = network(genotype, skeleton).cost().unwrap();
        let [evaluated, head] = Tracer::network(&genotype, &skeleton);
        prop_assert_eq!(cost.params_without_auxiliary, evaluated.params);
        prop_assert_eq!(cost.params, evaluated.params + head.params);
        prop_assert_eq!(cost.flops, evaluated.flops);
        prop_assert_eq!(cost.tensors, evaluated.tensors + head.tensors);
        prop_assert_eq!(cost.buffers, evaluated.buffers + head.buffers);

        let breakdown = network(genotype, skeleton).breakdown().unwrap();
        prop_assert_eq!(breakdown.iter().map(|layer| layer.params).sum::<u64>(), cost.params);
        prop_assert_eq!(breakdown.iter().map(|layer| layer.flops).sum::<u64>(), cost.flops + head.flops);
    }
}

/// The cheapest and the dearest cell of some operations: terms of edges are independent, so each edge is extreme on its own.
fn extremes(kind: CellKind, ops: &[Op], fixed: Option<Op>) -> [u64; 2] {
    let mut bounds = [0, 0];
    for at in 0..8 {
        let ops = if let (Some(op), 0 | 1) = (&fixed, at) { std::slice::from_ref(op) } else { ops };
        let terms = || ops.iter().flat_map(move |&op| (0..=at / 2 + 1).map(move |input| closed_form(kind, Edge { op, input })));
        bounds = [bounds[0] + terms().min().unwrap(), bounds[1] + terms().max().unwrap()];
    }
    bounds
}

const CONSTRAINED: [Op; 4] = [Op::MaxPool3x3, Op::SkipConnect, Op::SepConv3x3, Op::DilConv3x3];

#[test]
fn the_spaces_have_the_known_ranges() {
    let range = |ops: &[Op], fixed| {
        let [normal, reduce] = [extremes(CellKind::Normal, ops, fixed), extremes(CellKind::Reduce, ops, None)];
        [0, 1].map(|end| 1_846_560 + normal[end] + reduce[end])
    };
    assert_eq!(range(&CONSTRAINED, Some(Op::SepConv3x3)), [2_566_272, 5_178_144]);
    assert_eq!(range(&Op::DARTS, None), [1_846_560, 5_620_512]);

    // The ends are reached by real networks.
    let model = CostModel::new(&SEED).unwrap();
    let all = |op| cell([0; 8].map(|input| (op, input)));
    let price = |op| model.price(&Genotype { normal: all(op), reduce: all(op) }).params;
    assert_eq!(price(Op::AvgPool3x3), 1_846_560);
    assert_eq!(price(Op::SepConv5x5), 5_620_512);
    assert_eq!(price(Op::SepConv3x3), 5_178_144);
}

/// Every mix of the constrained operations with one or two skips, as counts of (skip, sep, dil); the rest is pooling.
fn mixes(min_sep: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    (1..=2).flat_map(move |skip| (min_sep..=8 - skip).flat_map(move |sep| (0..=8 - skip - sep).map(move |dil| (skip, sep, dil))))
}

/// A cell of such a mix, sep first; the last edges skip, from node 1 or from a cell.
fn mixed((skip, sep, dil): (usize, usize, usize), skip_from: usize) -> Cell {
    let ops = [Op::SepConv3x3].repeat(sep).into_iter().chain([Op::DilConv3x3].repeat(dil));
    let ops = ops.chain([Op::MaxPool3x3].repeat(8 - skip - sep - dil)).map(|op| (op, 0));
    let edges: Vec<_> = ops.chain([(Op::SkipConnect, skip_from)].repeat(skip)).collect();
    cell(edges.try_into().unwrap())
}

#[test]
fn accepted_networks_have_the_known_range() {
    let model = CostModel::new(&SEED).unwrap();
    let accepted = mixes(3).flat_map(|normal| {
        let price = |reduce, from| model.price(&Genotype { normal: mixed(normal, 0), reduce: mixed(reduce, from) }).params;
        mixes(0).flat_map(move |reduce| [0, 2].map(|from| price(reduce, from))).collect::<Vec<_>>()
    });
    let accepted: Vec<_> = accepted.filter(|params| (2_500_000..=4_500_000).contains(params)).collect();
    assert_eq!((accepted.iter().min(), accepted.iter().max()), (Some(&2_926_128), Some(&4_496_880)));
}

#[test]
fn flops_of_darts_v2_are_those_of_evaluation() {
    let flops = |skeleton| network(darts_v2(), skeleton).cost().unwrap().flops;
    assert_eq!(flops(SEED), 528_359_040);
    assert_eq!(flops(Skeleton { auxiliary: false, ..SEED }), 528_359_040, "the auxiliary head is not evaluated");
}

#[test]
fn networks_that_cannot_be_built_are_refused_by_field() {
    let tables = [
        (Skeleton { channels: 0, ..SEED }, "`channels` is 0: it must be 1 to 1024"),
        (Skeleton { channels: 1025, ..SEED }, "`channels` is 1025: it must be 1 to 1024"),
        (Skeleton { layers: 0, ..SEED }, "`layers` is 0: it must be 1 to 1000"),
        (Skeleton { classes: 0, ..SEED }, "`classes` is 0: it must be 1 to 1048576"),
        (Skeleton { image: Image { channels: 0, ..Image::CIFAR }, ..SEED }, "`image.channels` is 0: it must be 1 to 1024"),
        (Skeleton { image: Image { height: 0, ..Image::CIFAR }, ..SEED }, "`image.height` is 0: it must be 1 to 4096"),
        (Skeleton { image: Image { width: 5000, ..Image::CIFAR }, ..SEED }, "`image.width` is 5000: it must be 1 to 4096"),
        (
            Skeleton { image: Image { channels: 1, height: 28, width: 4 }, ..SEED },
            "`auxiliary` needs a feature map of at least 2x2 after cell 13, and images of 28x4 give 7x1: set `auxiliary` to false, \
             or use larger images",
        ),
    ];
    for (skeleton, message) in tables {
        let error: NetworkError = CostModel::new(&skeleton).unwrap_err();
        assert_eq!(error.to_string(), message);
        assert_eq!(network(darts_v2(), skeleton).breakdown().unwrap_err(), error);
    }
}

#[test]
fn the_auxiliary_head_of_any_side_sees_two_halves_and_that_of_32_pixels_is_the_originals() {
    assert_eq!(auxiliary_pooling(8), (5, 3));
    for side in 2..=128 {
        let (kernel, stride) = auxiliary_pooling(side);
        assert_eq!((side - kernel) / stride + 1, 2, "{side}");
        let last = stride + kernel;
        // The original leaves out the last rows of 9 and 10.
        assert!(last == side || (9..=10).contains(&side) && last == 8, "{side}");
    }
    for (height, width) in [(28, 28), (64, 64), (8, 256), (33, 47)] {
        let image = Image { channels: 3, height, width };
        let cost = network(darts_v2(), Skeleton { image, ..SEED }).cost().unwrap();
        assert_eq!(cost.params, network(darts_v2(), SEED).cost().unwrap().params, "{height}x{width}");
    }
}

#[test]
fn the_largest_network_is_counted_without_overflow() {
    let image = Image { channels: 1024, height: 4096, width: 4096 };
    let largest = Skeleton { channels: 1024, layers: 1000, auxiliary: false, image, classes: 1 << 20 };
    let all = cell([0; 8].map(|input| (Op::SepConv5x5, input)));
    let genotype = Genotype { normal: all, reduce: all };
    let [evaluated, _] = Tracer::network(&genotype, &largest);
    assert_eq!(network(genotype, largest).cost().unwrap().flops, evaluated.flops);
}
