//! Protobuf: `.proto` files by `protox`, descriptors by `prost-reflect`, flattened into a table
//! that a payload is walked along.
//!
//! As in protobuf itself, fields that the schema does not have and enum values that it does not
//! know are accepted. What its libraries would keep aside as unknown without a word is refused: a
//! field of the schema in the wire type of another kind.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use prost_reflect::prost_types::FileDescriptorProto;
use prost_reflect::{
    Cardinality, DescriptorPool, FieldDescriptor, FileDescriptor, Kind as FieldKind,
    MessageDescriptor,
};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};
use protox::prost::Message as _;
use protox::Compiler;

use super::input::{Failure, Input, Walk};
use super::{described, file_name, problem_of, read, without_mark, Reference, Rejection};
use crate::errors::{Fault, Result};
use crate::ffi::{SchemaProblem, Status};

#[cfg(test)]
mod tests;

/// As in protobuf's own libraries.
const DEPTH_MAX: usize = 100;
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;
const REQUIRED_MAX: usize = 128;
/// Numbers up to here are looked up by index.
const SMALL_NUMBERS: usize = 64;
/// What a registry's schema is called among its imports.
const ROOT_NAME: &str = "registry schema";

macro_rules! known_imports {
    ($($name:literal,)*) => {
        [$(($name, include_str!(concat!("protobuf/known/", $name)))),*]
    };
}
/// Imports that producers take for known and do not register, besides `google/protobuf/*`. Those of
/// Google are of googleapis-common-protos 1.76.0, unaltered.
const KNOWN_IMPORTS: [(&str, &str); 19] = known_imports!(
    "confluent/meta.proto",
    "confluent/type/decimal.proto",
    "google/type/calendar_period.proto",
    "google/type/color.proto",
    "google/type/date.proto",
    "google/type/datetime.proto",
    "google/type/dayofweek.proto",
    "google/type/decimal.proto",
    "google/type/expr.proto",
    "google/type/fraction.proto",
    "google/type/interval.proto",
    "google/type/latlng.proto",
    "google/type/localized_text.proto",
    "google/type/money.proto",
    "google/type/month.proto",
    "google/type/phone_number.proto",
    "google/type/postal_address.proto",
    "google/type/quaternion.proto",
    "google/type/timeofday.proto",
);

type MessageId = usize;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Varint,
    Fixed32,
    Fixed64,
    Text,
    Bytes,
    Message(MessageId),
    Group(MessageId),
}

struct Field {
    number: u32,
    name: String,
    kind: Kind,
    /// May come packed.
    is_list: bool,
    /// Its bit among the required ones of the message.
    required: u128,
}

struct Message {
    /// By number.
    fields: Vec<Field>,
    /// For each small number 1 + the index in `fields`; 0 = no such field.
    small: [u16; SMALL_NUMBERS],
    required: u128,
}

impl Message {
    #[inline]
    fn field(&self, number: u32) -> Option<&Field> {
        if let Some(&slot) = self.small.get(number as usize) {
            return self.fields.get(usize::from(slot).checked_sub(1)?);
        }
        let found = self.fields.binary_search_by_key(&number, |f| f.number);
        found.ok().map(|index| &self.fields[index])
    }
}

/// Messages of a schema, and all that they hold.
struct Messages {
    messages: Vec<Message>,
}

/// The payload is one message, of one type.
pub(super) struct Protobuf {
    messages: Messages,
    root: MessageId,
}

impl super::Schema for Protobuf {
    fn check(&self, value: &[u8], begin: usize) -> Result<(), Rejection> {
        Ok(self.messages.check(self.root, value, begin)?)
    }
}

/// The payload begins with the place of its message's type in the schema.
pub(super) struct FramedProtobuf {
    messages: Messages,
    /// The types that a list of indexes may mean.
    places: HashMap<Vec<usize>, Vec<MessageId>>,
    /// Of the longest place.
    place_length_max: usize,
}

impl super::Schema for FramedProtobuf {
    fn check(&self, value: &[u8], begin: usize) -> Result<(), Rejection> {
        let mut input = Input::new(value, begin);
        let place = self.place(&mut input)?;
        let Some(candidates) = self.places.get(&place) else {
            return Err(Failure::new(
                begin,
                format!("the schema has no message with the indexes {place:?}"),
            )
            .into());
        };
        let mut checked = Ok(());
        for &candidate in candidates {
            checked = self.messages.check(candidate, value, input.at);
            if checked.is_ok() {
                break;
            }
        }
        Ok(checked?)
    }
}

