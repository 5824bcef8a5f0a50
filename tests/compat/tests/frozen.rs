//! Plug-ins in Rust are compared with the layout of the version that they were built for.

use rivet_plugin_api::abi::export::{Export, plugin, source_spec, source_table};
use rivet_plugin_api::abi::{Plugin, RvDestination, RvPlugin, RvRustHeader, RvSource, frozen};
use rivet_plugin_api::{
    BatchReader, Cancel, Category, Context, DescribeRequest, Description, Deserialize, JsonSchema, Probe, ReadRequest,
    Result, Source, SourceCapabilities, Spec, Tables, TablesRequest, arrow_schema, reader_of, serde_json,
};

/// A source that announces what came with 1.1.
struct Few;

#[derive(Deserialize, JsonSchema)]
#[serde(crate = "rivet_plugin_api::serde")]
#[schemars(crate = "rivet_plugin_api::schemars")]
struct NoOptions {}

impl Source for Few {
    type Options = NoOptions;
    const CAPABILITIES: SourceCapabilities =
        SourceCapabilities { tables: true, count: true, ..SourceCapabilities::NONE };

    fn open(_: NoOptions, _: &Context) -> Result<Self> {
        Ok(Self)
    }

    fn probe(&mut self, _: &Context) -> Result<Probe> {
        Ok(Probe { server: "few".into(), ..Probe::default() })
    }

    fn describe(&mut self, _: &DescribeRequest, _: &Context) -> Result<Description> {
        Ok(Description::default())
    }

    fn count(&mut self, _: &ReadRequest, _: &Context) -> Result<u64> {
        Ok(3)
    }

    fn tables(&mut self, _: &TablesRequest, _: &Context) -> Result<Tables> {
        Ok(Tables::default())
    }

    fn read(&mut self, _: &ReadRequest, _: &Context) -> Result<Box<dyn BatchReader>> {
        let schema = std::sync::Arc::new(arrow_schema::Schema::empty());
        Ok(reader_of(schema, std::iter::empty()))
    }
}

impl Export for Few {
    const NAME: &'static str = "few";
    const VERSION: &'static str = "1.0.0";
    const MARKER: &'static [u8] = b"";
    const SOURCE: Option<&'static RvSource> = Some(source_table::<Self>());
    const DESTINATION: Option<&'static RvDestination> = None;

    fn spec() -> Spec {
        let source = Some(source_spec::<Self>());
        Spec { name: "few".into(), version: "1.0.0".into(), source, ..Spec::default() }
    }
}

static SOURCE_1_0: frozen::v1_0::RvSource = frozen::v1_0::RvSource::of(source_table::<Few>());
static HEADER_1_0: RvRustHeader = frozen::v1_0::HEADER;
static HEADER_NOW: RvRustHeader = RvRustHeader::CURRENT;

static CURRENT: RvPlugin = plugin::<Few>();

/// As a crate compiled against 1.0 has it: the tables, and what it says about them.
static AS_1_0: RvPlugin = RvPlugin {
    abi_minor: 0,
    source: (&raw const SOURCE_1_0).cast(),
    rust_header: (&raw const HEADER_1_0).cast(),
    ..plugin::<Few>()
};

static NOW_THAT_CLAIMS_1_0: RvPlugin =
    RvPlugin { abi_minor: 0, rust_header: (&raw const HEADER_NOW).cast(), ..plugin::<Few>() };

static OLD_THAT_CLAIMS_1_1: RvPlugin =
    RvPlugin { source: (&raw const SOURCE_1_0).cast(), rust_header: (&raw const HEADER_1_0).cast(), ..plugin::<Few>() };

#[test]
fn of_version_1_0_work_and_lack_what_came_later() {
    for (table, abi, has_tables) in [(&AS_1_0, (1, 0), false), (&CURRENT, (1, 1), true)] {
        let plugin = Plugin::linked(table).unwrap();
        assert_eq!(plugin.abi(), abi);
        let can = plugin.spec().source.as_ref().unwrap().capabilities;
        assert_eq!((can.tables, can.count), (has_tables, true));
        let mut source = plugin.open_source(&serde_json::json!({}), &Cancel::new()).unwrap();
        assert_eq!(source.probe().unwrap().server, "few");
        assert_eq!(source.count(&ReadRequest::default()).unwrap(), 3);
        assert!(source.read(&ReadRequest::default(), &Cancel::new()).unwrap().next().unwrap().is_none());
        match source.tables(&TablesRequest::default()) {
            Ok(_) => assert!(has_tables),
            Err(e) => assert!(!has_tables && e.category() == Category::Unsupported, "{e}"),
        }
        source.close().unwrap();
    }
}

#[test]
fn that_claim_another_version_than_their_layout_has_are_refused() {
    for (table, claimed) in [(&NOW_THAT_CLAIMS_1_0, "1.0"), (&OLD_THAT_CLAIMS_1_1, "1.1")] {
        let text = Plugin::linked(table).unwrap_err().to_string();
        assert!(text.contains(&format!("another layout than plug-in ABI {claimed}")), "{text}");
    }
}

#[test]
fn that_lack_a_call_or_a_beginning_are_refused() {
    static SHORT: RvPlugin = RvPlugin { struct_size: 40, ..plugin::<Few>() };
    static NOTHING: RvSource = RvSource { struct_size: 12, ..*source_table::<Few>() };
    static SHORT_HALF: RvPlugin = RvPlugin { source: &raw const NOTHING, ..plugin::<Few>() };
    for table in [&SHORT, &SHORT_HALF] {
        let text = Plugin::linked(table).unwrap_err().to_string();
        assert!(text.contains("shorter than plug-in ABI 1.0"), "{text}");
    }
}
