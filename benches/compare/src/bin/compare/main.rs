//! Measures heapledger beside bare jemalloc and its peers, and prints the tables.
//!
//! `cargo run --release -p heapledger-bench -- [what] [--rounds N] [--text FOLDER]`
//!
//! Every contender is a process of its own. Each run of a candidate stands
//! between two runs of its baseline, and what is compared is the candidate with
//! the mean of these two: whatever slows the machine down slows all three.

use std::path::PathBuf;
use std::process::ExitCode;

mod child;
mod micro;
mod paired;
mod peers;
mod programs;
mod table;

use child::{Contenders, Failure};

const USAGE: &str = "\
usage: compare [micro|programs|peers|peer-programs|all] [--rounds N] [--text FOLDER]
  micro          pairs, mixed sizes, hand-over, scopes, snapshot, footprint (default)
  programs       the five real programs: time and peak memory
  peers          added time of heapledger and its peers, on 1 and 4 threads
  peer-programs  the five real programs, with every peer
  all            all of these
  --rounds N     how often each candidate runs (default 5)
  --text FOLDER  index the text files of this folder, not generated text";

const ROUNDS: usize = 5;

struct Options {
    what: String,
    rounds: usize,
    text: Option<PathBuf>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match compare(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compare: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { what: "micro".to_owned(), rounds: ROUNDS, text: None };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "micro" | "programs" | "peers" | "peer-programs" | "all" => options.what = argument,
            "--rounds" => {
                let rounds = arguments.next().and_then(|it| it.parse().ok());
                options.rounds = rounds.filter(|it| *it > 0).ok_or("--rounds needs a number")?;
            }
            "--text" => {
                let folder = arguments.next().map(PathBuf::from).filter(|it| it.is_dir());
                options.text = Some(folder.ok_or("--text needs a folder")?);
            }
            _ => return Err(format!("what is `{argument}`?")),
        }
    }
    Ok(options)
}

fn compare(options: &Options) -> Result<(), Failure> {
    let contenders = Contenders::build(options.text.clone())?;
    let wants = |what: &str| options.what == what || options.what == "all";
    if wants("micro") {
        micro::compare(&contenders, options.rounds)?;
    }
    if wants("programs") {
        programs::compare(&contenders, options.rounds)?;
    }
    if wants("peers") {
        peers::compare(&contenders, options.rounds)?;
    }
    if wants("peer-programs") {
        peers::compare_programs(&contenders, options.rounds)?;
    }
    Ok(())
}
