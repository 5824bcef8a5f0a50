/* The destination. --------------------------------------------------------------------------------------------------- */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* XXH3, by which receipts are checked: package libxxhash-dev on Debian, xxhash-devel on Fedora, xxhash in Homebrew. */
#define XXH_INLINE_ALL
#include <xxhash.h>

/* A handle is the directory. One of a server keeps its connection here. */
typedef char Directory;

/* What went wrong with a file. */
static int32_t fail_at(RvError *err, const char *doing, const char *path) {
    uint32_t category = errno == EEXIST ? RV_CONFLICT : errno == EACCES || errno == EPERM ? RV_AUTH : RV_PERMANENT;
    return fail(err, category, "could not %s \"%s\": %s", doing, path, strerror(errno));
}

/* The texts up to a NULL in one. */
#define JOINED(...) joined((const char *const[]){__VA_ARGS__, NULL})

static char *joined(const char *const *pieces) {
    size_t size = 1;
    for (const char *const *piece = pieces; *piece != NULL; piece++) size += strlen(*piece);
    char *text = calloc(1, size);
    for (; text != NULL && *pieces != NULL; pieces++) strcat(text, *pieces);
    return text;
}

/* A text of JSON as one of C; NULL when it is none, or has characters that no name here has. */
static char *text_of(Json json) {
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char *text = malloc((size_t)(json.end - json.at) + 1), *to = text;
    if (text == NULL || json.end - json.at < 2 || *json.at != '"') return free(text), NULL;
    for (const char *at = json.at + 1; at < json.end - 1; at++) {
        const char *name = *at == '\\' ? strchr(names, *++at) : at;
        if (name == NULL) return free(text), NULL;
        *to++ = name == at ? *at : meant[name - names];
    }
    *to = '\0';
    return text;
}

/* The path of the part that a request names; NULL when `err` says why not. */
static char *part_of(const Directory *directory, Json name, RvError *err) {
    char *text = text_of(name), *path = NULL;
    if (text == NULL || strchr(text, '/') != NULL)
        fail(err, RV_CONFIG, "%.*s is no file name", (int)(name.end - name.at), name.at);
    else if ((path = JOINED(directory, "/", text)) == NULL)
        fail(err, RV_INTERNAL, "out of memory");
    free(text);
    return path;
}

static int32_t open_destination(RvStr options, const RvCancel *cancel, void **out, RvError *err) {
    Json rest = members(json_of(options)), key, value;
    char *path = NULL;
    (void)cancel;
    while (next_member(&rest, &key, &value)) {
        free(path);
        path = NULL;
        if (!is(key, "\"path\""))
            return fail(err, RV_CONFIG, "unknown option %.*s: there is \"path\"", (int)(key.end - key.at), key.at);
        if ((path = text_of(value)) == NULL || *path == '\0')
            return free(path), fail(err, RV_CONFIG, "option \"path\" must be the name of a directory");
    }
    if (path == NULL) return fail(err, RV_CONFIG, "option \"path\" is missing");
    *out = path;
    return RV_OK;
}

static int32_t close_destination(void *handle, RvError *err) {
    (void)err;
    free(handle);
    return RV_OK;
}

/* Makes the directory and those above it. */
static int make_directory(const char *path) {
    char *copy = JOINED(path, "/");
    int made = -1;
    for (char *at = copy; copy != NULL && *at != '\0'; at++) {
        if (at == copy || *at != '/') continue;
        *at = '\0';
        made = mkdir(copy, 0777);
        if (made != 0 && errno != EEXIST) break;
        *at = '/';
    }
    free(copy);
    return made == 0 || errno == EEXIST ? 0 : -1;
}

/* Hands `text` over as an answer. */
static int32_t answer(Text *text, RvBuf *out, RvError *err) {
    if (text->failed) return free(text->at), fail(err, RV_INTERNAL, "out of memory");
    out->text = (RvStr){(const uint8_t *)text->at, text->length};
    out->private_data = text->at;
    out->release = free_text;
    return RV_OK;
}

