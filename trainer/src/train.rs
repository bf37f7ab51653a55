//! The training loop of one segment.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use nas_api::contract::{CurvePoint, Report, Reported, RungResult, Segment};
use nas_darts::{Image, Skeleton};
use serde_json::json;
use tch::{Kind, Tensor};

use crate::{
    batch::{Augmentation, Batches, shuffled},
    checkpoint::{Progress, Store, capture, fingerprint, restore},
    config::Hyperparameters,
    data::{self, DataSet, Normalization, Split},
    device::Machine,
    divergence::{Diverged, Losses},
    error::TrainerError,
    evaluate::{ACCURACY, BEST_ACCURACY, Metrics, evaluate, metric_names},
    model::{DropPath, MemoryFormat, Network, Variables},
    optimizer::Sgd,
    reference::Reference,
    schedule::{Schedule, Steps},
    step::{Inputs, Learner, Recorder},
};

/// Points of the learning curve that go into a report.
const CURVE_POINTS: usize = 32;

/// How a segment ended.
#[derive(Debug, PartialEq)]
pub enum Ended {
    /// With a report.
    Reported(Report),
    /// Stopped from outside, after a checkpoint.
    Stopped,
}

/// What happens in a training, for whoever watches.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainEvent {
    /// Training goes on from a checkpoint.
    Resumed {
        /// Batches trained before.
        batches: u64,
    },
    /// The mean training loss over the last batches.
    Trained {
        /// Batches trained in all.
        batches: u64,
        /// Images in the last batches.
        images: u64,
        /// Mean loss.
        loss: f64,
        /// Learning rate.
        learning_rate: f64,
    },
    /// The network was measured.
    Evaluated {
        /// Steps of the contract.
        step: f64,
        /// All metrics.
        metrics: Metrics,
        /// What that took.
        spent: Duration,
    },
    /// A checkpoint is on the disk.
    Committed {
        /// Batches trained in all.
        batches: u64,
        /// What that took.
        spent: Duration,
    },
    /// What a report would say now: after an evaluation, and after the checkpoint where a rung ends; at the end, what it says. Its number is that
    /// of the last result, so that it never goes back where training does.
    Reported(Report),
}

/// A trial that is ready to be trained: checked, built, loaded.
pub struct Trainer {
    segment: Segment,
    hyperparameters: Hyperparameters,
    data: DataSet,
    normalization: Normalization,
    split: Split,
    steps: Steps,
    schedule: Schedule,
    variables: Variables,
    learner: Learner,
    recorder: Option<Recorder>,
}

impl Trainer {
    /// Checks everything that can be wrong before training: hyperparameters, metric, data set, network.
    /// Decoded images are kept in `cache`, else beside the data set. Training is done on `machine`.
    pub fn prepare(segment: Segment, cache: Option<&Path>, machine: Machine) -> Result<Self, TrainerError> {
        let hyperparameters = Hyperparameters::from_segment(&segment)?;
        let data = data::load(
            &segment.data_dir.join(&segment.data_name),
            &data::Options {
                shape: segment.data_shape,
                classes: segment.data_classes,
                cache,
                tell: &|words| eprintln!("{words}"),
            },
        )?;
        let names = metric_names(data.classes);
        if !names.contains(&segment.metric.as_str()) {
            let problem = format!("objective.metric is {}: it must be one of {}", segment.metric, names.join(", "));
            return Err(TrainerError::Configuration(vec![problem]));
        }
        let normalization = Normalization::of(&segment.data_name, &data.train);
        let split = data::split(&data, segment.validation);
        let steps = Steps::new(segment.step_unit, split.train.len(), hyperparameters.batch_size);
        let Hyperparameters { learning_rate, drop_path_prob, .. } = hyperparameters;
        let schedule = Schedule::new(learning_rate, drop_path_prob, steps.to_batches(segment.max_step), steps);
        let [channels, height, width] = data.train.shape.map(|size| size as u32);
        let skeleton = Skeleton {
            channels: hyperparameters.channels as u32,
            layers: hyperparameters.layers as u32,
            auxiliary: hyperparameters.auxiliary,
            image: Image { channels, height, width },
            classes: data.classes as u32,
        };
        let mut variables = Variables::new(Kind::Float, machine.device, MemoryFormat::ChannelsLast, segment.seed);
        let network = Network::new(&mut variables, &hyperparameters.genotype, &skeleton)?;
        let sgd = Sgd::new(&variables, hyperparameters.sgd);
        let learner = Learner { network, sgd, auxiliary_weight: hyperparameters.auxiliary_weight, machine };
        let recorder = Recorder::new(machine, hyperparameters.batch_size);
        Ok(Self { segment, hyperparameters, data, normalization, split, steps, schedule, variables, learner, recorder })
    }

