//! The bill of materials: `cargo run --locked --quiet --example bill > salon.cdx.json` writes what the program is built from as
//! `CycloneDX` 1.5, from the lock file and what cargo knows of it. The same sources give the same bytes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a tool for one file"
)]

mod bill;

fn main() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    println!("{:#}", bill::bill_of_materials(root));
}
