//! Decoded images of a folder, kept for the next time.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nas_api::contract::checkpoint::sha256;

use super::{
    DataSet,
    folder::{Entry, Listing},
    raw,
};

/// Folder of caches; hidden, so that it is no class.
const CACHES: &str = ".nas-cache";

/// Where the images of one listing at one size are kept: a folder in the raw layout, named by the digest of both.
pub(super) struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// In a folder that may be written or not.
    pub(super) fn new(above: &Path, listing: &Listing, shape: [usize; 3]) -> Self {
        let parts = [("train", &listing.train), ("test", &listing.test)];
        let files = parts.into_iter().flat_map(|(part, entries)| {
            let name = |entry: &Entry| entry.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            entries.iter().map(move |entry| (part, &listing.classes[entry.class], name(entry), entry.length, entry.modified))
        });
        let text = serde_json::json!([shape, files.collect::<Vec<_>>()]).to_string();
        let name = &sha256(text.as_bytes())[..24];
        Self { folder: above.join(CACHES).join(name) }
    }

    /// What is kept, if it is whole.
    pub(super) fn load(&self, classes: &[String]) -> Option<DataSet> {
        raw::load(&self.folder).ok().filter(|data| data.class_names == classes)
    }

    /// Keeps a data set: written beside its place and moved there, so that whoever reads sees all of it or nothing.
    pub(super) fn save(&self, data: &DataSet) -> io::Result<()> {
        let begun = self.folder.with_extension(format!("{}-{:x}", std::process::id(), unique()));
        fs::create_dir_all(&begun)?;
        let saved = raw::save(&begun, data).and_then(|()| {
            // What stands there is damaged, or another process was faster.
            let _ = fs::remove_dir_all(&self.folder);
            fs::rename(&begun, &self.folder)
        });
        if saved.is_err() {
            let _ = fs::remove_dir_all(&begun);
        }
        saved
    }
}

fn unique() -> u128 {
    std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos()
}
