//! Reading whole files, plain or gzip.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;

use super::DataError;

/// The file of this name in a folder: as it is, or with `.gz` behind.
pub(super) fn variant(folder: &Path, name: &str) -> Option<PathBuf> {
    [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|path| path.exists())
}

/// All bytes of a file, unpacked if it ends in `.gz`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let unreadable = |source| DataError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(unreadable)?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        return Ok(bytes);
    }
    match GzDecoder::new(file).read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(source) if matches!(source.kind(), ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput) => {
            Err(malformed(path, bytes.len(), format!("the gzip data is cut or damaged ({source})")))
        }
        Err(source) => Err(unreadable(source)),
    }
}

pub(super) fn malformed(path: &Path, offset: usize, expected: String) -> DataError {
    DataError::Malformed { path: path.to_owned(), offset: offset as u64, expected }
}
