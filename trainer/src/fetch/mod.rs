//! `nas-trainer data fetch`: brings a published data set to a folder, once, however many ask for it.

mod download;
mod error;
mod published;

use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{
    Args,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use nas_api::{NotPublished, PublishedSet};

pub use error::FetchError;
pub use published::{Published, PublishedFile};

use crate::data::{self, DataSet, Options, Summary};
use download::{Download, agent};

/// Before the first new attempt that follows one without a byte; each further one waits longer.
const PAUSE: Duration = Duration::from_secs(2);

/// What to fetch, and from where.
#[derive(Args)]
#[command(after_help = "Examples:
  nas-trainer data fetch cifar10 --dir datasets
  nas-trainer data fetch fashion-mnist --dir datasets --url https://mirror.example.com/fashion-mnist

Files are checked against published digests wherever they come from. A fetch that was broken off goes on with the same command.
Of several processes that ask for the same set in the same folder, one fetches and the others wait.
Exit codes: 0 the data set is there, 65 what is there or came is something else, 75 the server or disk failed: try again.")]
pub struct Fetch {
    /// The data set.
    #[arg(value_parser = known())]
    set: PublishedSet,
    /// Folder that holds data sets, each in a folder of its name.
    #[arg(long, value_name = "DIR", env = "NAS_DATA_DIR")]
    dir: PathBuf,
    /// Address of a folder that holds the files, instead of the publisher's.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Reads the name of a published data set; the help says how large each is.
fn known() -> impl TypedValueParser<Value = PublishedSet> {
    let about = |set| match set {
        PublishedSet::Cifar10 => "60,000 colour images of 32x32 in 10 classes, 170 MB",
        PublishedSet::Cifar100 => "60,000 colour images of 32x32 in 100 classes, 169 MB",
        PublishedSet::Mnist => "70,000 grey images of 28x28 in 10 classes, 12 MB",
        PublishedSet::FashionMnist => "70,000 grey images of 28x28 in 10 classes, 31 MB",
    };
    PossibleValuesParser::new(PublishedSet::ALL.map(|set| PossibleValue::new(set.name()).help(about(set))))
        .try_map(|name| -> Result<_, NotPublished> { name.parse() })
}

/// Fetches what the command line asks for; returns what is to be printed.
pub fn fetch_known(arguments: &Fetch) -> Result<String, FetchError> {
    let mut set = Published::by_its_publisher(arguments.set);
    if let Some(url) = &arguments.url {
        url.clone_into(&mut set.url);
    }
    let data = fetch(&set, &arguments.dir, PAUSE, &|words| eprintln!("{words}"))?;
    Ok(Summary::of(&data).to_string())
}

/// Brings a data set to the folder of its name in `dir`, unless it is there, and loads it.
///
/// All is received beside its place and moved there at the end, so that whoever looks sees the whole data set or none. `pause` lies
/// between attempts in a row that bring nothing.
pub fn fetch(set: &Published, dir: &Path, pause: Duration, tell: &dyn Fn(&str)) -> Result<DataSet, FetchError> {
    let folder = dir.join(&set.name);
    if !holds_something(&folder) {
        fs::create_dir_all(dir).map_err(FetchError::storage(dir))?;
        let _lock = lock(&dir.join(format!(".{}.lock", set.name)), tell)?;
        // Another process may have done it in the meantime.
        if !holds_something(&folder) {
            receive(set, &folder, &dir.join(format!(".{}.fetch", set.name)), pause, tell)?;
        }
    }
    let data = data::load(&folder, &Options { shape: None, classes: None, cache: None, tell })?;
    let found = data.train.len() + data.test.len();
    if found != set.images {
        return Err(FetchError::OtherSet { folder, found, images: set.images });
    }
    tell(&format!("{} is in {}", set.name, folder.display()));
    Ok(data)
}

fn holds_something(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some())
}

/// Waits for the lock of a data set; it ends with the process, however that ends.
fn lock(path: &Path, tell: &dyn Fn(&str)) -> Result<File, FetchError> {
    let file = File::create(path).map_err(FetchError::storage(path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            tell(&format!("waiting for another process that fetches (lock {})", path.display()));
            file.lock().map_err(FetchError::storage(path))?;
        }
        Err(TryLockError::Error(source)) => return Err(FetchError::storage(path)(source)),
    }
    Ok(file)
}

/// Downloads and unpacks to `begun`, and moves that to `folder`.
fn receive(set: &Published, folder: &Path, begun: &Path, pause: Duration, tell: &dyn Fn(&str)) -> Result<(), FetchError> {
    fs::create_dir_all(begun).map_err(FetchError::storage(begun))?;
    let agent = agent();
    for file in &set.files {
        let url = format!("{}/{}", set.url.trim_end_matches('/'), file.name);
        tell(&format!("fetching {url}"));
        Download { agent: &agent, url, file, path: &begun.join(&file.name), pause, tell }.run()?;
    }
    for archive in set.files.iter().filter(|file| file.name.ends_with(".tar.gz")).map(|file| begun.join(&file.name)) {
        tell(&format!("unpacking {}", archive.display()));
        for (name, bytes) in data::unpack(&archive)? {
            let path = begun.join(name);
            write_whole(&path, &bytes).map_err(FetchError::storage(&path))?;
        }
        fs::remove_file(&archive).map_err(FetchError::storage(&archive))?;
    }
    fs::rename(begun, folder).map_err(FetchError::storage(folder))
}

/// Writes a file that is on the disk when this returns: its folder is moved to its place next, and must not get there before.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