/* Size and checksum of a file that is read whole; whether that was possible. */
static int measure(const char *path, uint64_t *bytes, XXH128_hash_t *checksum) {
    char block[1 << 14];
    FILE *file = fopen(path, "rb");
    XXH3_state_t state;
    size_t length;
    if (file == NULL) return 0;
    XXH3_128bits_reset(&state);
    for (*bytes = 0; (length = fread(block, 1, sizeof block, file)) > 0; *bytes += length)
        XXH3_128bits_update(&state, block, length);
    int read = !ferror(file);
    fclose(file);
    *checksum = XXH3_128bits_digest(&state);
    return read;
}

static void add_sum(Text *text, uint64_t bytes, XXH128_hash_t sum) {
    addf(text, "\"bytes\":%llu,\"checksum\":\"xxh3-128:%016llx%016llx\"", (unsigned long long)bytes,
         (unsigned long long)sum.high64, (unsigned long long)sum.low64);
}

static int32_t stat_part(void *handle, RvStr request, RvBuf *out, RvError *err) {
    char *path = part_of(handle, json_of(request), err);
    uint64_t bytes = 0;
    XXH128_hash_t sum;
    Text text = {0};
    if (path == NULL) return RV_ERR;
    int found = measure(path, &bytes, &sum);
    if (!found && errno != ENOENT) return fail_at(err, "read", path), free(path), RV_ERR;
    free(path);
    add(&text, found ? "{" : "null", found ? 1 : 4);
    if (found) add_sum(&text, bytes, sum), add(&text, "}", 1);
    return answer(&text, out, err);
}

static int32_t remove_part(void *handle, RvStr request, RvBuf *out, RvError *err) {
    char *path = part_of(handle, json_of(request), err);
    if (path == NULL) return RV_ERR;
    if (unlink(path) != 0 && errno != ENOENT) return fail_at(err, "remove", path), free(path), RV_ERR;
    free(path);
    out->text = TEXT("null");
    return RV_OK;
}

/* Writes, reads back and removes a file of its own, so that `rivet doctor` finds what is wrong before a run does. */
static int32_t probe(void *handle, RvStr request, RvBuf *out, RvError *err) {
    char name[32];
    int made = access(handle, F_OK) != 0;
    uint64_t bytes = 0;
    XXH128_hash_t sum, wanted = XXH3_128bits("probe", 5);
    Text text = {0};
    (void)request;
    snprintf(name, sizeof name, "/.probe-%ld", (long)getpid());
    if (make_directory(handle) != 0) return fail_at(err, "make", handle);
    char *path = JOINED(handle, name);
    if (path == NULL) return fail(err, RV_INTERNAL, "out of memory");
    FILE *file = fopen(path, "wb");
    int32_t code = RV_OK;
    if (file == NULL || fputs("probe", file) < 0 || fclose(file) != 0)
        code = fail_at(err, "write", path);
    else if (!measure(path, &bytes, &sum) || !XXH128_isEqual(sum, wanted))
        code = fail(err, RV_PERMANENT, "a file does not hold what was written to it");
    if (unlink(path) != 0 && code == RV_OK) code = fail_at(err, "remove", path);
    if (made) rmdir(handle);
    free(path);
    if (code != RV_OK) return code;
    add(&text, "{\"location\":", 12);
    add_json(&text, handle, strlen(handle));
    add(&text, "}", 1);
    return answer(&text, out, err);
}

/* One attempt: it may outlive the handle, so it holds all that it needs. */
typedef struct Column {
    char kind;
    char *name; /* as JSON, with the colon */
    size_t length;
} Column;

typedef struct Writer {
    char *directory, *name, *draft, *path;
    int replace;
    const uint32_t *cancelled;
    int64_t n_columns;
    Column *columns;
    Text lines; /* of one batch */
    FILE *file;
    uint64_t rows, bytes;
    XXH3_state_t *sum;
} Writer;

static void free_writer(Writer *writer) {
    for (int64_t i = 0; writer->columns != NULL && i < writer->n_columns; i++) free(writer->columns[i].name);
    if (writer->file != NULL) fclose(writer->file);
    XXH3_freeState(writer->sum);
    free(writer->columns);
    free(writer->lines.at);
    free(writer->directory);
    free(writer->name);
    free(writer->draft);
    free(writer->path);
    free(writer);
}

