//! The service over HTTP, as its clients see it.
//!
//! Seen to fail: with tokio's own `spawn_blocking` in the place of heapledger's,
//! without the `ScopeLayer`, without the threads started beforehand, and with an
//! answer that is leaked.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Documents of the words `common` and `word0`, `word1`, …
fn documents() -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for number in 0..60 {
        let text = format!("Story {number} of a word{number}: {}", "common animals ".repeat(100));
        fs::write(folder.path().join(format!("{number}.txt")), text).expect("a file");
    }
    folder
}

fn command(folder: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_document-search"));
    command.arg(folder.path()).args(["--threads", "3", "--queries", "0"]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running server; killed if the test ends before it does.
struct Server {
    program: Child,
    shown: BufReader<ChildStdout>,
    address: String,
    _folder: TempDir,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let folder = documents();
        let mut program = command(&folder, &["--serve", "127.0.0.1:0"])
            .args(arguments)
            .spawn()
            .expect("the program under test starts");
        let mut shown = BufReader::new(program.stdout.take().expect("its output"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(shown.read_line(&mut line).expect("text"), 0, "it ended");
            if let Some((_, address)) = line.split_once("http://") {
                break address.trim().to_owned();
            }
        };
        Self { program, shown, address, _folder: folder }
    }

    /// Sends a request as it is; the status and the body of the response.
    fn send(&self, request: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.write_all(request).expect("a request");
        let mut response = Vec::new();
        stream.read_to_end(&mut response).expect("a response");
        let response = String::from_utf8(response).expect("text");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        (head.split(' ').nth(1).expect("a status").parse().expect("a number"), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
    }

    fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Live bytes of a tag and those below it, and all bytes that were allocated under
    /// them.
    fn tag(&self, name: &str) -> (u64, u64) {
        let memory = self.json("/memory.json");
        let tags = memory["tags"].as_array().expect("tags");
        let tag = tags.iter().find(|tag| tag["name"] == name).expect(name);
        let number = |what: &str| tag["with_children"][what].as_u64().expect("a number");
        let allocated = number("allocated_bytes");
        (allocated - number("freed_bytes"), allocated)
    }

    /// Waits until nothing of a tag is live: the server lets go of a response after
    /// the client has it.
    fn wait_until_nothing_is_live(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.tag(name) {
                (0, _) => return,
                (live, _) => assert!(Instant::now() < deadline, "{name}: {live} bytes stay"),
            }
        }
    }

    /// What it shows until it ends by itself.
    fn end(mut self) -> (bool, String) {
        let mut rest = String::new();
        self.shown.read_to_string(&mut rest).expect("text");
        (self.program.wait().expect("it ends").success(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[test]
fn concurrent_searches_are_booked_to_their_requests() {
    let server = Server::start(&[]);
    std::thread::scope(|clients| {
        for client in 0..8 {
            let server = &server;
            clients.spawn(move || {
                for step in 0..25 {
                    let number = (client * 7 + step) % 60;
                    let found = server.json(&format!("/search?q=word{number}&limit=2"));
                    assert_eq!(found["query"], format!("word{number}"));
                    assert_eq!(found["total"], 1, "{found}");
                    assert_eq!(found["hits"][0]["path"], format!("{number}.txt"));
                }
            });
        }
    });
    // The same again is answered by the cache, more results are not.
    let found = |limit: usize| server.json(&format!("/search?q=common&limit={limit}"));
    assert_eq!((&found(5)["from_cache"], &found(5)["from_cache"]), (&false.into(), &true.into()));
    let more = found(60);
    assert_eq!((&more["from_cache"], &more["total"]), (&false.into(), &60.into()));
    assert_eq!(more["hits"].as_array().expect("hits").len(), 60);

    // What the searching thread writes is the request's: this answer is far larger
    // than all else that a request needs.
    let (_, before) = server.tag("request/search");
    let (_, body) = server.get("/search?q=common&limit=60");
    let (_, after) = server.tag("request/search");
    let allocated = after - before;
    assert!(allocated > body.len() as u64, "{allocated} bytes for {}", body.len());
    server.wait_until_nothing_is_live("request/search");
    let (live, _) = server.tag("search");
    assert!(live < 4096, "searches leave {live} bytes");
    for component in ["document_store", "query_cache", "http", "request/memory"] {
        assert!(server.tag(component).0 > 0, "{component}");
    }

    let memory = server.json("/memory.json");
    let rows = memory["rows"].as_array().expect("rows");
    let sum: i64 = rows.iter().map(|row| row["bytes"].as_i64().expect("bytes")).sum();
    assert_eq!(Some(sum), memory["rss_bytes"].as_i64());

    // Each request had a tag of its own; soon only the one that asks still has.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let memory = server.json("/memory.json");
        let tags = memory["tags"].as_array().expect("tags");
        let names = tags.iter().filter_map(|tag| tag["name"].as_str());
        let requests: Vec<&str> = names
            .filter(|name| name.split('/').count() == 3 && name.starts_with("request/"))
            .collect();
        if requests.len() == 1 && requests[0].starts_with("request/memory/") {
            break;
        }
        assert!(Instant::now() < deadline, "{requests:?}");
    }

    let (status, table) = server.get("/memory");
    assert_eq!(status, 200);
    for row in ["request", "http", "postings", "document_store", "resident (RSS)"] {
        assert!(table.lines().any(|line| line.trim_start().starts_with(row)), "{row}:\n{table}");
    }
}

#[test]
fn bad_requests_are_explained_and_leave_nothing() {
    let server = Server::start(&[]);
    let long = format!("/search?q={}", "x".repeat(20_000));
    let huge = format!("/search?q={}", "x".repeat(100_000));
    let cases = [
        ("/search", 400, "q is missing"),
        ("/search?q=", 400, "no word"),
        ("/search?q=%FF%FE", 400, "not UTF-8"),
        ("/search?q=word1&limit=1000000", 400, "from 1 to 100"),
        ("/search?q=word1&limit=-1", 400, "from 1 to 100"),
        ("/search?q=word1&q=word2", 400, "each once"),
        ("/search?q=word1&page=2", 400, "only the parameters"),
        (&*long, 400, "1000 are allowed"),
        (&*huge, 414, ""),
        ("/", 404, "ask for /search?q=some+words"),
        ("/memory/x", 404, "nothing here"),
    ];
    for _ in 0..20 {
        for (path, status, says) in cases {
            let (answered, body) = server.get(path);
            assert_eq!(answered, status, "{path:.100}: {body}");
            assert!(body.contains(says), "{path:.100}: {body}");
        }
    }
    let (status, _) = server.send(b"POST /search?q=word1 HTTP/1.0\r\n\r\n");
    assert_eq!(status, 405);
    let (status, _) = server.send(b"GET /search?q=\xff HTTP/1.0\r\n\r\n");
    assert_eq!(status, 400);
    let (status, _) = server.send(b"no request at all\r\n\r\n");
    assert_eq!(status, 400);
    drop(TcpStream::connect(&server.address).expect("a connection"));

    server.wait_until_nothing_is_live("request/search");
    server.wait_until_nothing_is_live("request/other");
    assert_eq!(server.json("/search?q=word1")["total"], 1, "it still works");
}

#[test]
fn a_load_shows_the_memory_under_it() {
    let server = Server::start(&["--load", "400", "--connections", "4"]);
    let (success, shown) = server.end();
    assert!(success, "{shown}");
    let (before, after) = shown.split_once("Memory by component").expect("the final table");
    for expected in ["400 on 4 connections", "p50", "Memory half-way", "request", "resident (RSS)"]
    {
        assert!(before.contains(expected), "{expected} is missing in:\n{before}");
    }
    assert!(!before.contains("refused"), "{before}");
    assert!(after.contains("passed"), "the ledger's own check fails:\n{after}");
}

#[test]
fn it_ends_when_its_time_is_over() {
    // Somebody who says nothing does not keep it.
    let server = Server::start(&["--serve-for", "1"]);
    let silent = TcpStream::connect(&server.address).expect("a connection");
    let (success, shown) = server.end();
    assert!(success && shown.contains("Memory by component"), "{shown}");
    drop(silent);

    let server = Server::start(&["--serve-for", "1", "--load", "10000000"]);
    let (success, shown) = server.end();
    assert!(success && shown.contains("Load over HTTP"), "{shown}");
}

#[test]
#[cfg(unix)]
fn it_ends_at_ctrl_c() {
    let server = Server::start(&[]);
    assert_eq!(server.get("/memory").0, 200);
    let interrupted =
        Command::new("kill").args(["-INT", &server.program.id().to_string()]).status();
    assert!(interrupted.expect("kill is installed").success());
    let (success, shown) = server.end();
    assert!(success && shown.contains("Memory by component"), "{shown}");
}

#[test]
fn an_address_that_cannot_be_had_is_explained() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("its address").to_string();
    let refused = |arguments: &[&str], expected: &str| {
        let output: Output = command(&documents(), arguments).output().expect("it ends");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert_eq!(error.trim_end().lines().count(), 1, "{arguments:?}: {error}");
    };
    refused(&["--serve", &taken], "give another port to --serve");
    refused(&["--serve", "0.0.0.0:0"], "only this machine is served");
    refused(&["--serve", "8080"], "as 127.0.0.1:8080");
    refused(&["--load", "10"], "not provided: --serve");
}
