/* The Rivet plug-in ABI, version 1.0, for C, C++, Zig, Go and whatever else can export a C function.
 *
 * A plug-in is a shared library that exports
 *
 *     const RvPlugin *rivet_plugin_entry(void);
 *
 * and holds a marker in the section ".rivet_plugin", which the host reads before it loads the file:
 *
 *     RV_MARKER("{\"name\":\"counter\",\"version\":\"1.0.0\",\"kinds\":\"source\","
 *               "\"abi\":\"1.0\",\"needs\":\"1.0\",\"panic\":\"unwind\"}");
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

#define RV_ABI_MAJOR 1u
#define RV_ABI_MINOR 0u

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
    uint32_t struct_size; /* set by the caller */
    uint32_t reserved;
    RvStr text;
    void *private_data;
    void (*release)(struct RvBuf *); /* NULL when there is nothing to free */
} RvBuf;

/* Zeroed by the caller but for struct_size; filled by the callee; released by the caller. */
typedef struct RvError {
    uint32_t struct_size;
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

#ifdef __cplusplus
}
#endif
#endif
