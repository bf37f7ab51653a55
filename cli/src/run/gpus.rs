//! The GPUs of this machine, and which trainer has which.

use std::{collections::BTreeMap, env, fs, path::Path, process::Command};

use crate::failure::Failure;

/// By this variable a process is told which GPUs it may use.
pub(super) const VISIBLE: &str = "CUDA_VISIBLE_DEVICES";
/// Numbers count as `nvidia-smi` counts; by default CUDA puts the fastest first.
pub(super) const ORDER: (&str, &str) = ("CUDA_DEVICE_ORDER", "PCI_BUS_ID");

/// GPUs that trainers share: each has so many slots, and each trainer has one slot of as many GPUs as its experiment asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Gpus {
    /// As CUDA knows them: numbers, or UUIDs of GPUs and of parts of them.
    names: Vec<String>,
    slots: usize,
    each: usize,
    /// Positions in `names`, by trial.
    taken: BTreeMap<i64, Vec<usize>>,
}

impl Gpus {
    /// `names` with `slots` each, for trials that use `each` of them; without names trials use what they find, and nothing bounds them.
    ///
    /// # Errors
    ///
    /// If a trial asks for more than there are.
    pub(crate) fn new(names: Vec<String>, slots: usize, each: usize) -> Result<Self, Failure> {
        let each = each.max(1);
        if !names.is_empty() && names.len() < each {
            return Err(Failure::Usage(format!(
                "spec.trial.accelerator.count is {each}, but the GPUs here are {}: lower it, name more with --gpus, or let trials use what they \
                 find with --gpus none",
                names.join(", ")
            )));
        }
        Ok(Self { names, slots: slots.max(1), each, taken: BTreeMap::new() })
    }

    /// How many trials train at the same time; `None`: nothing bounds them.
    pub(crate) fn capacity(&self) -> Option<usize> {
        // Each trial's GPUs differ from each other, so what is left of the division lies idle.
        (!self.names.is_empty()).then(|| self.names.len() * self.slots / self.each)
    }

    /// Gives a trial the GPUs that the fewest others use; the value of [`VISIBLE`]. `None`: it is not told which. One that has some keeps them.
    pub(super) fn take(&mut self, trial: i64) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        if !self.taken.contains_key(&trial) {
            let mut by_load: Vec<(usize, usize)> = (0..self.names.len()).map(|gpu| (self.load(gpu), gpu)).collect();
            by_load.sort_unstable();
            self.taken.insert(trial, by_load.into_iter().take(self.each).map(|(_, gpu)| gpu).collect());
        }
        let taken = self.taken.get(&trial)?.iter().map(|gpu| self.names[*gpu].as_str());
        Some(taken.collect::<Vec<_>>().join(","))
    }

    /// The trial's trainer has ended.
    pub(super) fn give_back(&mut self, trial: i64) {
        self.taken.remove(&trial);
    }

    fn load(&self, gpu: usize) -> usize {
        self.taken.values().flatten().filter(|taken| **taken == gpu).count()
    }

    /// What is told at the start; `None`: nothing.
    pub(super) fn words(&self, wanted: usize) -> Option<String> {
        let capacity = self.capacity()?;
        let list = self.names.join(", ");
        let at_once = capacity.min(wanted);
        let bound = if capacity < wanted {
            format!(
                " (spec.parallelTrials is {wanted}; --slots-per-gpu lets several share a GPU, --gpus none leaves it to the trainer)"
            )
        } else {
            String::new()
        };
        Some(format!("GPUs: {list}; {at_once} at a time, each with its own{bound}"))
    }
}

/// The GPUs that are meant: what `--gpus` lists, else what the experiment's or this process's environment allows, else what is found.
pub(crate) fn meant(asked: Option<&str>, own_env: &BTreeMap<String, String>, may_use: bool) -> Vec<String> {
    let allowed = || own_env.get(VISIBLE).cloned().or_else(|| env::var(VISIBLE).ok());
    match asked {
        Some("none") => Vec::new(),
        Some(asked) => listed(asked),
        None if !may_use => Vec::new(),
        None => allowed().map_or_else(found, |allowed| listed(&allowed)),
    }
}

/// The GPUs of a list as [`VISIBLE`] has it: what follows a negative number does not count.
fn listed(list: &str) -> Vec<String> {
    let names = list.split(',').map(str::trim).take_while(|name| !name.is_empty() && !name.starts_with('-'));
    names.map(str::to_owned).collect()
}

/// The GPUs of this machine: as the driver's program lists them, else as there are device files.
pub(crate) fn found() -> Vec<String> {
    let said = Command::new("nvidia-smi").arg("-L").output().ok().filter(|output| output.status.success());
    let listed = said.map(|output| of_smi(&String::from_utf8_lossy(&output.stdout))).unwrap_or_default();
    if listed.is_empty() { of_devices(Path::new("/dev")) } else { listed }
}

