//! The stack machine of a pickle, with the instructions that lists and arrays need.

use std::{borrow::Cow, collections::BTreeMap};

use super::{Array, Callable, Place, Value};
use crate::data::error::Fault;

/// The machine that a pickle is a program for.
pub(super) struct Machine<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
    /// Of the instruction at work.
    pub(super) start: usize,
    /// Each with the offset of the instruction that made it.
    pub(super) values: Vec<(usize, Value<'a>)>,
    stack: Vec<Place>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: BTreeMap<u32, Place>,
}

impl<'a> Machine<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, start: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: BTreeMap::new() }
    }

    fn fault<T>(&self, expected: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { offset: self.start, expected: expected.into() })
    }

    /// Runs the program to its end; the place of what it leaves.
    pub(super) fn run(&mut self) -> Result<Place, Fault> {
        loop {
            self.start = self.at;
            let code = self.take(1)?[0];
            if self.start == 0 && code != 0x80 {
                return self.fault("expected a pickle of protocol 2 or newer, which begins with 0x80");
            }
            if code == b'.' {
                let root = self.pop()?;
                if self.at < self.bytes.len() {
                    self.start = self.at;
                    return self.fault("expected the end of the file behind the pickle");
                }
                return Ok(root);
            }
            self.execute(code)?;
        }
    }

    /// One instruction; names as in `pickletools`.
    fn execute(&mut self, code: u8) -> Result<(), Fault> {
        let made = match code {
            b'N' => Value::Nothing,                                                // NONE
            0x88 => Value::Number(1),                                              // NEWTRUE
            0x89 => Value::Number(0),                                              // NEWFALSE
            b'K' => Value::Number(self.unsigned(1)? as i64),                       // BININT1
            b'M' => Value::Number(self.unsigned(2)? as i64),                       // BININT2
            b'J' => Value::Number(i64::from(self.unsigned(4)? as i32)),            // BININT
            0x8a => self.long()?,                                                  // LONG1
            b'U' | b'C' | 0x8c => self.text(1)?, // SHORT_BINSTRING, SHORT_BINBYTES, SHORT_BINUNICODE
            b'T' | b'B' | b'X' => self.text(4)?, // BINSTRING, BINBYTES, BINUNICODE
            0x8d | 0x8e => self.text(8)?,        // BINUNICODE8, BINBYTES8
            b']' => Value::List(Vec::new()),     // EMPTY_LIST
            b')' => Value::Tuple(Vec::new()),    // EMPTY_TUPLE
            b'}' => Value::Dict(Vec::new()),     // EMPTY_DICT
            b't' => Value::Tuple(self.pop_marked()?), // TUPLE
            0x85..=0x87 => Value::Tuple(self.pop_many(usize::from(code - 0x84))?), // TUPLE1 to TUPLE3
            b'c' => self.global()?,              // GLOBAL
            0x93 => self.stack_global()?,        // STACK_GLOBAL
            b'R' => self.reduce()?,              // REDUCE
            _ => return self.arrange(code),
        };
        self.stack.push(self.values.len());
        self.values.push((self.start, made));
        Ok(())
    }

    /// An instruction that makes no value.
    fn arrange(&mut self, code: u8) -> Result<(), Fault> {
        match code {
            0x80 => match self.take(1)?[0] {
                2..=4 => {} // PROTO
                version => return self.fault(format!("expected protocol 2 to 4, found {version}")),
            },
            0x95 => drop(self.take(8)?), // FRAME
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?), // POP
            b'a' => {
                let item = self.pop()?;
                self.extend_list(vec![item])?; // APPEND
            }
            b'e' => {
                let items = self.pop_marked()?;
                self.extend_list(items)?; // APPENDS
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.extend_dict(&items)?; // SETITEM
            }
            b'u' => {
                let items = self.pop_marked()?;
                self.extend_dict(&items)?; // SETITEMS
            }
            b'q' | b'r' => {
                let key = self.unsigned(if code == b'q' { 1 } else { 4 })?;
                self.remember(key as u32)?; // BINPUT, LONG_BINPUT
            }
            0x94 => self.remember(self.memo.len() as u32)?, // MEMOIZE
            b'h' | b'j' => {
                let key = self.unsigned(if code == b'h' { 1 } else { 4 })?;
                self.recall(key as u32)?; // BINGET, LONG_BINGET
            }
            b'b' => self.build()?, // BUILD
            _ => return self.fault(format!("expected an instruction of a pickle of lists and arrays, found {code:#04x}")),
        }
        Ok(())
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..count) else {
            return Err(Fault {
                offset: self.at,
                expected: format!("expected {count} bytes, found {}: the file is cut", rest.len()),
            });
        };
        self.at += count;
        Ok(taken)
    }

    /// A little-endian number of at most 8 bytes.
    fn unsigned(&mut self, bytes: usize) -> Result<u64, Fault> {
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn long(&mut self) -> Result<Value<'a>, Fault> {
        let length = self.unsigned(1)? as usize;
        if length > 8 {
            return self.fault(format!("expected a number of at most 8 bytes, found {length}"));
        }
        let unused = 64 - 8 * length as u32;
        let number = self.unsigned(length)?;
        // Shifted up and down again, so that the sign fills the upper bytes.
        Ok(Value::Number(number.checked_shl(unused).map_or(0, |number| (number as i64) >> unused)))
    }

    fn text(&mut self, size: usize) -> Result<Value<'a>, Fault> {
        let length = self.unsigned(size)?;
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(Value::Bytes(bytes.into()))
    }

    fn pop(&mut self) -> Result<Place, Fault> {
        Ok(self.pop_many(1)?[0])
    }

    /// The topmost values, lowest first; none from below the last mark.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Place>, Fault> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(from) if from >= floor => Ok(self.stack.split_off(from)),
            _ => self.fault(format!("expected {count} values on the stack, found {}", self.stack.len() - floor)),
        }
    }

    fn pop_marked(&mut self) -> Result<Vec<Place>, Fault> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => self.fault("expected a mark on the stack"),
        }
    }

    /// The value on top, to be changed in place: others may refer to it.
    fn top(&mut self) -> Result<&mut Value<'a>, Fault> {
        let place = self.pop()?;
        self.stack.push(place);
        Ok(&mut self.values[place].1)
    }

    fn extend_list(&mut self, items: Vec<Place>) -> Result<(), Fault> {
        match self.top()? {
            Value::List(list) => {
                list.extend(items);
                Ok(())
            }
            _ => self.fault("expected a list to append to"),
        }
    }

    fn extend_dict(&mut self, items: &[Place]) -> Result<(), Fault> {
        if items.len() % 2 == 1 {
            return self.fault("expected pairs of key and value");
        }
        match self.top()? {
            Value::Dict(dict) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            _ => self.fault("expected a dictionary to add to"),
        }
    }

    fn remember(&mut self, key: u32) -> Result<(), Fault> {
        let place = self.pop()?;
        self.stack.push(place);
        self.memo.insert(key, place);
        Ok(())
    }

    fn recall(&mut self, key: u32) -> Result<(), Fault> {
        match self.memo.get(&key) {
            Some(place) => {
                self.stack.push(*place);
                Ok(())
            }
            None => self.fault(format!("expected a value that was remembered, found number {key}")),
        }
    }

    fn global(&mut self) -> Result<Value<'a>, Fault> {
        let [module, name] = [self.line()?, self.line()?];
        self.name(module, name)
    }

    fn line(&mut self) -> Result<&'a [u8], Fault> {
        let Some(length) = self.bytes[self.at..].iter().position(|byte| *byte == b'\n') else {
            return self.fault("expected two lines that name a type");
        };
        let line = self.take(length)?;
        self.take(1)?;
        Ok(line)
    }

    fn stack_global(&mut self) -> Result<Value<'a>, Fault> {
        let parts = self.pop_many(2)?;
        match [&self.values[parts[0]].1, &self.values[parts[1]].1] {
            [Value::Bytes(module), Value::Bytes(name)] => self.name(module, name),
            _ => self.fault("expected two texts that name a type"),
        }
    }

    fn name(&self, module: &[u8], name: &[u8]) -> Result<Value<'a>, Fault> {
        let callable = match (module, name) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => Callable::Reconstruct,
            (b"numpy", b"ndarray") => Callable::NdArray,
            (b"numpy", b"dtype") => Callable::DType,
            (b"_codecs", b"encode") => Callable::Encode,
            _ => {
                let [module, name] = [module, name].map(String::from_utf8_lossy);
                return self.fault(format!("expected a numpy array, found {module}.{name}, which is not loaded from a data set"));
            }
        };
        Ok(Value::Callable(callable))
    }

    fn reduce(&mut self) -> Result<Value<'a>, Fault> {
        let parts = self.pop_many(2)?;
        let arguments: Vec<&Value> = match &self.values[parts[1]].1 {
            Value::Tuple(places) => places.iter().map(|place| &self.values[*place].1).collect(),
            _ => Vec::new(),
        };
        let made = match (&self.values[parts[0]].1, arguments.as_slice()) {
            (Value::Callable(Callable::Reconstruct), [Value::Callable(Callable::NdArray), ..]) => Value::Array(None),
            (Value::Callable(Callable::DType), [Value::Bytes(name), ..]) => Value::ElementType(name.clone()),
            (Value::Callable(Callable::Encode), [Value::Bytes(text), Value::Bytes(codec)])
                if matches!(&codec[..], b"latin1" | b"latin-1") =>
            {
                let latin1 = std::str::from_utf8(text).ok().and_then(|text| text.chars().map(|c| u8::try_from(c).ok()).collect());
                match latin1 {
                    Some(bytes) => Value::Bytes(Cow::Owned(bytes)),
                    None => return self.fault("expected a text of characters below 256"),
                }
            }
            _ => return self.fault("expected the parts of a numpy array"),
        };
        Ok(made)
    }

    /// What follows an array: version, shape, element type, whether columns come first, bytes. An element type's rest is not needed.
    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        let contents = match &self.values[state].1 {
            Value::Tuple(places) => places.iter().map(|place| &self.values[*place].1).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let array = match contents.as_slice() {
            [Value::Number(_), Value::Tuple(sizes), Value::ElementType(name), Value::Number(0), Value::Bytes(bytes)]
                if matches!(&name[..], b"u1" | b"|u1") =>
            {
                let size = |place: &Place| match &self.values[*place].1 {
                    Value::Number(size) => usize::try_from(*size).ok(),
                    _ => None,
                };
                let shape: Option<Vec<usize>> = sizes.iter().map(size).collect();
                shape.map(|shape| Array { shape, bytes: bytes.clone() })
            }
            _ => None,
        };
        let start = self.start;
        match (self.top()?, array) {
            (Value::ElementType(_), _) => Ok(()),
            (Value::Array(target), Some(array)) => {
                let wanted = array.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
                if wanted != Some(array.bytes.len()) {
                    let expected =
                        format!("expected as many bytes as an array of {:?} has, found {}", array.shape, array.bytes.len());
                    return Err(Fault { offset: start, expected });
                }
                *target = Some(array);
                Ok(())
            }
            _ => self.fault("expected an array of bytes in C order (uint8)"),
        }
    }
}
