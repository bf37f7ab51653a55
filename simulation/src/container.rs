//! The container of the tables: named arrays of numbers behind a JSON header, all of it compressed by Zstandard.
//!
//! Uncompressed it is the magic `NASBT1\0\0`, the length of the header as 32 bits, the header, and the arrays, little-endian, each at its
//! `offset` from the beginning. The header lists them (`name`, `dtype`, `shape`, `offset`, `scale`) and says in free members what they are.

use std::io::Read;

use ruzstd::decoding::StreamingDecoder;
use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

const MAGIC: &[u8; 8] = b"NASBT1\0\0";

/// Where the header begins: behind the magic and its length.
const HEADER_AT: usize = 12;

/// Longest container, uncompressed: a file of a few bytes must not fill the memory.
const MAX_BYTES: u64 = 1 << 28;

/// A container in memory; every array that its header lists lies within it.
#[derive(Debug)]
pub struct Container {
    bytes: Vec<u8>,
    header: Header,
}

#[derive(Debug, Deserialize)]
struct Header {
    arrays: Vec<Entry>,
    #[serde(flatten)]
    facts: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    dtype: Kind,
    shape: Vec<usize>,
    offset: usize,
    scale: Option<f64>,
}

/// What the elements of an array are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// IEEE 754, 32 bits; NaN where nothing was measured.
    F32,
}

/// An array of a container.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a> {
    kind: Kind,
    shape: &'a [usize],
    scale: Option<f64>,
    raw: &'a [u8],
}

