//! The weights in an ONNX file. Of its protocol buffers as much is read as names tensors: `ModelProto.graph` (field 7),
//! `GraphProto.initializer` (5), and of a `TensorProto` `dims` (1), `data_type` (2), `name` (8) and `raw_data` (9).

use std::collections::BTreeMap;

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
    /// A number has no end, or more than 64 bits.
    #[error("a number is malformed")]
    Number,
    /// A field goes beyond what it is in.
    #[error("a field is cut short")]
    Cut,
    /// A kind of field that ONNX does not have.
    #[error("a field is of kind {0}, which no protocol buffer of today has")]
    Kind(u64),
    /// A name that is not UTF-8.
    #[error("the name of a tensor is not UTF-8")]
    Name,
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

/// The content of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// 4 or 8 bytes, which nothing here needs.
    Fixed,
}

/// The `data_type` of 32-bit floats.
const FLOAT: u64 = 1;

/// All weights of a model by their names; tensors of anything but 32-bit floats are passed over.
///
/// # Errors
///
/// Where the file is malformed.
pub fn initializers(model: &[u8]) -> Result<BTreeMap<String, Tensor>, OnnxError> {
    let mut tensors = BTreeMap::new();
    for graph in parts(model, 7)? {
        for tensor in parts(graph, 5)? {
            tensors.extend(read_tensor(tensor)?);
        }
    }
    Ok(tensors)
}

/// The messages in one field of a message.
fn parts(message: &[u8], wanted: u64) -> Result<Vec<&[u8]>, OnnxError> {
    let mut parts = Vec::new();
    for_each(message, |number, field| {
        if let (true, Field::Bytes(part)) = (number == wanted, field) {
            parts.push(part);
        }
        Ok(())
    })?;
    Ok(parts)
}

fn read_tensor(message: &[u8]) -> Result<Option<(String, Tensor)>, OnnxError> {
    let (mut name, mut kind, mut dims, mut raw) = (String::new(), 0, Vec::new(), [].as_slice());
    for_each(message, |number, field| {
        match (number, field) {
            (1, Field::Number(length)) => dims.push(length),
            (1, Field::Bytes(mut packed)) => {
                while !packed.is_empty() {
                    dims.push(take_number(&mut packed)?);
                }
            }
            (2, Field::Number(value)) => kind = value,
            (8, Field::Bytes(bytes)) => name = String::from_utf8(bytes.to_vec()).map_err(|_| OnnxError::Name)?,
            (9, Field::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
        Ok(())
    })?;
    if kind != FLOAT {
        return Ok(None);
    }
    let shape: Vec<usize> = dims.into_iter().map(|length| usize::try_from(length).unwrap_or(usize::MAX)).collect();
    let count = shape.iter().try_fold(1_usize, |product, length| product.checked_mul(*length));
    if count.and_then(|count| count.checked_mul(size_of::<f32>())) != Some(raw.len()) {
        return Err(OnnxError::Shape { name, shape, bytes: raw.len() });
    }
    let values = raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    Ok(Some((name, Tensor { shape, values })))
}

/// Calls `visit` with the number and content of each field of a message.
fn for_each<'a>(mut message: &'a [u8], mut visit: impl FnMut(u64, Field<'a>) -> Result<(), OnnxError>) -> Result<(), OnnxError> {
    while !message.is_empty() {
        let key = take_number(&mut message)?;
        let field = match key & 7 {
            0 => Field::Number(take_number(&mut message)?),
            1 => take(&mut message, 8).map(|_| Field::Fixed)?,
            2 => {
                let length = take_number(&mut message)?;
                Field::Bytes(take(&mut message, usize::try_from(length).map_err(|_| OnnxError::Cut)?)?)
            }
            5 => take(&mut message, 4).map(|_| Field::Fixed)?,
            kind => return Err(OnnxError::Kind(kind)),
        };
        visit(key >> 3, field)?;
    }
    Ok(())
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Result<&'a [u8], OnnxError> {
    let (taken, rest) = message.split_at_checked(length).ok_or(OnnxError::Cut)?;
    *message = rest;
    Ok(taken)
}

/// A number in groups of seven bits, the lowest first; all but the last have the upper bit.
fn take_number(message: &mut &[u8]) -> Result<u64, OnnxError> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first().ok_or(OnnxError::Number)?;
        *message = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(OnnxError::Number)
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
        assert_eq!(initializers(&[0x80]), Err(OnnxError::Number));
        assert_eq!(initializers(&[0xFF; 11]), Err(OnnxError::Number));
        assert_eq!(initializers(&[0x3A, 2, 0]), Err(OnnxError::Cut));
        assert_eq!(initializers(&[0x3B]), Err(OnnxError::Kind(3)));
        assert_eq!(initializers(&model(&[field(8, &[0xFF])])), Err(OnnxError::Name));
        let refused = OnnxError::Shape { name: String::new(), shape: vec![2], bytes: 4 };
        assert_eq!(initializers(&model(&[vec![8, 2, 0x10, 1], field(9, &[0; 4])])), Err(refused));
    }
}
