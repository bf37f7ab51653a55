//! Writes the custom resource definitions to a folder.

use std::{env, error::Error, fs, path::PathBuf};

use kube::CustomResourceExt;
use nas_api::objects::{NasExperiment, NasTrial};

const HEADER: &str = "# Generated from api/src/objects by `make generate`. Do not edit.\n";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "crds".to_owned()));
    fs::create_dir_all(&folder)?;
    for crd in [NasExperiment::crd(), NasTrial::crd()] {
        let path = folder.join(format!("{}.yaml", crd.spec.names.plural));
        fs::write(&path, format!("{HEADER}{}", serde_yaml::to_string(&crd)?))?;
        println!("{}", path.display());
    }
    Ok(())
}