/// Why bytes are no container, or lack what is asked of them.
#[derive(Debug, Error)]
pub enum ContainerError {
    /// Not Zstandard, or cut short.
    #[error("the file cannot be decompressed: {0}; it must be one whole Zstandard frame")]
    Compression(String),
    /// Beyond what is read.
    #[error("the file is larger than {MAX_BYTES} bytes when it is decompressed")]
    TooLarge,
    /// Something else in Zstandard.
    #[error("the decompressed file does not begin with NASBT1")]
    Magic,
    /// The header is not all there.
    #[error("the header should end at byte {end}, but there are {length} bytes")]
    HeaderCut {
        /// Where it should end.
        end: usize,
        /// What there is.
        length: usize,
    },
    /// The header is not what it should be.
    #[error("the header cannot be read: {0}")]
    Header(#[from] serde_json::Error),
    /// An array does not lie between the header and the end.
    #[error("array {name} should lie at byte {offset}, but does not fit between the header and the end at {length}")]
    Outside {
        /// The array.
        name: String,
        /// Where it should begin.
        offset: usize,
        /// What there is.
        length: usize,
    },
    /// Two arrays have one name.
    #[error("array {0} is listed twice")]
    Twice(String),
    /// An array is not there.
    #[error("there is no array {0}")]
    NoArray(String),
    /// An array is not of the expected shape.
    #[error("array {name} has shape {found:?}, not {expected:?}")]
    Shape {
        /// The array.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What it should be.
        expected: Vec<usize>,
    },
    /// An array does not hold bytes.
    #[error("array {0} must hold bytes (u8)")]
    NotBytes(String),
    /// A member of the header is not there, or something else.
    #[error("the header must have {0}, a list of numbers")]
    NoNumbers(String),
}

impl Container {
    /// Decompresses a container and checks its header.
    ///
    /// # Errors
    ///
    /// Where it is malformed in any way.
    pub fn read(compressed: &[u8]) -> Result<Self, ContainerError> {
        let decoder = StreamingDecoder::new(compressed).map_err(|error| ContainerError::Compression(error.to_string()))?;
        let mut bytes = Vec::new();
        let read = decoder.take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| ContainerError::Compression(error.to_string()))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(ContainerError::TooLarge);
        }
        Self::of(bytes)
    }

    /// Takes a container that is not compressed.
    pub(crate) fn of(bytes: Vec<u8>) -> Result<Self, ContainerError> {
        if !bytes.starts_with(MAGIC) {
            return Err(ContainerError::Magic);
        }
        let length = bytes.len();
        let cut = |end| ContainerError::HeaderCut { end, length };
        let size = bytes.get(MAGIC.len()..HEADER_AT).and_then(|size| size.try_into().ok()).ok_or_else(|| cut(HEADER_AT))?;
        let end = (u32::from_le_bytes(size) as usize).saturating_add(HEADER_AT);
        let header: Header = serde_json::from_slice(bytes.get(HEADER_AT..end).ok_or_else(|| cut(end))?)?;
        for (index, entry) in header.arrays.iter().enumerate() {
            if header.arrays[..index].iter().any(|other| other.name == entry.name) {
                return Err(ContainerError::Twice(entry.name.clone()));
            }
            if entry.offset < end || entry.range().is_none_or(|range| bytes.get(range).is_none()) {
                return Err(ContainerError::Outside { name: entry.name.clone(), offset: entry.offset, length });
            }
        }
        Ok(Self { bytes, header })
    }

    /// An array by its name.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn array(&self, name: &str) -> Result<Array<'_>, ContainerError> {
        let entry = self.header.arrays.iter().find(|entry| entry.name == name);
        // The ranges were checked when it was read.
        let array = entry.and_then(|entry| {
            let raw = self.bytes.get(entry.range()?)?;
            Some(Array { kind: entry.dtype, shape: &entry.shape, scale: entry.scale, raw })
        });
        array.ok_or_else(|| ContainerError::NoArray(name.to_owned()))
    }

    /// The values of an array that must have this shape, the last index fastest.
    ///
    /// # Errors
    ///
    /// Where there is none, or one of another shape.
    pub fn values(&self, name: &str, shape: &[usize]) -> Result<impl Iterator<Item = f64>, ContainerError> {
        let array = self.array(name)?;
        if array.shape != shape {
            let (found, expected) = (array.shape.to_vec(), shape.to_vec());
            return Err(ContainerError::Shape { name: name.to_owned(), found, expected });
        }
        Ok(array.values())
    }

    /// The bytes of an array of bytes in rows of `N`.
    ///
    /// # Errors
    ///
    /// Where there is none, or one of something else.
    pub fn rows<const N: usize>(&self, name: &str) -> Result<Vec<[u8; N]>, ContainerError> {
        let array = self.array(name)?;
        if array.kind != Kind::U8 {
            return Err(ContainerError::NotBytes(name.to_owned()));
        }
        match *array.shape {
            [_, width] if width == N => Ok(array.raw.as_chunks().0.to_vec()),
            _ => {
                let expected = vec![array.shape.first().copied().unwrap_or_default(), N];
                Err(ContainerError::Shape { name: name.to_owned(), found: array.shape.to_vec(), expected })
            }
        }
    }

    /// A list of numbers in the header.
    ///
    /// # Errors
    ///
    /// Where it is not there, or something else.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>, ContainerError> {
        let list = self.header.facts.get(name).and_then(Value::as_array);
        let numbers = list.and_then(|list| list.iter().map(Value::as_f64).collect());
        numbers.ok_or_else(|| ContainerError::NoNumbers(name.to_owned()))
    }
}

impl Entry {
    /// Its bytes; `None`: more than can be addressed.
    fn range(&self) -> Option<std::ops::Range<usize>> {
        let count = self.shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length))?;
        Some(self.offset..self.offset.checked_add(count.checked_mul(self.dtype.size())?)?)
    }
}

impl Kind {
    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }
}

impl<'a> Array<'a> {
    /// Its lengths, the slowest first.
    pub const fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// What its elements are.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// All values, scaled, the last index fastest; NaN where nothing was measured.
    pub fn values(self) -> impl Iterator<Item = f64> + 'a {
        let value = move |bytes: &[u8]| match (self.kind, bytes) {
            (Kind::U8, [a]) => f64::from(*a),
            (Kind::U16, [a, b]) => f64::from(u16::from_le_bytes([*a, *b])),
            (Kind::U32, [a, b, c, d]) => f64::from(u32::from_le_bytes([*a, *b, *c, *d])),
            (Kind::F32, [a, b, c, d]) => f64::from(f32::from_le_bytes([*a, *b, *c, *d])),
            // Chunks have the size of the kind.
            _ => f64::NAN,
        };
        let scale = self.scale;
        self.raw.chunks_exact(self.kind.size()).map(move |bytes| scale.map_or(value(bytes), |scale| value(bytes) * scale))
    }
}

