//! Whole trainer processes on real images: resume to the bit, stop, diverge, refuse.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

mod faults;
mod held_out;
mod trial;

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use nas_api::contract::Report;
use serde_json::{Value, json};

use faults::signal;
use trial::{Trial, find, refused};

#[test]
fn training_in_pieces_with_a_kill_gives_the_bits_of_training_at_once() {
    let whole = Trial::new();
    let at_once = whole.report(2, 0);
    assert_eq!(at_once.results.len(), 3);

    let mut pieces = Trial::new();
    pieces.report(0, 0);
    pieces.env.insert("NAS_CHECKPOINT_EVERY", "0.000001".to_owned());
    let mut child = pieces.until(1, 1, "checkpoint after batch 7");
    child.kill().unwrap();
    child.wait().unwrap();
    pieces.report(1, 2);
    let last = pieces.report(2, 3);

    assert_eq!(last.results, at_once.results);
    assert_eq!(last.curve, at_once.curve);
    assert_eq!(whole.states(14).len(), 1);
    assert_eq!(pieces.states(14), whole.states(14));
}

#[test]
fn a_network_with_an_auxiliary_head_trains_on_28_pixels_and_says_how_it_sees_them() {
    let mut trial = Trial::new();
    trial.parameters.insert("auxiliary".into(), json!(true));
    assert_eq!(trial.report(0, 0).results.len(), 1);
    let input = fs::read(find(&trial.folder.path().join("checkpoints"), "input.json")).unwrap();
    let input: Value = serde_json::from_slice(&input).unwrap();
    assert_eq!((&input["data"], &input["shape"], &input["classes"]), (&json!("fashion-mnist"), &json!([1, 28, 28]), &json!(10)));
    let mean = input["mean"][0].as_f64().unwrap();
    assert!((mean - 0.286).abs() < 0.005, "{mean}");
}

#[test]
fn a_folder_of_images_of_several_sizes_trains_at_the_size_that_is_stated() {
    let mut trial = Trial::new();
    let folder = trial.folder.path().join("data");
    for (part, count) in [("train", 20), ("test", 2)] {
        for (class, shade) in [("dark", 20), ("light", 200)] {
            let folder = folder.join("own").join(part).join(class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..count {
                let image = image::GrayImage::from_pixel(20 + number, 30, image::Luma([shade + number as u8]));
                image.save(folder.join(format!("{number}.png"))).unwrap();
            }
        }
    }
    trial.env.insert("NAS_DATA_DIR", folder.display().to_string());
    trial.env.insert("NAS_DATA_NAME", "own".into());
    refused(&trial.run(0, 0), 65, &["30x20", "spec.trial.data.shape"]);
    trial.env.insert("NAS_DATA_SHAPE", "3x11x14".into());
    trial.env.insert("NAS_DATA_CLASSES", "3".into());
    refused(&trial.run(0, 0), 65, &["3 classes", "has 2"]);
    trial.env.insert("NAS_DATA_CLASSES", "2".into());
    trial.parameters.insert("auxiliary".into(), json!(true));
    let output = trial.run(0, 0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stderr).contains("36 images of 3x11x14 in 2 classes"));
}

#[test]
fn a_segment_that_is_done_reports_again_without_training() {
    let trial = Trial::new();
    let first = trial.report(1, 0);
    let again = trial.report(1, 1);
    assert_eq!(again.results, first.results);
    assert!(again.seq >= first.seq);
    assert!(trial.states(9).len() == 1, "the second process wrote a checkpoint");
}

#[test]
fn sigterm_leaves_a_checkpoint_and_143() {
    let trial = Trial::of(100_000);
    let mut child = trial.until(0, 0, "batch 20:");
    signal("-TERM", child.id());
    let mut rest = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143), "{rest}");
    assert!(rest.contains("checkpoint after batch"), "{rest}");
    assert!(trial.message().contains("stopped"));
    let mut child = trial.until(0, 1, "resumed after batch");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_trial_that_is_to_have_a_gpu_and_trains_on_the_cpu_says_so() {
    let mut trial = Trial::new();
    trial.env.insert("NAS_LIBTORCH_CUDA", String::new());
    assert_eq!(trial.report(0, 0).results[0].message, None);
    trial.env.insert("NAS_ACCELERATORS", "1".to_owned());
    let output = trial.run(1, 1);
    let said = String::from_utf8_lossy(&output.stderr);
    let words = "on the CPU, though spec.trial.accelerator asks for 1: ";
    assert!(output.status.success() && said.starts_with(&format!("warning: trains {words}")), "{said}");
    // Once in a report: the message of the last result is that of the segment.
    let results = Report::from_message(&trial.message(), 1, 1).unwrap().results;
    assert_eq!(results[0].message, None);
    assert!(results[1].message.as_ref().unwrap().starts_with(&format!("trained {words}")), "{results:?}");
}

