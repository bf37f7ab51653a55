//! Which process runs the search of a folder: the one that holds the lock on its journal.

use std::{fs, path::Path};

use nix::unistd::Pid;

/// The process that has a journal open and locked; `None`: none has, or it is another user's, or this is not Linux.
pub(crate) fn holder(journal: &Path) -> Option<Pid> {
    let journal = fs::canonicalize(journal).ok()?;
    let processes = fs::read_dir("/proc").ok()?.flatten();
    processes
        .filter_map(|process| process.file_name().to_str()?.parse().ok())
        .map(Pid::from_raw)
        .find(|pid| holds(*pid, &journal))
}

fn holds(pid: Pid, journal: &Path) -> bool {
    let of = |what: &str| Path::new("/proc").join(pid.to_string()).join(what);
    let open = fs::read_dir(of("fd")).into_iter().flatten().flatten();
    open.filter(|file| fs::read_link(file.path()).is_ok_and(|path| path == journal)).any(|file| {
        let about = fs::read_to_string(of("fdinfo").join(file.file_name())).unwrap_or_default();
        about.lines().any(|line| line.starts_with("lock:") && line.contains("FLOCK"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_a_journal_is_who_locked_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let file = fs::File::create(&path).unwrap();
        assert_eq!(holder(&path), None, "it is open and not locked");
        file.try_lock().unwrap();
        assert_eq!(holder(&path), Some(Pid::this()));
        drop(file);
        assert_eq!(holder(&path), None);
    }
}
