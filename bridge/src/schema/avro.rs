//! Avro: schemas by the `apache-avro` crate, flattened into a table that a payload is walked along.
//!
//! The crate's own decoder builds values, calls itself without a limit for nested ones, and does
//! not say where it failed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Once;

use apache_avro::error::Details;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};
use apache_avro::{validator, AvroResult, Schema as AvroSchema};
use num_bigint::BigInt;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::input::{Failure, Input, Walk};
use super::{file_name, not_json, problem_of, read_text, Reference, Rejection};
use crate::errors::{Fault, Result};
use crate::ffi::{SchemaProblem, Status};

#[cfg(test)]
mod tests;

const DEPTH_MAX: usize = 1_024;
/// What readers can hold of items that need no bytes.
const EMPTY_ITEMS_MAX: i64 = i32::MAX as i64;
/// Digits up to which the precision of a decimal is checked.
const PRECISION_MAX: usize = 10_000;
const DOCUMENTS_MAX: usize = 1_000;
const MILLIS_OF_DAY: i64 = 86_400_000;
const MICROS_OF_DAY: i64 = MILLIS_OF_DAY * 1_000;

type NodeId = usize;

enum Node {
    Boolean,
    Int,
    Long,
    /// Bytes of a fixed number: fixed, float, double, duration.
    Fixed(usize),
    Bytes,
    Text,
    Uuid,
    /// How many symbols.
    Enum(usize),
    /// Names, and what the fields hold.
    Record(Vec<(String, NodeId)>),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    /// Milliseconds after midnight.
    TimeOfDayMillis,
    /// Microseconds after midnight.
    TimeOfDayMicros,
    Decimal(Decimal),
    /// No bytes at all: null, and what consists of nothing else.
    Empty,
}

struct Decimal {
    /// None: as long as the payload says.
    size: Option<usize>,
    precision: usize,
    /// The greatest number of so many digits. None: the precision is not checked.
    greatest: Option<BigInt>,
}

/// A compiled schema.
pub(super) struct Avro {
    nodes: Vec<Node>,
    root: NodeId,
}

impl super::Schema for Avro {
    fn check(&self, value: &[u8], begin: usize) -> Result<(), Rejection> {
        let mut walker = Walker {
            nodes: &self.nodes,
            input: Input::new(value, begin),
        };
        walker.walk(self.root, 0)?;
        Ok(walker.input.nothing_left()?)
    }
}

/// `path`, and for each type that it names without defining it `{full name}.avsc` beside it.
pub(super) fn load(path: &Path) -> Result<Avro, SchemaProblem> {
    let broken = |fault: Fault| problem_of(path, fault.message);
    let text = read_json(path)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let mut references: Vec<Reference> = Vec::new();
    loop {
        let unknown = match parse(&text, &references) {
            Ok((main, others)) => return flatten(&main, &others).map_err(broken),
            Err(error) => match error.details() {
                Details::ParsePrimitive(name) | Details::ParsePrimitiveSimilar(name, _) => {
                    name.clone()
                }
                _ => return Err(broken(fault_of(&error))),
            },
        };
        let other = directory.join(format!("{unknown}.avsc"));
        let is_known = references.iter().any(|known| known.name == unknown);
        let is_elsewhere = unknown.contains(std::path::is_separator);
        if is_known || is_elsewhere || references.len() >= DOCUMENTS_MAX || !other.is_file() {
            return Err(broken(Fault::new(
                Status::Corrupt,
                format!("the type {unknown} is not defined, neither there nor in {unknown}.avsc"),
            )));
        }
        references.push(Reference {
            text: read_json(&other)?,
            name: unknown,
        });
    }
}

fn read_json(path: &Path) -> Result<String, SchemaProblem> {
    let text = read_text(path)?;
    match serde_json::from_str::<IgnoredAny>(&text) {
        Ok(_) => Ok(text),
        Err(error) => Err(not_json(&file_name(path), &error)),
    }
}

