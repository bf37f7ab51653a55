//! A small HTTP server that behaves as it is told.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::write::Files;

/// What happens to a request. The first ones of a file get what is listed for it, all others the whole.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// At most so many bytes of what is asked for.
    Cut(usize),
    /// All of the file, whatever range is asked for.
    NoRange,
    /// A status without a body.
    Status(u16),
    /// Nothing at all.
    HangUp,
}

/// File and first byte of each request, in order.
type Heard = Arc<Mutex<Vec<(String, usize)>>>;

pub(crate) struct Server {
    pub(crate) url: String,
    heard: Heard,
}

impl Server {
    pub(crate) fn start(files: Files, answers: &[(&str, Vec<Answer>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/sets/", listener.local_addr().unwrap());
        let heard = Heard::default();
        let mut answers: BTreeMap<String, Vec<Answer>> =
            answers.iter().map(|(name, list)| ((*name).to_owned(), list.iter().rev().cloned().collect())).collect();
        let told = Arc::clone(&heard);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // One request after the other, so that their order is certain.
                let Some((stream, name, from)) = request(stream.unwrap()) else { continue };
                told.lock().unwrap().push((name.clone(), from));
                let answer = answers.get_mut(&name).and_then(Vec::pop);
                // Who asked may be gone.
                let _ = respond(stream, files.get(&name), from, answer.as_ref());
            }
        });
        Self { url, heard }
    }

    /// First byte of each request for a file.
    pub(crate) fn asked(&self, name: &str) -> Vec<usize> {
        self.heard.lock().unwrap().iter().filter(|(asked, _)| asked == name).map(|(_, from)| *from).collect()
    }

    pub(crate) fn requests(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

fn request(stream: TcpStream) -> Option<(TcpStream, String, usize)> {
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines().map_while(Result::ok);
    let name = lines.next()?.split(' ').nth(1)?.strip_prefix("/sets/")?.to_owned();
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).map(|line| line.to_lowercase()).collect();
    let range = headers.iter().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse().ok());
    Some((stream, name, range.unwrap_or(0)))
}

fn respond(mut stream: TcpStream, file: Option<&Vec<u8>>, from: usize, answer: Option<&Answer>) -> std::io::Result<()> {
    let status = |stream: &mut TcpStream, status: u16| {
        write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    };
    let Some(file) = file else { return status(&mut stream, 404) };
    let (from, most) = match answer {
        Some(Answer::HangUp) => return Ok(()),
        Some(Answer::Status(code)) => return status(&mut stream, *code),
        Some(Answer::NoRange) => (0, usize::MAX),
        Some(Answer::Cut(most)) => (from, *most),
        None => (from, usize::MAX),
    };
    let rest = &file[from.min(file.len())..];
    let head = if from == 0 {
        "200 OK".to_owned()
    } else {
        format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", file.len() - 1, file.len())
    };
    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len())?;
    stream.write_all(&rest[..rest.len().min(most)])
}
