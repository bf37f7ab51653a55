//! What checkpoints ask of a disk: few effects, so that a test can let each of them fail or be the last.

use std::{
    fmt::Debug,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::Path,
};

use nas_api::contract::checkpoint::{Files, ReadDisk};

/// A disk, or what a test takes for one.
pub trait Disk: ReadDisk + Debug {
    /// Makes one folder; false: there was one already.
    fn make_folder(&self, path: &Path) -> io::Result<bool>;
    /// Writes a file anew. When this returns, its content survives a crash; its name may not, before [`Self::sync_folder`].
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Gives a file another name in the same folder; who reads that name finds the old file or the new one, never none.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// When this returns, what was made, renamed and removed in a folder survives a crash.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

impl Disk for Files {
    fn make_folder(&self, path: &Path) -> io::Result<bool> {
        match fs::create_dir(path) {
            // Which error comes for a folder that is there, depends on who may write above it.
            Err(_) if path.is_dir() => Ok(false),
            made => made.map(|()| true),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some network file systems know no such call: they have nothing that could be waited for.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            synced => synced,
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// Makes a folder and those above it that are missing. When this returns, a crash undoes none of it, not even where an earlier
/// process made one of them and died before it could make sure.
pub(crate) fn make_durable(disk: &dyn Disk, folder: &Path) -> io::Result<()> {
    let mut downwards: Vec<&Path> = folder.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
    downwards.reverse();
    for path in downwards {
        let made = disk.make_folder(path)?;
        let Some(above) = path.parent() else { continue };
        let synced = disk.sync_folder(if above.as_os_str().is_empty() { Path::new(".") } else { above });
        if made {
            // Above a folder that was there, such as a mounted one, there may be others that this process may not even read.
            synced?;
        }
    }
    Ok(())
}