impl FramedProtobuf {
    fn place(&self, input: &mut Input) -> Walk<Vec<usize>> {
        const WHAT: &str = "the message indexes";
        let begin = input.at;
        let length = input.zigzag(WHAT)?;
        // The shortcut for the first message.
        if length == 0 {
            return Ok(vec![0]);
        }
        match usize::try_from(length) {
            Ok(length) if length <= self.place_length_max => (0..length)
                .map(|_| {
                    let at = input.at;
                    usize::try_from(input.zigzag(WHAT)?)
                        .map_err(|_| Failure::new(at, "a negative message index"))
                })
                .collect(),
            _ => Err(Failure::new(
                begin,
                format!("a list of {length} message indexes, which the schema does not have,"),
            )),
        }
    }
}

/// `path` is a `.proto` file, whose imports are looked for beside it, or a set of descriptors of
/// which the last file counts. Empty `message` = the first of the file.
pub(super) fn load(path: &Path, message: &str) -> Result<Protobuf, SchemaProblem> {
    let broken = |fault: Fault| problem_of(path, fault.message);
    let is_text = path
        .extension()
        .is_some_and(|extension| extension == "proto");
    let file = if is_text {
        compile_file(path)?
    } else {
        load_descriptors(path)?
    };
    let root = find_message(&file, message).map_err(broken)?;
    let mut builder = Builder::default();
    let root = builder.add(&root).map_err(broken)?;
    Ok(Protobuf {
        messages: builder.finish(),
        root,
    })
}

fn find_message(file: &FileDescriptor, name: &str) -> Result<MessageDescriptor> {
    if name.is_empty() {
        let first = file.messages().next();
        return first.ok_or_else(|| Fault::new(Status::Corrupt, "it has no message"));
    }
    file.parent_pool().get_message_by_name(name).ok_or_else(|| {
        Fault::new(
            Status::Corrupt,
            format!("it has no message {name} (expected the full name, e.g. package.Message)"),
        )
    })
}

fn compile_file(path: &Path) -> Result<FileDescriptor, SchemaProblem> {
    // The compiler says less of a file that it cannot read.
    read(path)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut resolver = ChainFileResolver::new();
    resolver.add(Beside {
        directory: directory.to_owned(),
    });
    compile_with(resolver, &file_name(path))
}

fn load_descriptors(path: &Path) -> Result<FileDescriptor, SchemaProblem> {
    let bytes = read(path)?;
    let pool = DescriptorPool::decode(bytes.as_slice())
        .map_err(|error| problem_of(path, format!("not a descriptor set: {error}")))?;
    pool.files()
        .last()
        .ok_or_else(|| problem_of(path, "a descriptor set without files"))
}

pub(super) fn compile_framed(text: &str, references: &[Reference]) -> Result<FramedProtobuf> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(Texts {
        texts: std::iter::once((ROOT_NAME, text))
            .chain(
                references
                    .iter()
                    .map(|r| (r.name.as_str(), r.text.as_str())),
            )
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .collect(),
    });
    let file = compile_with(resolver, ROOT_NAME)
        .map_err(|problem| Fault::new(Status::Corrupt, described(&problem)))?;
    let mut builder = Builder::default();
    let mut candidates: HashMap<Vec<usize>, Vec<MessageId>> = HashMap::new();
    for entries in [MapEntries::LeftOut, MapEntries::Counted] {
        for (place, message) in places(&file, entries) {
            let id = builder.add(&message)?;
            let of_place = candidates.entry(place).or_default();
            if !of_place.contains(&id) {
                of_place.push(id);
            }
        }
    }
    if candidates.is_empty() {
        return Err(Fault::new(Status::Corrupt, "the schema has no message"));
    }
    Ok(FramedProtobuf {
        messages: builder.finish(),
        place_length_max: candidates.keys().map(Vec::len).max().unwrap_or(0),
        places: candidates,
    })
}

/// Among the messages within another one, some producers count the entries of its maps too, which
/// are messages in a descriptor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MapEntries {
    Counted,
    LeftOut,
}

