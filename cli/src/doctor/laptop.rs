//! This machine: the trainer, GPUs, memory, disk and data.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use nas_api::SourceFile;
use nix::sys::statvfs::statvfs;

use super::finding::Finding;
use crate::run::{default_trainer, gpus};

/// Memory that a trainer takes at least, in bytes: libtorch, a small network and a data set as bytes.
const MEMORY: u64 = 1 << 30;
/// Room for checkpoints, in bytes, below which a search may not come far.
const DISK: u64 = 5 << 30;

/// What was seen of this machine.
pub(super) struct Facts {
    trainer: PathBuf,
    /// What it says of its version, or why it cannot start.
    version: Result<String, String>,
    libtorch_has_cuda: bool,
    gpus: Vec<String>,
    threads: usize,
    /// Bytes; `None`: this system does not tell.
    memory: Option<u64>,
    /// Bytes for runs in the present folder.
    disk: Option<u64>,
    data_dir: PathBuf,
    /// Names of the data sets there.
    data: Vec<String>,
    /// `NAS_DATA_CACHE`, and whether it can be written.
    cache: Option<(PathBuf, bool)>,
}

/// Looks at it.
pub(super) fn observe(trainer: Option<&Path>, data_dir: &Path) -> Facts {
    let trainer = trainer.map_or_else(default_trainer, Path::to_owned);
    let entries = fs::read_dir(data_dir).into_iter().flatten().flatten();
    let holds_something = |path: &Path| fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some());
    let mut data: Vec<String> =
        entries.filter(|entry| holds_something(&entry.path())).filter_map(|entry| entry.file_name().into_string().ok()).collect();
    data.sort();
    let cache = env::var_os("NAS_DATA_CACHE").filter(|cache| !cache.is_empty()).map(PathBuf::from);
    Facts {
        version: version(&trainer),
        libtorch_has_cuda: gpus::libtorch_has_cuda(&trainer),
        trainer,
        gpus: gpus::found(),
        threads: thread::available_parallelism().map_or(1, usize::from),
        memory: fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text)),
        disk: statvfs(".").ok().map(|disk| disk.blocks_available().saturating_mul(disk.fragment_size())),
        data_dir: data_dir.to_owned(),
        data,
        cache: cache.map(|cache| {
            let is_writable = tempfile::tempfile_in(&cache).is_ok();
            (cache, is_writable)
        }),
    }
}

fn version(trainer: &Path) -> Result<String, String> {
    let output = Command::new(trainer).arg("--version").output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| nas_api::one_line(&String::from_utf8_lossy(bytes), 200);
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(format!("{}: {}", output.status, text(&output.stderr))) }
}

/// Bytes that programs can have, of `/proc/meminfo`.
fn available(text: &str) -> Option<u64> {
    let kibibytes = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?.trim().strip_suffix("kB")?;
    Some(kibibytes.trim().parse::<u64>().ok()? * 1024)
}

/// What that means for a search, or for this one.
pub(super) fn judge(facts: &Facts, source: Option<&SourceFile>) -> Vec<Finding> {
    let mut findings = vec![trainer(facts), accelerators(facts, source)];
    let slots = source.map_or(1, |source| source.plan.parallel_trials.max(1));
    findings.push(threads(facts.threads, slots));
    findings.extend(facts.memory.map(|bytes| memory(bytes, slots)));
    findings.extend(facts.disk.map(disk));
    findings.push(data(facts, source));
    findings.extend(facts.cache.as_ref().map(|(folder, is_writable)| {
        let folder = folder.display();
        if *is_writable {
            Finding::ok("data cache", format!("{folder} can be written"))
        } else {
            let cure =
                "let NAS_DATA_CACHE be a folder that can be written, or unset it: decoded images are then kept beside the data";
            Finding::warning("data cache", format!("{folder} (NAS_DATA_CACHE) can not be written"), cure)
        }
    }));
    findings
}

