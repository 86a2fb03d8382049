//! What comes out, a line of JSON each: two programs are compared for speed only where they agree.

use std::error::Error;
use std::io::{self, BufWriter, Write};

use serde_json::{Value, json};
use trimtab_core::Quantity;

use crate::pods::Node;

/// The words of the oracle (tests/oracle/shared/quantity.go): numbers travel as text.
pub(crate) fn quantities(texts: &[&str]) -> io::Result<()> {
    print(texts.iter().map(|text| match text.parse::<Quantity>() {
        Ok(quantity) => json!({
            "canonical": quantity.canonical(),
            "string": quantity.to_string(),
            "value": quantity.value().to_string(),
            "milli": quantity.milli_value().to_string(),
        }),
        Err(error) => json!({"error": error.name()}),
    }))
}

pub(crate) fn pods(lines: &[&str]) -> Result<(), Box<dyn Error>> {
    let node = Node::new()?;
    let scores: Vec<Value> = lines.iter().map(|line| node.scores(line).map(|scores| json!(scores))).collect::<Result<_, _>>()?;
    Ok(print(scores.into_iter())?)
}

fn print(answers: impl Iterator<Item = Value>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for answer in answers {
        writeln!(out, "{answer}")?;
    }
    out.flush()
}
