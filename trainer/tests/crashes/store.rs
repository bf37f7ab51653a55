//! Every effect of a store as the last one before a crash, and as one that fails.

use std::{io::ErrorKind, path::Path};

use nas_trainer::{
    checkpoint::{Progress, ReadDisk, Record, Store},
    error::TrainerError,
};

use super::disk::{CrashDisk, Fault};

const TRIAL: &str = "/disk/trials/trial";

struct Planned {
    progress: Progress,
    state: Vec<u8>,
}

impl Planned {
    fn is_best(&self) -> bool {
        self.progress.best_batches == Some(self.progress.batches)
    }
}

/// Four commits. Bits of `code`: whether a commit is of the same step as the one before (with another state, as on a GPU), and
/// whether a commit is the best so far.
fn plan(code: usize) -> Vec<Planned> {
    let mut progress = Progress::default();
    let mut commits = Vec::new();
    for place in 0..4 {
        if place == 0 || code >> place & 1 == 0 {
            progress.batches += 1;
        }
        if place == 0 || code >> (place + 3) & 1 == 1 {
            progress.best_batches = Some(progress.batches);
        }
        progress.seq += 1;
        commits.push(Planned { progress: progress.clone(), state: format!("state number {place}").into_bytes() });
    }
    commits
}

fn open(disk: &CrashDisk, attempt: u32) -> Result<Store, TrainerError> {
    Store::open_on(Box::new(disk.clone()), Path::new(TRIAL), attempt, "x", "uid", "f".to_owned())
}

/// One process that commits all of `plan` until something fails; how many commits returned.
fn live(disk: &CrashDisk, plan: &[Planned]) -> usize {
    let Ok(mut store) = open(disk, 0) else { return 0 };
    plan.iter().take_while(|commit| store.commit(&commit.progress, &commit.state).is_ok()).count()
}

/// Which commits of `plan` can be read in full.
fn whole(disk: &CrashDisk, plan: &[Planned]) -> Vec<usize> {
    let own = Path::new(TRIAL).join("a0-x");
    let names = disk.list(&own).unwrap_or_default();
    let records = names.iter().filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    records
        .filter_map(|path| {
            let record: Record = serde_json::from_slice(&disk.read(path).unwrap()).unwrap();
            let state = disk.read(&own.join(record.file)).ok()?;
            plan.iter().position(|commit| commit.progress == record.progress && commit.state == state)
        })
        .collect()
}

/// What must be so whenever `returned` commits had returned, however the rest went.
fn check(disk: &CrashDisk, plan: &[Planned], returned: usize, how: &str) {
    let whole = whole(disk, plan);
    let in_flight = (returned < plan.len() && whole.contains(&returned)).then_some(returned);
    let mut store = open(disk, 1).unwrap();
    let found = store.newest().unwrap();
    let newest = found.map(|found| {
        let same = |commit: &Planned| commit.progress == found.progress && commit.state == found.state;
        plan.iter().position(same).unwrap_or_else(|| panic!("{how}: the newest one is torn"))
    });
    if let Some(last) = returned.checked_sub(1) {
        assert!(newest == Some(last) || (newest.is_some() && newest == in_flight), "{how}: newest {newest:?}, {whole:?}");
        let best = plan[..returned].iter().rposition(Planned::is_best).unwrap();
        let outdone = in_flight.is_some_and(|place| plan[place].is_best());
        assert!(whole.contains(&best) || outdone, "{how}: the best is {best}, there are {whole:?}");
        let step = plan[last].progress.batches;
        if let Some(second) = plan[..last].iter().rposition(|commit| commit.progress.batches < step) {
            assert!(whole.contains(&second) || in_flight.is_some(), "{how}: there are {whole:?}");
        }
    } else {
        assert!(newest.is_none() || newest == in_flight, "{how}: newest {newest:?}");
    }
    // The next process relies on what it found: from here on no crash takes it away.
    let after = disk.fork();
    after.crash(0);
    let again = open(&after, 1).unwrap().newest().unwrap().map(|found| found.state);
    assert_eq!(again, newest.map(|place| plan[place].state.clone()), "{how}");
    // And it goes on.
    let next = Progress { batches: 9, ..Progress::default() };
    store.commit(&next, b"next").unwrap();
    disk.crash(0);
    assert_eq!(open(disk, 1).unwrap().newest().unwrap().unwrap().state, b"next", "{how}");
    assert!(
        newest.is_none_or(|_| whole.iter().all(|place| self::whole(disk, plan).contains(place))),
        "{how}: another's was removed"
    );
}

