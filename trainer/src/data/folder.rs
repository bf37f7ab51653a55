//! Folders of images: `train/` and `test/` (or `val/`), in each a folder for each class.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::UNIX_EPOCH,
};

use super::{
    DataError, DataSet, Images, Layout, Options,
    cache::Cache,
    decode::{Kind, decode, probe},
    error::{folder as wrong, unreadable},
};

pub(super) const TRAIN: &str = "train";
const TESTS: [&str; 2] = ["test", "val"];
const EXTENSIONS: [&str; 3] = ["png", "jpg", "jpeg"];

/// One file.
pub(super) struct Entry {
    pub(super) path: PathBuf,
    pub(super) class: usize,
    /// Length in bytes.
    pub(super) length: u64,
    /// Nanoseconds since 1970.
    pub(super) modified: u64,
}

/// All files of a data set: classes by name, files by name within their class.
pub(super) struct Listing {
    pub(super) classes: Vec<String>,
    pub(super) train: Vec<Entry>,
    pub(super) test: Vec<Entry>,
}

/// Lists, decodes and resizes all images, or takes them from the cache.
pub(super) fn load(folder: &Path, options: &Options) -> Result<DataSet, DataError> {
    let listing = list(folder)?;
    let shape = match options.shape {
        Some(stated) => [stated.channels, stated.height, stated.width].map(|size| size as usize),
        None => common_shape(folder, &listing)?,
    };
    let cache = Cache::new(options.cache.unwrap_or(folder), &listing, shape);
    if let Some(data) = cache.load(&listing.classes) {
        return Ok(DataSet { layout: Layout::Folder, ..data });
    }
    let count = listing.train.len() + listing.test.len();
    (options.tell)(&format!("decoding {count} images of {}", folder.display()));
    let images = |entries: &[Entry]| {
        let pixels = each(entries, |entry| decode(&entry.path, shape))?.concat();
        Ok::<_, DataError>(Images { pixels, labels: entries.iter().map(|entry| entry.class as i64).collect(), shape })
    };
    let (train, test) = (images(&listing.train)?, images(&listing.test)?);
    let data = DataSet { train, test, classes: listing.classes.len(), class_names: listing.classes, layout: Layout::Folder };
    if let Err(error) = cache.save(&data) {
        (options.tell)(&format!(
            "the decoded images are not kept for the next time: {error} (NAS_DATA_CACHE names another folder)"
        ));
    }
    Ok(data)
}

fn list(folder: &Path) -> Result<Listing, DataError> {
    let train = folder.join(TRAIN);
    let Some(test) = TESTS.iter().map(|name| folder.join(name)).find(|path| path.is_dir()) else {
        return Err(wrong(folder, "expected a folder test/ or val/ beside train/"));
    };
    let classes = class_names(&train)?;
    let of_test = class_names(&test)?;
    if let Some(extra) = of_test.iter().find(|class| !classes.contains(class)) {
        return Err(wrong(&test.join(extra), "expected the classes of train/, which has none of this name"));
    }
    if let Some(missing) = classes.iter().find(|class| !of_test.contains(class)) {
        return Err(wrong(&test.join(missing), "expected a folder for each class of train/ (it may be empty)"));
    }
    let entries = |part: &Path| {
        let by_class = classes.iter().enumerate().map(|(class, name)| files(&part.join(name), class));
        Ok::<_, DataError>(by_class.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect::<Vec<_>>())
    };
    let listing = Listing { train: entries(&train)?, test: entries(&test)?, classes: classes.clone() };
    if let Some(empty) = (0..classes.len()).find(|class| listing.train.iter().all(|entry| entry.class != *class)) {
        return Err(wrong(&train.join(&classes[empty]), "expected at least one image (.png, .jpg, .jpeg)"));
    }
    if listing.test.is_empty() {
        return Err(wrong(&test, "expected at least one image (.png, .jpg, .jpeg)"));
    }
    Ok(listing)
}

/// Names of the folders in a folder, sorted by their bytes.
fn class_names(folder: &Path) -> Result<Vec<String>, DataError> {
    let mut names = Vec::new();
    for path in visible(folder)? {
        if !path.is_dir() {
            return Err(wrong(&path, "expected nothing but folders of images here, one for each class"));
        }
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) => names.push(name.to_owned()),
            None => return Err(wrong(&path, "expected a name in UTF-8")),
        }
    }
    if names.is_empty() {
        return Err(wrong(folder, "expected a folder of images for each class, found none"));
    }
    Ok(names)
}

fn files(folder: &Path, class: usize) -> Result<Vec<Entry>, DataError> {
    let mut entries = Vec::new();
    for path in visible(folder)? {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
        let about = fs::metadata(&path).map_err(unreadable(&path))?;
        if !about.is_file() || !EXTENSIONS.contains(&extension.as_str()) {
            return Err(wrong(&path, "expected nothing but images here (.png, .jpg, .jpeg): remove or convert it"));
        }
        let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        entries.push(Entry { path, class, length: about.len(), modified: modified.as_nanos() as u64 });
    }
    Ok(entries)
}

/// What a folder holds but for hidden files, sorted.
fn visible(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = fs::read_dir(folder).map_err(unreadable(folder))?.collect::<Result<Vec<_>, _>>().map_err(unreadable(folder))?;
    let hidden = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(|path| !hidden(path)).collect();
    paths.sort();
    Ok(paths)
}

/// The size that all images have; colour if any has.
fn common_shape(folder: &Path, listing: &Listing) -> Result<[usize; 3], DataError> {
    let state = "state spec.trial.data.shape, and all are brought to that size";
    let entries = || listing.train.iter().chain(&listing.test);
    let kinds = [each(&listing.train, |entry| probe(&entry.path))?, each(&listing.test, |entry| probe(&entry.path))?].concat();
    let Some(&Kind { height, width, .. }) = kinds.first() else { return Err(wrong(folder, "expected at least one image")) };
    if let Some((entry, other)) = entries().zip(&kinds).find(|(_, kind)| (kind.height, kind.width) != (height, width)) {
        let found = format!("expected {height}x{width} pixels as the first image has, found {}x{}", other.height, other.width);
        return Err(wrong(&entry.path, format!("{found}: {state}")));
    }
    if [height, width].iter().any(|side| !(8..=256).contains(side)) {
        return Err(DataError::Size { path: folder.to_owned(), height, width, cure: state });
    }
    Ok([if kinds.iter().any(|kind| kind.colour) { 3 } else { 1 }, height, width])
}

/// Applies `work` to each entry on all processors; the first error in the entries' order, if any.
fn each<T: Send>(entries: &[Entry], work: impl Fn(&Entry) -> Result<T, DataError> + Sync) -> Result<Vec<T>, DataError> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let chunks = entries.chunks(entries.len().div_ceil(workers).max(1));
    let work = &work;
    thread::scope(|scope| {
        let running: Vec<_> =
            chunks.map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Result<Vec<T>, _>>())).collect();
        let mut all = Vec::with_capacity(entries.len());
        for worker in running {
            all.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    })
}
