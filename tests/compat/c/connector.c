/* A source and a destination in plain C, built against the header of any minor version: the source counts, the
 * destination writes two columns, a number and a text, as CSV. Macros say how old or new it claims to be:
 * NAME, MARKER_ABI, NEEDS, NEEDS_MINOR, TABLE_MAJOR, TABLE_MINOR, and FUTURE, which appends what no host knows yet.
 * STATIC_TLS makes it a library that no program can load, OTHER_BUILD another one with the same behaviour, and PANIC says
 * whether it survives what goes wrong in it. */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rivet_plugin.h"

#ifndef RV_ABI_VERSION
#define RV_ABI_VERSION "1.0"
#endif
#ifndef MARKER_ABI
#define MARKER_ABI RV_ABI_VERSION
#endif
#ifndef NEEDS
#define NEEDS "1.0"
#endif
#ifndef PANIC
#define PANIC "unwind"
#endif
#ifndef NEEDS_MINOR
#define NEEDS_MINOR 0
#endif
#ifndef TABLE_MAJOR
#define TABLE_MAJOR RV_ABI_MAJOR
#endif
#ifndef TABLE_MINOR
#define TABLE_MINOR RV_ABI_MINOR
#endif
#ifdef FUTURE
#define MORE_IN_SPEC ",\"homepage\":{\"url\":\"https://example.org\"}"
#define MORE_CAPABILITIES ",\"teleport\":true,\"levels\":[1,2]"
#define MORE_IN_PART ",\"region\":{\"name\":\"mars\"}"
#define ERROR_CATEGORY 99
#define ERROR_DETAIL "{\"category\":\"solar_flare\",\"message\":\"the sun is loud\",\"hint\":\"try later\",\"angle\":3}"
#else
#define MORE_IN_SPEC ""
#define MORE_CAPABILITIES ""
#define MORE_IN_PART ""
#define ERROR_CATEGORY RV_PERMANENT
#define ERROR_DETAIL "{\"category\":\"permanent\",\"message\":\"the sun is loud\",\"hint\":\"try later\"}"
#endif

RV_MARKER("{\"name\":\"" NAME "\",\"version\":\"1.4.2\",\"kinds\":\"source,destination\",\"abi\":\"" MARKER_ABI
          "\",\"needs\":\"" NEEDS "\",\"panic\":\"" PANIC "\"" MORE_IN_SPEC "}");

#define TEXT(s) ((RvStr){(const uint8_t *)(s), strlen(s)})
#define BATCH 1000

static int32_t fail(RvError *err, const char *message) {
    err->category = RV_PERMANENT;
    err->message = TEXT(message);
    return RV_ERR;
}

/* The text behind "key": in JSON as the host writes it, without blanks. */
static const char *value_of(RvStr json, const char *key, char *out, size_t room) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, "\"%s\":", key);
    char *copy = malloc(json.len + 1);
    if (copy == NULL) return NULL;
    memcpy(copy, json.ptr, json.len);
    copy[json.len] = 0;
    const char *at = strstr(copy, wanted);
    if (at != NULL) {
        at += strlen(wanted);
        if (*at == '"') at++;
        size_t length = strcspn(at, "\",}");
        if (length >= room) length = room - 1;
        memcpy(out, at, length);
        out[length] = 0;
    }
    free(copy);
    return at == NULL ? NULL : out;
}

/* ---- source ---- */

typedef struct Counter {
    int64_t rows;
    int64_t sent;
    int fails;
} Counter;

typedef struct Batch {
    RvArrowArray columns[2];
    RvArrowArray *pointers[2];
    const void *no_validity[1];
    const void *numbers[2];
    const void *words[3];
    int64_t n[BATCH];
    uint8_t valid[BATCH / 8];
    int32_t offsets[BATCH + 1];
    char text[BATCH * 24];
} Batch;

static void release_column(RvArrowArray *array) { array->release = NULL; }

static void release_batch(RvArrowArray *array) {
    free(array->private_data);
    array->release = NULL;
}

static void release_schema(RvArrowSchema *schema) { schema->release = NULL; }

