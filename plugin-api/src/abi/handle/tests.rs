#![expect(unsafe_code, reason = "answers as a plug-in in another language may")]

use std::ffi::c_void;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{DestinationHandle, SourceHandle};
use crate::abi::{
    RV_END, RV_ERR, RV_OK, RvArrowArray, RvArrowSchema, RvBuf, RvCall, RvCancel, RvClose, RvDestination, RvError,
    RvOpen, RvProgress, RvSource, RvStr, arrow,
};
use crate::{Cancel, Category, Error, ReadRequest, Result, WriteRequest};

static ENDED: AtomicU32 = AtomicU32::new(0);

/// Leads somewhere, if the options ask for it.
extern "C" fn open(options: RvStr, _: *const RvCancel, out: *mut *mut c_void, _: *mut RvError) -> i32 {
    // SAFETY: the test passes text and a pointer to fill.
    unsafe {
        if options.to_text() == "true" {
            out.write((&raw const ENDED).cast_mut().cast());
        }
    }
    RV_OK
}

extern "C" fn end(_: *mut c_void, _: *mut RvError) -> i32 {
    ENDED.fetch_add(1, Ordering::SeqCst);
    RV_OK
}

extern "C" fn read(
    _: *mut c_void,
    _: RvStr,
    _: *const RvCancel,
    _: *mut *mut c_void,
    schema: *mut RvArrowSchema,
    _: *mut RvError,
) -> i32 {
    // SAFETY: the handle passes a schema to fill.
    unsafe { arrow::export_schema(&arrow_schema::Schema::empty(), schema) }.map_or(RV_ERR, |()| RV_OK)
}

extern "C" fn next_batch(_: *mut c_void, _: *mut RvArrowArray, _: *mut RvError) -> i32 {
    RV_END
}

extern "C" fn begin(
    _: *mut c_void,
    _: RvStr,
    schema: *mut RvArrowSchema,
    _: *const RvCancel,
    _: *mut *mut c_void,
    _: *mut RvError,
) -> i32 {
    // SAFETY: the handle gives the schema away.
    unsafe { arrow::import_schema(schema) }.map_or(RV_ERR, |_| RV_OK)
}

extern "C" fn write(_: *mut c_void, _: *mut RvArrowArray, _: *mut RvProgress, _: *mut RvError) -> i32 {
    RV_ERR
}

extern "C" fn finish(_: *mut c_void, _: *mut RvBuf, _: *mut RvError) -> i32 {
    RV_ERR
}

const NONE: RvCall = RvCall(None);

static SOURCE: RvSource = RvSource {
    struct_size: size_of::<RvSource>() as u32,
    reserved: 0,
    open: RvOpen(Some(open)),
    probe: NONE,
    describe: NONE,
    explain: NONE,
    bounds: NONE,
    count: NONE,
    snapshot: NONE,
    split: NONE,
    read,
    next_batch,
    close_reader: RvClose(Some(end)),
    close: RvClose(Some(end)),
    tables: NONE,
};

static DESTINATION: RvDestination = RvDestination {
    struct_size: size_of::<RvDestination>() as u32,
    reserved: 0,
    open: RvOpen(Some(open)),
    probe: NONE,
    begin,
    write,
    finish,
    abort: RvClose(Some(end)),
    stat: NONE,
    remove: NONE,
    put: NONE,
    close: RvClose(Some(end)),
};

fn refused<T>(answer: Result<T>, call: &str) {
    let error: Error = answer.err().unwrap();
    assert_eq!(error.category(), Category::Internal);
    let said = format!("plug-in \"null\" broke its promise: \"{call}\" succeeded and answered NULL");
    assert!(error.to_string().contains(&said), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("defect of the plug-in")), "{error}");
}

#[test]
fn success_without_a_handle_is_refused() {
    let cancel = Cancel::new();
    let open = |leads: bool| SourceHandle::open("null", &SOURCE, &leads.into(), &cancel, true);
    refused(open(false), "open");
    refused(DestinationHandle::open("null", &DESTINATION, &false.into(), &cancel), "open");
    assert_eq!(ENDED.load(Ordering::SeqCst), 0);
    let mut source = open(true).unwrap();
    refused(source.read(&ReadRequest::default(), &cancel), "read");
    let mut destination = DestinationHandle::open("null", &DESTINATION, &true.into(), &cancel).unwrap();
    let schema = std::sync::Arc::new(arrow_schema::Schema::empty());
    refused(destination.begin(&WriteRequest::default(), &schema, &cancel), "begin");
    source.close().unwrap();
    destination.close().unwrap();
    assert_eq!(ENDED.load(Ordering::SeqCst), 2);
}
