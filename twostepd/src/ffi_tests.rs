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

#[test]
fn prompts_are_answered_and_texts_are_said() {
    let mut script = Script { answers: [b"secret".to_vec(), b"".to_vec()].into(), ..Script::default() };
    let messages =
        [(PAM_TEXT_INFO, c"Welcome"), (PAM_PROMPT_ECHO_OFF, c"Password: "), (PAM_PROMPT_ECHO_ON, c"Name: ")];
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

#[test]
fn what_is_no_text_is_refused_unread() {
    // A radio type, a binary prompt, and nothing that there is. It does not end with a NUL: to read it as a text would run on.
    for style in [0, 5, 7, -1] {
        let mut script = Script { answers: [b"secret".to_vec()].into(), ..Script::default() };
        let unreadable = RawMessage { style, text: ptr::dangling() };
        assert_eq!(call_raw(&mut script, &[&raw const unreadable]), PAM_CONV_ERR);
        assert!(script.seen.is_empty(), "{:?}", script.seen);
    }
}

#[test]
fn nulls_are_refused() {
    let mut script = Script { answers: [b"secret".to_vec()].into(), ..Script::default() };
    let no_text = RawMessage { style: PAM_PROMPT_ECHO_OFF, text: ptr::null() };
    assert_eq!(call_raw(&mut script, &[&raw const no_text]), PAM_CONV_ERR);
    assert_eq!(call_raw(&mut script, &[ptr::null()]), PAM_CONV_ERR);
    let data = ptr::from_mut(&mut script).cast::<c_void>();
    assert_eq!(converse::<Script>(1, ptr::null_mut(), &mut ptr::null_mut(), data), PAM_CONV_ERR);
    assert!(script.seen.is_empty(), "{:?}", script.seen);
}

fn call_raw(script: &mut Script, messages: &[*const RawMessage]) -> c_int {
    let mut pointers = messages.to_vec();
    let (mut responses, data) = (ptr::null_mut(), ptr::from_mut(script).cast::<c_void>());
    let count = c_int::try_from(pointers.len()).unwrap();
    let code = converse::<Script>(count, pointers.as_mut_ptr(), &raw mut responses, data);
    assert!(responses.is_null());
    code
}
