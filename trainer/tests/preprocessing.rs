//! Pixels are scaled as in the original: the golden numbers of six bytes, in every type and memory format.

#![allow(clippy::unwrap_used, clippy::cast_possible_wrap, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use nas_trainer::{
    batch::Batches,
    data::{Images, Normalization},
    model::MemoryFormat,
};
use serde_json::Value;
use tch::{Device, Kind};

#[test]
fn bytes_are_normalised_as_in_the_original() {
    let golden: Value = serde_json::from_str(include_str!("golden/schedule_and_preprocess.json")).unwrap();
    let golden: BTreeMap<u8, [f64; 3]> = golden["normalize"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(byte, values)| (byte.parse().unwrap(), serde_json::from_value(values.clone()).unwrap()))
        .collect();
    assert_eq!(golden.len(), 6);
    // An image of one pixel for each byte, the same in all channels.
    let images =
        Images { pixels: golden.keys().flat_map(|byte| [*byte; 3]).collect(), labels: vec![0; golden.len()], shape: [3, 1, 1] };
    let places: Vec<i64> = (0..golden.len() as i64).collect();
    for (kind, tolerance) in [(Kind::Double, 1e-12), (Kind::Float, 1e-5)] {
        for format in [MemoryFormat::ChannelsFirst, MemoryFormat::ChannelsLast] {
            let batches = Batches::new(&images, &Normalization::of("cifar10", &images), kind, Device::Cpu, format);
            let (pixels, _) = batches.plain(&places);
            for (place, (byte, expected)) in golden.iter().enumerate() {
                for (channel, expected) in expected.iter().enumerate() {
                    let found = pixels.double_value(&[place as i64, channel as i64, 0, 0]);
                    assert!((found - expected).abs() < tolerance, "{byte} in channel {channel}: {found} is not {expected}");
                }
            }
        }
    }
}