/// Every message with its indexes.
fn places(file: &FileDescriptor, entries: MapEntries) -> Vec<(Vec<usize>, MessageDescriptor)> {
    let mut places = Vec::new();
    let mut left: Vec<(Vec<usize>, MessageDescriptor)> = file
        .messages()
        .enumerate()
        .map(|(index, message)| (vec![index], message))
        .collect();
    while let Some((place, message)) = left.pop() {
        let counted =
            |child: &MessageDescriptor| entries == MapEntries::Counted || !child.is_map_entry();
        let children = message.child_messages().filter(counted).enumerate();
        left.extend(
            children
                .filter(|(_, child)| !child.is_map_entry())
                .map(|(index, child)| ([place.as_slice(), &[index]].concat(), child)),
        );
        places.push((place, message));
    }
    places
}

fn compile_with(
    mut resolver: ChainFileResolver,
    root: &str,
) -> Result<FileDescriptor, SchemaProblem> {
    resolver.add(KnownImports);
    resolver.add(GoogleFileResolver::new());
    let mut compiler = Compiler::with_file_resolver(resolver);
    compiler.include_imports(true);
    compiler
        .open_file(root)
        .map_err(|error| problem_in(&error))?;
    compiler
        .descriptor_pool()
        .get_file_by_name(root)
        .ok_or_else(|| problem_of(Path::new(root), "the compiler lost its file"))
}

/// The place is only in the error's text for debugging: `FILE:LINE:COLUMN: MESSAGE`.
fn problem_in(error: &protox::Error) -> SchemaProblem {
    let file = error.file().unwrap_or_default();
    let text = format!("{error:?}");
    let placed = text
        .strip_prefix(&format!("{file}:"))
        .and_then(|rest| rest.split_once(": "))
        .filter(|(place, _)| place.bytes().all(|b| b.is_ascii_digit() || b == b':'));
    let (place, message) = placed.map_or_else(
        || (String::new(), error.to_string()),
        |(place, message)| (place.to_owned(), message.to_owned()),
    );
    SchemaProblem {
        file: file.replace(ROOT_NAME, "the schema"),
        place,
        message: message.replace(ROOT_NAME, "the schema"),
    }
}

/// Files by their paths in a folder.
struct Beside {
    directory: PathBuf,
}

impl FileResolver for Beside {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let path = self.directory.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => File::from_source(name, without_mark(&text)),
            // It says why the file cannot be read.
            Err(_) => File::open(name, &path),
        }
    }
}

/// Files by the names under which they are imported.
struct Texts {
    texts: HashMap<String, String>,
}

impl FileResolver for Texts {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = self
            .texts
            .get(name)
            .ok_or_else(|| protox::Error::file_not_found(name))?;
        match descriptor_in(text) {
            Some(bytes) => {
                let mut file =
                    FileDescriptorProto::decode(bytes.as_slice()).map_err(protox::Error::new)?;
                file.name = Some(name.to_owned());
                Ok(File::from_file_descriptor_proto(file))
            }
            None => File::from_source(name, without_mark(text)),
        }
    }
}

struct KnownImports;

impl FileResolver for KnownImports {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match KNOWN_IMPORTS.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

/// Some producers register a descriptor in base64 in place of the text.
fn descriptor_in(text: &str) -> Option<Vec<u8>> {
    base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .ok()
        .filter(|bytes| !bytes.is_empty())
}

#[derive(Default)]
struct Builder {
    known: HashMap<String, MessageId>,
    messages: Vec<Message>,
    /// Messages that have their number but not yet their fields.
    left: Vec<(MessageId, MessageDescriptor)>,
}

impl Builder {
    fn add(&mut self, message: &MessageDescriptor) -> Result<MessageId> {
        let id = self.number_of(message);
        while let Some((id, message)) = self.left.pop() {
            self.messages[id] = self.build(&message)?;
        }
        Ok(id)
    }

    fn finish(self) -> Messages {
        Messages {
            messages: self.messages,
        }
    }

    fn number_of(&mut self, message: &MessageDescriptor) -> MessageId {
        if let Some(&id) = self.known.get(message.full_name()) {
            return id;
        }
        let id = self.messages.len();
        self.known.insert(message.full_name().to_owned(), id);
        self.messages.push(Message {
            fields: Vec::new(),
            small: [0; SMALL_NUMBERS],
            required: 0,
        });
        self.left.push((id, message.clone()));
        id
    }

