/* The source. -------------------------------------------------------------------------------------------------------- */

#include <time.h>

/* Days since 1970-01-01, the last one included. */
typedef struct Days {
    int32_t first, last;
} Days;

static int parse_day(Json json, int32_t *day) {
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int y, m, d, used = 0;
    char text[16] = "";
    if (json.end - json.at != 12) return 0;
    memcpy(text, json.at + 1, 10);
    if (sscanf(text, "%4d-%2d-%2d%n", &y, &m, &d, &used) != 3 || used != 10 || m < 1 || m > 12 || y < 1) return 0;
    int leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0), years = y - 1;
    if (d < 1 || d > before[m] - before[m - 1] + (leap && m == 2)) return 0;
    *day = years * 365 + years / 4 - years / 100 + years / 400 + before[m - 1] + (leap && m > 2) + d - 1 - 719162;
    return 1;
}

static int32_t open_source(RvStr options, const RvCancel *cancel, void **out, RvError *err) {
    Json rest = members(json_of(options)), key, value;
    Days days = {0, (int32_t)(time(NULL) / 86400)};
    int has_from = 0;
    (void)cancel;
    while (next_member(&rest, &key, &value)) {
        int is_from = is(key, "\"from\""), is_to = is(key, "\"to\"");
        if (!is_from && !is_to)
            return fail(err, RV_CONFIG, "unknown option %.*s: there are \"from\" and \"to\"", (int)(key.end - key.at), key.at);
        if (!parse_day(value, is_from ? &days.first : &days.last))
            return fail(err, RV_CONFIG, "\"%s\" is no day: write it like 2024-01-31", is_from ? "from" : "to");
        has_from |= is_from;
    }
    if (!has_from) return fail(err, RV_CONFIG, "option \"from\" is missing");
    if (days.last < days.first) return fail(err, RV_CONFIG, "\"to\" is before \"from\"");
    Days *handle = malloc(sizeof *handle);
    if (handle == NULL) return fail(err, RV_INTERNAL, "out of memory");
    *handle = days;
    *out = handle;
    return RV_OK;
}

static int32_t free_handle(void *handle, RvError *err) {
    (void)err;
    free(handle);
    return RV_OK;
}

static int32_t probe(void *handle, RvStr request, RvBuf *out, RvError *err) {
    (void)handle, (void)request, (void)err;
    out->text = TEXT("{\"server\":\"calendar\",\"version\":\"gregorian\"}");
    return RV_OK;
}

static int32_t check_query(Json request, RvError *err) {
    if (is(member(request, "\"query\""), "\"all\"")) return RV_OK;
    return fail(err, RV_PERMANENT, "there is one query: all");
}

static int32_t describe(void *handle, RvStr request, RvBuf *out, RvError *err) {
    (void)handle;
    if (check_query(json_of(request), err) != RV_OK) return RV_ERR;
    out->text = TEXT("{\"columns\":["
                     "{\"name\":\"day\",\"native_type\":\"day\",\"arrow_type\":\"Date32\",\"nullable\":false},"
                     "{\"name\":\"weekday\",\"native_type\":\"text\",\"arrow_type\":\"Utf8\",\"nullable\":false}]}");
    return RV_OK;
}

/* A bound of a window: nothing, or {"t":"date","v":DAY}. */
static int bound(Json value, int32_t *day) {
    if (value.at == value.end || is(value, "null")) return 1;
    if (!is(member(value, "\"t\""), "\"date\"")) return 0;
    long number = strtol(member(value, "\"v\"").at, NULL, 10);
    *day = number > INT32_MAX - 1 ? INT32_MAX - 1 : number < INT32_MIN + 1 ? INT32_MIN + 1 : (int32_t)number;
    return 1;
}

/* The days with after < day <= upto, of those that there are. */
static int32_t narrow(Days *days, Json column, Json after, Json upto, RvError *err) {
    int32_t lower = days->first - 1, upper = days->last;
    if (!is(column, "\"day\"")) return fail(err, RV_CONFIG, "rows can be bounded by column \"day\" alone");
    if (!bound(after, &lower) || !bound(upto, &upper))
        return fail(err, RV_CONFIG, "\"day\" can be compared with a date alone");
    if (lower >= days->first) days->first = lower + 1;
    if (upper < days->last) days->last = upper;
    return RV_OK;
}

static int32_t bounds(void *handle, RvStr request, RvBuf *out, RvError *err) {
    Json json = json_of(request), none = {"", ""};
    Days days = *(Days *)handle;
    if (check_query(json, err) != RV_OK) return RV_ERR;
    if (narrow(&days, member(json, "\"column\""), member(json, "\"above\""), none, err) != RV_OK) return RV_ERR;
    if (days.last < days.first) {
        out->text = TEXT("{\"nulls\":0}");
        return RV_OK;
    }
    char *text = malloc(128);
    if (text == NULL) return fail(err, RV_INTERNAL, "out of memory");
    snprintf(text, 128, "{\"min\":{\"t\":\"date\",\"v\":%d},\"max\":{\"t\":\"date\",\"v\":%d},\"nulls\":0}", days.first, days.last);
    out->text = (RvStr){(const uint8_t *)text, strlen(text)};
    out->private_data = text;
    out->release = free_text;
    return RV_OK;
}

/* One read: it may outlive the handle, so it holds all that it needs. */
typedef struct Reader {
    Days days;
    size_t rows;
    const uint32_t *cancelled;
} Reader;

static void release_schema(RvArrowSchema *schema) { schema->release = NULL; }

