//! What the tensors of a checkpoint belong to.

use nas_api::contract::{Segment, checkpoint::sha256};
use serde_json::json;

/// Configuration, seed, data and schedule of a trial in 16 hexadecimal digits: a training only goes on from checkpoints that have its own.
///
/// It is in every record on a disk, so it is made of JSON, in which versions of the trainer agree: of `[parameters by name, seed, data set, validation,
/// full length, unit]`.
pub fn fingerprint(segment: &Segment) -> String {
    let Segment { parameters, seed, data_name, validation, max_step, step_unit, .. } = segment;
    let of = json!([parameters, seed, data_name, validation.as_str(), max_step, step_unit.as_str()]);
    sha256(of.to_string().as_bytes())[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(parameters: &str) -> Segment {
        Segment::from_env(|name| {
            let value = match name {
                "NAS_CONTRACT" | "NAS_ATTEMPT" => "1",
                "NAS_EXPERIMENT" | "NAS_TRIAL_NAME" | "NAS_TRIAL_UID" | "NAS_METRIC" => "x",
                "NAS_TARGET_RUNG" => "0",
                "NAS_TARGET_STEP" | "NAS_RUNG_STEPS" => "60",
                "NAS_MAX_STEP" => "180",
                "NAS_STEP_UNIT" => "batches",
                "NAS_SEED" => "7",
                "NAS_PARAMETERS" => parameters,
                "NAS_CHECKPOINT_DIR" | "NAS_DATA_DIR" => "/x",
                "NAS_DATA_NAME" => "cifar10",
                _ => return None,
            };
            Some(value.to_owned())
        })
        .unwrap()
    }

    /// The digits are written down: with others, each checkpoint of an earlier version would be one of another configuration.
    #[test]
    fn checkpoints_of_earlier_versions_are_this_trials() {
        // SHA-256 of [{"auxiliary":false,"layers":3,"learning_rate":0.025,"normal_node1_edge1_op":"skip_connect"},7,"cifar10","Heldout",180,"batches"]
        let written = r#"{"layers": 3, "auxiliary": false, "normal_node1_edge1_op": "skip_connect", "learning_rate": 2.5e-2}"#;
        assert_eq!(fingerprint(&segment(written)), "5e981a73eda63c3d");
        assert_ne!(fingerprint(&segment(&written.replace('3', "4"))), "5e981a73eda63c3d");
    }
}
