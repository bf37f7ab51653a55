//! One image file: its size, and its pixels at the size that is wanted.

use std::{io::Cursor, path::Path};

use image::{ImageDecoder, ImageReader, ImageResult, imageops::FilterType};

use super::{DataError, error::malformed, intact, source::read};

/// What an image is by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Rows.
    pub(super) height: usize,
    /// Columns.
    pub(super) width: usize,
    /// Whether it has colours.
    pub(super) colour: bool,
}

/// Reads the header of a PNG or JPEG file.
pub(super) fn probe(path: &Path) -> Result<Kind, DataError> {
    checked(path, |bytes| {
        let decoder = reader(bytes)?.into_decoder()?;
        let (width, height) = decoder.dimensions();
        Ok(Kind { height: height as usize, width: width as usize, colour: decoder.color_type().has_color() })
    })
}

/// The pixels `[C, H, W]` of a PNG or JPEG file, brought to `shape`: shrunk and enlarged linearly, without keeping the ratio of its sides;
/// colours made grey by their luminance, transparency left out unless the shape has a channel for it.
pub(super) fn decode(path: &Path, [channels, height, width]: [usize; 3]) -> Result<Vec<u8>, DataError> {
    let image = checked(path, |bytes| reader(bytes)?.decode())?;
    let (rows, columns) = (height as u32, width as u32);
    let image = if (image.height(), image.width()) == (rows, columns) {
        image
    } else {
        image.resize_exact(columns, rows, FilterType::Triangle)
    };
    let pixels = match channels {
        1 => image.into_luma8().into_raw(),
        2 => image.into_luma_alpha8().into_raw(),
        3 => image.into_rgb8().into_raw(),
        _ => image.into_rgba8().into_raw(),
    };
    Ok((0..channels).flat_map(|channel| pixels.iter().skip(channel).step_by(channels).copied()).collect())
}

/// With the crate's limit of 512 MiB, for headers that lie.
fn reader(bytes: &[u8]) -> ImageResult<ImageReader<Cursor<&[u8]>>> {
    Ok(ImageReader::new(Cursor::new(bytes)).with_guessed_format()?)
}

/// What `take` makes of the bytes of a whole file.
fn checked<T>(path: &Path, take: impl FnOnce(&[u8]) -> ImageResult<T>) -> Result<T, DataError> {
    let bytes = read(path)?;
    let pixels = intact::check(&bytes).map_err(|fault| fault.of(path))?;
    take(&bytes).map_err(|error| malformed(path, pixels, format!("expected an image that can be decoded ({error})")))
}
