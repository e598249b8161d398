//! How values stand in a message. docs/protocol.md says the same.
//!
//! Every value has exactly one form: whatever can be read is written back byte for byte the same. Nothing is skipped and nothing
//! may follow.

use crate::name::ServiceName;
use crate::secret::Secret;
use crate::time::UnixTime;
use std::fmt;
use zeroize::Zeroizing;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends too early.
    Short,
    /// Something follows its end.
    Long,
    /// It is of another version.
    Version(u8),
    /// There is no such message or choice.
    Choice(u8),
    /// A text is not UTF-8, or not what stands there.
    Text,
    /// A list or a number is out of its bounds.
    Bounds,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("a message ends too early"),
            Self::Long => f.write_str("a message does not end where it should"),
            Self::Version(version) => write!(f, "a message is of version {version}"),
            Self::Choice(choice) => write!(f, "there is no message or choice {choice}"),
            Self::Text => f.write_str("a text in a message is not what stands there"),
            Self::Bounds => f.write_str("a list or number in a message is out of bounds"),
        }
    }
}

/// The most entries of a list.
pub const LIST_MAX: usize = 256;

/// A value that can stand in a message.
pub trait Field: Sized {
    /// Writes it.
    fn put(&self, to: &mut Writer);

    /// Reads it.
    ///
    /// # Errors
    /// When what stands there is not such a value.
    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// A message in the making. It may hold secrets, and is wiped.
#[derive(Debug)]
pub struct Writer {
    bytes: Zeroizing<Vec<u8>>,
    limit: usize,
    full: bool,
}

impl Writer {
    /// Its room is made at once: a buffer that grows leaves copies of itself behind.
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(limit)), limit, full: false }
    }

    fn put(&mut self, bytes: &[u8]) {
        if bytes.len() > self.limit.saturating_sub(self.bytes.len()) {
            self.full = true;
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    fn length(&mut self, length: usize) {
        match u16::try_from(length) {
            Ok(length) => self.put(&length.to_be_bytes()),
            Err(_) => self.full = true,
        }
    }

    pub(super) fn finish(self) -> Result<Zeroizing<Vec<u8>>, Malformed> {
        if self.full { Err(Malformed::Bounds) } else { Ok(self.bytes) }
    }
}

/// A message being read.
#[derive(Debug)]
pub struct Reader<'m> {
    rest: &'m [u8],
}

impl<'m> Reader<'m> {
    pub(super) fn new(message: &'m [u8]) -> Self {
        Self { rest: message }
    }

    fn bytes(&mut self, count: usize) -> Result<&'m [u8], Malformed> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(Malformed::Short)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed::Short)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    fn text(&mut self) -> Result<&'m str, Malformed> {
        let length = self.length()?;
        std::str::from_utf8(self.bytes(length)?).map_err(|_| Malformed::Text)
    }

    pub(super) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() { Ok(()) } else { Err(Malformed::Long) }
    }
}

macro_rules! number {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn put(&self, to: &mut Writer) {
                to.put(&self.to_be_bytes());
            }

            fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                from.array().map(Self::from_be_bytes)
            }
        }
    )*};
}

number!(u8, u32, i64);

impl Field for bool {
    fn put(&self, to: &mut Writer) {
        to.byte(u8::from(*self));
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Malformed::Choice(other)),
        }
    }
}

impl Field for String {
    fn put(&self, to: &mut Writer) {
        to.length(self.len());
        to.put(self.as_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.text().map(str::to_owned)
    }
}

/// A text that is wiped: some prompts have secrets in them.
impl Field for Zeroizing<String> {
    fn put(&self, to: &mut Writer) {
        to.length(self.len());
        to.put(self.as_bytes());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.text().map(|text| Self::new(text.to_owned()))
    }
}

impl Field for Secret {
    fn put(&self, to: &mut Writer) {
        to.length(self.expose().len());
        to.put(self.expose());
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = from.length()?;
        Ok(Self::new(from.bytes(length)?.to_vec()))
    }
}

impl Field for UnixTime {
    fn put(&self, to: &mut Writer) {
        self.0.put(to);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        i64::take(from).map(Self)
    }
}

impl Field for ServiceName {
    fn put(&self, to: &mut Writer) {
        self.as_str().to_owned().put(to);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let text = from.text()?;
        let name = Self::parse(text).map_err(|_| Malformed::Text)?;
        // It is lower-cased when read from PAM: another spelling was not written by us.
        if name.as_str() == text { Ok(name) } else { Err(Malformed::Text) }
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, to: &mut Writer) {
        self.is_some().put(to);
        if let Some(value) = self {
            value.put(to);
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        bool::take(from)?.then(|| T::take(from)).transpose()
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, to: &mut Writer) {
        to.length(if self.len() > LIST_MAX { usize::MAX } else { self.len() });
        for value in self {
            value.put(to);
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let length = from.length()?;
        if length > LIST_MAX {
            return Err(Malformed::Bounds);
        }
        (0..length).map(|_| T::take(from)).collect()
    }
}

/// Declares an enum together with how it stands in a message: a byte that says which choice, then the fields in order.
macro_rules! choices {
    ($(#[$meta:meta])* pub enum $name:ident {
        $($(#[$about:meta])* $variant:ident $({ $($(#[$note:meta])* $field:ident: $type:ty,)* })? = $tag:literal,)*
    }) => {
        $(#[$meta])*
        pub enum $name {
            $($(#[$about])* $variant $({ $($(#[$note])* $field: $type,)* })?,)*
        }

        #[cfg(test)]
        impl $name {
            pub(in crate::protocol) const CHOICES: &'static [$crate::protocol::document_tests::Choice] =
                &[$(($tag, stringify!($variant), &[$($((stringify!($field), stringify!($type)),)*)?]),)*];
        }

        impl $crate::protocol::wire::Field for $name {
            fn put(&self, to: &mut $crate::protocol::wire::Writer) {
                match self {
                    $(Self::$variant $({ $($field,)* })? => {
                        to.byte($tag);
                        $($($crate::protocol::wire::Field::put($field, to);)*)?
                    })*
                }
            }

            fn take(
                from: &mut $crate::protocol::wire::Reader<'_>,
            ) -> Result<Self, $crate::protocol::wire::Malformed> {
                Ok(match from.byte()? {
                    $($tag => Self::$variant $({
                        $($field: <$type as $crate::protocol::wire::Field>::take(from)?,)*
                    })?,)*
                    other => return Err($crate::protocol::wire::Malformed::Choice(other)),
                })
            }
        }
    };
}

/// Declares a struct together with how it stands in a message: its fields in order.
macro_rules! fields {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$note:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        pub struct $name {
            $($(#[$note])* pub $field: $type,)*
        }

        #[cfg(test)]
        impl $name {
            pub(in crate::protocol) const FIELDS: &'static [$crate::protocol::document_tests::Named] =
                &[$((stringify!($field), stringify!($type)),)*];
        }

        impl $crate::protocol::wire::Field for $name {
            fn put(&self, to: &mut $crate::protocol::wire::Writer) {
                $($crate::protocol::wire::Field::put(&self.$field, to);)*
            }

            fn take(
                from: &mut $crate::protocol::wire::Reader<'_>,
            ) -> Result<Self, $crate::protocol::wire::Malformed> {
                Ok(Self { $($field: <$type as $crate::protocol::wire::Field>::take(from)?,)* })
            }
        }
    };
}

pub(super) use {choices, fields};