#[test]
fn no_crash_and_no_failure_at_any_effect_loses_what_was_committed() {
    let mut checked = 0;
    for code in (0..128).step_by(2) {
        let plan = plan(code);
        let disk = CrashDisk::new();
        assert_eq!(live(&disk, &plan), plan.len());
        for at in 0..=disk.effects() {
            for fault in [Fault::Dies, Fault::Fails(ErrorKind::StorageFull), Fault::FailsAfter] {
                let disk = CrashDisk::new();
                disk.set_fault(at, fault);
                let returned = live(&disk, &plan);
                disk.restart_process();
                let unsynced = disk.unsynced();
                for kept in 0..1 << unsynced {
                    let crashed = disk.fork();
                    crashed.crash(kept);
                    check(&crashed, &plan, returned, &format!("plan {code}, {fault:?} at {at}, kept {kept:b}"));
                    checked += 1;
                }
                check(&disk, &plan, returned, &format!("plan {code}, {fault:?} at {at}, no crash"));
            }
        }
    }
    assert!(checked > 10_000, "{checked}");
}

#[test]
fn a_full_disk_is_left_without_waste() {
    let plan = plan(0);
    let disk = CrashDisk::new();
    live(&disk, &plan);
    for at in 0..disk.effects() {
        let disk = CrashDisk::new();
        disk.set_fault(at, Fault::Fails(ErrorKind::StorageFull));
        live(&disk, &plan);
        let own = Path::new(TRIAL).join("a0-x");
        let names = disk.list(&own).unwrap_or_default();
        assert!(names.iter().all(|name| name.extension().is_some_and(|extension| extension != "tmp")), "{at}: {names:?}");
    }
}

#[test]
fn a_folder_that_vanishes_at_any_effect_is_made_again() {
    for code in [0, 2, 112] {
        let plan = plan(code);
        let disk = CrashDisk::new();
        live(&disk, &plan);
        for at in 0..disk.effects() {
            let disk = CrashDisk::new();
            disk.set_fault(at, Fault::Vanishes);
            let mut store = open(&disk, 0).unwrap_or_else(|_| open(&disk, 0).unwrap());
            for commit in &plan {
                store.commit(&commit.progress, &commit.state).unwrap_or_else(|error| panic!("plan {code} at {at}: {error}"));
            }
            let next = Progress { batches: 9, ..Progress::default() };
            store.commit(&next, b"next").unwrap();
            disk.crash(0);
            assert_eq!(open(&disk, 0).unwrap().newest().unwrap().unwrap().state, b"next", "plan {code} at {at}");
        }
    }
}

#[test]
fn each_error_says_what_to_do() {
    for (kind, words) in [
        (ErrorKind::StorageFull, "free some space"),
        (ErrorKind::ReadOnlyFilesystem, "writable"),
        (ErrorKind::NotADirectory, "must be a folder"),
        (ErrorKind::StaleNetworkFileHandle, "is mounted"),
        (ErrorKind::Other, "look after the disk"),
    ] {
        let disk = CrashDisk::new();
        let mut store = open(&disk, 0).unwrap();
        store.commit(&Progress { batches: 1, ..Progress::default() }, b"one").unwrap();
        disk.set_fault(disk.effects(), Fault::Fails(kind));
        let error = store.commit(&Progress { batches: 2, ..Progress::default() }, b"two").unwrap_err();
        assert_eq!(error.exit().code(), 75);
        let message = error.to_string();
        assert!(message.contains(words) && message.contains("step-0000000002"), "{message}");
        assert_eq!(store.newest().unwrap().unwrap().state, b"one");
    }
}