    /// One line about what would be trained.
    pub fn summary(&self) -> String {
        let [channels, height, width] = self.data.train.shape;
        format!(
            "{}: {} images of {channels}x{height}x{width} in {} classes to train on, {} to evaluate on; {} parameters, {} batches an epoch",
            self.segment.data_name,
            self.split.train.len(),
            self.data.classes,
            self.split.evaluate.len(),
            self.variables.parameter_count(),
            self.steps.batches_per_epoch(),
        )
    }

    /// How the network sees its images, for whoever uses it later: their size, mean and deviation, and the classes.
    pub fn input(&self) -> serde_json::Value {
        let DataSet { train, classes, class_names, .. } = &self.data;
        let Normalization { mean, std } = &self.normalization;
        let name = &self.segment.data_name;
        json!({ "data": name, "shape": train.shape, "mean": mean, "std": std, "classes": classes, "class_names": class_names })
    }

    /// What its checkpoints belong to: see [`fingerprint()`].
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.segment)
    }

    /// Trains to the segment's target. `stop` is looked at between batches; `watch` sees what happens.
    pub fn run(
        &mut self,
        store: &mut Store,
        stop: &AtomicBool,
        mut watch: impl FnMut(&TrainEvent),
    ) -> Result<Ended, TrainerError> {
        let mut progress = self.resume(store, &mut watch)?;
        let target = self.segment.target_rung;
        if progress.results.len() > target {
            return Ok(Ended::Reported(self.report(&progress)));
        }
        let (train, judge) = self.batches();
        let mut order = (u64::MAX, Vec::new());
        let mut losses = Losses::new(self.learner.machine.device);
        let mut images = 0_u64;
        let mut committed = Instant::now();
        let last = self.steps.to_batches(self.segment.target_step);
        while progress.batches < last {
            let (epoch, place) = self.steps.place(progress.batches);
            if order.0 != epoch {
                order = (epoch, shuffled(self.segment.seed, epoch, &self.split.train));
            }
            let size = self.hyperparameters.batch_size;
            let places = order.1.chunks(size).nth(place as usize).unwrap_or_default();
            losses.push(self.step(&train, places, epoch, progress.batches));
            progress.batches += 1;
            images += places.len() as u64;

            let rung_ends = self.steps.to_batches(self.segment.rung_steps[progress.results.len()]) == progress.batches;
            let evaluates = rung_ends || self.evaluates_after(progress.batches);
            let timed = !self.segment.checkpoint_every.is_zero() && committed.elapsed() >= self.segment.checkpoint_every;
            let stops = stop.load(Ordering::Relaxed);
            // Nothing is measured or committed that has diverged: a segment that runs again says the same.
            if losses.look_is_due() || evaluates || timed || stops {
                if let Err(Diverged { batch, loss }) = losses.look(progress.batches) {
                    progress.batches = batch;
                    return Ok(Ended::Reported(self.diverged(&mut progress, format!("the loss of batch {batch} is {loss}"))));
                }
                if let Some(loss) = losses.mean(evaluates) {
                    let learning_rate = self.schedule.learning_rate(epoch);
                    watch(&TrainEvent::Trained { batches: progress.batches, images, loss, learning_rate });
                    images = 0;
                }
            }
            if evaluates {
                let metrics = self.measure(&judge, &mut progress, &mut watch);
                if let Some(name) = metrics.iter().find(|(_, value)| !value.is_finite()).map(|(name, _)| name) {
                    let message = format!("{name} is not finite after batch {}", progress.batches);
                    return Ok(Ended::Reported(self.diverged(&mut progress, message)));
                }
                if rung_ends {
                    let rung = progress.results.len();
                    let value = metrics.get(&self.segment.metric).copied();
                    progress.results.push(RungResult { rung, outcome: Reported::Value, value, metrics, message: None });
                    progress.seq += 1;
                }
            }
            let best = progress.best_batches == Some(progress.batches);
            if rung_ends || best || timed || stops {
                self.commit(store, &progress, &judge, &mut watch)?;
                committed = Instant::now();
            }
            if evaluates {
                watch(&TrainEvent::Reported(self.report(&progress)));
            }
            if stops && progress.batches < last {
                return Ok(Ended::Stopped);
            }
        }
        Ok(Ended::Reported(self.report(&progress)))
    }

    fn resume(&mut self, store: &Store, watch: &mut impl FnMut(&TrainEvent)) -> Result<Progress, TrainerError> {
        let Some(loaded) = store.newest()? else { return Ok(Progress::default()) };
        restore(&loaded.state, &self.variables, &self.learner.sgd).map_err(TrainerError::State)?;
        watch(&TrainEvent::Resumed { batches: loaded.progress.batches });
        Ok(loaded.progress)
    }

    /// The images to train on and those to evaluate on.
    fn batches(&self) -> (Batches, Batches) {
        let device = self.learner.machine.device;
        let on_device = |images| Batches::new(images, &self.normalization, Kind::Float, device, MemoryFormat::ChannelsLast);
        (on_device(&self.data.train), on_device(if self.split.held_out { &self.data.train } else { &self.data.test }))
    }

    /// One step of the optimiser; the loss stays on the device.
    fn step(&mut self, train: &Batches, places: &[i64], epoch: u64, batch: u64) -> Tensor {
        let [_, height, width] = self.data.train.shape;
        let augmentation =
            Augmentation::draw(self.segment.seed, batch, places.len(), [height, width], self.hyperparameters.cutout);
        let (images, labels) = train.augmented(places, &augmentation);
        let probability = self.schedule.drop_path_prob(epoch);
        let edges = self.learner.network.droppable_edges();
        let drop_path = DropPath::draw(self.segment.seed, batch, edges, places.len(), probability, Kind::Float, images.device());
        let inputs = Inputs { images, labels, drop_path };
        let learning_rate = self.schedule.learning_rate(epoch);
        match &mut self.recorder {
            Some(recorder) => recorder.step(&mut self.learner, inputs, learning_rate),
            None => self.learner.step(&inputs, learning_rate),
        }
    }

    fn evaluates_after(&self, batches: u64) -> bool {
        let (epoch, place) = self.steps.place(batches);
        place == 0 && self.segment.evaluate_every > 0 && epoch % self.segment.evaluate_every == 0
    }

    fn measure(&self, judge: &Batches, progress: &mut Progress, watch: &mut impl FnMut(&TrainEvent)) -> Metrics {
        let size = self.hyperparameters.batch_size;
        let began = Instant::now();
        let _numbers = self.learner.machine.begin();
        let mut metrics = evaluate(&self.learner.network, judge, &self.split.evaluate, size, self.data.classes);
        let accuracy = metrics.get(ACCURACY).copied().unwrap_or_default();
        let best = match progress.best_accuracy {
            Some(best) if best >= accuracy => best,
            _ => {
                (progress.best_accuracy, progress.best_batches) = (Some(accuracy), Some(progress.batches));
                accuracy
            }
        };
        metrics.insert(BEST_ACCURACY.to_owned(), best);
        let step = self.steps.fraction(progress.batches);
        if let Some(&value) = metrics.get(&self.segment.metric).filter(|value| value.is_finite()) {
            progress.curve.push(CurvePoint { step, value });
        }
        watch(&TrainEvent::Evaluated { step, metrics: metrics.clone(), spent: began.elapsed() });
        metrics
    }

    fn commit(
        &self,
        store: &mut Store,
        progress: &Progress,
        judge: &Batches,
        watch: &mut impl FnMut(&TrainEvent),
    ) -> Result<(), TrainerError> {
        let began = Instant::now();
        let Learner { network, sgd, machine, .. } = &self.learner;
        let reference = Reference::of(network, judge, &self.split.evaluate, *machine);
        let state = capture(&self.variables, sgd, &reference).map_err(TrainerError::State)?;
        store.commit(progress, &state)?;
        watch(&TrainEvent::Committed { batches: progress.batches, spent: began.elapsed() });
        Ok(())
    }

    fn diverged(&self, progress: &mut Progress, message: String) -> Report {
        let rung = progress.results.len();
        let metrics = BTreeMap::new();
        progress.results.push(RungResult { rung, outcome: Reported::Diverged, value: None, metrics, message: Some(message) });
        progress.seq += 1;
        self.report(progress)
    }

    fn report(&self, progress: &Progress) -> Report {
        let mut results = progress.results.clone();
        let lack = self.learner.machine.lack(self.segment.accelerators);
        if let (Some(last), Some(words)) = (results.last_mut(), lack) {
            last.message.get_or_insert_with(|| format!("trained {words}"));
        }
        Report {
            attempt: self.segment.attempt,
            seq: progress.seq,
            step: self.steps.whole(progress.batches),
            results,
            curve: thinned(&progress.curve),
        }
    }
}

/// At most 32 points, evenly taken, the last among them.
fn thinned(curve: &[CurvePoint]) -> Vec<CurvePoint> {
    let stride = curve.len().div_ceil(CURVE_POINTS).max(1);
    let mut points: Vec<CurvePoint> = curve.iter().rev().step_by(stride).copied().collect();
    points.reverse();
    points
}
