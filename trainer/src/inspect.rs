//! `nas-trainer data inspect`: what a data set holds, as numbers and as a picture.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use image::ImageError;
use nas_api::contract::{DataShape, Exit};
use thiserror::Error;

use crate::{
    data::{self, DataError, Options, Summary, contact_sheet},
    session::data_cache,
};

/// What to inspect, and how to say it.
#[derive(Args)]
#[command(after_help = "Examples:
  nas-trainer data inspect data/fashion-mnist
  nas-trainer data inspect my-images --shape 3x64x64 --sheet my-images.png
  nas-trainer data inspect my-images --output json | jq .train.images

NAS_DATA_CACHE names a folder for decoded images; without it they are kept in the data set's folder, where that can be written.
Exit codes: 0 all is well, 65 the data set is missing or malformed, 75 the contact sheet cannot be written.")]
pub struct Inspect {
    /// Folder of the data set.
    folder: PathBuf,
    /// Size as spec.trial.data.shape states it, channels x height x width: folders of images are brought to it.
    #[arg(long, value_name = "CxHxW")]
    shape: Option<DataShape>,
    /// Write a contact sheet, a row of training images for each class, to this PNG file.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// How the numbers are written.
    #[arg(long, value_enum, default_value_t = Form::Text)]
    output: Form,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    Text,
    Json,
}

/// Why an inspection failed.
#[derive(Debug, Error)]
pub enum InspectError {
    /// The data set is missing or malformed.
    #[error("{0}")]
    Data(#[from] DataError),
    /// The contact sheet cannot be written.
    #[error("cannot write the contact sheet {path}: {source}")]
    Sheet {
        /// Its file.
        path: PathBuf,
        /// Why.
        source: ImageError,
    },
}

impl InspectError {
    /// The exit code of the contract.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Data(_) => Exit::Data,
            Self::Sheet { .. } => Exit::Temporary,
        }
    }
}

/// Loads the data set, writes the contact sheet, and returns what is to be printed.
pub fn inspect(arguments: &Inspect) -> Result<String, InspectError> {
    let cache = data_cache();
    let tell = |words: &str| eprintln!("{words}");
    let options = Options { shape: arguments.shape, classes: None, cache: cache.as_deref(), tell: &tell };
    let data = data::load(&arguments.folder, &options)?;
    if let Some(path) = &arguments.sheet {
        contact_sheet(&data).save_with_format(path, image::ImageFormat::Png).map_err(of_sheet(path))?;
        eprintln!("wrote {}", path.display());
    }
    let summary = Summary::of(&data);
    Ok(match arguments.output {
        Form::Text => summary.to_string(),
        Form::Json => serde_json::to_string_pretty(&summary).unwrap_or_default(),
    })
}

fn of_sheet(path: &Path) -> impl FnOnce(ImageError) -> InspectError {
    let path = path.to_owned();
    move |source| InspectError::Sheet { path, source }
}
