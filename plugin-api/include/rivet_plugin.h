/* The Rivet plug-in ABI, version 1.1, for C, C++, Zig, Go and whatever else can export a C function.
 *
 * A plug-in is a shared library that exports
 *
 *     const RvPlugin *rivet_plugin_entry(void);
 *
 * and holds a marker in the section ".rivet_plugin", which the host reads before it loads the file:
 *
 *     RV_MARKER("{\"name\":\"counter\",\"version\":\"1.0.0\",\"kinds\":\"source\","
 *               "\"abi\":\"" RV_ABI_VERSION "\",\"needs\":\"1.0\",\"panic\":\"unwind\"}");
 *
 * Rules
 *   - Structs that may grow begin with struct_size; fields are only ever appended.
 *   - Strings are UTF-8 with a length, not NUL-terminated. Text given to a call is valid for the call.
 *   - A call returns RV_OK, RV_END or a negative code, and fills *err only with a negative code.
 *   - A handle, reader or writer is used by one thread at a time and may move between threads.
 *     Only the interrupt, log, log_enabled and Arrow's release may run on any thread at any time.
 *   - Each side frees its own memory through the release pointer that came with it, from any thread, maybe long
 *     after close.
 *   - A plug-in must not fork, exit, change the working directory, locale, umask, environment or signal handlers.
 *   - JSON documents may grow: ignore fields you do not know.
 */
#ifndef RIVET_PLUGIN_H
#define RIVET_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RV_ABI_MAJOR 1
#define RV_ABI_MINOR 1

/* The version as text, for the marker. */
#define RV_TEXT_OF(number) #number
#define RV_VERSION_OF(major, minor) RV_TEXT_OF(major) "." RV_TEXT_OF(minor)
#define RV_ABI_VERSION RV_VERSION_OF(RV_ABI_MAJOR, RV_ABI_MINOR)

#define RV_OK 0     /* done */
#define RV_END 1    /* no more batches */
#define RV_ERR (-1) /* failed; *err is filled */
#define RV_PANIC (-2) /* failed by a defect and the handle is dead; *err is filled */

/* Values of RvError.category. The host retries the first four. */
#define RV_NETWORK 1u
#define RV_TIMEOUT 2u
#define RV_CAPACITY 3u
#define RV_DEADLOCK 4u
#define RV_AUTH 5u
#define RV_PERMANENT 6u
#define RV_CANCELLED 7u
#define RV_INTERNAL 8u
#define RV_NOT_FOUND 9u
#define RV_DATA 10u
#define RV_CONFIG 11u
#define RV_UNSUPPORTED 12u
#define RV_CONFLICT 13u

/* Marks the library as a plug-in; use it once, at file scope, with one JSON text. */
#define RV_MARKER(json)                                                    \
    __attribute__((used, section(".rivet_plugin"))) static const char      \
        rivet_plugin_marker[] = "\x7f" "RIVET-PLUGIN\0\x01\n" json

typedef struct RvStr {
    const uint8_t *ptr;
    size_t len;
} RvStr;

/* Text owned by the callee. */
typedef struct RvBuf {
    uint32_t struct_size; /* set by the caller; write no field that ends beyond it */
    uint32_t reserved;
    RvStr text;
    void *private_data;
    void (*release)(struct RvBuf *); /* NULL when there is nothing to free */
} RvBuf;

/* Zeroed by the caller but for struct_size; filled by the callee; released by the caller. */
typedef struct RvError {
    uint32_t struct_size; /* set by the caller; write no field that ends beyond it */
    uint32_t category;
    RvStr message;     /* for people: lower case, no full stop, never a secret */
    RvStr detail_json; /* {"category","message","context","hint","code","retry_after_ms"} or empty */
    void *private_data;
    void (*release)(struct RvError *); /* NULL when there is nothing to free */
} RvError;

typedef void (*RvInterrupt)(void *data);

/* The host's wish to stop; valid until the handle it was given for is closed. */
typedef struct RvCancel {
    uint32_t struct_size;
    uint32_t reserved;
    const uint32_t *flag; /* read atomically; other than 0 means stop */
    void *ctx;
    /* Registers the one interrupt of this handle. A NULL interrupt unregisters, and returns only when the former one
     * is not running. */
    void (*set_interrupt)(void *ctx, RvInterrupt interrupt, void *data);
} RvCancel;

typedef struct RvField {
    RvStr key;
    uint32_t kind; /* 0 absent, 1 signed, 2 unsigned, 3 float, 4 bool (all in bits), 5 text */
    uint32_t reserved;
    uint64_t bits;
    RvStr text;
} RvField;