pub(super) fn compile(text: &str, references: &[Reference]) -> Result<Avro> {
    let (main, others) = parse(text, references).map_err(|error| fault_of(&error))?;
    flatten(&main, &others)
}

fn parse(text: &str, references: &[Reference]) -> AvroResult<(AvroSchema, Vec<AvroSchema>)> {
    accept_any_names();
    let others = references.iter().map(|other| for_values(&other.text));
    let others = others.collect::<AvroResult<Vec<_>>>()?;
    AvroSchema::parse_str_with_list(&for_values(text)?, others)
}

/// A schema without what the crate is strict about and no value depends on.
fn for_values(text: &str) -> AvroResult<String> {
    let mut schema = serde_json::from_str(text).map_err(Details::ParseSchemaJson)?;
    relax(&mut schema);
    Ok(schema.to_string())
}

fn relax(schema: &mut Value) {
    match schema {
        Value::Array(branches) => branches.iter_mut().for_each(relax),
        Value::Object(members) => {
            // The error of a protocol, which is a record.
            if members.contains_key("fields") && members.get("type") == Some(&"error".into()) {
                members.insert("type".to_owned(), "record".into());
            }
            if let Some(Value::Array(fields)) = members.get_mut("fields") {
                let fields = fields.iter_mut().filter_map(Value::as_object_mut);
                fields.for_each(relax_within);
            }
            relax_within(members);
        }
        _ => {}
    }
}

fn relax_within(members: &mut Map<String, Value>) {
    members.remove("default");
    for inner in ["type", "items", "values"] {
        if let Some(schema) = members.get_mut(inner) {
            relax(schema);
        }
    }
}

/// Names with letters of any language and names that are no identifiers are common, since other
/// libraries do not mind them. Holds for the process.
fn accept_any_names() {
    struct Any;
    impl validator::SchemaNameValidator for Any {
        fn validate(&self, name: &str) -> AvroResult<usize> {
            let begin = name.rfind('.').map_or(0, |dot| dot + 1);
            if begin == name.len() {
                return Err(Details::InvalidSchemaName(name.to_owned(), "any but none").into());
            }
            Ok(begin)
        }
    }
    impl validator::SchemaNamespaceValidator for Any {
        fn validate(&self, _: &str) -> AvroResult<()> {
            Ok(())
        }
    }
    impl validator::EnumSymbolNameValidator for Any {
        fn validate(&self, _: &str) -> AvroResult<()> {
            Ok(())
        }
    }
    impl validator::RecordFieldNameValidator for Any {
        fn validate(&self, _: &str) -> AvroResult<()> {
            Ok(())
        }
    }
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let all_set = validator::set_schema_name_validator(Box::new(Any)).is_ok()
            && validator::set_schema_namespace_validator(Box::new(Any)).is_ok()
            && validator::set_enum_symbol_name_validator(Box::new(Any)).is_ok()
            && validator::set_record_field_name_validator(Box::new(Any)).is_ok();
        debug_assert!(all_set, "a schema was parsed before");
    });
}

fn fault_of(error: &apache_avro::Error) -> Fault {
    let text = match error.details() {
        Details::ParseSchemaJson(cause) => format!("not JSON: {cause}"),
        Details::ParsePrimitive(name) => format!("the type {name} is not defined"),
        other => other.to_string(),
    };
    Fault::new(Status::Corrupt, text)
}

fn flatten(main: &AvroSchema, others: &[AvroSchema]) -> Result<Avro> {
    let mut names = HashMap::new();
    for schema in others.iter().chain([main]) {
        define(schema, &mut names);
    }
    let mut flattener = Flattener {
        names,
        known: HashMap::new(),
        nodes: Vec::new(),
    };
    let root = flattener.add(main)?;
    let mut nodes = flattener.nodes;
    mark_empty(&mut nodes);
    Ok(Avro { nodes, root })
}