static int32_t open_source(RvStr options, const RvCancel *cancel, void **out, RvError *err) {
    char text[32];
    (void)cancel;
    Counter *counter = calloc(1, sizeof *counter);
    if (counter == NULL) return fail(err, "out of memory");
    counter->rows = value_of(options, "rows", text, sizeof text) ? strtoll(text, NULL, 10) : 10;
    counter->fails = value_of(options, "fail", text, sizeof text) != NULL && strcmp(text, "true") == 0;
    *out = counter;
    return RV_OK;
}

static int32_t probe_source(void *handle, RvStr request, RvBuf *out, RvError *err) {
    (void)handle, (void)request, (void)err;
    out->text = TEXT("{\"server\":\"plain C\",\"version\":\"1\",\"mood\":\"good\"}");
    return RV_OK;
}

static int32_t describe(void *handle, RvStr request, RvBuf *out, RvError *err) {
    (void)handle, (void)request, (void)err;
    out->text = TEXT("{\"columns\":[{\"name\":\"n\",\"native_type\":\"int64_t\",\"arrow_type\":\"Int64\"},"
                     "{\"name\":\"word\",\"native_type\":\"char *\",\"arrow_type\":\"Utf8\",\"colour\":\"red\"}]}");
    return RV_OK;
}

static int32_t read_rows(void *handle, RvStr request, const RvCancel *cancel, void **out, RvArrowSchema *schema,
                         RvError *err) {
    static RvArrowSchema n = {.format = "l", .name = "n", .release = release_schema};
    static RvArrowSchema word = {.format = "u", .name = "word", .flags = 2, .release = release_schema};
    static RvArrowSchema *fields[] = {&n, &word};
    (void)request, (void)cancel;
    Counter *reader = malloc(sizeof *reader);
    if (reader == NULL) return fail(err, "out of memory");
    *reader = *(Counter *)handle;
    *schema = (RvArrowSchema){.format = "+s", .name = "", .n_children = 2, .children = fields, .release = release_schema};
    *out = reader;
    return RV_OK;
}

static int32_t next_batch(void *handle, RvArrowArray *out, RvError *err) {
    Counter *reader = handle;
    if (reader->fails && reader->sent > 0) {
        err->category = ERROR_CATEGORY;
        err->message = TEXT("the sun is loud");
        err->detail_json = TEXT(ERROR_DETAIL);
        return RV_ERR;
    }
    int64_t rows = reader->rows - reader->sent < BATCH ? reader->rows - reader->sent : BATCH;
    if (rows <= 0) return RV_END;
    Batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) return fail(err, "out of memory");
    int64_t nulls = 0;
    int32_t end = 0;
    for (int64_t i = 0; i < rows; i++) {
        int64_t n = reader->sent + i;
        batch->n[i] = n;
        if (n % 7 == 0) {
            nulls++;
        } else {
            batch->valid[i / 8] |= (uint8_t)(1u << (i % 8));
            end += snprintf(batch->text + end, sizeof batch->text - (size_t)end, "word %" PRId64, n);
        }
        batch->offsets[i + 1] = end;
    }
    batch->numbers[1] = batch->n;
    batch->words[0] = batch->valid;
    batch->words[1] = batch->offsets;
    batch->words[2] = batch->text;
    batch->pointers[0] = &batch->columns[0];
    batch->pointers[1] = &batch->columns[1];
    batch->columns[0] = (RvArrowArray){.length = rows, .n_buffers = 2, .buffers = batch->numbers, .release = release_column};
    batch->columns[1] = (RvArrowArray){
        .length = rows, .null_count = nulls, .n_buffers = 3, .buffers = batch->words, .release = release_column};
    *out = (RvArrowArray){.length = rows,
                          .n_buffers = 1,
                          .n_children = 2,
                          .buffers = batch->no_validity,
                          .children = batch->pointers,
                          .release = release_batch,
                          .private_data = batch};
    reader->sent += rows;
    return RV_OK;
}

static int32_t free_handle(void *handle, RvError *err) {
    (void)err;
    free(handle);
    return RV_OK;
}

/* ---- destination ---- */

typedef struct Writer {
    FILE *file;
    char name[256];
    char part[1024];
    char unfinished[1100];
    uint64_t rows;
    uint64_t bytes;
} Writer;