static int32_t read_rows(void *handle, RvStr request, const RvCancel *cancel, void **out, RvArrowSchema *schema,
                         RvError *err) {
    /* Nothing of a schema is ever changed, so that one serves all readers. */
    static RvArrowSchema day = {.format = "tdD", .name = "day", .release = release_schema};
    static RvArrowSchema weekday = {.format = "u", .name = "weekday", .release = release_schema};
    static RvArrowSchema *columns[] = {&day, &weekday};
    Json json = json_of(request), filter = member(json, "\"filter\""), kind = member(filter, "\"kind\"");
    Json batch = member(json, "\"batch\""), chosen = member(json, "\"columns\""), order = member(json, "\"order_by\"");
    Days days = *(Days *)handle;
    if (check_query(json, err) != RV_OK) return RV_ERR;
    /* What cannot be done as asked is refused: rows must never be other than asked for. */
    if (chosen.at != chosen.end && !is(chosen, "null")) return fail(err, RV_UNSUPPORTED, "columns come as they are");
    if (order.at != order.end && !is(order, "[]") && !is(order, "[\"day\"]"))
        return fail(err, RV_UNSUPPORTED, "rows are ordered by \"day\" alone");
    if (is(kind, "\"window\"")) {
        Json column = member(filter, "\"column\"");
        if (narrow(&days, column, member(filter, "\"after\""), member(filter, "\"upto\""), err) != RV_OK) return RV_ERR;
    } else if (!is(kind, "\"all\"")) {
        return fail(err, RV_UNSUPPORTED, "this source does not offer such a filter");
    }
    Reader *reader = malloc(sizeof *reader);
    if (reader == NULL) return fail(err, RV_INTERNAL, "out of memory");
    /* Whichever limit is reached first ends a batch. A row takes about 16 bytes. */
    unsigned long long rows = strtoull(member(batch, "\"rows\"").at, NULL, 10);
    unsigned long long bytes = strtoull(member(batch, "\"bytes\"").at, NULL, 10) / 16;
    rows = rows < bytes ? rows : bytes;
    *reader = (Reader){days, rows < 1 ? 1 : rows > 1000000 ? 1000000 : (size_t)rows, cancel->flag};
    *schema = (RvArrowSchema){.format = "+s", .name = "", .n_children = 2, .children = columns, .release = release_schema};
    *out = reader;
    return RV_OK;
}

/* A batch is one block of memory, freed when the host releases it: at any time, from any thread. */
typedef struct Batch {
    RvArrowArray day, weekday, *columns[2];
    const void *no_validity[1], *day_buffers[2], *weekday_buffers[3];
    int32_t numbers[]; /* days, then the offsets of the texts, then the texts */
} Batch;

static void release_column(RvArrowArray *array) { array->release = NULL; }

static void release_batch(RvArrowArray *array) {
    free(array->private_data);
    array->release = NULL;
}

static int32_t next_batch(void *handle, RvArrowArray *out, RvError *err) {
    static const char *const names[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
    Reader *reader = handle;
    if (__atomic_load_n(reader->cancelled, __ATOMIC_RELAXED) != 0) return fail(err, RV_CANCELLED, "stopped on request");
    if (reader->days.last < reader->days.first) return RV_END;
    size_t left = (size_t)((int64_t)reader->days.last - reader->days.first + 1);
    size_t rows = left < reader->rows ? left : reader->rows;
    Batch *batch = calloc(1, sizeof *batch + (2 * rows + 1) * sizeof(int32_t) + 9 * rows);
    if (batch == NULL) return fail(err, RV_INTERNAL, "out of memory");
    int32_t *offsets = batch->numbers + rows;
    char *texts = (char *)(offsets + rows + 1);
    for (size_t i = 0; i < rows; i++) {
        int32_t day = reader->days.first++;
        const char *name = names[((day + 3) % 7 + 7) % 7];
        batch->numbers[i] = day;
        offsets[i + 1] = offsets[i] + (int32_t)strlen(name);
        memcpy(texts + offsets[i], name, strlen(name));
    }
    int64_t length = (int64_t)rows;
    batch->day_buffers[1] = batch->numbers;
    batch->weekday_buffers[1] = offsets;
    batch->weekday_buffers[2] = texts;
    batch->day = (RvArrowArray){.length = length, .n_buffers = 2, .buffers = batch->day_buffers, .release = release_column};
    batch->weekday =
        (RvArrowArray){.length = length, .n_buffers = 3, .buffers = batch->weekday_buffers, .release = release_column};
    batch->columns[0] = &batch->day;
    batch->columns[1] = &batch->weekday;
    *out = (RvArrowArray){.length = length, .n_buffers = 1, .n_children = 2, .buffers = batch->no_validity,
                          .children = batch->columns, .release = release_batch, .private_data = batch};
    return RV_OK;
}

/* The plug-in. ------------------------------------------------------------------------------------------------------- */

static int32_t spec(RvBuf *out, RvError *err) {
    (void)err;
    /* The host asks for nothing that is not announced under "capabilities". */
    out->text = TEXT("{\"name\":\"" NAME "\",\"version\":\"" VERSION "\",\"license\":\"MIT\","
                     "\"description\":\"The days of a calendar\",\"source\":{\"options\":{\"type\":\"object\","
                     "\"additionalProperties\":false,\"required\":[\"from\"],\"properties\":{"
                     "\"from\":{\"type\":\"string\",\"description\":\"The first day, such as 2024-01-31.\"},"
                     "\"to\":{\"type\":\"string\",\"description\":\"The last day; today in UTC when absent.\"}}},"
                     "\"capabilities\":{\"window\":true,\"bounds\":true,\"concurrent_readers\":true}}}");
    return RV_OK;
}

static const RvSource source = {
    .struct_size = sizeof(RvSource),
    .open = open_source,
    .probe = probe,
    .describe = describe,
    .bounds = bounds,
    .read = read_rows,
    .next_batch = next_batch,
    .close_reader = free_handle,
    .close = free_handle,
};