    fn build(&mut self, message: &MessageDescriptor) -> Result<Message> {
        let mut fields: Vec<Field> = message.fields().map(|field| self.field(&field)).collect();
        for extension in message.extensions() {
            let kind = self.kind(extension.kind(), extension.is_group());
            fields.push(Field {
                number: extension.number(),
                name: format!("[{}]", extension.full_name()),
                kind,
                is_list: extension.is_list(),
                required: 0,
            });
        }
        fields.sort_by_key(|field| field.number);
        let mut required = 0_u128;
        let required_fields = fields.iter_mut().filter(|field| field.required != 0);
        for (index, field) in required_fields.enumerate() {
            if index == REQUIRED_MAX {
                return Err(Fault::new(
                    Status::Unsupported,
                    format!(
                        "{} has more than {REQUIRED_MAX} required fields",
                        message.full_name()
                    ),
                ));
            }
            field.required = 1 << index;
            required |= field.required;
        }
        let mut small = [0; SMALL_NUMBERS];
        for (index, field) in fields.iter().enumerate() {
            if let Some(slot) = small.get_mut(field.number as usize) {
                // Fewer than SMALL_NUMBERS fields come before it.
                *slot = index as u16 + 1;
            }
        }
        Ok(Message {
            fields,
            small,
            required,
        })
    }

    fn field(&mut self, field: &FieldDescriptor) -> Field {
        Field {
            number: field.number(),
            name: field.name().to_owned(),
            kind: self.kind(field.kind(), field.is_group()),
            is_list: field.is_list(),
            required: u128::from(field.cardinality() == Cardinality::Required),
        }
    }

