//! The command line, and the folder that is searched when none is given.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

use clap::Parser;
use clap::builder::RangedU64ValueParser;

use crate::error::Error;

/// A search service over a folder of documents that shows which of its
/// components holds how much memory.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct Args {
    /// Folder of text, HTML, Markdown or source files [default: the
    /// documentation of the installed Rust toolchain, else this repository]
    ///
    /// Files that a .gitignore in the folder excludes, hidden files and
    /// symbolic links are left out; binary and generated files are skipped and
    /// counted.
    pub folder: Option<PathBuf>,

    /// Threads that read, index and search [default: one for each core]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = number(1, 256))]
    pub threads: Option<usize>,

    /// Files that a thread takes at a time
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "32", value_parser = number(1, 10_000))]
    pub batch: usize,

    /// Index at most N files, spread evenly over the folders; 0 indexes all
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "4000", value_parser = number(0, u32::MAX as u64))]
    pub max_documents: usize,

    /// Search for these words and show what is found; may be repeated
    /// [default: some words of a document]
    #[arg(long = "query", value_name = "WORDS", value_parser = words)]
    pub query: Vec<String>,

    /// Results shown for each --query
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "3", value_parser = number(1, 100))]
    pub hits: usize,

    /// Queries made of the documents' own words, run to measure latency
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "5000", value_parser = number(0, 10_000_000))]
    pub queries: usize,

    /// Answers that the query cache keeps
    #[arg(long, value_name = "N", allow_negative_numbers = true, default_value = "1000", value_parser = number(1, 10_000_000))]
    pub cache: usize,

    /// Also write the memory of all components to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Answer queries over HTTP on this address of this machine, until ctrl-c; port
    /// 0 takes a free one
    ///
    /// GET /search?q=WORDS&limit=N answers a query, /memory shows the memory of all
    /// components, /memory.json the same as JSON.
    #[arg(long, value_name = "ADDRESS:PORT", value_parser = loopback)]
    pub serve: Option<SocketAddr>,

    /// Stop serving after so many seconds
    #[arg(long, value_name = "SECONDS", requires = "serve", allow_negative_numbers = true, value_parser = number(1, 31_536_000))]
    pub serve_for: Option<usize>,

    /// Send N requests to the server, of the documents' own words, and stop it then
    #[arg(long, value_name = "N", requires = "serve", allow_negative_numbers = true, value_parser = number(1, 10_000_000))]
    pub load: Option<usize>,

    /// Connections that the requests of --load come from
    #[arg(long, value_name = "N", requires = "load", allow_negative_numbers = true, default_value = "8", value_parser = number(1, 256))]
    pub connections: usize,
}

/// Parser of a number from `least` to `most`.
fn number(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}

/// Parser of a query: it must name something to look for.
fn words(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_alphanumeric) {
        Ok(text.to_owned())
    } else {
        Err("give at least one word to search for".to_owned())
    }
}

/// Parser of an address to listen on: this machine's own.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("only this machine is served: give 127.0.0.1 or [::1], with a proxy before \
                      it if others are to come in"
            .to_owned()),
        Err(_) => Err("give an address of this machine and a port, as 127.0.0.1:8080".to_owned()),
    }
}

impl Args {
    /// Read the command line. `Err` holds one line that says what is wrong;
    /// for `--help` and `--version` the program ends here.
    pub fn read() -> Result<Self, String> {
        Self::try_parse().map_err(|error| {
            if !error.use_stderr() {
                error.exit();
            }
            let message = error.to_string();
            let first = message.split("\n\n").next().unwrap_or_default();
            let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{}; --help explains the arguments", line.trim_start_matches("error: "))
        })
    }

    /// Threads to use: as many as asked for, else one for each core.
    pub fn threads(&self) -> usize {
        self.threads
            .unwrap_or_else(|| available_parallelism().map_or(1, NonZeroUsize::get).min(256))
    }

    /// The folder to search, and what it is if the user did not name it.
    pub fn folder(&self) -> Result<(PathBuf, Option<&'static str>), Error> {
        match &self.folder {
            Some(folder) => Ok((folder.clone(), None)),
            None => default_folder(),
        }
    }
}

/// The installed Rust documentation, else the repository of this program.
fn default_folder() -> Result<(PathBuf, Option<&'static str>), Error> {
    if let Some(folder) = rust_documentation() {
        return Ok((folder, Some("the documentation of the installed Rust toolchain")));
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    match repository.canonicalize() {
        Ok(folder) => Ok((folder, Some("this repository, as no Rust documentation is installed"))),
        Err(_) => Err(Error::NoDefaultFolder),
    }
}

/// Where `rustc` keeps the documentation, if both are there.
fn rust_documentation() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    let sysroot = String::from_utf8(output.stdout).ok()?;
    let folder = Path::new(sysroot.trim_end()).join("share/doc/rust/html");
    (output.status.success() && folder.is_dir()).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn defaults_need_no_argument() {
        let args = Args::try_parse_from(["document-search"]).expect("no argument is needed");
        assert_eq!(args.folder, None);
        assert!((1..=256).contains(&args.threads()));
        assert_eq!((args.batch, args.max_documents), (32, 4000));
    }

    #[test]
    fn everything_can_be_given() {
        let args = Args::try_parse_from([
            "document-search",
            "docs",
            "--threads",
            "3",
            "--batch",
            "8",
            "--max-documents",
            "0",
            "--query",
            "one two",
            "--query",
            "three",
            "--queries",
            "0",
            "--hits",
            "7",
            "--serve",
            "[::1]:0",
            "--serve-for",
            "9",
            "--load",
            "10",
            "--connections",
            "2",
        ])
        .expect("these are all valid");
        assert_eq!(args.folder.as_deref(), Some(Path::new("docs")));
        assert_eq!((args.threads(), args.batch, args.max_documents), (3, 8, 0));
        assert_eq!(args.query, ["one two", "three"]);
        assert_eq!((args.queries, args.hits), (0, 7));
        assert!(args.serve.is_some_and(|address| address.is_ipv6()));
        assert_eq!((args.serve_for, args.load, args.connections), (Some(9), Some(10), 2));
    }

    #[test]
    fn bad_values_are_refused_with_exit_code_2() {
        for arguments in [
            ["--threads", "0"],
            ["--threads", "257"],
            ["--threads", "many"],
            ["--threads", "-1"],
            ["--batch", "0"],
            ["--max-documents", "1.5"],
            ["--queries", "99999999999999999999"],
            ["--query", ""],
            ["--query", " !? "],
            ["--colour", "red"],
            ["--serve", "8080"],
            ["--serve", "0.0.0.0:8080"],
            ["--serve", "127.0.0.1:99999"],
            ["--serve-for", "1"],
            ["--load", "1"],
        ] {
            let error = Args::try_parse_from(["document-search"].into_iter().chain(arguments))
                .expect_err("a bad value");
            assert_eq!(error.exit_code(), 2, "{arguments:?}");
        }
    }
}
