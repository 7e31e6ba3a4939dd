//! Builds what runs as WebAssembly, from `guest/`, by the toolchains that `consign filter build` takes: rustup's target where it is installed, else Debian's compiler, which
//! builds the standard library on the spot.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Fault;

const TARGET: &str = "wasm32-unknown-unknown";

/// How cargo is called.
pub struct Toolchain {
    debian: bool,
    target: PathBuf,
}

impl Toolchain {
    /// Builds in a folder of its own below cargo's, so that the next run finds it there.
    pub fn find() -> Result<Self, Fault> {
        let installed = Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
        let library = installed.ok().and_then(|output| String::from_utf8(output.stdout).ok()).unwrap_or_default();
        let program = std::env::current_exe()?;
        let target = program.ancestors().nth(2).ok_or("the bench lies in no target folder")?.join("filter-guest");
        Ok(Self { debian: !Path::new(library.trim()).is_dir(), target })
    }

    /// The core module of a crate of `guest/`.
    pub fn core(&self, crate_: &str, features: &[&str]) -> Result<Vec<u8>, Fault> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest");
        let mut cargo = Command::new(if self.debian { "/usr/bin/cargo" } else { "cargo" });
        cargo.args(["build", "--release", "--locked", "--quiet", "--target", TARGET, "--package"]);
        cargo.arg(format!("consign-bench-filter-{crate_}")).arg(format!("--features={}", features.join(","))).current_dir(folder);
        // Cargo has told the bench about the toolchain that it was built by.
        for told in ["RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTUP_TOOLCHAIN"] {
            cargo.env_remove(told);
        }
        cargo.env("CARGO_TARGET_DIR", &self.target);
        if self.debian {
            cargo.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1").env("RUSTC", "/usr/bin/rustc");
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", "wasm-ld").env("RUSTFLAGS", "-Clinker-flavor=wasm-ld");
        }
        let status = cargo.status()?;
        if !status.success() {
            let hint = "it takes `rustup target add wasm32-unknown-unknown`, or Debian's rustc-web, cargo-web, rust-web-src and lld";
            return Err(format!("guest/{crate_} was not built ({status}); {hint}").into());
        }
        Ok(std::fs::read(self.target.join(TARGET).join("release").join(format!("{crate_}.wasm")))?)
    }

    /// The filter as a component.
    pub fn component(&self, features: &[&str]) -> Result<Vec<u8>, Fault> {
        let core = self.core("component", features)?;
        Ok(wit_component::ComponentEncoder::default().validate(true).module(&core)?.encode()?)
    }
}