fn trainer(facts: &Facts) -> Finding {
    let path = facts.trainer.display();
    match &facts.version {
        Ok(version) if version.is_empty() => Finding::ok("trainer", path.to_string()),
        Ok(version) => Finding::ok("trainer", format!("{version} ({path})")),
        Err(error) if error.contains("libtorch") || error.contains("libc10") => {
            let cure = "bin/nas-trainer of `make build` finds libtorch beside it; any other needs LD_LIBRARY_PATH (eval \"$(make env)\")";
            Finding::problem("trainer", format!("{path} does not find libtorch: {error}"), cure)
        }
        Err(error) => Finding::problem(
            "trainer",
            format!("{path} does not start: {error}"),
            "build it with `make build`, or give --trainer",
        ),
    }
}

fn accelerators(facts: &Facts, source: Option<&SourceFile>) -> Finding {
    let accelerator = source.and_then(|source| source.experiment.spec.trial.accelerator.as_ref());
    let count = facts.gpus.len();
    let list = facts.gpus.join(", ");
    if count == 0 {
        let said = "none is found: trials train on the CPU";
        return match accelerator {
            Some(_) => Finding::warning(
                "GPUs",
                said,
                "nvidia-smi must list them (NVIDIA's driver); or expect trainings to take many times as long",
            ),
            None => Finding::ok("GPUs", said),
        };
    }
    if !facts.libtorch_has_cuda {
        let cure = "pip install --target /opt/pytorch torch==2.13.0, and NAS_LIBTORCH_CUDA=/opt/pytorch/torch/lib/libtorch_cuda.so (docs/gpu.md)";
        return Finding::warning("GPUs", format!("{list}; nas-trainer does not find libtorch's CUDA part"), cure);
    }
    let wanted = accelerator.map_or(1, |accelerator| usize::try_from(accelerator.count).unwrap_or(1));
    if wanted > count {
        let cure = "lower spec.trial.accelerator.count, or run with --gpus none";
        return Finding::problem("GPUs", format!("{list}: each trial asks for {wanted}"), cure);
    }
    let slots = source.map_or(1, |source| source.plan.parallel_trials);
    if slots * wanted > count {
        let cure = "`nasctl run --slots-per-gpu N` lets several trials share a GPU";
        let said = format!("{list}: {} of spec.parallelTrials {slots} train at a time", count / wanted);
        return Finding::warning("GPUs", said, cure);
    }
    Finding::ok("GPUs", list)
}

fn threads(threads: usize, slots: usize) -> Finding {
    let said = format!("{threads}");
    if slots > threads {
        let cure = "lower spec.parallelTrials: more trials than CPUs slow each other down";
        return Finding::warning("CPUs", format!("{said}, for {slots} trials at a time"), cure);
    }
    Finding::ok("CPUs", said)
}

fn memory(bytes: u64, slots: usize) -> Finding {
    let said = format!("{} available", gibibytes(bytes));
    let needed = MEMORY * slots as u64;
    if bytes < needed {
        let cure = format!(
            "a trainer takes 1 GiB at least: {slots} at a time need {}; lower spec.parallelTrials or free some",
            gibibytes(needed)
        );
        return Finding::warning("memory", said, cure);
    }
    Finding::ok("memory", said)
}

fn disk(bytes: u64) -> Finding {
    let said = format!("{} free here, where runs/ is written", gibibytes(bytes));
    if bytes < DISK {
        let cure = "free some, or give `nasctl run` a --dir elsewhere: a trial keeps up to three checkpoints (docs/storage.md)";
        return Finding::warning("disk", said, cure);
    }
    Finding::ok("disk", said)
}

fn data(facts: &Facts, source: Option<&SourceFile>) -> Finding {
    let (folder, list) = (facts.data_dir.display(), facts.data.join(", "));
    let Some(source) = source else {
        return if facts.data.is_empty() {
            Finding::warning(
                "data",
                format!("{folder} holds no data set"),
                "give --data-dir, or let an experiment fetch one: data: {name: cifar10, fetch: {}}",
            )
        } else {
            Finding::ok("data", format!("{folder} holds {list}"))
        };
    };
    let wanted = &source.experiment.spec.trial.data;
    if facts.data.contains(&wanted.name) {
        return Finding::ok("data", format!("{folder} holds {}", wanted.name));
    }
    if wanted.fetch.is_some() {
        return Finding::ok("data", format!("{} is fetched to {folder} before the first trial", wanted.name));
    }
    let cure = "give --data-dir, or add fetch: {} to spec.trial.data where it is a published set (docs/data.md)";
    let has = if facts.data.is_empty() { "nothing".to_owned() } else { list };
    Finding::problem("data", format!("{folder} lacks {}: it holds {has}", wanted.name), cure)
}

