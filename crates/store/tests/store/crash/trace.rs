//! Reads what `strace -f -xx` wrote.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The calls that change what is on a disk, or say which file a descriptor is.
pub const CALLS: &str = "trace=open,openat,creat,close,dup,dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,pwritev2,\
    fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,mkdir,mkdirat,\
    truncate,ftruncate,fallocate,copy_file_range,sendfile";

/// One change, in the order the calls returned. Paths are relative to the directory that is watched.
#[derive(Clone, Debug)]
pub enum Op {
    /// A file or directory came to be (or was there already; then nothing happens).
    Create { path: PathBuf, dir: bool, truncate: bool },
    /// Bytes went into the page cache; without a position at the file's end.
    Write { path: PathBuf, at: Option<u64>, bytes: Vec<u8> },
    /// A file's size was set.
    Resize { path: PathBuf, size: u64 },
    /// Everything written to the file before the op numbered `began` is on the disk.
    Sync { path: PathBuf, began: usize },
    /// A name moved.
    Rename { from: PathBuf, to: PathBuf },
    /// A name went.
    Remove { path: PathBuf },
}

/// The changes below `dir`. Panics at a call it does not understand: a gap would prove nothing.
pub fn parse(text: &str, dir: &Path) -> Vec<Op> {
    let mut parser = Parser { dir, ops: Vec::new(), open: HashMap::new(), begun: HashMap::new() };
    for line in text.lines() {
        parser.line(line);
    }
    parser.ops
}

struct Parser<'a> {
    dir: &'a Path,
    ops: Vec<Op>,
    /// Descriptor → path and position; none for a descriptor that appends.
    open: HashMap<i64, (PathBuf, Option<u64>)>,
    /// Thread → the beginning of a call that has not returned, and when it began.
    begun: HashMap<u64, (String, usize)>,
}

