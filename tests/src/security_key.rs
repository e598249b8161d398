//! Security keys without hardware: an ssh-agent that signs as a FIDO authenticator does (OpenSSH's PROTOCOL.u2f and PROTOCOL.agent), with a
//! key in a file. sshd cannot tell it from one.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use crate::child;
use crate::host::Host;
use crate::wait::OrDie;

const KIND: &[u8] = b"sk-ssh-ed25519@openssh.com";
const APPLICATION: &[u8] = b"ssh:";
const PRIVATE: &str = "/root/security-key.pem";
const PUBLIC: &str = "/root/security-key.pub";
const SOCKET: &str = "/root/security-key.agent";

/// Requests and answers of an agent.
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const SIGN_REQUEST: u8 = 13;

/// What the authenticator says of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Owner {
    /// Somebody has touched it.
    Present = 1,
    /// That, and a PIN was entered.
    Verified = 5,
}

impl Host {
    /// Makes a security key, starts an agent that has it, and returns the public key's file, which is what ssh is given.
    pub fn make_security_key(&self, owner: Owner) -> PathBuf {
        self.command("openssl", &["genpkey", "-algorithm", "ed25519", "-out", PRIVATE]).expect_success();
        self.command(
            "openssl",
            &["pkey", "-in", PRIVATE, "-pubout", "-outform", "DER", "-out", "/root/spki"],
        )
        .expect_success();
        let spki = fs::read("/root/spki").or_die("read a public key");
        let key = &spki[spki.len() - 32..];
        let blob = [string(KIND), string(key), string(APPLICATION)].concat();
        fs::write("/root/blob", &blob).or_die("write a public key");
        let text = self.command("base64", &["-w0", "/root/blob"]).expect_success().stdout;
        self.write(PUBLIC, &format!("{} {text} a comment\n", String::from_utf8_lossy(KIND)));
        let listener = UnixListener::bind(SOCKET).or_die("listen as an agent");
        let host = self;
        let agent = child::start(|| {
            listener.incoming().for_each(|stream| serve(host, stream.or_die("accept"), &blob, owner));
            String::new()
        });
        // It ends with the box.
        std::mem::forget(agent);
        PUBLIC.into()
    }

    /// The option by which ssh finds the agent.
    pub fn agent_option(&self) -> String {
        format!("IdentityAgent={SOCKET}")
    }
}

fn serve(host: &Host, mut stream: UnixStream, blob: &[u8], owner: Owner) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut request = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut request).or_die("read a request");
        let answer = match request.split_first() {
            Some((&REQUEST_IDENTITIES, _)) => {
                [&[REQUEST_IDENTITIES + 1, 0, 0, 0, 1][..], &string(blob), &string(b"")].concat()
            }
            Some((&SIGN_REQUEST, rest)) => {
                let (_key, rest) = first(rest);
                let (data, _flags) = first(rest);
                [&[SIGN_REQUEST + 1][..], &string(&signature(host, data, owner))].concat()
            }
            _ => vec![FAILURE],
        };
        stream.write_all(&string(&answer)).or_die("answer");
    }
}

fn signature(host: &Host, data: &[u8], owner: Owner) -> Vec<u8> {
    let (flags, counter) = ([owner as u8], 7_u32.to_be_bytes());
    let signed = [&hash(host, APPLICATION)[..], &flags, &counter, &hash(host, data)].concat();
    fs::write("/root/signed", signed).or_die("write what is signed");
    let arguments =
        ["pkeyutl", "-sign", "-rawin", "-inkey", PRIVATE, "-in", "/root/signed", "-out", "/root/signature"];
    host.command("openssl", &arguments).expect_success();
    let raw = fs::read("/root/signature").or_die("read a signature");
    [&string(KIND)[..], &string(&raw), &flags, &counter].concat()
}

fn hash(host: &Host, data: &[u8]) -> Vec<u8> {
    fs::write("/root/hashed", data).or_die("write what is hashed");
    host.command("openssl", &["dgst", "-sha256", "-binary", "-out", "/root/hash", "/root/hashed"])
        .expect_success();
    fs::read("/root/hash").or_die("read a hash")
}

/// A length and so many bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).or_die("count bytes").to_be_bytes();
    [&length[..], bytes].concat()
}

fn first(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (length, rest) = bytes.split_first_chunk().ok_or("too short").or_die("read a length");
    rest.split_at(u32::from_be_bytes(*length) as usize)
}
