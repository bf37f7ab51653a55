//! Networks for images of other sizes than the original's: built as nas-darts counts them, and trained on.

#![allow(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "a test fails by panicking")]

use nas_darts::{Genotype, Image, Network as Counted, Op, Skeleton};
use nas_trainer::model::{MemoryFormat, Network, Pass, Variables};
use tch::{Device, Kind, Tensor};

/// Both cells of one operation, its inputs spread over all places.
fn genotype(op: Op) -> Genotype {
    Genotype::from_choices(|name| {
        let slot = nas_darts::Slot::all().find(|slot| name == slot.input_name() || name == slot.op_name())?;
        Some(if name == slot.op_name() {
            nas_darts::Choice::Op(op.as_str())
        } else {
            nas_darts::Choice::Input(*slot.inputs().end() as i64)
        })
    })
    .unwrap()
}

#[test]
fn every_size_gives_a_network_of_the_counted_parameters_that_can_be_trained() {
    for op in Op::ALL {
        for (height, width) in [(32, 32), (28, 28), (8, 8), (9, 11), (33, 50), (47, 8), (64, 30)] {
            let image = Image { channels: 2, height, width };
            let skeleton = Skeleton { channels: 4, layers: 4, auxiliary: true, image, classes: 5 };
            let counted = Counted { genotype: genotype(op), skeleton }.cost().unwrap();
            let mut variables = Variables::new(Kind::Float, Device::Cpu, MemoryFormat::ChannelsLast, 1);
            let network = Network::new(&mut variables, &genotype(op), &skeleton).unwrap();
            let case = format!("{} at {height}x{width}", op.as_str());
            assert_eq!(variables.parameter_count() as u64, counted.params, "{case}");
            let images = Tensor::ones([3, 2, height.into(), width.into()], (Kind::Float, Device::Cpu));
            let output = network.forward(&images, Pass::Train { drop_path: None });
            assert_eq!((output.logits.size(), output.auxiliary.unwrap().size()), (vec![3, 5], vec![3, 5]), "{case}");
        }
    }
}
