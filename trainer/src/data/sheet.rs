//! A contact sheet: some images of each class, to look at.

use image::{Rgb, RgbImage};

use super::{DataSet, Images};

/// Classes on a sheet, from the first.
const ROWS: usize = 20;
/// Images of each class, from the first.
const COLUMNS: usize = 12;
/// Pixels between images.
const GAP: usize = 2;
const BACKGROUND: Rgb<u8> = Rgb([255, 0, 255]);

/// A row for each class: its first training images.
pub fn contact_sheet(data: &DataSet) -> RgbImage {
    let [_, height, width] = data.train.shape;
    let rows = data.classes.min(ROWS);
    let size = |count: usize, side: usize| (GAP + count * (side + GAP)) as u32;
    let mut sheet = RgbImage::from_pixel(size(COLUMNS, width), size(rows, height), BACKGROUND);
    for class in 0..rows {
        let of_class = (0..data.train.len()).filter(|place| data.train.labels[*place] == class as i64);
        for (column, place) in of_class.take(COLUMNS).enumerate() {
            let corner = [GAP + column * (width + GAP), GAP + class * (height + GAP)].map(|at| at as i64);
            image::imageops::replace(&mut sheet, &picture(&data.train, place), corner[0], corner[1]);
        }
    }
    sheet
}

/// An image in colours: its first three channels, or the first where there are fewer.
fn picture(images: &Images, place: usize) -> RgbImage {
    let [channels, height, width] = images.shape;
    let area = height * width;
    let pixels = &images.pixels[place * channels * area..][..channels * area];
    let of = |channel: usize, at: usize| pixels[if channels < 3 { at } else { channel * area + at }];
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        Rgb([0, 1, 2].map(|channel| of(channel, at)))
    })
}