typedef struct RvLog {
    uint32_t struct_size;
    uint32_t level; /* 1 error, 2 warn, 3 info, 4 debug, 5 trace */
    RvStr target;   /* such as "acme_crm::client" */
    RvStr file;     /* or empty */
    uint32_t line;  /* or 0 */
    uint32_t n_fields;
    RvStr message;
    const RvField *fields;
    uint64_t callsite; /* the same number for every event of one place in the code */
} RvLog;

/* What the host offers; lives as long as the process. */
typedef struct RvHost {
    uint32_t struct_size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t max_level; /* events above it are never wanted */
    uint32_t linked;    /* not 0 when the plug-in is linked into the host */
    uint32_t reserved;
    void *ctx;
    uint32_t (*log_enabled)(void *ctx, uint32_t level, RvStr target);
    void (*log)(void *ctx, const RvLog *event);
} RvHost;

/* The Arrow C Data Interface, under names of our own so that both headers can be included. */
typedef struct RvArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct RvArrowSchema **children;
    struct RvArrowSchema *dictionary;
    void (*release)(struct RvArrowSchema *);
    void *private_data;
} RvArrowSchema;

typedef struct RvArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct RvArrowArray **children;
    struct RvArrowArray *dictionary;
    void (*release)(struct RvArrowArray *);
    void *private_data;
} RvArrowArray;

/* Who calls what, and when
 *
 *   init     once, before anything else. spec may be asked at any time afterwards, without opening anything:
 *              {"name","version","description","license","source":{"options":SCHEMA,"capabilities":{...}},
 *               "destination":{"options":SCHEMA,"capabilities":{...}}}
 *            SCHEMA is a JSON Schema of an object; "writeOnly":true marks a secret. Capabilities are booleans, absent
 *            ones are false, and the host asks for nothing that is not announced:
 *              source       explain bounds count snapshot split tables window range dense since params
 *                           concurrent_readers frugal server_time
 *              destination  atomic stat remove put stream parquet csv arrow
 *   open     for each connection that a run needs, with the options as one object. An option that is not known, or of
 *            another type, is RV_CONFIG and is named. *out is set only with RV_OK, and then not to NULL: what has no
 *            state may lead to any constant. RV_OK with NULL is refused, as it is of read and begin, and nothing is ended.
 *   probe    by `rivet doctor`, which wants to know who answers: {"server","version","user","database","warnings":[]},
 *            of a destination {"location","warnings":[]} after writing, reading back and removing an object of its own.
 *   describe by `rivet check` and before a read: {"query",...} -> {"columns":[{"name","native_type","arrow_type",
 *            "nullable","rule"}]}, the same names, types and order that read then has.
 *   bounds   by incremental and chunked runs: {"query","column","above":VALUE|null,...} ->
 *            {"min":VALUE,"max":VALUE,"nulls":N,"place"}, of the values above "above"; without rows min and max are absent.
 *            "place" names the database or file, the same however the options name it; a stored cursor belongs to it.
 *   read     {"query","filter","order_by":[],"columns":null|[],"batch":{"rows","bytes"},"timeouts":{"statement_s",
 *            "lock_s"},...}. What cannot be done as asked is RV_UNSUPPORTED. A batch has at most batch.rows rows and about
 *            batch.bytes bytes. With RV_OK *reader, not to NULL, and *schema are set; the schema is a struct ("+s") of the
 *            columns.
 *   next_batch  again and again by one thread until RV_END or an error; never an empty batch.
 *   close_reader, close  once for each reader and handle, also after errors; a reader may outlive its handle.
 *
 *   begin    starts one attempt to write: {"export","base_name","format":{"kind",...},"replace",...}. Names come from the
 *            host and are the same for every attempt. A taken name is RV_CONFLICT, unless "replace" is true. With RV_OK
 *            *writer is set, not to NULL.
 *   write    for each batch, in order. finish makes all durable and then visible: {"parts":[{"name","location","rows",
 *            "bytes","checksum":"xxh3-128:HEX"}]}, none without rows. abort leaves nothing. One of the two ends a writer.
 *   stat, remove  later, maybe by another run, with the name of a part as a JSON text: {"bytes","checksum"} or null; null,
 *            also when there is no such part. put writes {"name","content","replace"} whole and answers a part.
 *
 * A filter is {"kind":"all"}, {"kind":"window","column","after":VALUE|null,"upto":VALUE|null,"include_null":BOOL} for rows
 * with after < column <= upto, or {"kind":"range","column","from","to","include_null"} for rows with from <= column < to;
 * a null bound is open. VALUE is {"t":KIND,"v":...}: "int", "uint", "date" (days since 1970-01-01), "timestamp" and
 * "instant" (microseconds since then) have numbers, "decimal", "text" and "uuid" texts, "bytes" hexadecimal text, and
 * "float" the number whose bits are those of the double. A query is the user's text as it was written.
 *
 * Errors decide what the host does: RV_NETWORK, RV_TIMEOUT, RV_CAPACITY and RV_DEADLOCK are tried again, all others are
 * shown at once. Rows whose values cannot be represented are RV_DATA; nothing is ever rounded, cut or replaced. */
