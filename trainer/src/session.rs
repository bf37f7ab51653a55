//! A trainer process: from the environment to the termination message.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use nas_api::contract::{
    Exit, Reporting, Segment,
    checkpoint::{CURVE, INPUT},
};

use crate::{
    checkpoint::Store,
    device::Machine,
    error::TrainerError,
    live::{ApiServer, Live, REPORT_EVERY},
    sinks::{Curve, Input, Prometheus, Sink, Times, Words},
    train::{Ended, TrainEvent, Trainer},
};

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

/// Where the report goes, and what a panic says: `NAS_TERMINATION_LOG`, or where it is in a pod.
pub fn termination_log() -> OsString {
    env::var_os("NAS_TERMINATION_LOG").unwrap_or_else(|| "/dev/termination-log".into())
}

/// Runs the segment of the environment, and writes its report or its problem to the termination message.
pub fn run(stop: &Arc<AtomicBool>) -> Exit {
    let log = termination_log();
    // They go when the message is written: one that waits for others then holds up nothing that counts.
    let mut sinks = Vec::new();
    let ended = read_environment().and_then(|(segment, machine)| train(segment, machine, stop, &mut sinks));
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
    if let Some(words) = machine.lack(segment.accelerators) {
        eprintln!("warning: trains {words}");
    }
    if let Some(threads) = segment.threads {
        tch::set_num_threads(i32::from(threads));
        tch::set_num_interop_threads(1);
    }
    Ok((segment, machine))
}

fn train(segment: Segment, machine: Machine, stop: &AtomicBool, sinks: &mut Vec<Box<dyn Sink>>) -> Result<Ended, TrainerError> {
    let began = Instant::now();
    let (folder, attempt, uid) = (segment.checkpoint_dir.clone(), segment.attempt, segment.trial_uid.clone());
    let (reporting, trial) = (segment.reporting, segment.trial_name.clone());
    let mut trainer = Trainer::prepare(segment, data_cache().as_deref(), machine)?;
    eprintln!("{}; on {machine}", trainer.summary());
    let process = env::var("NAS_POD_UID").unwrap_or_else(|_| unique_name());
    let mut store = Store::open(&folder, attempt, &process, &uid, trainer.fingerprint())?;
    let own = store.own().to_owned();
    let input = Input::new(own.join(INPUT), trainer.input().to_string());
    sinks.push(Box::new(input));
    sinks.push(Box::new(Curve(own.join(CURVE))));
    if let Some(metrics) = Prometheus::serve(&own, machine.device) {
        sinks.push(Box::new(metrics));
    }
    if reporting == Reporting::CRStatus {
        match ApiServer::of_pod() {
            Ok(server) => sinks.push(Box::new(Live::start(REPORT_EVERY, move |report| server.apply(&trial, report)))),
            Err(error) => eprintln!("warning: no live reports: {error}"),
        }
    }
    // Last: whoever reads the words finds all else done.
    sinks.push(Box::new(Words));
    let mut times = Times::new(began);
    let ended = trainer.run(&mut store, stop, |event| {
        times.see(event);
        for sink in sinks.iter_mut() {
            sink.see(event);
        }
    });
    eprintln!("{}", times.summary());
    if let Ok(Ended::Reported(report)) = &ended {
        let last = TrainEvent::Reported(report.clone());
        for sink in sinks.iter_mut() {
            sink.see(&last);
        }
    }
    ended
}

/// A name that no other process of this trial has: ids of processes repeat, moments with them do not.
fn unique_name() -> String {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    format!("{:x}-{:x}", since.as_micros(), std::process::id())
}