fn gibibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a size for people")]
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    format!("{gibibytes:.1} GiB")
}

#[cfg(test)]
mod tests {
    use super::{super::finding::Level, *};

    const EXPERIMENT: &str = "
apiVersion: nas-operator.dev/v1alpha1
kind: NasExperiment
metadata: {name: small}
spec:
  space: {parameters: [{name: learning_rate, double: {min: 0.001, max: 1.0}}]}
  scheduler: {fullLength: {}}
  resource: {unit: epochs, max: 1}
  maxTrials: 8
  parallelTrials: 4
  trial: {data: {name: cifar10}, accelerator: {count: 1}}
";

    fn facts() -> Facts {
        Facts {
            trainer: "bin/nas-trainer".into(),
            version: Ok("nas-trainer 0.1.0".to_owned()),
            libtorch_has_cuda: true,
            gpus: ["GPU-a", "GPU-b", "GPU-c", "GPU-d"].map(str::to_owned).to_vec(),
            threads: 8,
            memory: Some(32 << 30),
            disk: Some(100 << 30),
            data_dir: "data".into(),
            data: vec!["cifar10".to_owned()],
            cache: None,
        }
    }

    fn source(text: &str) -> SourceFile {
        nas_api::read_experiment(text).unwrap()
    }

    #[test]
    fn a_machine_that_has_all_is_well() {
        let findings = judge(&facts(), Some(&source(EXPERIMENT)));
        assert!(findings.iter().all(|finding| finding.level == Level::Ok && finding.cure.is_empty()), "{findings:?}");
        assert_eq!(findings.len(), 6);
    }

    #[test]
    fn what_lacks_is_named_with_its_cure() {
        let case = |facts: Facts, what: &str, level: Level, words: &str| {
            let findings = judge(&facts, Some(&source(EXPERIMENT)));
            let found = findings.iter().find(|finding| finding.what == what).unwrap();
            assert_eq!(found.level, level, "{found:?}");
            assert!(found.cure.contains(words), "{found:?}");
        };
        let missing = "error while loading shared libraries: libtorch.so".to_owned();
        case(Facts { version: Err(missing), ..facts() }, "trainer", Level::Problem, "LD_LIBRARY_PATH");
        case(Facts { version: Err("No such file".to_owned()), ..facts() }, "trainer", Level::Problem, "make build");
        case(Facts { gpus: Vec::new(), ..facts() }, "GPUs", Level::Warning, "nvidia-smi");
        case(Facts { libtorch_has_cuda: false, ..facts() }, "GPUs", Level::Warning, "NAS_LIBTORCH_CUDA");
        case(Facts { gpus: vec!["GPU-a".to_owned()], ..facts() }, "GPUs", Level::Warning, "--slots-per-gpu");
        case(Facts { threads: 2, ..facts() }, "CPUs", Level::Warning, "spec.parallelTrials");
        case(Facts { memory: Some(1 << 30), ..facts() }, "memory", Level::Warning, "need 4.0 GiB");
        case(Facts { disk: Some(1 << 30), ..facts() }, "disk", Level::Warning, "--dir");
        case(Facts { data: vec!["mnist".to_owned()], ..facts() }, "data", Level::Problem, "fetch: {}");
        case(Facts { cache: Some(("/nowhere".into(), false)), ..facts() }, "data cache", Level::Warning, "NAS_DATA_CACHE");
        let more = source(&EXPERIMENT.replace("count: 1", "count: 8"));
        let findings = judge(&facts(), Some(&more));
        assert!(findings.iter().any(|finding| finding.what == "GPUs" && finding.level == Level::Problem), "{findings:?}");
    }

    #[test]
    fn a_set_that_is_fetched_need_not_be_there() {
        let fetched = source(&EXPERIMENT.replace("name: cifar10", "name: cifar10, fetch: {}"));
        let found = data(&Facts { data: Vec::new(), ..facts() }, Some(&fetched));
        assert_eq!(found.level, Level::Ok, "{found:?}");
    }

    #[test]
    fn memory_is_what_programs_can_have() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   20 kB\n"), Some(20 * 1024));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }
}
