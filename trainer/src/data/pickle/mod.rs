//! Reads pickled dictionaries of numbers, texts, lists and numpy arrays, as the CIFAR data sets are published.
//!
//! A pickle is a program for a small stack machine (`pickletools` in Python's library describes it); most of what makes it dangerous
//! is in two instructions, which here know numpy's arrays and nothing else. Nothing is ever called. Values lie in one list and refer to
//! each other by place, so that neither cycles nor depth can hurt.

mod machine;

use std::borrow::Cow;

use super::error::Fault;
use machine::Machine;

type Place = usize;

#[derive(Clone, Debug)]
enum Value<'a> {
    Nothing,
    Number(i64),
    /// Python's str, unicode or bytes: its bytes.
    Bytes(Cow<'a, [u8]>),
    List(Vec<Place>),
    Tuple(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    Callable(Callable),
    /// `numpy.dtype`, by its name.
    ElementType(Cow<'a, [u8]>),
    /// `numpy.ndarray`; empty until its contents follow.
    Array(Option<Array<'a>>),
}

/// What may be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callable {
    /// Makes an empty array.
    Reconstruct,
    /// The class of arrays.
    NdArray,
    /// Makes an element type.
    DType,
    /// How Python 3 writes bytes for Python 2: a text and `latin1`.
    Encode,
}

/// An array of bytes, C order.
#[derive(Clone, Debug)]
pub(super) struct Array<'a> {
    /// Length of each dimension.
    pub(super) shape: Vec<usize>,
    /// The elements.
    pub(super) bytes: Cow<'a, [u8]>,
}

/// A dictionary that was read.
pub(super) struct Pickle<'a> {
    /// Each with the offset of the instruction that made it.
    values: Vec<(usize, Value<'a>)>,
    root: Vec<(Place, Place)>,
    end: usize,
}

impl<'a> Pickle<'a> {
    /// Reads a dictionary, to the end of the bytes.
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut machine = Machine::new(bytes);
        let root = machine.run()?;
        match machine.values.get(root) {
            Some((_, Value::Dict(items))) => Ok(Self { root: items.clone(), end: machine.at, values: machine.values }),
            _ => Err(Fault { offset: machine.start, expected: "expected a dictionary".to_owned() }),
        }
    }

    /// What one of these keys stands for (the last that was set, as in Python): where it was made, and it.
    fn get(&self, keys: &[&str]) -> Result<(usize, &Value<'a>), Fault> {
        let is_key = |place: &Place| matches!(&self.values[*place].1, Value::Bytes(name) if keys.iter().any(|key| key.as_bytes() == &name[..]));
        let found = self.root.iter().rev().find(|(key, _)| is_key(key)).map(|(_, value)| &self.values[*value]);
        found.map(|(offset, value)| (*offset, value)).ok_or_else(|| Fault {
            offset: self.end,
            expected: format!("expected the key {} in the dictionary", keys.join(" or ")),
        })
    }

    /// The array under a key, with the offset that speaks of it.
    pub(super) fn array(&self, key: &str) -> Result<(usize, &Array<'a>), Fault> {
        match self.get(&[key])? {
            (offset, Value::Array(Some(array))) => Ok((offset, array)),
            (offset, _) => Err(Fault { offset, expected: format!("expected {key} to be a numpy array") }),
        }
    }

    /// The list of numbers under one of these keys: each with the offset that speaks of it.
    pub(super) fn numbers(&self, keys: &[&str]) -> Result<Vec<(usize, i64)>, Fault> {
        self.list(keys, "numbers", |value| match value {
            Value::Number(number) => Some(*number),
            _ => None,
        })
    }

    /// The list of texts under a key.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, Fault> {
        let texts = self.list(&[key], "texts", |value| match value {
            Value::Bytes(text) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        });
        Ok(texts?.into_iter().map(|(_, text)| text).collect())
    }

    fn list<T>(&self, keys: &[&str], of: &str, accept: impl Fn(&Value<'a>) -> Option<T>) -> Result<Vec<(usize, T)>, Fault> {
        let wrong = |offset| Fault { offset, expected: format!("expected {} to be a list of {of}", keys.join(" or ")) };
        let (offset, value) = self.get(keys)?;
        let Value::List(places) = value else { return Err(wrong(offset)) };
        let item = |place: &Place| {
            let (offset, value) = &self.values[*place];
            accept(value).map(|item| (*offset, item)).ok_or_else(|| wrong(*offset))
        };
        places.iter().map(item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(bytes: &[u8]) -> Fault {
        Pickle::read(bytes).err().unwrap()
    }

    #[test]
    fn nothing_but_arrays_is_ever_made() {
        // What runs a command in Python: os.system('true').
        let refused = fault(b"\x80\x02}U\x04datacos\nsystem\nU\x04true\x85Rs.");
        assert_eq!(refused.offset, 9);
        assert!(refused.expected.contains("os.system"), "{}", refused.expected);
        for code in [b'i', b'o', 0x81, 0x92, b'P', b'Q', 0x82, 0x97] {
            assert_eq!(fault(&[0x80, 2, b'}', code, b'.']).offset, 3, "{code:#04x}");
        }
    }

    #[test]
    fn every_fault_says_where_it_is() {
        let table: [(&[u8], usize, &str); 12] = [
            (b"", 0, "cut"),
            (b"(dp0\n.", 0, "protocol 2"),
            (b"\x80\x07}.", 0, "found 7"),
            (b"\x80\x02}", 3, "cut"),
            (b"\x80\x02}.}", 4, "end of the file"),
            (b"\x80\x02].", 3, "dictionary"),
            (b"\x80\x02}U\x09abc", 5, "9 bytes, found 3"),
            (b"\x80\x02}K\x01s.", 5, "values"),
            (b"\x80\x02}e.", 3, "mark"),
            (b"\x80\x02}h\x05s.", 3, "number 5"),
            (b"\x80\x02}K\x01a.", 5, "list"),
            (b"\x80\x02}(K\x01u.", 6, "pairs"),
        ];
        for (bytes, offset, words) in table {
            let found = fault(bytes);
            let text = format!("{bytes:?}: {found:?}");
            assert!(found.offset == offset && found.expected.contains(words), "{text}");
        }
    }

    #[test]
    fn numbers_of_every_size_are_read() {
        let bytes = b"\x80\x02}U\x01n](K\xffM\x00\x01J\xfe\xff\xff\xff\x8a\x02\x00\xff\x8a\x00es.";
        let numbers: Vec<i64> =
            Pickle::read(bytes).ok().unwrap().numbers(&["n"]).unwrap().into_iter().map(|(_, number)| number).collect();
        assert_eq!(numbers, [255, 256, -2, -256, 0]);
    }

    #[test]
    fn a_list_that_contains_itself_is_no_list_of_numbers() {
        let bytes = b"\x80\x02}U\x01n]q\x00h\x00as.";
        assert!(Pickle::read(bytes).ok().unwrap().numbers(&["n"]).unwrap_err().expected.contains("numbers"));
    }
}
