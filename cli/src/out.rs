//! Standard output, as this program writes to it: [`print!`] and [`println!`] stand in place of those of the standard library, which panic where
//! the reader has gone (`nasctl ... | head`).

use std::{
    fmt::{Arguments, Display},
    io::{ErrorKind, Write, stdout},
    process::exit,
};

use serde::Serialize;

use crate::failure::Failure;

/// What a shell says of a program that SIGPIPE ended: here the writes fail and the signal does not come, so that a server or client that closes
/// a connection ends nothing.
const READER_GONE: i32 = 128 + 13;

macro_rules! print {
    ($($words:tt)*) => { $crate::out::write(format_args!($($words)*)) };
}

macro_rules! println {
    () => { $crate::out::write(format_args!("\n")) };
    ($($words:tt)*) => { $crate::out::write(format_args!("{}\n", format_args!($($words)*))) };
}

/// Writes an answer as JSON, for programs.
pub(crate) fn json(answer: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(answer).map_err(unwritable)?);
    Ok(())
}

/// Writes an answer as YAML.
pub(crate) fn yaml(answer: &impl Serialize) -> Result<(), Failure> {
    print!("{}", serde_yaml::to_string(answer).map_err(unwritable)?);
    Ok(())
}

fn unwritable(error: impl Display) -> Failure {
    Failure::Folder(format!("the answer cannot be written: {error}"))
}

/// Writes to standard output. Where nobody reads it any more the program ends at once, as it would by SIGPIPE: trainers are told to stop by the
/// kernel then, and the journal has all that was recorded.
pub(crate) fn write(words: Arguments) {
    let Err(error) = stdout().write_fmt(words) else { return };
    if error.kind() == ErrorKind::BrokenPipe {
        exit(READER_GONE);
    }
    let failure = Failure::io("standard output")(error);
    failure.print();
    exit(failure.code().into());
}