/// Notes the named types that `schema` defines.
fn define<'a>(schema: &'a AvroSchema, names: &mut HashMap<&'a Name, &'a AvroSchema>) {
    match schema {
        AvroSchema::Array(array) => define(&array.items, names),
        AvroSchema::Map(map) => define(&map.types, names),
        AvroSchema::Union(union) => {
            for branch in union.variants() {
                define(branch, names);
            }
        }
        AvroSchema::Record(record) => {
            if names.insert(&record.name, schema).is_none() {
                for field in &record.fields {
                    define(&field.schema, names);
                }
            }
        }
        other => {
            if let Some(name) = other.name() {
                if !matches!(other, AvroSchema::Ref { .. }) {
                    names.insert(name, schema);
                }
            }
        }
    }
}

struct Flattener<'a> {
    names: HashMap<&'a Name, &'a AvroSchema>,
    /// Records that are in `nodes`, or will be: they may hold themselves.
    known: HashMap<&'a Name, NodeId>,
    nodes: Vec<Node>,
}

impl<'a> Flattener<'a> {
    fn add(&mut self, schema: &'a AvroSchema) -> Result<NodeId> {
        let schema = match schema {
            AvroSchema::Ref { name } => self.names.get(name).copied().ok_or_else(|| {
                Fault::new(
                    Status::Corrupt,
                    format!("the type {} is not defined", name.fullname(None)),
                )
            })?,
            other => other,
        };
        let record = match schema {
            AvroSchema::Record(record) => record,
            other => {
                let node = self.node_of(other)?;
                self.nodes.push(node);
                return Ok(self.nodes.len() - 1);
            }
        };
        if let Some(&id) = self.known.get(&record.name) {
            return Ok(id);
        }
        let id = self.nodes.len();
        self.known.insert(&record.name, id);
        self.nodes.push(Node::Empty);
        let mut fields = Vec::with_capacity(record.fields.len());
        for field in &record.fields {
            fields.push((field.name.clone(), self.add(&field.schema)?));
        }
        self.nodes[id] = Node::Record(fields);
        Ok(id)
    }

    /// REQUIRES: neither a record nor a reference.
    fn node_of(&mut self, schema: &'a AvroSchema) -> Result<Node> {
        use AvroSchema as S;
        Ok(match schema {
            S::Null | S::Record(_) | S::Ref { .. } => Node::Empty,
            S::Boolean => Node::Boolean,
            S::Int | S::Date => Node::Int,
            S::Long
            | S::TimestampMillis
            | S::TimestampMicros
            | S::TimestampNanos
            | S::LocalTimestampMillis
            | S::LocalTimestampMicros
            | S::LocalTimestampNanos => Node::Long,
            S::TimeMillis => Node::TimeOfDayMillis,
            S::TimeMicros => Node::TimeOfDayMicros,
            S::Float => Node::Fixed(4),
            S::Double => Node::Fixed(8),
            S::Bytes | S::BigDecimal | S::Uuid(UuidSchema::Bytes) => Node::Bytes,
            S::String => Node::Text,
            S::Uuid(UuidSchema::String) => Node::Uuid,
            S::Uuid(UuidSchema::Fixed(fixed)) | S::Fixed(fixed) | S::Duration(fixed) => {
                Node::Fixed(fixed.size)
            }
            S::Decimal(decimal) => {
                let size = match &decimal.inner {
                    InnerDecimalSchema::Bytes => None,
                    InnerDecimalSchema::Fixed(fixed) => Some(fixed.size),
                };
                Node::Decimal(Decimal::new(size, decimal.precision))
            }
            S::Enum(symbols) => Node::Enum(symbols.symbols.len()),
            S::Array(array) => Node::Array(self.add(&array.items)?),
            S::Map(map) => Node::Map(self.add(&map.types)?),
            S::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.add(branch));
                Node::Union(branches.collect::<Result<_>>()?)
            }
        })
    }
}

