//! Tells cargo that the folders which are compiled in are sources: a file that is added there must not be missed.

fn main() {
    println!("cargo::rerun-if-changed=gates");
    println!("cargo::rerun-if-changed=templates");
}
