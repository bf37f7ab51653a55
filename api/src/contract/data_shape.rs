//! The size of images, as one word.

use std::{
    fmt::{self, Display},
    str::FromStr,
};

/// Size of an image; written `3x32x32`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataShape {
    /// 1 for grey, 3 for colour.
    pub channels: u32,
    /// Rows of pixels.
    pub height: u32,
    /// Columns of pixels.
    pub width: u32,
}

impl Display for DataShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

impl FromStr for DataShape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sizes: Result<Vec<u32>, _> = text.split('x').map(str::parse).collect();
        match sizes.as_deref() {
            Ok(&[channels @ 1..=4, height @ 8..=256, width @ 8..=256]) => Ok(Self { channels, height, width }),
            _ => Err("must be channels (1 to 4), height and width (8 to 256 each), such as 3x32x32".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DataShape;

    #[test]
    fn a_shape_reads_back_and_anything_else_is_refused() {
        let shape = DataShape { channels: 1, height: 28, width: 32 };
        assert_eq!(shape.to_string().parse(), Ok(shape));
        for text in ["", "3", "3x32", "3x32x32x1", "0x32x32", "5x32x32", "3x7x32", "3x32x257", "3x32x-1", "3x32x32 "] {
            assert!(text.parse::<DataShape>().unwrap_err().contains("3x32x32"), "{text}");
        }
    }
}