/// What has no bytes has none whatever the payload: everything of variable size begins with a
/// number. A record that holds itself is not marked; the limit of nesting ends its walk.
fn mark_empty(nodes: &mut [Node]) {
    loop {
        let empty: Vec<NodeId> = (0..nodes.len())
            .filter(|&id| match &nodes[id] {
                Node::Fixed(0) => true,
                Node::Record(fields) => fields
                    .iter()
                    .all(|(_, field)| matches!(nodes[*field], Node::Empty)),
                _ => false,
            })
            .collect();
        if empty.is_empty() {
            return;
        }
        for id in empty {
            nodes[id] = Node::Empty;
        }
    }
}

impl Decimal {
    fn new(size: Option<usize>, precision: usize) -> Self {
        let digits = u32::try_from(precision.min(PRECISION_MAX)).unwrap_or(0);
        Self {
            size,
            precision,
            greatest: (precision <= PRECISION_MAX)
                .then(|| BigInt::from(10).pow(digits) - BigInt::from(1)),
        }
    }

    /// Whether a big-endian two's complement number has no more digits than it may.
    fn fits(&self, number: &[u8]) -> bool {
        let Some(greatest) = &self.greatest else {
            return true;
        };
        if (number.len() as u64) * 8 <= greatest.bits() {
            return true;
        }
        BigInt::from_signed_bytes_be(number).magnitude() <= greatest.magnitude()
    }
}

#[derive(PartialEq, Eq)]
enum Items {
    WithBytes,
    WithoutBytes,
}

struct Walker<'n, 'v> {
    nodes: &'n [Node],
    input: Input<'v>,
}

