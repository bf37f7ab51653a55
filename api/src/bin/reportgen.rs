//! Writes the JSON schema of a trainer's report to a file.

use std::{env, error::Error, fs, path::PathBuf};

use nas_api::contract::Report;
use schemars::schema_for;

fn main() -> Result<(), Box<dyn Error>> {
    let path = PathBuf::from(env::args().nth(1).unwrap_or_else(|| "docs/report.schema.json".to_owned()));
    let mut schema = schema_for!(Report);
    schema.insert("$comment".to_owned(), "Generated from api/src/contract by `make generate`. Do not edit.".into());
    fs::write(&path, format!("{}\n", serde_json::to_string_pretty(&schema)?))?;
    println!("{}", path.display());
    Ok(())
}