/// The UUIDs in a list of `nvidia-smi -L`; where a GPU is divided (MIG), those of its parts.
fn of_smi(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    // Whether the last of them is a whole GPU that may turn out to be divided.
    let mut is_whole = false;
    for line in text.lines() {
        let Some(uuid) = line.split_once("UUID: ").and_then(|(_, rest)| rest.split_once(')')).map(|(uuid, _)| uuid) else {
            continue;
        };
        let is_part = uuid.starts_with("MIG-");
        if is_part && is_whole {
            names.pop();
        }
        is_whole = !is_part;
        names.push(uuid.to_owned());
    }
    names
}

/// The numbers of the device files `nvidia0`, `nvidia1`, ... of a folder.
fn of_devices(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let number = |name: String| name.strip_prefix("nvidia")?.parse::<u32>().ok();
    let mut numbers: Vec<u32> = entries.filter_map(|entry| number(entry.file_name().into_string().ok()?)).collect();
    numbers.sort_unstable();
    numbers.iter().map(u32::to_string).collect()
}

/// Whether `nas-trainer` would find the part of libtorch that computes on GPUs: without it a machine's GPUs bound nothing.
pub(crate) fn libtorch_has_cuda(trainer: &Path) -> bool {
    let named = env::var("NAS_LIBTORCH_CUDA").ok();
    if let Some(named) = named {
        return !named.is_empty();
    }
    let searched = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let beside = trainer.parent().map(|folder| folder.join("lib"));
    env::split_paths(&searched).chain(beside).any(|folder| folder.join("libtorch_cuda.so").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gpus(names: &[&str], slots: usize, each: usize) -> Result<Gpus, Failure> {
        Gpus::new(names.iter().map(|name| (*name).to_owned()).collect(), slots, each)
    }

    #[test]
    fn each_trial_has_the_gpu_that_the_fewest_use_until_it_gives_it_back() {
        let mut two = gpus(&["0", "1"], 2, 1).unwrap();
        assert_eq!(two.capacity(), Some(4));
        let taken = [10, 11, 12, 13].map(|trial| two.take(trial).unwrap());
        assert_eq!(taken, ["0", "1", "0", "1"]);
        assert_eq!(two.take(11).as_deref(), Some("1"), "it keeps its own");
        two.give_back(11);
        two.give_back(13);
        assert_eq!([14, 15].map(|trial| two.take(trial).unwrap()), ["1", "1"]);
    }

    #[test]
    fn a_trial_of_several_gpus_has_different_ones() {
        let mut four = gpus(&["a", "b", "c", "d"], 1, 2).unwrap();
        assert_eq!(four.capacity(), Some(2));
        assert_eq!([0, 1].map(|trial| four.take(trial).unwrap()), ["a,b", "c,d"]);
        assert_eq!(gpus(&["a", "b", "c"], 2, 2).unwrap().capacity(), Some(3));
        let refused = gpus(&["0"], 4, 2).unwrap_err().to_string();
        assert!(refused.contains("spec.trial.accelerator.count is 2") && refused.contains("--gpus"), "{refused}");
    }

    #[test]
    fn without_gpus_nothing_is_bound_and_nobody_is_told_which() {
        let mut none = gpus(&[], 1, 4).unwrap();
        assert_eq!((none.capacity(), none.take(0), none.words(8)), (None, None, None));
    }

    #[test]
    fn the_bound_is_told_where_it_binds() {
        let one = gpus(&["0"], 1, 1).unwrap();
        assert_eq!(one.words(1).as_deref(), Some("GPUs: 0; 1 at a time, each with its own"));
        assert!(one.words(4).unwrap().contains("1 at a time, each with its own (spec.parallelTrials is 4; --slots-per-gpu"));
    }

    #[test]
    fn a_list_ends_as_cuda_reads_it() {
        assert_eq!(listed("0, 2"), ["0", "2"]);
        assert_eq!(listed("GPU-5a,MIG-1b"), ["GPU-5a", "MIG-1b"]);
        assert_eq!(listed("1,-1,2"), ["1"]);
        assert!(listed("").is_empty() && listed("-1").is_empty());
        let env = BTreeMap::from([(VISIBLE.to_owned(), "3".to_owned())]);
        assert_eq!(meant(None, &env, true), ["3"]);
        assert_eq!(meant(Some("0,1"), &env, false), ["0", "1"], "who names some means them");
        assert!(meant(None, &env, false).is_empty() && meant(Some("none"), &env, true).is_empty());
    }

    #[test]
    fn a_divided_gpu_counts_as_its_parts() {
        let text = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)\nGPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-bbbb)\n  \
                    MIG 1g.5gb      Device  0: (UUID: MIG-c1)\n  MIG 1g.5gb      Device  1: (UUID: MIG-c2)\nGPU 2: X (UUID: GPU-dddd)\n";
        assert_eq!(of_smi(text), ["GPU-aaaa", "MIG-c1", "MIG-c2", "GPU-dddd"]);
        assert!(of_smi("No devices were found\n").is_empty());
    }

    #[test]
    fn device_files_are_counted_in_the_order_of_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["nvidia10", "nvidia2", "nvidiactl", "nvidia-uvm", "null"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(of_devices(folder.path()), ["2", "10"]);
    }
}
