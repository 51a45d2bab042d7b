//! Repository chores: `cargo xtask check` is what must pass before a push, `cargo xtask tidy` the
//! rules of the house that neither the compiler nor clippy knows, `cargo xtask aside` what stands aside:
//! the simulation runs, the fuzz targets compile.
//!
//! **Failure.** Any broken rule or failed step ends with a non-zero status and says which file and
//! what to do.

mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, bail};

const USAGE: &str = "usage: cargo xtask check | tidy | aside";

/// What stands in a workspace of its own: it is formatted as the rest, and built where it is used
/// ([`aside`], fuzzing).
const OWN_WORKSPACES: [&str; 2] = ["sim/Cargo.toml", "fuzz/Cargo.toml"];

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match asked.first().map(String::as_str) {
        Some("check") => check(),
        Some("tidy") => run_tidy(),
        Some("aside") => aside(),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root: the parent of this package.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_path_buf()
}

fn run_tidy() -> anyhow::Result<()> {
    let found = tidy::check(&root())?;
    if found.is_empty() {
        println!("tidy: clean");
        return Ok(());
    }
    for violation in &found {
        eprintln!("{violation}");
    }
    bail!("tidy: {} violations", found.len())
}

/// The gates, cheapest first.
fn check() -> anyhow::Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    for own in OWN_WORKSPACES {
        cargo(&["fmt", "--manifest-path", own, "--check"])?;
    }
    run_tidy()?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&["test", "--workspace"])?;
    let mut docs = Command::new(env!("CARGO"));
    docs.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings").current_dir(root());
    run(&mut docs, "doc")?;
    aside()
}

/// The workspaces of their own. The fuzz targets are checked without libFuzzer, which needs a C++ compiler
/// to build and a nightly one to be of use.
fn aside() -> anyhow::Result<()> {
    cargo(&["test", "--locked", "--manifest-path", "sim/Cargo.toml"])?;
    let fuzz = [
        "check",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--bins",
        "--no-default-features",
        "--features",
        "tables",
    ];
    cargo(&fuzz)
}

fn cargo(arguments: &[&str]) -> anyhow::Result<()> {
    run(Command::new(env!("CARGO")).args(arguments).current_dir(root()), arguments[0])
}

fn run(command: &mut Command, name: &str) -> anyhow::Result<()> {
    println!("== cargo {name}");
    let status = command.status().with_context(|| format!("cargo {name} could not be started"))?;
    if !status.success() {
        bail!("cargo {name} failed");
    }
    Ok(())
}
