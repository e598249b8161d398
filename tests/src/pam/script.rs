//! The conversation: what is expected of a module, and what it is answered.

use std::collections::VecDeque;
use std::ffi::c_int;

use super::Code;
use crate::ffi::pam::{Conversation, Response};

/// What a module may say or ask, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    style: c_int,
    text: Text,
    reply: Reply,
}

/// What is expected of a message's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// Just this.
    Is(String),
    /// This somewhere in it.
    Holds(String),
    /// Whatever it is.
    Any,
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Is(text.to_owned())
    }
}

/// What the conversation does at a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answers with these bytes, whatever they are.
    Bytes(Vec<u8>),
    /// Answers with a null pointer for a text.
    Null,
    /// Returns success, but no array of responses at all.
    NoResponses,
    /// Returns this code.
    Fails(Code),
}

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

impl From<&String> for Reply {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<Vec<u8>> for Reply {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

const ECHO_OFF: c_int = 1;
const ECHO_ON: c_int = 2;
const ERROR_MSG: c_int = 3;
const TEXT_INFO: c_int = 4;

/// A prompt whose answer is not shown.
pub fn hidden(text: impl Into<Text>, reply: impl Into<Reply>) -> Event {
    Event { style: ECHO_OFF, text: text.into(), reply: reply.into() }
}

/// A prompt whose answer is shown.
pub fn shown(text: impl Into<Text>, reply: impl Into<Reply>) -> Event {
    Event { style: ECHO_ON, text: text.into(), reply: reply.into() }
}

/// A message for the user.
pub fn info(text: impl Into<Text>) -> Event {
    Event { style: TEXT_INFO, text: text.into(), reply: Reply::Null }
}

/// An error message for the user.
pub fn error(text: impl Into<Text>) -> Event {
    Event { style: ERROR_MSG, text: text.into(), reply: Reply::Null }
}

/// The queue of expected events. It cannot panic, since libpam's frames lie below it; it notes what surprised it.
#[derive(Default)]
pub(super) struct Script {
    pub(super) expected: VecDeque<Event>,
    /// Instead of the queue: the one reply to whatever is asked.
    pub(super) always: Option<Reply>,
    pub(super) surprises: Vec<String>,
    pub(super) heard: Vec<String>,
}

impl Script {
    fn next_reply(&mut self, style: c_int, text: &str) -> Reply {
        self.heard.push(format!("{} {text:?}", style_name(style)));
        if let Some(reply) = &self.always {
            let asks = style == ECHO_OFF || style == ECHO_ON;
            return if asks { reply.clone() } else { Reply::Null };
        }
        let Some(event) = self.expected.pop_front() else {
            self.surprises.push(format!("came unasked for: {} {text:?}", style_name(style)));
            return Reply::Fails(Code::CONV_ERR);
        };
        let as_expected = style == event.style
            && match &event.text {
                Text::Is(whole) => text == whole,
                Text::Holds(part) => text.contains(part.as_str()),
                Text::Any => true,
            };
        if as_expected {
            return event.reply;
        }
        self.surprises.push(format!("came: {} {text:?}, expected: {event:?}", style_name(style)));
        Reply::Fails(Code::CONV_ERR)
    }
}

impl Conversation for Script {
    fn converse(&mut self, messages: &[(c_int, Vec<u8>)]) -> Result<Option<Vec<Response>>, c_int> {
        let mut responses = Vec::new();
        for (style, text) in messages {
            match self.next_reply(*style, &String::from_utf8_lossy(text)) {
                Reply::Bytes(bytes) => responses.push(Response::Bytes(bytes)),
                Reply::Null => responses.push(Response::Null),
                Reply::NoResponses => return Ok(None),
                Reply::Fails(code) => return Err(code.0),
            }
        }
        Ok(Some(responses))
    }
}

fn style_name(style: c_int) -> &'static str {
    match style {
        ECHO_OFF => "hidden prompt",
        ECHO_ON => "shown prompt",
        ERROR_MSG => "error",
        TEXT_INFO => "info",
        _ => "message of another style",
    }
}
