/* A source in plain C: two batches of three words, or one batch that lies in the way its options name. */
#include <stdlib.h>
#include <string.h>

#include "rivet_plugin.h"

RV_MARKER("{\"name\":\"bad_batch\",\"version\":\"1.0.0\",\"kinds\":\"source\","
          "\"abi\":\"" RV_ABI_VERSION "\",\"needs\":\"1.0\",\"panic\":\"unwind\"}");

#define TEXT(s) ((RvStr){(const uint8_t *)(s), sizeof(s) - 1})
#define IS(name) (strstr(reader->options, "\"" name "\"") != NULL)

typedef struct Reader {
    char options[128];
    int sent;
} Reader;

typedef struct Batch {
    RvArrowArray column;
    RvArrowArray *columns[1];
    const void *no_validity[1];
    const void *buffers[3];
    int32_t offsets[4];
    char words[12];
} Batch;

static void release_column(RvArrowArray *array) { array->release = NULL; }

static void release_batch(RvArrowArray *array) {
    Batch *batch = array->private_data;
    if (batch->column.release != NULL) batch->column.release(&batch->column);
    free(batch);
    array->release = NULL;
}

static void release_batch_twice(RvArrowArray *array) {
    void *volatile batch = array->private_data;
    release_batch(array);
    free(batch);
}

static void release_schema(RvArrowSchema *schema) { schema->release = NULL; }

static int32_t fail(RvError *err, RvStr message) {
    err->category = RV_PERMANENT;
    err->message = message;
    return RV_ERR;
}

static int32_t open_source(RvStr options, const RvCancel *cancel, void **out, RvError *err) {
    (void)cancel;
    Reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL || options.len >= sizeof reader->options) {
        free(reader);
        return fail(err, TEXT("the options are too long"));
    }
    memcpy(reader->options, options.ptr, options.len);
    *out = reader;
    return RV_OK;
}

static int32_t probe(void *handle, RvStr request, RvBuf *out, RvError *err) {
    (void)handle, (void)request, (void)err;
    out->text = TEXT("{\"server\":\"plain C\",\"version\":\"1\"}");
    return RV_OK;
}

static int32_t describe(void *handle, RvStr request, RvBuf *out, RvError *err) {
    (void)handle, (void)request, (void)err;
    out->text = TEXT("{\"columns\":[{\"name\":\"word\",\"arrow_type\":\"Utf8\"}]}");
    return RV_OK;
}

static int32_t read_rows(void *handle, RvStr request, const RvCancel *cancel, void **out, RvArrowSchema *schema,
                         RvError *err) {
    static RvArrowSchema word = {.format = "u", .name = "word", .release = release_schema};
    static RvArrowSchema unknown = {.format = "?", .name = "word", .release = release_schema};
    static RvArrowSchema formless = {.format = NULL, .name = "word", .release = release_schema};
    static RvArrowSchema number = {.format = "l", .name = "word", .release = release_schema};
    static RvArrowSchema *numbers[] = {&number};
    static RvArrowSchema *words[] = {&word}, *unknowns[] = {&unknown}, *formlesses[] = {&formless};
    (void)request, (void)cancel;
    Reader *reader = malloc(sizeof *reader);
    if (reader == NULL) return fail(err, TEXT("out of memory"));
    *reader = *(Reader *)handle;
    *schema = (RvArrowSchema){.format = "+s", .name = "", .n_children = 1, .children = words, .release = release_schema};
    if (IS("unknown format")) schema->children = unknowns;
    if (IS("another schema")) schema->children = numbers;
    if (IS("no format")) schema->children = formlesses;
    if (IS("no fields")) schema->children = NULL;
    if (IS("released schema")) schema->release = NULL;
    *out = reader;
    return RV_OK;
}

static int32_t next_batch(void *handle, RvArrowArray *out, RvError *err) {
    Reader *reader = handle;
    if (reader->sent == 2) return RV_END;
    Batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) return fail(err, TEXT("out of memory"));
    reader->sent += 1;
    memcpy(batch->words, "onetwothree", 12);
    memcpy(batch->offsets, (int32_t[]){0, 3, 6, 11}, sizeof batch->offsets);
    batch->buffers[1] = batch->offsets;
    batch->buffers[2] = batch->words;
    batch->columns[0] = &batch->column;
    batch->column =
        (RvArrowArray){.length = 3, .n_buffers = 3, .buffers = batch->buffers, .release = release_column};
    *out = (RvArrowArray){.length = 3,
                          .n_buffers = 1,
                          .n_children = 1,
                          .buffers = batch->no_validity,
                          .children = batch->columns,
                          .release = release_batch,
                          .private_data = batch};
    if (IS("columns")) out->n_children = 2;
    if (IS("no list")) out->children = NULL;
    if (IS("no column")) batch->columns[0] = NULL;
    if (IS("buffers")) batch->column.n_buffers = 2;
    if (IS("no buffer")) batch->buffers[1] = NULL;
    if (IS("negative length")) out->length = batch->column.length = -1;
    if (IS("negative column")) batch->column.length = -1;
    if (IS("negative offset")) out->offset = -1;
    if (IS("beyond the column")) out->offset = 2;
    if (IS("short column")) batch->column.length = 2;
    if (IS("nulls without bitmap")) batch->column.null_count = 1;
    if (IS("null rows")) out->null_count = 1;
    if (IS("released")) out->release = NULL;
    if (IS("offsets")) batch->offsets[2] = 1;
    if (IS("offset out of range")) batch->offsets[1] = 1000;
    if (IS("negative first offset")) batch->offsets[0] = -3;
    if (IS("negative last offset")) batch->offsets[3] = -1;
    if (IS("misaligned offsets")) batch->buffers[1] = (const char *)batch->offsets + 1;
    if (IS("huge length")) out->length = batch->column.length = INT64_C(1) << 40;
    if (IS("huge offset")) out->offset = INT64_C(1) << 40;
    if (IS("double release")) out->release = release_batch_twice;
    if (IS("utf-8")) batch->words[4] = (char)0xff;
    if (IS("failure")) {
        release_batch(out);
        return fail(err, TEXT("no more words"));
    }
    return RV_OK;
}

static int32_t free_handle(void *handle, RvError *err) {
    (void)err;
    free(handle);
    return RV_OK;
}

static int32_t init(const RvHost *host, RvError *err) {
    (void)host, (void)err;
    return RV_OK;
}

static int32_t spec(RvBuf *out, RvError *err) {
    (void)err;
    out->text = TEXT("{\"name\":\"bad_batch\",\"version\":\"1.0.0\",\"license\":\"MIT\",\"source\":"
                     "{\"options\":{\"type\":\"object\",\"properties\":{\"wrong\":{\"type\":\"string\"}}},"
                     "\"capabilities\":{}}}");
    return RV_OK;
}

static const RvSource source = {
    .struct_size = sizeof(RvSource),
    .open = open_source,
    .probe = probe,
    .describe = describe,
    .read = read_rows,
    .next_batch = next_batch,
    .close_reader = free_handle,
    .close = free_handle,
};

const RvPlugin *rivet_plugin_entry(void) {
    static RvPlugin plugin = {
        .struct_size = sizeof(RvPlugin),
        .abi_major = RV_ABI_MAJOR,
        .abi_minor = RV_ABI_MINOR,
        .init = init,
        .spec = spec,
        .source = &source,
        .marker = (const uint8_t *)rivet_plugin_marker,
    };
    plugin.name = TEXT("bad_batch");
    plugin.version = TEXT("1.0.0");
    return &plugin;
}
