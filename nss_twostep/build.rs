//! How the module is linked.

fn main() {
    for argument in [
        // Once loaded it stays: what std registers for a thread must not outlive the code it points to.
        "-Wl,-z,nodelete",
        // What the C library looks for.
        "-Wl,-soname,libnss_twostep.so.2",
        "-Wl,-z,relro,-z,now",
    ] {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