impl<'v> Walker<'_, 'v> {
    fn walk(&mut self, id: NodeId, depth: usize) -> Walk {
        let begin = self.input.at;
        match &self.nodes[id] {
            Node::Empty => Ok(()),
            Node::Boolean => match self.input.byte("a boolean")? {
                0 | 1 => Ok(()),
                other => Err(Failure::new(
                    begin,
                    format!("a boolean is {other}, neither 0 nor 1"),
                )),
            },
            Node::Int => self.int().map(|_| ()),
            Node::Long => self.input.zigzag("a long").map(|_| ()),
            Node::Fixed(size) => self.input.take(*size, "a fixed").map(|_| ()),
            Node::Bytes => {
                let size = self.size("bytes")?;
                self.input.take(size, "bytes").map(|_| ())
            }
            Node::Text => self.text().map(|_| ()),
            Node::Uuid if is_uuid(self.text()?) => Ok(()),
            Node::Uuid => Err(Failure::new(
                begin,
                "not a uuid (expected 8-4-4-4-12 hexadecimal digits)",
            )),
            Node::Enum(symbols) => {
                let symbol = self.int()?;
                within(begin, "the symbol of an enum", i64::from(symbol), *symbols)
            }
            Node::TimeOfDayMillis => time_of_day(begin, i64::from(self.int()?), MILLIS_OF_DAY),
            Node::TimeOfDayMicros => {
                time_of_day(begin, self.input.zigzag("a long")?, MICROS_OF_DAY)
            }
            Node::Decimal(decimal) => self.decimal(decimal),
            _ if depth == DEPTH_MAX => Err(Failure::new(
                begin,
                format!("nested deeper than {DEPTH_MAX}"),
            )),
            Node::Record(fields) => {
                for (name, field) in fields {
                    self.walk(*field, depth + 1)
                        .map_err(|failure| failure.inside(name))?;
                }
                Ok(())
            }
            Node::Union(branches) => {
                let branch = self.input.zigzag("the branch of a union")?;
                within(begin, "the branch of a union", branch, branches.len())?;
                self.walk(branches[branch as usize], depth + 1)
            }
            Node::Array(items) => self.blocks(*items, |walker, index| {
                walker
                    .walk(*items, depth + 1)
                    .map_err(|failure| failure.inside(index))
            }),
            Node::Map(values) => self.entries(*values, depth),
        }
    }

    fn entries(&mut self, values: NodeId, depth: usize) -> Walk {
        // An entry has at least the length of its key.
        self.blocks_of(Items::WithBytes, |walker, _| {
            let key = walker.text()?;
            walker
                .walk(values, depth + 1)
                .map_err(|failure| failure.inside(key))
        })
    }

    fn blocks(&mut self, items: NodeId, item: impl FnMut(&mut Self, u64) -> Walk) -> Walk {
        match self.nodes[items] {
            Node::Empty => self.blocks_of(Items::WithoutBytes, item),
            _ => self.blocks_of(Items::WithBytes, item),
        }
    }

    /// Walks blocks of items up to the block of none. Items without bytes are only counted.
    fn blocks_of(&mut self, items: Items, mut item: impl FnMut(&mut Self, u64) -> Walk) -> Walk {
        let mut index = 0;
        let mut empty_items = 0_i64;
        loop {
            let begin = self.input.at;
            let (count, stated_end) = self.block()?;
            if count == 0 {
                return Ok(());
            }
            if items == Items::WithoutBytes {
                empty_items = empty_items.saturating_add(count);
                if empty_items > EMPTY_ITEMS_MAX {
                    return Err(Failure::new(
                        begin,
                        format!("more than {EMPTY_ITEMS_MAX} items without bytes"),
                    ));
                }
            } else if count as u64 > self.input.left() as u64 {
                return Err(Failure::new(
                    begin,
                    format!(
                        "a block of {count} items, and {} bytes are left",
                        self.input.left()
                    ),
                ));
            } else {
                for _ in 0..count {
                    item(self, index)?;
                    index += 1;
                }
            }
            match stated_end {
                Some(end) if end != self.input.at => {
                    return Err(Failure::new(
                        begin,
                        format!("a block ends at byte {}, but states {end},", self.input.at),
                    ));
                }
                _ => {}
            }
        }
    }

    /// How many items a block has, and where it says that they end.
    fn block(&mut self) -> Walk<(i64, Option<usize>)> {
        let begin = self.input.at;
        let count = self.input.zigzag("the count of a block")?;
        if count >= 0 {
            return Ok((count, None));
        }
        let size = self.size("a block")?;
        match (count.checked_neg(), self.input.at.checked_add(size)) {
            (Some(count), Some(end)) if end <= self.input.end => Ok((count, Some(end))),
            _ => Err(Failure::new(
                begin,
                format!("a block states {size} bytes, which are not there,"),
            )),
        }
    }

    fn int(&mut self) -> Walk<i32> {
        let begin = self.input.at;
        let number = self.input.zigzag("an int")?;
        i32::try_from(number)
            .map_err(|_| Failure::new(begin, format!("an int of more than 32 bits, {number},")))
    }

    fn size(&mut self, what: &'static str) -> Walk<usize> {
        let begin = self.input.at;
        let size = self.input.zigzag("a length")?;
        usize::try_from(size)
            .map_err(|_| Failure::new(begin, format!("{what} of negative length {size}")))
    }

    fn text(&mut self) -> Walk<&'v str> {
        let size = self.size("a string")?;
        self.input.text(size, "a string")
    }

    fn decimal(&mut self, decimal: &Decimal) -> Walk {
        let begin = self.input.at;
        let size = match decimal.size {
            Some(size) => size,
            None => self.size("a decimal")?,
        };
        let number = self.input.take(size, "a decimal")?;
        if number.is_empty() {
            return Err(Failure::new(begin, "a decimal without bytes"));
        }
        if decimal.fits(number) {
            return Ok(());
        }
        Err(Failure::new(
            begin,
            format!("a decimal of more than {} digits", decimal.precision),
        ))
    }
}

/// The text form of RFC 4122, and no other.
fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn within(at: usize, what: &'static str, index: i64, count: usize) -> Walk {
    if usize::try_from(index).is_ok_and(|index| index < count) {
        return Ok(());
    }
    Err(Failure::new(
        at,
        format!("{what} is {index}, and the schema has {count}"),
    ))
}

fn time_of_day(at: usize, time: i64, of_day: i64) -> Walk {
    if (0..of_day).contains(&time) {
        return Ok(());
    }
    Err(Failure::new(
        at,
        format!("a time of day of {time}, which no day has,"),
    ))
}
