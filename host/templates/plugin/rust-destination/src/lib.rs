//! Files of JSON lines: an object a row, a file a window.
//!
//! A whole destination in little space: keep its order of steps, and replace where the rows go.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use rivet_plugin_api::arrow_array::cast::AsArray;
use rivet_plugin_api::arrow_array::types::*;
use rivet_plugin_api::arrow_array::{Array, RecordBatch};
use rivet_plugin_api::arrow_schema::{DataType, Schema, SchemaRef, TimeUnit};
use rivet_plugin_api::serde_json::{Map, Value, to_writer};
use rivet_plugin_api::*;

/// What users write under `destination:`. These comments are the reference of the options.
#[derive(Deserialize, JsonSchema)]
#[serde(crate = "rivet_plugin_api::serde", deny_unknown_fields)]
#[schemars(crate = "rivet_plugin_api::schemars")]
pub struct Options {
    /// The directory that the files are written to; it is made when it does not exist.
    path: PathBuf,
}

/// One opened destination. One of a server keeps its connection here.
pub struct Lines {
    directory: PathBuf,
}

export_connector!("__NAME__", destination: Lines);

impl Destination for Lines {
    type Options = Options;

    // No format is announced: the batches come as they are, whatever `format:` says.
    const CAPABILITIES: DestinationCapabilities = DestinationCapabilities {
        atomic: true,
        stat: true,
        remove: true,
        ..DestinationCapabilities::NONE
    };

    const PLACE: &'static [&'static str] = &["path"];

    fn open(options: Options, _: &Context) -> Result<Self> {
        Ok(Self {
            directory: options.path,
        })
    }

    /// Writes, reads back and removes a file of its own, so that `rivet doctor` finds what is wrong before a run does.
    fn probe(&mut self, _: &Context) -> Result<DestinationProbe> {
        let made = !self.directory.exists();
        fs::create_dir_all(&self.directory)?;
        let path = self
            .directory
            .join(format!(".probe-{}", std::process::id()));
        fs::write(&path, "probe")?;
        let read = fs::read(&path);
        fs::remove_file(&path)?;
        if made {
            fs::remove_dir(&self.directory)?;
        }
        if read? != b"probe" {
            return Err(Error::permanent(
                "a file does not hold what was written to it",
            ));
        }
        Ok(DestinationProbe {
            location: self.directory.display().to_string(),
            warnings: Vec::new(),
        })
    }

    fn begin(
        &mut self,
        request: WriteRequest,
        schema: SchemaRef,
        context: &Context,
    ) -> Result<Box<dyn BatchWriter>> {
        can_be_written(&schema)?;
        let name = format!("{}.jsonl", request.base_name);
        let path = self.path_of(&name)?;
        if !request.replace && path.exists() {
            return Err(Error::conflict(format!(
                "\"{}\" exists already",
                path.display()
            )));
        }
        fs::create_dir_all(&self.directory)?;
        // A name that no reader looks at, and the same one for every attempt.
        let draft = self.path_of(&format!(".{name}.part"))?;
        let file = BufWriter::new(File::create(&draft)?);
        let part = Part {
            name,
            location: path.display().to_string(),
            ..Part::default()
        };
        Ok(Box::new(Writer {
            file,
            draft,
            path,
            part,
            checksum: Checksum::new(),
            replace: request.replace,
            cancel: context.cancel().clone(),
        }))
    }

    fn stat(&mut self, name: &str, _: &Context) -> Result<Option<PartStat>> {
        let path = self.path_of(name)?;
        let content = match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            content => content?,
        };
        let mut checksum = Checksum::new();
        checksum.update(&content);
        let checksum = Some(checksum.to_string());
        Ok(Some(PartStat {
            bytes: content.len() as u64,
            checksum,
            store_checksum: None,
        }))
    }

    fn remove(&mut self, name: &str, _: &Context) -> Result<()> {
        match fs::remove_file(self.path_of(name)?) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }
}

impl Lines {
    fn path_of(&self, name: &str) -> Result<PathBuf> {
        if name.contains('/') {
            return Err(Error::config(format!("\"{name}\" is no file name")));
        }
        Ok(self.directory.join(name))
    }
}