static int32_t open_destination(RvStr options, const RvCancel *cancel, void **out, RvError *err) {
    (void)cancel;
    char *path = calloc(1, 512);
    if (path == NULL || value_of(options, "path", path, 512) == NULL) {
        free(path);
        return fail(err, "there is no path");
    }
    *out = path;
    return RV_OK;
}

static int32_t probe_destination(void *handle, RvStr request, RvBuf *out, RvError *err) {
    (void)handle, (void)request, (void)err;
    out->text = TEXT("{\"location\":\"here\"}");
    return RV_OK;
}

static int32_t begin(void *handle, RvStr request, RvArrowSchema *schema, const RvCancel *cancel, void **out, RvError *err) {
    (void)cancel;
    int fits = schema->n_children == 2 && strcmp(schema->children[0]->format, "l") == 0 &&
               strcmp(schema->children[1]->format, "u") == 0;
    schema->release(schema);
    if (!fits) return fail(err, "the columns are not a number and a text");
    Writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL) return fail(err, "out of memory");
    if (value_of(request, "base_name", writer->name, sizeof writer->name - 8) == NULL) {
        free(writer);
        return fail(err, "the request names no file");
    }
    strcat(writer->name, ".csv");
    snprintf(writer->part, sizeof writer->part, "%s/%s", (char *)handle, writer->name);
    snprintf(writer->unfinished, sizeof writer->unfinished, "%s.unfinished", writer->part);
    writer->file = fopen(writer->unfinished, "w");
    if (writer->file == NULL) {
        free(writer);
        return fail(err, "the file cannot be made");
    }
    fputs("n,word\n", writer->file);
    *out = writer;
    return RV_OK;
}

static int is_set(const RvArrowArray *array, int64_t at) {
    const uint8_t *valid = array->buffers[0];
    return valid == NULL || (valid[at / 8] >> (at % 8) & 1);
}

static int32_t write_batch(void *handle, RvArrowArray *batch, RvProgress *progress, RvError *err) {
    Writer *writer = handle;
    const RvArrowArray *n = batch->children[0], *word = batch->children[1];
    for (int64_t i = 0; i < batch->length; i++) {
        int64_t a = batch->offset + i + n->offset, b = batch->offset + i + word->offset;
        if (is_set(n, a)) fprintf(writer->file, "%" PRId64, ((const int64_t *)n->buffers[1])[a]);
        fputc(',', writer->file);
        if (is_set(word, b)) {
            const int32_t *offsets = word->buffers[1];
            fwrite((const char *)word->buffers[2] + offsets[b], 1, (size_t)(offsets[b + 1] - offsets[b]), writer->file);
        }
        fputc('\n', writer->file);
    }
    writer->rows += (uint64_t)batch->length;
    batch->release(batch);
    if (ferror(writer->file)) return fail(err, "the disk is full");
    progress->written = (uint64_t)ftell(writer->file);
    return RV_OK;
}

static void release_text(RvBuf *buf) {
    free(buf->private_data);
    buf->release = NULL;
}

static int32_t finish(void *handle, RvBuf *out, RvError *err) {
    Writer *writer = handle;
    writer->bytes = (uint64_t)ftell(writer->file);
    int failed = fflush(writer->file) != 0 || fsync(fileno(writer->file)) != 0;
    failed |= fclose(writer->file) != 0;
    failed = failed || rename(writer->unfinished, writer->part) != 0;
    char *receipt = malloc(2048);
    if (receipt != NULL) {
        snprintf(receipt, 2048,
                 "{\"parts\":[{\"name\":\"%s\",\"location\":\"%s\",\"rows\":%" PRIu64 ",\"bytes\":%" PRIu64 MORE_IN_PART
                 "}]%s}",
                 writer->name, writer->part, writer->rows, writer->bytes, MORE_IN_SPEC);
    }
    free(writer);
    if (failed || receipt == NULL) {
        free(receipt);
        return fail(err, "the file cannot be finished");
    }
    out->text = TEXT(receipt);
    out->private_data = receipt;
    out->release = release_text;
    return RV_OK;
}

static int32_t abort_writer(void *handle, RvError *err) {
    (void)err;
    Writer *writer = handle;
    fclose(writer->file);
    unlink(writer->unfinished);
    free(writer);
    return RV_OK;
}

/* ---- the plug-in ---- */