typedef int32_t (*RvOpen)(RvStr options_json, const RvCancel *cancel, void **out, RvError *err);
typedef int32_t (*RvCall)(void *handle, RvStr request_json, RvBuf *out_json, RvError *err);
typedef int32_t (*RvClose)(void *handle, RvError *err);

/* A source. Calls whose capability is not announced may be NULL. */
typedef struct RvSource {
    uint32_t struct_size;
    uint32_t reserved;
    RvOpen open;
    RvCall probe;    /* -> Probe */
    RvCall describe; /* DescribeRequest -> Description */
    RvCall explain;  /* ReadRequest -> Explanation */
    RvCall bounds;   /* BoundsRequest -> Bounds */
    RvCall count;    /* ReadRequest -> number */
    RvCall snapshot; /* -> string */
    RvCall split;    /* SplitRequest -> Split */
    int32_t (*read)(void *handle, RvStr request_json, const RvCancel *cancel, void **reader, RvArrowSchema *schema,
                    RvError *err);
    int32_t (*next_batch)(void *reader, RvArrowArray *out, RvError *err); /* a struct array, or RV_END */
    RvClose close_reader; /* also in the middle; the reader is gone whatever it returns */
    RvClose close;        /* readers may outlive the handle */
    RvCall tables;        /* since 1.1: TablesRequest -> Tables */
} RvSource;

typedef struct RvProgress {
    uint64_t buffered; /* bytes held in memory */
    uint64_t written;  /* encoded bytes so far */
} RvProgress;

/* A destination. Calls whose capability is not announced may be NULL. */
typedef struct RvDestination {
    uint32_t struct_size;
    uint32_t reserved;
    RvOpen open;
    RvCall probe; /* -> DestinationProbe */
    /* WriteRequest; takes schema over, also on error */
    int32_t (*begin)(void *handle, RvStr request_json, RvArrowSchema *schema, const RvCancel *cancel, void **writer,
                     RvError *err);
    /* takes batch over, also on error */
    int32_t (*write)(void *writer, RvArrowArray *batch, RvProgress *progress, RvError *err);
    int32_t (*finish)(void *writer, RvBuf *receipt_json, RvError *err); /* -> Receipt; the writer is gone */
    RvClose abort;                                                      /* leaves nothing; the writer is gone */
    RvCall stat;                                                        /* part name -> PartStat or null */
    RvCall remove;                                                      /* part name -> null */
    RvCall put;                                                         /* PutRequest -> Part */
    RvClose close;                                                      /* writers may outlive the handle */
} RvDestination;

/* What rivet_plugin_entry returns; lives as long as the process. */
typedef struct RvPlugin {
    uint32_t struct_size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t needs_minor; /* the lowest minor version of a host it works with */
    RvStr name;
    RvStr version;
    int32_t (*init)(const RvHost *host, RvError *err); /* once, before anything else */
    int32_t (*spec)(RvBuf *out_json, RvError *err);    /* -> Spec */
    const RvSource *source;                            /* NULL when it is no source */
    const RvDestination *destination;                  /* NULL when it is no destination */
    const void *(*get_extension)(RvStr name);          /* may be NULL */
    const void *rust_header;                           /* NULL unless made by the Rust SDK */
    const uint8_t *marker;                             /* the marker, or NULL */
} RvPlugin;

const RvPlugin *rivet_plugin_entry(void);

/* A compiler that lays the structs out in another way cannot build a plug-in. */
#ifdef __cplusplus
#define RV_ASSERT_SIZE(type, bytes) static_assert(sizeof(type) == bytes, "layout of " #type)
#else
#define RV_ASSERT_SIZE(type, bytes) _Static_assert(sizeof(type) == bytes, "layout of " #type)
#endif
#if UINTPTR_MAX == UINT64_MAX
RV_ASSERT_SIZE(RvStr, 16);
RV_ASSERT_SIZE(RvBuf, 40);
RV_ASSERT_SIZE(RvError, 56);
RV_ASSERT_SIZE(RvCancel, 32);
RV_ASSERT_SIZE(RvField, 48);
RV_ASSERT_SIZE(RvLog, 80);
RV_ASSERT_SIZE(RvHost, 48);
RV_ASSERT_SIZE(RvArrowSchema, 72);
RV_ASSERT_SIZE(RvArrowArray, 80);
RV_ASSERT_SIZE(RvSource, 112);
RV_ASSERT_SIZE(RvProgress, 16);
RV_ASSERT_SIZE(RvDestination, 88);
RV_ASSERT_SIZE(RvPlugin, 104);
#endif

#ifdef __cplusplus
}
#endif
#endif
