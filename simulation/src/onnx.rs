//! The weights in an ONNX file. Of its protocol buffers as much is read as names tensors.

use std::collections::BTreeMap;

use prost::{DecodeError, Message};
use thiserror::Error;

/// A tensor of 32-bit floats.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its lengths, the slowest first.
    pub shape: Vec<usize>,
    /// All values, the last index fastest.
    pub values: Vec<f32>,
}

/// Why a file is no model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OnnxError {
    /// It is no protocol buffer, or another.
    #[error("the file is malformed: {0}")]
    Malformed(#[from] DecodeError),
    /// As many values as the shape says are not there.
    #[error("tensor {name} has {bytes} bytes, which is not shape {shape:?} of 32-bit floats")]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Length of its data.
        bytes: usize,
    },
}

/// `ModelProto`.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

/// `GraphProto`.
#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<Initializer>,
}

/// `TensorProto`.
#[derive(Clone, PartialEq, Message)]
struct Initializer {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
}

/// The `data_type` of 32-bit floats.
const FLOAT: i32 = 1;

/// All weights of a model by their names; tensors of anything but 32-bit floats are passed over.
///
/// # Errors
///
/// Where the file is malformed.
pub fn initializers(model: &[u8]) -> Result<BTreeMap<String, Tensor>, OnnxError> {
    let tensors = Model::decode(model)?.graph.unwrap_or_default().initializer;
    tensors.into_iter().filter(|tensor| tensor.data_type == FLOAT).map(read_tensor).collect()
}

fn read_tensor(tensor: Initializer) -> Result<(String, Tensor), OnnxError> {
    let Initializer { dims, name, raw_data, .. } = tensor;
    let shape: Vec<usize> = dims.into_iter().map(|length| usize::try_from(length).unwrap_or(usize::MAX)).collect();
    let count = shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
    if count.and_then(|count| count.checked_mul(size_of::<f32>())) != Some(raw_data.len()) {
        return Err(OnnxError::Shape { name, shape, bytes: raw_data.len() });
    }
    let values = raw_data.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok((name, Tensor { shape, values }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    }

    /// A model of one tensor with these fields.
    fn model(tensor: &[Vec<u8>]) -> Vec<u8> {
        field(7, &field(5, &tensor.concat()))
    }

    #[test]
    fn a_tensor_is_read_with_its_dimensions_in_both_notations() {
        let [kind, name] = [vec![0x10, 1], field(8, b"w")];
        let data = field(9, &[1.5_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat());
        let expected = Tensor { shape: vec![2, 1], values: vec![1.5, -2.0] };
        for dims in [vec![8, 2, 8, 1], field(1, &[2, 1])] {
            let found = initializers(&model(&[dims, kind.clone(), name.clone(), data.clone()])).unwrap();
            assert_eq!(found, BTreeMap::from([("w".to_owned(), expected.clone())]));
        }
    }

    #[test]
    fn other_tensors_and_fields_are_passed_over() {
        let mut bytes = model(&[vec![0x10, 7], field(9, &[0; 8])]);
        bytes.extend([0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x0D, 1, 2, 3, 4, 0x80 | 8, 1, 200, 1]);
        assert_eq!(initializers(&bytes), Ok(BTreeMap::new()));
    }

    #[test]
    fn malformed_files_are_refused() {
        for bytes in [[0x80].as_slice(), &[0xFF; 11], &[0x3A, 2, 0], &[0x3B], &model(&[field(8, &[0xFF])])] {
            assert!(matches!(initializers(bytes), Err(OnnxError::Malformed(_))), "{bytes:x?}");
        }
        for dims in [vec![8, 2], [[8].as_slice(), &[0xFF; 9], &[1]].concat()] {
            let refused = initializers(&model(&[dims, vec![0x10, 1], field(9, &[0; 4])]));
            assert!(matches!(refused, Err(OnnxError::Shape { bytes: 4, .. })), "{refused:?}");
        }
    }
}
