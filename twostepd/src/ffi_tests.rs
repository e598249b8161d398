use super::*;
use std::collections::VecDeque;

/// Answers from a list, and keeps what was said.
#[derive(Default)]
struct Script {
    answers: VecDeque<Vec<u8>>,
    seen: Vec<String>,
}

impl Person for Script {
    fn answer(&mut self, prompt: &str, echo: Echo) -> Option<Secret> {
        assert_ne!(prompt, "panic", "provoked");
        self.seen.push(format!("{echo:?} {prompt}"));
        self.answers.pop_front().map(Secret::new)
    }

    fn tell(&mut self, text: &str) -> Option<()> {
        self.seen.push(text.to_owned());
        Some(())
    }
}

/// Calls the conversation as libpam does, and frees what comes back as libpam does.
fn call(script: &mut Script, messages: &[(c_int, &CStr)]) -> Result<Vec<Option<Vec<u8>>>, c_int> {
    let raw: Vec<RawMessage> =
        messages.iter().map(|(style, text)| RawMessage { style: *style, text: text.as_ptr() }).collect();
    let mut pointers: Vec<*const RawMessage> = raw.iter().map(ptr::from_ref).collect();
    let mut responses = ptr::null_mut();
    let count = c_int::try_from(messages.len()).unwrap();
    let code = converse::<Script>(
        count,
        pointers.as_mut_ptr(),
        &raw mut responses,
        ptr::from_mut(script).cast::<c_void>(),
    );
    result(code).map_err(|PamCode(code)| code)?;
    let mut answers = Vec::new();
    for index in 0..messages.len() {
        // SAFETY: on success there are as many responses as messages, each text null or a string of calloc's.
        unsafe {
            let text = (*responses.add(index)).text;
            answers.push((!text.is_null()).then(|| CStr::from_ptr(text).to_bytes().to_vec()));
            libc::free(text.cast());
        }
    }
    // SAFETY: the array is calloc's.
    unsafe { libc::free(responses.cast()) };
    Ok(answers)
}

const INFO: c_int = 4;

#[test]
fn prompts_are_answered_and_texts_are_said() {
    let mut script = Script { answers: [b"secret".to_vec(), b"".to_vec()].into(), ..Script::default() };
    let messages =
        [(INFO, c"Welcome"), (PAM_PROMPT_ECHO_OFF, c"Password: "), (PAM_PROMPT_ECHO_ON, c"Name: ")];
    assert_eq!(call(&mut script, &messages), Ok(vec![None, Some(b"secret".to_vec()), Some(Vec::new())]));
    assert_eq!(script.seen, ["Welcome", "Hidden Password: ", "Shown Name: "]);
}

#[test]
fn no_answer_is_an_error() {
    let mut script = Script { answers: [b"first".to_vec()].into(), ..Script::default() };
    let messages = [(PAM_PROMPT_ECHO_OFF, c"a"), (PAM_PROMPT_ECHO_OFF, c"b")];
    assert_eq!(call(&mut script, &messages), Err(PAM_CONV_ERR));
    assert_eq!(call(&mut script, &[]), Err(PAM_CONV_ERR));
}

#[test]
fn an_answer_with_a_nul_is_not_cut_short() {
    let mut script = Script { answers: [b"x".to_vec(), b"pass\0word".to_vec()].into(), ..Script::default() };
    let messages = [(PAM_PROMPT_ECHO_OFF, c"a"), (PAM_PROMPT_ECHO_OFF, c"b")];
    assert_eq!(call(&mut script, &messages), Err(PAM_CONV_ERR));
}

#[test]
fn a_panic_does_not_reach_libpam() {
    let mut script = Script { answers: [b"x".to_vec()].into(), ..Script::default() };
    assert_eq!(call(&mut script, &[(PAM_PROMPT_ECHO_OFF, c"panic")]), Err(PAM_CONV_ERR));
}

/// A TCP socket with SO_LINGER whose peer never reads: closing it would take an hour.
#[test]
fn what_a_peer_has_made_long_is_interrupted() {
    use nix::sys::socket::{setsockopt, sockopt};
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    prepare_alarms().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let slow = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_never_read, _) = listener.accept().unwrap();
    slow.set_nonblocking(true).unwrap();
    while (&slow).write(&[0; 65_536]).is_ok() {}
    setsockopt(&slow, sockopt::Linger, &libc::linger { l_onoff: 1, l_linger: 3_600 }).unwrap();
    let (told, closed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let alarm = Alarm::set();
        drop(slow);
        drop(alarm);
        told.send(()).unwrap();
    });
    closed.recv_timeout(std::time::Duration::from_secs(60)).unwrap();
}