static int is_cancelled(const Writer *writer) { return __atomic_load_n(writer->cancelled, __ATOMIC_RELAXED) != 0; }

static int32_t take_columns(Writer *writer, const RvArrowSchema *schema, RvError *err) {
    writer->n_columns = schema->n_children;
    writer->columns = calloc((size_t)schema->n_children + 1, sizeof *writer->columns);
    for (int64_t i = 0; writer->columns != NULL && i < schema->n_children; i++) {
        const RvArrowSchema *child = schema->children[i];
        Text name = {0};
        add_json(&name, child->name, strlen(child->name));
        add(&name, ":", 1);
        writer->columns[i] = (Column){child->dictionary == NULL ? kind_of(child->format) : 0, name.at, name.length};
        if (name.failed) return fail(err, RV_INTERNAL, "out of memory");
        if (writer->columns[i].kind == 0)
            return fail(err, RV_DATA, "column \"%s\" has Arrow format \"%s\", which has no form in JSON here: turn it into text",
                        child->name, child->format);
    }
    return writer->columns != NULL ? RV_OK : fail(err, RV_INTERNAL, "out of memory");
}

static int32_t start(Writer *writer, const Directory *directory, Json request, RvError *err) {
    char *base = text_of(member(request, "\"base_name\""));
    if (base == NULL || strchr(base, '/') != NULL)
        return free(base), fail(err, RV_CONFIG, "\"base_name\" is no file name");
    writer->directory = JOINED(directory);
    writer->name = JOINED(base, ".jsonl");
    writer->path = JOINED(directory, "/", base, ".jsonl");
    /* A name that no reader looks at, and the same one for every attempt. */
    writer->draft = JOINED(directory, "/.", base, ".jsonl.part");
    free(base);
    if (writer->directory == NULL || writer->name == NULL || writer->path == NULL || writer->draft == NULL ||
        (writer->sum = XXH3_createState()) == NULL)
        return fail(err, RV_INTERNAL, "out of memory");
    writer->replace = is(member(request, "\"replace\""), "true");
    if (!writer->replace && access(writer->path, F_OK) == 0)
        return fail(err, RV_CONFLICT, "\"%s\" exists already", writer->path);
    if (make_directory(directory) != 0) return fail_at(err, "make", directory);
    if ((writer->file = fopen(writer->draft, "wb")) == NULL) return fail_at(err, "write", writer->draft);
    XXH3_128bits_reset(writer->sum);
    return RV_OK;
}

static int32_t begin(void *handle, RvStr request, RvArrowSchema *schema, const RvCancel *cancel, void **out,
                     RvError *err) {
    Writer *writer = calloc(1, sizeof *writer);
    int32_t code = writer != NULL ? RV_OK : fail(err, RV_INTERNAL, "out of memory");
    if (code == RV_OK) code = take_columns(writer, schema, err);
    if (code == RV_OK) code = start(writer, handle, json_of(request), err);
    /* The schema is ours to release, whatever happened. */
    schema->release(schema);
    if (code == RV_OK) {
        writer->cancelled = cancel->flag;
        *out = writer;
    } else if (writer != NULL) {
        free_writer(writer);
    }
    return code;
}

static int32_t write_rows(Writer *writer, const RvArrowArray *batch, RvError *err) {
    Text *lines = &writer->lines;
    if (is_cancelled(writer)) return fail(err, RV_CANCELLED, "stopped on request");
    if (batch->length == 0) return RV_OK;
    lines->length = 0;
    for (int64_t row = 0; row < batch->length; row++) {
        for (int64_t i = 0; i < writer->n_columns; i++) {
            const Column *column = &writer->columns[i];
            add(lines, i == 0 ? "{" : ",", 1);
            add(lines, column->name, column->length);
            if (!add_cell(lines, column->kind, batch->children[i], row + batch->offset))
                return fail(err, RV_DATA, "column %.*s has a value that has no form in JSON", (int)column->length - 1,
                            column->name);
        }
        add(lines, "}\n", 2);
    }
    if (lines->failed) return fail(err, RV_INTERNAL, "out of memory");
    if (fwrite(lines->at, 1, lines->length, writer->file) != lines->length) return fail_at(err, "write", writer->draft);
    XXH3_128bits_update(writer->sum, lines->at, lines->length);
    writer->rows += (uint64_t)batch->length;
    writer->bytes += lines->length;
    return RV_OK;
}

