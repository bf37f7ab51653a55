//! Who watches a training: each sees every event, and none can stop it. What fails here is a warning.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nas_torch::device::peak_gpu_bytes;
use tch::Device;

use crate::{
    evaluate::{ACCURACY, BEST_ACCURACY},
    metrics::TrainerMetrics,
    train::TrainEvent,
};

/// Where `/metrics` is served unless `NAS_METRICS_LISTEN` says otherwise.
const METRICS_ADDRESS: &str = "0.0.0.0:9464";

/// Sees what happens in a training.
pub trait Sink {
    /// An event, in the order in which they happen.
    fn see(&mut self, event: &TrainEvent);
}

/// Lines for people, on stderr.
pub struct Words;

impl Sink for Words {
    fn see(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Resumed { batches } => eprintln!("resumed after batch {batches}"),
            TrainEvent::Trained { batches, loss, .. } => eprintln!("batch {batches}: loss {loss:.4}"),
            TrainEvent::Evaluated { step, metrics, .. } => {
                let listed: Vec<String> = metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
                eprintln!("step {step}: {}", listed.join(", "));
            }
            TrainEvent::Committed { batches, .. } => eprintln!("checkpoint after batch {batches}"),
            TrainEvent::Reported(_) => {}
        }
    }
}

/// Every evaluation in full, as JSON lines beside the checkpoints.
pub struct Curve(pub PathBuf);

impl Sink for Curve {
    fn see(&mut self, event: &TrainEvent) {
        let TrainEvent::Evaluated { step, metrics, .. } = event else { return };
        let line = serde_json::json!({ "step": step, "metrics": metrics });
        let opened = OpenOptions::new().create(true).append(true).open(&self.0);
        if let Err(error) = opened.and_then(|mut file| writeln!(file, "{line}")) {
            eprintln!("warning: cannot log the learning curve: {error}");
        }
    }
}

/// How the network sees its images, beside the checkpoints: written again where the folder has been removed since.
pub struct Input {
    path: PathBuf,
    text: String,
}

impl Input {
    /// Writes it.
    pub fn new(path: PathBuf, text: String) -> Self {
        let input = Self { path, text };
        input.write();
        input
    }

    fn write(&self) {
        if self.path.exists() {
            return;
        }
        if let Err(error) = fs::write(&self.path, &self.text) {
            eprintln!("warning: cannot write {}: {error}", self.path.display());
        }
    }
}

impl Sink for Input {
    fn see(&mut self, event: &TrainEvent) {
        if matches!(event, TrainEvent::Committed { .. }) {
            self.write();
        }
    }
}

/// The metrics for Prometheus, served while the process lives.
pub struct Prometheus {
    metrics: TrainerMetrics,
    device: Device,
}

impl Prometheus {
    /// Serves them where `NAS_METRICS_LISTEN` says, and leaves the address in `own`; `None`: they are not wanted, or cannot be served.
    pub fn serve(own: &Path, device: Device) -> Option<Self> {
        let address = env::var("NAS_METRICS_LISTEN").unwrap_or_else(|_| METRICS_ADDRESS.to_owned());
        let metrics = TrainerMetrics::new().ok()?;
        if address.is_empty() {
            return None;
        }
        match metrics.serve(&address) {
            Ok(bound) => {
                eprintln!("metrics on http://{bound}/metrics");
                let _ = fs::write(own.join("metrics.address"), bound.to_string());
                Some(Self { metrics, device })
            }
            Err(error) => {
                eprintln!("warning: no metrics on {address}: {error}");
                None
            }
        }
    }
}

impl Sink for Prometheus {
    fn see(&mut self, event: &TrainEvent) {
        let Self { metrics, device } = self;
        match event {
            TrainEvent::Resumed { batches } => metrics.batches.set(*batches as f64),
            TrainEvent::Trained { batches, images, loss, learning_rate } => {
                metrics.batches.set(*batches as f64);
                metrics.images.inc_by(*images);
                metrics.loss.set(*loss);
                metrics.learning_rate.set(*learning_rate);
            }
            TrainEvent::Evaluated { metrics: measured, spent, .. } => {
                metrics.accuracy.set(measured.get(ACCURACY).copied().unwrap_or(f64::NAN));
                metrics.best_accuracy.set(measured.get(BEST_ACCURACY).copied().unwrap_or(f64::NAN));
                metrics.evaluation_seconds.inc_by(spent.as_secs_f64());
            }
            TrainEvent::Committed { spent, .. } => metrics.checkpoint_seconds.inc_by(spent.as_secs_f64()),
            TrainEvent::Reported(_) => {}
        }
        if let Device::Cuda(number) = device
            && let Some(bytes) = peak_gpu_bytes(*number as i8)
        {
            metrics.peak_gpu_bytes.set(bytes as f64);
        }
    }
}

/// Where the time of a segment goes: what is not training is what a rung costs beside it.
pub struct Times {
    began: Instant,
    start: Duration,
    evaluation: Duration,
    checkpoints: Duration,
    images: u64,
}

impl Times {
    /// Of a segment that began at `began` and is about to train.
    pub fn new(began: Instant) -> Self {
        Self { began, start: began.elapsed(), evaluation: Duration::ZERO, checkpoints: Duration::ZERO, images: 0 }
    }

    /// In one line, at the end.
    pub fn summary(&self) -> String {
        let Self { start, evaluation, checkpoints, images, .. } = self;
        let all = self.began.elapsed();
        let training = all.saturating_sub(*start + *evaluation + *checkpoints).as_secs_f64();
        let speed = if training > 0.0 { *images as f64 / training } else { 0.0 };
        format!(
            "{:.2} s: {:.2} s start, {training:.2} s training ({speed:.0} images/s), {:.2} s evaluation, {:.2} s checkpoints",
            all.as_secs_f64(),
            start.as_secs_f64(),
            evaluation.as_secs_f64(),
            checkpoints.as_secs_f64(),
        )
    }
}

impl Sink for Times {
    fn see(&mut self, event: &TrainEvent) {
        match event {
            TrainEvent::Resumed { .. } => self.start = self.began.elapsed(),
            TrainEvent::Trained { images, .. } => self.images += images,
            TrainEvent::Evaluated { spent, .. } => self.evaluation += *spent,
            TrainEvent::Committed { spent, .. } => self.checkpoints += *spent,
            TrainEvent::Reported(_) => {}
        }
    }
}
