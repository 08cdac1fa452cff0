//! Turns `natter.proto` into the committed Rust of the `proto` room, so that no build of natter
//! needs a protobuf compiler and nobody pays for generating the same file again.

use std::path::Path;

use anyhow::{Context, Result, ensure};

const PROTO: &str = "natter.proto";
const ROOM: &str = "crates/proto";

/// The generated files: where they live below the repository, and what has to be in them.
fn generate(root: &Path) -> Result<[(&'static str, Vec<u8>); 2]> {
    let room = root.join(ROOM);
    let descriptors = protox::compile([room.join(PROTO)], [&room]).context("natter.proto")?;
    let out = tempdir(root)?;
    prost_build::Config::new()
        .bytes([".natter.v1.BusEvent"])
        .out_dir(&out)
        .compile_fds(descriptors.clone())?;
    let code = std::fs::read(out.join("natter.v1.rs"))?;
    let mut described = descriptors;
    for file in &mut described.file {
        file.source_code_info = None; // comments are for readers of the .proto
    }
    Ok([
        ("crates/proto/src/natter.rs", code),
        ("crates/proto/src/natter.bin", prost::Message::encode_to_vec(&described)),
    ])
}

fn tempdir(root: &Path) -> Result<std::path::PathBuf> {
    let out = root.join("target").join("codegen");
    std::fs::create_dir_all(&out)?;
    Ok(out)
}

/// Writes the generated files.
pub(crate) fn write(root: &Path) -> Result<()> {
    for (path, content) in generate(root)? {
        std::fs::write(root.join(path), content).context(path)?;
    }
    Ok(())
}

/// Fails if a committed generated file is not what `natter.proto` says.
pub(crate) fn check(root: &Path) -> Result<()> {
    for (path, content) in generate(root)? {
        let committed = std::fs::read(root.join(path)).context(path)?;
        ensure!(committed == content, "{path} is stale: run `cargo xtask codegen`");
    }
    Ok(())
}