/// A container with this header and data, not compressed.
#[cfg(test)]
pub(crate) fn bytes(header: &str, data: &[u8]) -> Vec<u8> {
    let size = u32::try_from(header.len()).unwrap_or_default().to_le_bytes();
    [MAGIC.as_slice(), &size, header.as_bytes(), data].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Uncompressed)
    }

    /// Two arrays; the header is padded to 200 bytes, so that data begin at 212.
    fn sample() -> Vec<u8> {
        let arrays = r#"{"name": "a", "dtype": "u16", "shape": [2, 1], "offset": 212, "scale": 0.5},
            {"name": "b", "dtype": "u8", "shape": [2, 2], "offset": 216}"#;
        bytes(&format!("{:200}", format!(r#"{{"sd": [1, 0.5], "arrays": [{arrays}]}}"#)), &[3, 0, 0, 1, 9, 8, 7, 6])
    }

    #[test]
    fn arrays_and_facts_are_read() {
        let container = Container::read(&compressed(&sample())).unwrap();
        assert_eq!(container.values("a", &[2, 1]).unwrap().collect::<Vec<_>>(), [1.5, 128.0]);
        assert_eq!(container.array("a").unwrap().kind(), Kind::U16);
        assert_eq!(container.array("b").unwrap().shape(), [2, 2]);
        assert_eq!(container.rows::<2>("b").unwrap(), [[9, 8], [7, 6]]);
        assert_eq!(container.numbers("sd").unwrap(), [1.0, 0.5]);
    }

    #[test]
    fn what_is_missing_or_different_is_named() {
        let container = Container::of(sample()).unwrap();
        let message = |error: ContainerError| error.to_string();
        assert_eq!(message(container.array("c").unwrap_err()), "there is no array c");
        assert_eq!(message(container.values("a", &[1, 2]).err().unwrap()), "array a has shape [2, 1], not [1, 2]");
        assert_eq!(message(container.rows::<3>("b").unwrap_err()), "array b has shape [2, 2], not [2, 3]");
        assert_eq!(message(container.rows::<1>("a").unwrap_err()), "array a must hold bytes (u8)");
        assert_eq!(message(container.numbers("mean").unwrap_err()), "the header must have mean, a list of numbers");
    }

    #[test]
    fn malformed_files_are_refused() {
        let refused = |bytes: Vec<u8>| Container::of(bytes).unwrap_err();
        let with = |array: &str| refused(bytes(&format!("{:200}", format!(r#"{{"arrays": [{array}]}}"#)), &[0; 8]));
        assert!(matches!(Container::read(b"").unwrap_err(), ContainerError::Compression(_)));
        assert!(matches!(Container::read(b"NASBT1\0\0").unwrap_err(), ContainerError::Compression(_)));
        let whole = compressed(&sample());
        for length in 0..whole.len() {
            assert!(Container::read(&whole[..length]).is_err(), "{length}");
        }
        assert!(matches!(refused(b"NASBT2\0\0".to_vec()), ContainerError::Magic));
        assert!(matches!(refused(b"NASBT1\0\0\x01\0".to_vec()), ContainerError::HeaderCut { end: 12, length: 10 }));
        assert!(matches!(refused(b"NASBT1\0\0\x09\0\0\0{}".to_vec()), ContainerError::HeaderCut { end: 21, length: 14 }));
        assert!(matches!(refused(bytes("{}", &[])), ContainerError::Header(_)));
        assert!(matches!(with(r#"{"name": "a", "dtype": "i8", "shape": [1], "offset": 212}"#), ContainerError::Header(_)));
        for (shape, offset) in
            [("9", "212"), ("1", "220"), ("1", "211"), ("4294967296, 4294967296", "212"), ("1", "18446744073709551615")]
        {
            let array = format!(r#"{{"name": "a", "dtype": "u8", "shape": [{shape}], "offset": {offset}}}"#);
            assert!(matches!(with(&array), ContainerError::Outside { .. }), "{array}");
        }
        let one = r#"{"name": "a", "dtype": "u8", "shape": [1], "offset": 212}"#;
        assert!(matches!(with(&format!("{one}, {one}")), ContainerError::Twice(_)));
    }
}