impl Parser<'_> {
    fn line(&mut self, line: &str) {
        let Some((thread, rest)) = line.split_once(' ') else { return };
        let Ok(thread) = thread.parse() else { return };
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            return;
        }
        if let Some(begun) = rest.strip_suffix(" <unfinished ...>") {
            if let Some(fd) = begun.strip_prefix("close(") {
                // Free from here on: another thread may be given it before this call returns.
                self.open.remove(&number(fd));
                return;
            }
            self.begun.insert(thread, (begun.to_owned(), self.ops.len()));
            return;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let Some((begun, at)) = self.begun.remove(&thread) else { return };
            let end = resumed.split_once("resumed>").map_or("", |(_, end)| end);
            self.call(&format!("{begun}{end}"), at);
            return;
        }
        self.call(rest, self.ops.len());
    }

    fn call(&mut self, call: &str, began: usize) {
        let Some((name, rest)) = call.split_once('(') else { return };
        let Some((arguments, result)) = rest.rsplit_once(") = ").or_else(|| rest.rsplit_once(") ")) else {
            return;
        };
        let result = result.trim_start_matches(['=', ' ']);
        let result: i64 = result.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(-1);
        if result < 0 {
            return;
        }
        let arguments = split(arguments);
        self.succeeded(name, &arguments, result, began);
    }

    fn succeeded(&mut self, name: &str, arguments: &[String], result: i64, began: usize) {
        match name {
            "open" | "openat" | "creat" => self.opened(name, arguments, result),
            "close" => {
                self.open.remove(&number(&arguments[0]));
            }
            "dup" | "dup2" | "dup3" => self.duplicated(&arguments[0], result),
            "fcntl" if arguments[1].starts_with("F_DUPFD") => self.duplicated(&arguments[0], result),
            "fcntl" | "sync_file_range" => {}
            "lseek" => {
                if let Some((_, Some(at))) = self.open.get_mut(&number(&arguments[0])) {
                    *at = result as u64;
                }
            }
            "write" => self.wrote(&arguments[0], None, string(&arguments[1]), result),
            "pwrite64" => {
                self.wrote(&arguments[0], Some(number(&arguments[3]) as u64), string(&arguments[1]), result)
            }
            "writev" => self.wrote(&arguments[0], None, strings(&arguments[1]), result),
            "fsync" | "fdatasync" => {
                if let Some(path) = self.path(&arguments[0]) {
                    self.ops.push(Op::Sync { path, began });
                }
            }
            "ftruncate" => {
                if let Some(path) = self.path(&arguments[0]) {
                    self.ops.push(Op::Resize { path, size: number(&arguments[1]) as u64 });
                }
            }
            "rename" => self.renamed(self.named(None, &arguments[0]), self.named(None, &arguments[1])),
            "renameat" | "renameat2" => {
                let from = self.named(Some(&arguments[0]), &arguments[1]);
                self.renamed(from, self.named(Some(&arguments[2]), &arguments[3]));
            }
            "unlink" | "rmdir" => self.removed(self.named(None, &arguments[0])),
            "unlinkat" => self.removed(self.named(Some(&arguments[0]), &arguments[1])),
            "mkdir" => self.made_dir(self.named(None, &arguments[0])),
            "mkdirat" => self.made_dir(self.named(Some(&arguments[0]), &arguments[1])),
            other => self.unknown(other, arguments),
        }
    }

    fn opened(&mut self, name: &str, arguments: &[String], fd: i64) {
        let at = usize::from(name == "openat");
        self.open.remove(&fd);
        let Some(path) = self.named((at == 1).then_some(&arguments[0]), &arguments[at]) else { return };
        let flags = arguments.get(at + 1).map_or("", String::as_str);
        let create = name == "creat" || flags.contains("O_CREAT");
        let truncate = name == "creat" || flags.contains("O_TRUNC");
        if create || truncate {
            self.ops.push(Op::Create { path: path.clone(), dir: false, truncate });
        }
        self.open.insert(fd, (path, (!flags.contains("O_APPEND")).then_some(0)));
    }

    fn duplicated(&mut self, from: &str, to: i64) {
        if let Some(known) = self.open.get(&number(from)).cloned() {
            self.open.insert(to, known);
        }
    }

    fn wrote(&mut self, fd: &str, at: Option<u64>, mut bytes: Vec<u8>, written: i64) {
        let Some((path, position)) = self.open.get_mut(&number(fd)) else { return };
        bytes.truncate(written as usize);
        let at = match (at, position) {
            (Some(at), _) => Some(at),
            (None, None) => None,
            (None, Some(position)) => {
                *position += bytes.len() as u64;
                Some(*position - bytes.len() as u64)
            }
        };
        self.ops.push(Op::Write { path: path.clone(), at, bytes });
    }

    fn renamed(&mut self, from: Option<PathBuf>, to: Option<PathBuf>) {
        let (Some(from), Some(to)) = (from, to) else { return };
        // Whoever has what was there open goes on with a file that has no name.
        self.open.retain(|_, (path, _)| *path != to);
        for (path, _) in self.open.values_mut() {
            if let Ok(below) = path.strip_prefix(&from) {
                *path = if below.as_os_str().is_empty() { to.clone() } else { to.join(below) };
            }
        }
        self.ops.push(Op::Rename { from, to });
    }

    fn removed(&mut self, path: Option<PathBuf>) {
        let Some(path) = path else { return };
        self.open.retain(|_, (open, _)| *open != path);
        self.ops.push(Op::Remove { path });
    }

    fn made_dir(&mut self, path: Option<PathBuf>) {
        if let Some(path) = path {
            self.ops.push(Op::Create { path, dir: true, truncate: false });
        }
    }

    /// The path below the watched directory that an argument names, seen from an open directory.
    fn named(&self, from: Option<&String>, argument: &str) -> Option<PathBuf> {
        let name = path_of(argument);
        if name.is_absolute() {
            return name.strip_prefix(self.dir).ok().map(Path::to_path_buf);
        }
        Some(self.path(from?)?.join(name))
    }

    fn path(&self, fd: &str) -> Option<PathBuf> {
        self.open.get(&number(fd)).map(|(path, _)| path.clone())
    }

    fn unknown(&self, name: &str, arguments: &[String]) {
        let ours = arguments.iter().any(|argument| {
            argument.parse().is_ok_and(|fd: i64| self.open.contains_key(&fd))
                || path_of(argument).starts_with(self.dir)
        });
        assert!(!ours, "{name} is not understood");
    }
}

/// Splits arguments at the commas outside quotes and brackets.
fn split(arguments: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0, false);
    for c in arguments.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

fn number(text: &str) -> i64 {
    text.split('<').next().unwrap().trim().parse().unwrap_or(-100)
}

fn path_of(argument: &str) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(&string(argument)).into_owned())
}

/// The bytes of a `"\x01\x02"`.
fn string(argument: &str) -> Vec<u8> {
    let Some(hex) = argument.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return Vec::new();
    };
    let byte = |digits: &str| u8::from_str_radix(digits, 16).expect("strace writes two hex digits");
    hex.split("\\x").skip(1).map(byte).collect()
}

/// The bytes of a vector of buffers.
fn strings(argument: &str) -> Vec<u8> {
    argument.split('"').skip(1).step_by(2).flat_map(|hex| string(&format!("\"{hex}\""))).collect()
}
