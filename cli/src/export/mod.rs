//! `nasctl export`: a trial to take away: its cells, its weights, a network that loads them, and a file that trains it anew.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use nas_api::{genotype, network, objects::NasTrial};
use nas_search::Assignment;

use crate::{
    failure::Failure,
    records::{Records, Target},
    reproduce,
    run::trial_folder,
};

mod model;
mod weights;

pub(crate) use weights::WeightsError;
use weights::{Trained, newest};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  nasctl export runs/quickstart --output best\n  nasctl export runs/quickstart --trial 7 --output trial-7\n  \
    nasctl export constrained-adaptive -n research --checkpoints /mnt/checkpoints --output best   # a mount of the experiment's claim\n  \
    nasctl export constrained-adaptive -n research --without-weights --output best\n\n\
    Written are:\n  genotype.json         the two cells\n  cells.svg             the same as a picture\n  experiment.yaml       trains this one configuration anew, in full: nasctl run experiment.yaml\n  \
    weights.safetensors   the newest checkpoint, without the optimiser's part\n  model.py              the network in plain PyTorch, which loads them\n  \
    reference.safetensors eight images and what the network said of them: python3 model.py --check\n\n\
    Exit codes: 0 written, 64 there is no such search or trial, 65 a file cannot be read or written, or there are no weights, 69 the cluster does not answer."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Number of the trial [default: the best].
    #[arg(long, value_name = "N")]
    trial: Option<u64>,
    /// Folder to write to; made where it is missing.
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
    /// Folder that holds the checkpoints of the experiment's claim, of an experiment on a cluster.
    #[arg(long, value_name = "DIR", conflicts_with = "without_weights")]
    checkpoints: Option<PathBuf>,
    /// Leave the weights out.
    #[arg(long)]
    without_weights: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let records = Records::read(&arguments.target)?;
    let trial = records.chosen(arguments.trial)?;
    let assignment = trial.assignment();
    let trained = if arguments.without_weights { None } else { Some(newest(&folder_of(&records, trial, arguments)?, trial)?) };
    let folder = &arguments.output;
    fs::create_dir_all(folder).map_err(Failure::io(folder))?;
    let name = trial.metadata.name.clone().unwrap_or_default();
    for (file, bytes) in files(&records, &name, trial.number(), assignment, trained)? {
        let path = folder.join(file);
        fs::write(&path, bytes).map_err(Failure::io(&path))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Where the checkpoints of a trial lie.
fn folder_of(records: &Records, trial: &NasTrial, arguments: &Arguments) -> Result<PathBuf, Failure> {
    let name = trial.metadata.name.as_deref().unwrap_or_default();
    if let Some(folder) = &records.folder {
        return Ok(trial_folder(folder, name));
    }
    let uid = records.source.experiment.metadata.uid.as_deref().unwrap_or_default();
    let within = Path::new(uid).join(name);
    let claim = records.source.experiment.spec.trial.checkpoints.as_ref().map_or("its claim", |claim| claim.claim.as_str());
    let said = || {
        Failure::Usage(format!(
            "the weights lie on the cluster, in {} of the PersistentVolumeClaim {claim}: mount or copy it and give --checkpoints, or use --without-weights",
            within.display()
        ))
    };
    arguments.checkpoints.as_ref().map(|folder| folder.join(&within)).ok_or_else(said)
}

/// All files by name, in the order in which they are written.
fn files(
    records: &Records,
    name: &str,
    number: u64,
    assignment: &Assignment,
    trained: Option<Trained>,
) -> Result<Vec<(&'static str, Vec<u8>)>, Failure> {
    let experiment = &records.source.experiment;
    let malformed = |error: serde_json::Error| Failure::Folder(format!("trial {number} cannot be written as JSON: {error}"));
    let mut files = vec![("experiment.yaml", reproduce::one_trial(experiment, name, assignment).into_bytes())];
    let cells = genotype(assignment).ok();
    if let Some(cells) = cells {
        files.push(("genotype.json", serde_json::to_vec_pretty(&cells).map_err(malformed)?));
        files.push(("cells.svg", cells.to_svg().into_bytes()));
    }
    let input = trained.as_ref().map(|trained| &trained.input);
    let mut data = experiment.spec.trial.data.clone();
    data.shape = data.shape.or_else(|| input?.images());
    let network = network(assignment, &data);
    if cells.is_some() && network.is_none() {
        eprintln!("warning: model.py is left out: nothing says how large the images are; state spec.trial.data.shape");
    }
    if let Some(network) = network {
        let unit = trained.as_ref().map(|trained| format!(", after {} batches", trained.batches)).unwrap_or_default();
        let source =
            model::source(&format!("The network of trial {name}{unit}."), &network, input.unwrap_or(&model::Input::default()));
        files.push(("model.py", source.map_err(malformed)?.into_bytes()));
    }
    if let Some(trained) = trained {
        files.push(("weights.safetensors", trained.weights));
        files.extend(trained.reference.map(|reference| ("reference.safetensors", reference)));
    }
    Ok(files)
}
