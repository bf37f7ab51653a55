//! Writes the admission policy for trainers that report to the API server, for the chart.

use std::{env, error::Error, fs, path::PathBuf};

use nas_api::trainer_policy;

const HEADER: &str = "# Generated from api/src/policy.rs by `make generate`. Do not edit.\n";

fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "charts/nas-operator/files/trainer/policy.yaml".to_owned()));
    fs::create_dir_all(path.parent().unwrap_or(&path))?;
    fs::write(&path, format!("{HEADER}{}", serde_yaml::to_string(&trainer_policy())?))?;
    println!("{}", path.display());
    Ok(())
}
