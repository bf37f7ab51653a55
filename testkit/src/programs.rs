//! Where the programs of a cluster lie.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::PlaneError;

/// The folder that `scripts/programs.sh` makes.
#[derive(Clone, Debug)]
pub struct Programs(PathBuf);

impl Programs {
    /// The programs that this checkout pins, or those in the folder `NAS_PROGRAMS`.
    ///
    /// # Errors
    ///
    /// Where they are not built yet.
    pub fn find() -> Result<Self, PlaneError> {
        let folder = env::var_os("NAS_PROGRAMS").map_or_else(pinned, |folder| Ok(PathBuf::from(folder)))?;
        if folder.join("kube-apiserver").exists() { Ok(Self(folder)) } else { Err(PlaneError::NotBuilt(folder)) }
    }

    /// A program's path.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn pinned() -> Result<PathBuf, PlaneError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/programs.sh");
    let output = Command::new(&script).arg("--path").output().map_err(PlaneError::io(&script))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// Runs a script of the checkout that makes something ready in the cache, unless it is there, and returns the folder that it names.
///
/// # Panics
///
/// If it fails: nothing can be tested without.
#[expect(clippy::panic, reason = "this is for tests alone")]
pub fn made_ready(script: &str, arguments: &[&str]) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(script);
    let output = Command::new(&path).args(arguments).output().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(output.status.success(), "{script} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().into()
}