/// oneDNN wrote beyond its memory here, before its 1x1 convolutions at stride 2 were kept away from it.
#[test]
fn two_channels_and_two_threads_train_within_their_memory() {
    let mut trial = Trial::new();
    trial.parameters.insert("init_channels".into(), json!(2));
    trial.parameters.insert("layers".into(), json!(5));
    trial.parameters.insert("global_batch_size".into(), json!(3));
    trial.env.insert("NAS_THREADS", "2".to_owned());
    // glibc's own checks of the heap.
    trial.env.insert("LD_PRELOAD", "libc_malloc_debug.so.0".to_owned());
    trial.env.insert("MALLOC_CHECK_", "3".to_owned());
    let output = trial.run(2, 0);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(Report::from_message(&trial.message(), 0, 2).unwrap().results.len(), 3);
    // Where the loader does not find them, it says so and goes on.
    assert!(!said.contains("cannot be preloaded"), "nothing was checked: {said}");
}

#[test]
fn metrics_are_served_on_a_free_port_while_it_trains() {
    let mut trial = Trial::of(100_000);
    trial.env.insert("NAS_METRICS_LISTEN", "127.0.0.1:0".to_owned());
    let mut child = trial.until(0, 0, "batch 20:");
    let address = find(&trial.folder.path().join("checkpoints"), "metrics.address");
    let mut stream = TcpStream::connect(fs::read_to_string(address).unwrap()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    let images = text.lines().find_map(|line| line.strip_prefix("nas_trainer_images_total ")).unwrap();
    assert!(images.parse::<u64>().unwrap() >= 20 * 32);
}

#[test]
fn what_a_user_can_get_wrong_is_named_and_starts_nothing() {
    let with = |change: &dyn Fn(&mut Trial)| {
        let mut trial = Trial::new();
        change(&mut trial);
        let output = trial.run(0, 0);
        assert!(!trial.folder.path().join("checkpoints").exists());
        output
    };
    let parameter =
        |name: &'static str, value: Value| with(&move |trial| drop(trial.parameters.insert(name.into(), value.clone())));
    let variable = |name: &'static str, value: &'static str| with(&move |trial| drop(trial.env.insert(name, value.to_owned())));
    refused(&parameter("layrs", json!(3)), 78, &["layrs", "known are", "layers"]);
    refused(&parameter("layers", json!("many")), 78, &["layers", "whole number"]);
    refused(&parameter("init_channels", json!(5)), 78, &["init_channels", "even"]);
    refused(&parameter("normal_node1_edge1_op", json!("conv_9x9")), 78, &["normal_node1_edge1_op", "sep_conv_3x3"]);
    refused(&parameter("auxiliary", json!("often")), 78, &["auxiliary", "false"]);
    refused(&variable("NAS_METRIC", "f1"), 78, &["f1", "accuracy"]);
    refused(&variable("NAS_DATA_NAME", "imagenet"), 65, &["imagenet", "--data-dir"]);
    refused(&variable("NAS_TRAINER_PRECISION", "fp8"), 78, &["fp8", "bf16 or f32"]);
    refused(&variable("NAS_TRAINER_CUDA_GRAPHS", "maybe"), 78, &["NAS_TRAINER_CUDA_GRAPHS is maybe", "on or off"]);
    refused(&variable("NAS_LIBTORCH_CUDA", "/no/such/libtorch_cuda.so"), 78, &["/no/such/libtorch_cuda.so", "cannot open"]);
    refused(&variable("NAS_STEP_UNIT", "hours"), 64, &["NAS_STEP_UNIT", "epochs"]);
}

#[test]
fn a_checkpoint_of_another_architecture_is_refused() {
    let mut trial = Trial::new();
    trial.report(0, 0);
    trial.parameters.insert("normal_node1_edge1_op".into(), json!("max_pool_3x3"));
    refused(&trial.run(1, 1), 65, &["another configuration"]);
}