    fn kind(&mut self, kind: FieldKind, is_group: bool) -> Kind {
        match kind {
            FieldKind::Double | FieldKind::Fixed64 | FieldKind::Sfixed64 => Kind::Fixed64,
            FieldKind::Float | FieldKind::Fixed32 | FieldKind::Sfixed32 => Kind::Fixed32,
            FieldKind::String => Kind::Text,
            FieldKind::Bytes => Kind::Bytes,
            FieldKind::Message(message) if is_group => Kind::Group(self.number_of(&message)),
            FieldKind::Message(message) => Kind::Message(self.number_of(&message)),
            FieldKind::Int32
            | FieldKind::Int64
            | FieldKind::Uint32
            | FieldKind::Uint64
            | FieldKind::Sint32
            | FieldKind::Sint64
            | FieldKind::Bool
            | FieldKind::Enum(_) => Kind::Varint,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wire {
    Varint,
    Fixed64,
    Sized,
    GroupBegin,
    GroupEnd,
    Fixed32,
}

impl Wire {
    fn name(self) -> &'static str {
        match self {
            Self::Varint => "a varint",
            Self::Fixed64 => "64 bits",
            Self::Sized => "bytes with a length",
            Self::GroupBegin => "the begin of a group",
            Self::GroupEnd => "the end of a group",
            Self::Fixed32 => "32 bits",
        }
    }
}

struct Tag {
    at: usize,
    number: u32,
    wire: Wire,
}

struct Walker<'m, 'v> {
    messages: &'m [Message],
    input: Input<'v>,
}

impl Messages {
    fn check(&self, root: MessageId, value: &[u8], begin: usize) -> Walk {
        let mut walker = Walker {
            messages: &self.messages,
            input: Input::new(value, begin),
        };
        walker.message(root, None, 0)
    }
}

impl Walker<'_, '_> {
    /// Walks to the end of the input or, of a group, to its end tag.
    fn message(&mut self, id: MessageId, group: Option<u32>, depth: usize) -> Walk {
        let begin = self.input.at;
        if depth > DEPTH_MAX {
            return Err(too_deep(begin));
        }
        let messages = self.messages;
        let message = &messages[id];
        let mut seen = 0_u128;
        while let Some(tag) = self.tag(group)? {
            match message.field(tag.number) {
                Some(field) => {
                    seen |= field.required;
                    self.field(field, &tag, depth)
                        .map_err(|failure| failure.inside(&field.name))?;
                }
                None => self.skip(&tag, depth)?,
            }
        }
        let missing = message.required & !seen;
        if missing == 0 {
            return Ok(());
        }
        let mut fields = message.fields.iter();
        let name = fields
            .find(|field| field.required & missing != 0)
            .map_or("", |field| field.name.as_str());
        Err(Failure::new(
            begin,
            format!("the required field {name} is missing in the message"),
        ))
    }

    /// The next tag; None at the end of the message.
    #[inline]
    fn tag(&mut self, group: Option<u32>) -> Walk<Option<Tag>> {
        let at = self.input.at;
        if self.input.left() == 0 {
            return match group {
                None => Ok(None),
                Some(number) => Err(Failure::new(
                    at,
                    format!("the group of field number {number} does not end"),
                )),
            };
        }
        let tag = self.input.varint("a tag")?;
        let number = tag >> 3;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(Failure::new(
                at,
                format!("a field number of {number}, which no field has,"),
            ));
        }
        let number = number as u32;
        let wire = match tag & 7 {
            0 => Wire::Varint,
            1 => Wire::Fixed64,
            2 => Wire::Sized,
            3 => Wire::GroupBegin,
            4 => Wire::GroupEnd,
            5 => Wire::Fixed32,
            other => {
                return Err(Failure::new(
                    at,
                    format!(
                        "field number {number} in the wire type {other}, which does not exist,"
                    ),
                ))
            }
        };
        if wire != Wire::GroupEnd {
            return Ok(Some(Tag { at, number, wire }));
        }
        if group == Some(number) {
            return Ok(None);
        }
        Err(Failure::new(
            at,
            format!("the end of a group of field number {number} that has not begun"),
        ))
    }

    fn field(&mut self, field: &Field, tag: &Tag, depth: usize) -> Walk {
        match (field.kind, tag.wire) {
            (Kind::Varint, Wire::Varint) => self.input.varint("a varint").map(|_| ()),
            (Kind::Fixed32, Wire::Fixed32) => self.input.take(4, "32 bits").map(|_| ()),
            (Kind::Fixed64, Wire::Fixed64) => self.input.take(8, "64 bits").map(|_| ()),
            (Kind::Text, Wire::Sized) => {
                let size = self.size()?;
                self.input.text(size, "a string").map(|_| ())
            }
            (Kind::Bytes, Wire::Sized) => self.skip(tag, depth),
            (Kind::Message(id), Wire::Sized) => {
                let end = self.inner_end()?;
                let outer_end = std::mem::replace(&mut self.input.end, end);
                self.message(id, None, depth + 1)?;
                self.input.end = outer_end;
                Ok(())
            }
            (Kind::Group(id), Wire::GroupBegin) => self.message(id, Some(field.number), depth + 1),
            (Kind::Varint | Kind::Fixed32 | Kind::Fixed64, Wire::Sized) if field.is_list => {
                self.packed(field.kind)
            }
            (_, wire) => Err(Failure::new(
                tag.at,
                format!("it comes as {}, which is not its type,", wire.name()),
            )),
        }
    }

    fn packed(&mut self, kind: Kind) -> Walk {
        let begin = self.input.at;
        let end = self.inner_end()?;
        let size = end - self.input.at;
        let step = match kind {
            Kind::Fixed32 => 4,
            Kind::Fixed64 => 8,
            _ => {
                let outer_end = std::mem::replace(&mut self.input.end, end);
                while self.input.left() > 0 {
                    self.input.varint("a varint")?;
                }
                self.input.end = outer_end;
                return Ok(());
            }
        };
        if !size.is_multiple_of(step) {
            return Err(Failure::new(
                begin,
                format!("packed numbers of {step} bytes in {size} bytes"),
            ));
        }
        self.input.at = end;
        Ok(())
    }

    /// Passes what the schema does not know.
    fn skip(&mut self, tag: &Tag, depth: usize) -> Walk {
        match tag.wire {
            Wire::Varint => self.input.varint("a varint").map(|_| ()),
            Wire::Fixed32 => self.input.take(4, "32 bits").map(|_| ()),
            Wire::Fixed64 => self.input.take(8, "64 bits").map(|_| ()),
            Wire::Sized => {
                let size = self.size()?;
                self.input.take(size, "bytes").map(|_| ())
            }
            Wire::GroupBegin if depth == DEPTH_MAX => Err(too_deep(tag.at)),
            Wire::GroupBegin => {
                while let Some(inner) = self.tag(Some(tag.number))? {
                    self.skip(&inner, depth + 1)?;
                }
                Ok(())
            }
            // `tag` does not return it.
            Wire::GroupEnd => Ok(()),
        }
    }

    fn inner_end(&mut self) -> Walk<usize> {
        let size = self.size()?;
        if size <= self.input.left() {
            return Ok(self.input.at + size);
        }
        Err(Failure::new(
            self.input.at,
            format!("a part of {size} bytes, and {} are left", self.input.left()),
        ))
    }

    fn size(&mut self) -> Walk<usize> {
        let at = self.input.at;
        let size = self.input.varint("a length")?;
        usize::try_from(size).map_err(|_| Failure::new(at, format!("a length of {size}")))
    }
}

fn too_deep(at: usize) -> Failure {
    Failure::new(at, format!("messages nested deeper than {DEPTH_MAX}"))
}
