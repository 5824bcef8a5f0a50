//! The calls of the contract. A read has a connection of its own, since many drivers run one statement a connection.

use std::sync::Arc;

use adbc_core::Connection as _;
use adbc_core::options::InfoCode;
use adbc_driver_manager::ManagedConnection;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Int64Type, UInt32Type};
use arrow_array::{Array as _, RecordBatch};
use rivet_plugin_api::{
    BatchReader, Bounds, BoundsRequest, Context, DescribeRequest, Description, Error, Mapping, Probe, ReadRequest,
    Result, Source, SourceCapabilities,
};

use crate::driver::Database;
use crate::options::{Dialect, Options};
use crate::reader::{Reader, Running};
use crate::{sql, value};

/// A database behind an ADBC driver.
pub(crate) struct Adbc {
    driver: String,
    dialect: Dialect,
    database: Arc<Database>,
    connection: ManagedConnection,
}

impl Source for Adbc {
    type Options = Options;

    const CAPABILITIES: SourceCapabilities = SourceCapabilities {
        bounds: true,
        count: true,
        window: true,
        range: true,
        concurrent_readers: true,
        ..SourceCapabilities::NONE
    };

    const TITLE: &'static str = "ADBC";

    fn open(options: Options, _: &Context) -> Result<Self> {
        let database = Database::open(&options)?;
        let connection = database.connect()?;
        let Options { driver, dialect, .. } = options;
        Ok(Self { driver, dialect, database: Arc::new(database), connection })
    }

    fn probe(&mut self, _: &Context) -> Result<Probe> {
        let unknown = || Probe { server: self.driver.clone(), version: "unknown".to_owned(), ..Probe::default() };
        // A driver need not know who it talks to.
        Ok(self.vendor().unwrap_or_else(unknown))
    }

    fn describe(&mut self, request: &DescribeRequest, context: &Context) -> Result<Description> {
        refuse(&request.mapping)?;
        let read = ReadRequest { query: request.query.clone(), ..ReadRequest::default() };
        let statement = sql::read(self.dialect, &read)?;
        let mut running = Running::new(&mut self.connection, &statement, self.database.secrets(), context)?;
        Ok(Description::of(&*running.schema()?))
    }

    fn read(&mut self, request: &ReadRequest, context: &Context) -> Result<Box<dyn BatchReader>> {
        refuse(&request.mapping)?;
        let statement = sql::read(self.dialect, request)?;
        context.check()?;
        let mut connection = self.database.connect()?;
        let running = Running::new(&mut connection, &statement, self.database.secrets(), context)?;
        Ok(Box::new(Reader::start(connection, running, request.batch)?))
    }

    fn bounds(&mut self, request: &BoundsRequest, context: &Context) -> Result<Bounds> {
        refuse(&request.mapping)?;
        let statement = sql::bounds(self.dialect, &request.query, &request.column, request.above.as_ref())?;
        let row = self.one(&statement, context)?;
        let bound = |number: usize| value::first(row.column(number), &request.column);
        Ok(Bounds { min: bound(0)?, max: bound(1)?, ..Bounds::default() })
    }

    fn count(&mut self, request: &ReadRequest, context: &Context) -> Result<u64> {
        let statement = sql::select(self.dialect, "count(*) AS n", &request.query, &request.filter)?;
        let row = self.one(&statement, context)?;
        let counted = row.column(0).as_primitive_opt::<Int64Type>().map(|numbers| numbers.value(0));
        let counted = counted.and_then(|n| u64::try_from(n).ok());
        counted.ok_or_else(|| Error::internal(format!("the driver counts by {}", row.column(0).data_type())))
    }
}

impl Adbc {
    /// The one row of a statement.
    fn one(&mut self, statement: &sql::Statement, context: &Context) -> Result<RecordBatch> {
        let mut running = Running::new(&mut self.connection, statement, self.database.secrets(), context)?;
        let mut batches = running.execute()?;
        let first = batches.find(|batch| batch.as_ref().map_or(true, |batch| batch.num_rows() > 0));
        match first {
            Some(Ok(batch)) => Ok(batch),
            Some(Err(e)) => Err(self.database.secrets().error(&crate::border::stream_error(&e))),
            None => Err(Error::internal("the driver answered an aggregate without a row")),
        }
    }

    /// What the driver says about the database: pairs of a code and a text.
    fn vendor(&self) -> Option<Probe> {
        let codes = [InfoCode::VendorName, InfoCode::VendorVersion];
        let batches = self.connection.get_info(Some(codes.into_iter().collect())).ok()?;
        let mut probe = Probe::default();
        for batch in batches {
            let batch = batch.ok()?;
            let codes = batch.column(0).as_primitive_opt::<UInt32Type>()?;
            let values = batch.column(1).as_union_opt()?;
            for row in 0..batch.num_rows() {
                let text = values
                    .value(row)
                    .as_string_opt::<i32>()
                    .filter(|text| text.is_valid(0))
                    .map(|t| t.value(0).to_owned());
                match InfoCode::try_from(codes.value(row)) {
                    Ok(InfoCode::VendorName) => probe.server = text?,
                    Ok(InfoCode::VendorVersion) => probe.version = text?,
                    _ => {}
                }
            }
        }
        (!probe.server.is_empty() && !probe.version.is_empty()).then_some(probe)
    }
}

/// Drivers decide which type a column has.
fn refuse(mapping: &Mapping) -> Result<()> {
    if mapping.types.is_empty() && mapping.columns.is_empty() {
        return Ok(());
    }
    Err(Error::unsupported("`types` and `columns` have no say over an ADBC driver").hint("cast in the query"))
}