#ifdef STATIC_TLS
/* More than the loader keeps free for libraries that come later. */
static _Thread_local char claimed[1 << 20] __attribute__((tls_model("initial-exec")));
#endif

#ifdef OTHER_BUILD
/* The same plug-in, built again with something else in it. */
const int rivet_other_build = OTHER_BUILD;
#endif

/* Tells a test what this process has loaded. */
static void tell_maps(const char *path) {
    char buffer[4096];
    size_t length;
    FILE *maps = fopen("/proc/self/maps", "r"), *copy = fopen(path, "w");
    while (maps != NULL && copy != NULL && (length = fread(buffer, 1, sizeof buffer, maps)) > 0) fwrite(buffer, 1, length, copy);
    if (maps != NULL) fclose(maps);
    if (copy != NULL) fclose(copy);
}

static int32_t init(const RvHost *host, RvError *err) {
    (void)host, (void)err;
    if (getenv("LC_ACME_MAPS") != NULL) tell_maps(getenv("LC_ACME_MAPS"));
#ifdef STATIC_TLS
    memset(claimed, 1, sizeof claimed);
#endif
    return RV_OK;
}

static int32_t spec(RvBuf *out, RvError *err) {
    (void)err;
    out->text = TEXT("{\"name\":\"" NAME "\",\"version\":\"1.4.2\",\"license\":\"MIT\"" MORE_IN_SPEC
                     ",\"source\":{\"options\":{\"type\":\"object\",\"properties\":{\"rows\":{\"type\":\"integer\"},"
                     "\"fail\":{\"type\":\"boolean\"},\"url\":{\"type\":\"string\"}}},\"paths\":false,"
                     "\"schemes\":[\"" NAME "\"],"
                     "\"capabilities\":{\"tables\":true" MORE_CAPABILITIES "}" MORE_IN_SPEC "},"
                     "\"destination\":{\"options\":{\"type\":\"object\",\"required\":[\"path\"],"
                     "\"properties\":{\"path\":{\"type\":\"string\"}}},"
                     "\"capabilities\":{\"atomic\":true" MORE_CAPABILITIES "}" MORE_IN_SPEC "}}");
    return RV_OK;
}

#ifdef FUTURE
/* What a later version may append. */
static int32_t later(void *handle, RvStr request, RvBuf *out, RvError *err) {
    (void)handle, (void)request, (void)out, (void)err;
    abort();
}
#define APPEND(type, name) typedef struct { type now; RvCall later[9]; void *more; } name
APPEND(RvSource, SourceTable);
APPEND(RvDestination, DestinationTable);
APPEND(RvPlugin, PluginTable);
#define NOW now.
#define LATER .later = {later, later, later, later, later, later, later, later, later},
#else
typedef RvSource SourceTable;
typedef RvDestination DestinationTable;
typedef RvPlugin PluginTable;
#define NOW
#define LATER
#endif

static const SourceTable source = {
    LATER
    .NOW struct_size = sizeof(SourceTable),
    .NOW open = open_source,
    .NOW probe = probe_source,
    .NOW describe = describe,
    .NOW read = read_rows,
    .NOW next_batch = next_batch,
    .NOW close_reader = free_handle,
    .NOW close = free_handle,
};

static const DestinationTable destination = {
    LATER
    .NOW struct_size = sizeof(DestinationTable),
    .NOW open = open_destination,
    .NOW probe = probe_destination,
    .NOW begin = begin,
    .NOW write = write_batch,
    .NOW finish = finish,
    .NOW abort = abort_writer,
    .NOW close = free_handle,
};

const RvPlugin *rivet_plugin_entry(void) {
    static PluginTable plugin = {
        LATER
        .NOW struct_size = sizeof(PluginTable),
        .NOW abi_major = TABLE_MAJOR,
        .NOW abi_minor = TABLE_MINOR,
        .NOW needs_minor = NEEDS_MINOR,
        .NOW init = init,
        .NOW spec = spec,
        .NOW source = (const RvSource *)&source,
        .NOW destination = (const RvDestination *)&destination,
        .NOW marker = (const uint8_t *)rivet_plugin_marker,
    };
    plugin.NOW name = TEXT(NAME);
    plugin.NOW version = TEXT("1.4.2");
    return (const RvPlugin *)&plugin;
}
