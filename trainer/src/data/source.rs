//! Where the files of a data set are: in a folder, or in the archive as it was downloaded.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use super::{
    DataError,
    error::{malformed, unreadable},
};

/// Named files.
pub(super) enum Source {
    /// In a folder.
    Folder(PathBuf),
    /// In an archive.
    Archive(Archive),
}

/// An archive, unpacked into memory; its folders do not count.
pub(super) struct Archive {
    path: PathBuf,
    /// By name.
    pub(super) files: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    /// Unpacks the files of a `.tar.gz` whose name is `wanted`.
    pub(super) fn read(path: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self, DataError> {
        // All of the gzip data is unpacked first: its check sum stands at the end.
        let bytes = read(path)?;
        let mut files = BTreeMap::new();
        let damaged = |at: u64, source| malformed(path, at as usize, format!("expected an entry of a tar archive ({source})"));
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut end = 0;
        for entry in archive.entries().map_err(|source| damaged(0, source))? {
            let mut entry = entry.map_err(|source| damaged(end, source))?;
            let start = entry.raw_file_position();
            end = start.saturating_add(entry.size());
            let name = entry.path().ok().and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
            let Some(name) = name.filter(|name| entry.header().entry_type().is_file() && wanted(name)) else { continue };
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).map_err(|source| damaged(start, source))?;
            if contents.len() as u64 != entry.size() {
                let expected = format!("expected {} bytes of {name}, found {}", entry.size(), contents.len());
                return Err(malformed(path, start as usize, expected));
            }
            files.insert(name, contents);
        }
        Ok(Self { path: path.to_owned(), files })
    }
}

impl Source {
    /// How the file of this name is spoken of.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Archive(Archive { path, .. }) => path.join(name),
        }
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).is_file(),
            Self::Archive(Archive { files, .. }) => files.contains_key(name),
        }
    }

    /// The path of a file and all of its bytes.
    pub(super) fn read(&self, name: &str) -> Result<(PathBuf, Vec<u8>), DataError> {
        let path = self.path(name);
        let bytes = match self {
            Self::Folder(_) => read(&path)?,
            Self::Archive(Archive { files, .. }) => {
                files.get(name).cloned().ok_or_else(|| unreadable(&path)(ErrorKind::NotFound.into()))?
            }
        };
        Ok((path, bytes))
    }
}

/// The file of this name in a folder: as it is, or with `.gz` behind.
pub(super) fn variant(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.is_file())
}

/// All bytes of a file, unpacked if it ends in `.gz`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(unreadable(path))?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        file.read_to_end(&mut bytes).map_err(unreadable(path))?;
        return Ok(bytes);
    }
    match GzDecoder::new(file).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) if matches!(source.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
            Err(malformed(path, bytes.len(), format!("the gzip data is cut or damaged ({source})")))
        }
        Err(source) => Err(unreadable(path)(source)),
    }
}
