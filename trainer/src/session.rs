//! A trainer process: from the environment to the termination message.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};

use nas_api::contract::{Exit, Segment};

use crate::{
    checkpoint::Store,
    device::Machine,
    error::TrainerError,
    evaluate::{ACCURACY, BEST_ACCURACY},
    metrics::TrainerMetrics,
    train::{Ended, TrainEvent, Trainer},
};

/// Where `/metrics` is served unless `NAS_METRICS_LISTEN` says otherwise.
const METRICS_ADDRESS: &str = "0.0.0.0:9464";

/// Checks the segment of the environment without training it; returns one line about it.
pub fn check() -> Result<String, TrainerError> {
    let (segment, machine) = read_environment()?;
    let folder = segment.checkpoint_dir.clone();
    let trainer = Trainer::prepare(segment, data_cache().as_deref(), machine)?;
    fs::create_dir_all(&folder).map_err(TrainerError::storage("make the folder", &folder))?;
    let probe = folder.join(format!(".write-probe-{}", std::process::id()));
    fs::write(&probe, b"x").map_err(TrainerError::storage("write", &probe))?;
    fs::remove_file(&probe).map_err(TrainerError::storage("remove", &probe))?;
    Ok(trainer.summary())
}

/// Runs the segment of the environment, and writes its report or its problem to the termination message.
pub fn run(stop: &Arc<AtomicBool>) -> Exit {
    let log = env::var_os("NAS_TERMINATION_LOG").unwrap_or_else(|| "/dev/termination-log".into());
    let ended = read_environment().and_then(|(segment, machine)| train(segment, machine, stop));
    let (exit, message) = match ended {
        Ok(Ended::Reported(report)) => (Exit::Reported, report.to_message()),
        Ok(Ended::Stopped) => (Exit::Stopped, "stopped after a checkpoint".to_owned()),
        Err(error) => (error.exit(), error.to_string()),
    };
    if exit != Exit::Reported {
        eprintln!("nas-trainer: {message}");
    }
    match fs::write(&log, &message) {
        Ok(()) => exit,
        Err(error) => {
            let log = Path::new(&log).display();
            eprintln!(
                "nas-trainer: cannot write to {log}: {error}; let NAS_TERMINATION_LOG be a file that can be written, and start again"
            );
            if exit == Exit::Reported { Exit::Temporary } else { exit }
        }
    }
}

/// Where decoded images are kept: `NAS_DATA_CACHE`; in a pod the data set itself cannot be written.
pub(crate) fn data_cache() -> Option<PathBuf> {
    env::var_os("NAS_DATA_CACHE").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn read_environment() -> Result<(Segment, Machine), TrainerError> {
    let segment = Segment::from_env(|name| env::var(name).ok())?;
    let machine = Machine::from_env()?;
    if let Some(threads) = segment.threads {
        tch::set_num_threads(i32::from(threads));
        tch::set_num_interop_threads(1);
    }
    Ok((segment, machine))
}

fn train(segment: Segment, machine: Machine, stop: &AtomicBool) -> Result<Ended, TrainerError> {
    let (folder, attempt, uid) = (segment.checkpoint_dir.clone(), segment.attempt, segment.trial_uid.clone());
    let mut trainer = Trainer::prepare(segment, data_cache().as_deref(), machine)?;
    eprintln!("{}", trainer.summary());
    let process = env::var("NAS_POD_UID").unwrap_or_else(|_| unique_name());
    let mut store = Store::open(&folder, attempt, &process, &uid, trainer.fingerprint())?;
    let own = store.own().to_owned();
    let input = trainer.input().to_string();
    describe_input(&own, &input);
    let metrics = serve_metrics(&own);
    trainer.run(&mut store, stop, |event| {
        if let Some(metrics) = &metrics {
            observe(metrics, event);
        }
        if matches!(event, TrainEvent::Committed { .. }) {
            describe_input(&own, &input);
        }
        log_curve(&own, event);
        tell(event);
    })
}

/// Writes how the network sees its images beside the checkpoints, unless it is there: the folder may have been removed since.
fn describe_input(own: &Path, input: &str) {
    let path = own.join("input.json");
    if path.exists() {
        return;
    }
    if let Err(error) = fs::write(&path, input) {
        eprintln!("warning: cannot write {}: {error}", path.display());
    }
}

/// A name that no other process of this trial has: ids of processes repeat, moments with them do not.
fn unique_name() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{:x}-{:x}", since.as_micros(), std::process::id())
}

/// Observation never stops a training: what fails here is a warning.
fn serve_metrics(own: &Path) -> Option<TrainerMetrics> {
    let address = env::var("NAS_METRICS_LISTEN").unwrap_or_else(|_| METRICS_ADDRESS.to_owned());
    let metrics = TrainerMetrics::new().ok()?;
    if address.is_empty() {
        return None;
    }
    match metrics.serve(&address) {
        Ok(bound) => {
            eprintln!("metrics on http://{bound}/metrics");
            let _ = fs::write(own.join("metrics.address"), bound.to_string());
        }
        Err(error) => eprintln!("warning: no metrics on {address}: {error}"),
    }
    Some(metrics)
}

fn observe(metrics: &TrainerMetrics, event: &TrainEvent) {
    match event {
        TrainEvent::Resumed { batches } => metrics.batches.set(*batches as f64),
        TrainEvent::Trained { batches, images, loss, learning_rate } => {
            metrics.batches.set(*batches as f64);
            metrics.images.inc_by(*images);
            metrics.loss.set(*loss);
            metrics.learning_rate.set(*learning_rate);
        }
        TrainEvent::Evaluated { metrics: measured, .. } => {
            metrics.accuracy.set(measured.get(ACCURACY).copied().unwrap_or(f64::NAN));
            metrics.best_accuracy.set(measured.get(BEST_ACCURACY).copied().unwrap_or(f64::NAN));
        }
        TrainEvent::Committed { .. } => {}
    }
}

/// Every evaluation in full, as JSON lines beside the checkpoints.
fn log_curve(own: &Path, event: &TrainEvent) {
    let TrainEvent::Evaluated { step, metrics } = event else { return };
    let line = serde_json::json!({ "step": step, "metrics": metrics });
    let opened = OpenOptions::new().create(true).append(true).open(own.join("curve.jsonl"));
    if let Err(error) = opened.and_then(|mut file| writeln!(file, "{line}")) {
        eprintln!("warning: cannot log the learning curve: {error}");
    }
}

fn tell(event: &TrainEvent) {
    match event {
        TrainEvent::Resumed { batches } => eprintln!("resumed after batch {batches}"),
        TrainEvent::Trained { batches, loss, .. } => eprintln!("batch {batches}: loss {loss:.4}"),
        TrainEvent::Evaluated { step, metrics } => {
            let listed: Vec<String> = metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
            eprintln!("step {step}: {}", listed.join(", "));
        }
        TrainEvent::Committed { batches } => eprintln!("checkpoint after batch {batches}"),
    }
}