/// One attempt. It may outlive its destination, and is used by one thread at a time.
struct Writer {
    file: BufWriter<File>,
    draft: PathBuf,
    path: PathBuf,
    part: Part,
    checksum: Checksum,
    replace: bool,
    cancel: Cancel,
}

impl BatchWriter for Writer {
    fn write(&mut self, batch: RecordBatch) -> Result<Progress> {
        self.cancel.check()?;
        let mut lines = Vec::new();
        for row in 0..batch.num_rows() {
            let mut object = Map::new();
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                let value = cell(column, row)
                    .map_err(|e| e.context(format!("column \"{}\"", field.name())))?;
                object.insert(field.name().clone(), value);
            }
            to_writer(&mut lines, &object).map_err(|e| Error::internal(e.to_string()))?;
            lines.push(b'\n');
        }
        self.file.write_all(&lines)?;
        self.checksum.update(&lines);
        self.part.rows += batch.num_rows() as u64;
        self.part.bytes += lines.len() as u64;
        Ok(Progress {
            buffered: 0,
            written: self.part.bytes,
        })
    }

    /// Durable first, visible then: whoever sees the name sees the whole file.
    fn finish(&mut self) -> Result<Receipt> {
        self.cancel.check()?;
        if self.part.rows == 0 {
            self.abort()?;
            return Ok(Receipt::default());
        }
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        if self.replace {
            fs::rename(&self.draft, &self.path)?;
        } else {
            // Unlike renaming, this fails when somebody took the name meanwhile.
            fs::hard_link(&self.draft, &self.path).map_err(|e| match e.kind() {
                ErrorKind::AlreadyExists => {
                    Error::conflict(format!("\"{}\" exists already", self.path.display()))
                }
                _ => e.into(),
            })?;
            fs::remove_file(&self.draft)?;
        }
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        self.part.checksum = self.checksum.to_string();
        Ok(Receipt {
            parts: vec![self.part.clone()],
        })
    }

    fn abort(&mut self) -> Result<()> {
        match fs::remove_file(&self.draft) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(e.into()),
            _ => Ok(()),
        }
    }
}

/// Says at the start what [`cell`] could not write.
fn can_be_written(schema: &Schema) -> Result<()> {
    use DataType::*;
    for field in schema.fields() {
        let is_known = match field.data_type() {
            Boolean | Float32 | Float64 | Utf8 | Date32 | Timestamp(TimeUnit::Microsecond, _) => {
                true
            }
            other => other.is_integer(),
        };
        if !is_known {
            let message = format!(
                "column \"{}\" is {}, which has no form in JSON here",
                field.name(),
                field.data_type()
            );
            return Err(Error::data(message).hint("turn it into text in the query"));
        }
    }
    Ok(())
}

/// One value. What JSON cannot hold is an error: nothing is rounded or left out.
fn cell(column: &dyn Array, row: usize) -> Result<Value> {
    macro_rules! primitive {
        ($type:ty) => {
            column.as_primitive::<$type>().value(row)
        };
    }
    if column.is_null(row) {
        return Ok(Value::Null);
    }
    Ok(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int8 => primitive!(Int8Type).into(),
        DataType::Int16 => primitive!(Int16Type).into(),
        DataType::Int32 => primitive!(Int32Type).into(),
        DataType::Int64 => primitive!(Int64Type).into(),
        DataType::UInt8 => primitive!(UInt8Type).into(),
        DataType::UInt16 => primitive!(UInt16Type).into(),
        DataType::UInt32 => primitive!(UInt32Type).into(),
        DataType::UInt64 => primitive!(UInt64Type).into(),
        DataType::Float32 => finite(primitive!(Float32Type).into())?,
        DataType::Float64 => finite(primitive!(Float64Type))?,
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Date32 => CursorValue::Date(primitive!(Date32Type)).to_string().into(),
        DataType::Timestamp(_, zone) => {
            let text = CursorValue::Timestamp(primitive!(TimestampMicrosecondType)).to_string();
            if zone.is_some() {
                format!("{text}Z").into()
            } else {
                text.into()
            }
        }
        other => return Err(Error::data(format!("{other} has no form in JSON here"))),
    })
}

fn finite(number: f64) -> Result<Value> {
    if number.is_finite() {
        Ok(number.into())
    } else {
        Err(Error::data(format!("JSON has no number {number}")))
    }
}