static int32_t write_batch(void *handle, RvArrowArray *batch, RvProgress *progress, RvError *err) {
    Writer *writer = handle;
    int32_t code = write_rows(writer, batch, err);
    batch->release(batch);
    *progress = (RvProgress){0, writer->bytes};
    return code;
}

static int32_t abort_writer(void *handle, RvError *err) {
    Writer *writer = handle;
    int32_t code = RV_OK;
    if (unlink(writer->draft) != 0 && errno != ENOENT) code = fail_at(err, "remove", writer->draft);
    free_writer(writer);
    return code;
}

/* Durable first, visible then: whoever sees the name sees the whole file. */
static int32_t publish(Writer *writer, RvError *err) {
    int file = open(writer->directory, O_RDONLY), failed;
    if (file < 0) return fail_at(err, "open", writer->directory);
    if (is_cancelled(writer)) return close(file), fail(err, RV_CANCELLED, "stopped on request");
    if (fflush(writer->file) != 0 || fsync(fileno(writer->file)) != 0)
        return close(file), fail_at(err, "write", writer->draft);
    /* Unlike renaming, linking fails when somebody took the name meanwhile. */
    failed = writer->replace ? rename(writer->draft, writer->path) : link(writer->draft, writer->path);
    if (failed == 0 && !writer->replace) failed = unlink(writer->draft);
    if (failed == 0) failed = fsync(file);
    if (failed != 0) fail_at(err, "make", writer->path);
    close(file);
    return failed == 0 ? RV_OK : RV_ERR;
}

static int32_t finish(void *handle, RvBuf *receipt, RvError *err) {
    Writer *writer = handle;
    Text text = {0};
    if (writer->rows == 0) {
        receipt->text = TEXT("{\"parts\":[]}");
        return abort_writer(writer, err);
    }
    if (publish(writer, err) != RV_OK) {
        unlink(writer->draft);
        return free_writer(writer), RV_ERR;
    }
    add(&text, "{\"parts\":[{\"name\":", 18);
    add_json(&text, writer->name, strlen(writer->name));
    add(&text, ",\"location\":", 12);
    add_json(&text, writer->path, strlen(writer->path));
    addf(&text, ",\"rows\":%llu,", (unsigned long long)writer->rows);
    add_sum(&text, writer->bytes, XXH3_128bits_digest(writer->sum));
    add(&text, "}]}", 3);
    free_writer(writer);
    return answer(&text, receipt, err);
}

/* The plug-in. ------------------------------------------------------------------------------------------------------- */

static int32_t spec(RvBuf *out, RvError *err) {
    (void)err;
    /* The host asks for nothing that is not announced. No format is: batches come as they are, whatever `format:` says. */
    out->text = TEXT("{\"name\":\"" NAME "\",\"version\":\"" VERSION "\",\"license\":\"MIT\","
                     "\"description\":\"Writes rows as JSON lines\",\"destination\":{\"options\":{\"type\":\"object\","
                     "\"additionalProperties\":false,\"required\":[\"path\"],\"properties\":{"
                     "\"path\":{\"type\":\"string\",\"description\":\"The directory that the files are written to; it is "
                     "made when it does not exist.\"}}},\"place\":[\"path\"],"
                     "\"capabilities\":{\"atomic\":true,\"stat\":true,\"remove\":true}}}");
    return RV_OK;
}

static const RvDestination destination = {
    .struct_size = sizeof(RvDestination),
    .open = open_destination,
    .probe = probe,
    .begin = begin,
    .write = write_batch,
    .finish = finish,
    .abort = abort_writer,
    .stat = stat_part,
    .remove = remove_part,
    .close = close_destination,
};

