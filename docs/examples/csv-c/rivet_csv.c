/* A Rivet source in plain C: the rows of a CSV file (RFC 4180 with a header line), through rivet_plugin.h alone.
 *
 * From top to bottom: text and errors, a reader of JSON requests, the CSV scanner, typed cells, filters, Arrow batches,
 * and the calls of the contract. README.md says what users write.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rivet_plugin.h"

#define NAME "csv"
#define VERSION "1.0.0"

RV_MARKER("{\"name\":\"" NAME "\",\"version\":\"" VERSION "\",\"kinds\":\"source\","
          "\"abi\":\"" RV_ABI_VERSION "\",\"needs\":\"1.0\",\"panic\":\"unwind\"}");

#define TEXT(s) ((RvStr){(const uint8_t *)(s), sizeof(s) - 1})

/* ---- text that grows ---------------------------------------------------------------------------------------------- */

/* `failed` stays set once memory ran out, so that one look at the end is enough. */
typedef struct Text {
    char *bytes;
    size_t len, room;
    bool failed;
} Text;

static bool text_reserve(Text *text, size_t more) {
    if (text->failed || text->len > SIZE_MAX / 2 - more) return !(text->failed = true);
    if (text->len + more <= text->room) return true;
    size_t room = text->room < 64 ? 64 : text->room;
    while (room < text->len + more) room *= 2;
    char *bytes = realloc(text->bytes, room);
    if (bytes == NULL) return !(text->failed = true);
    text->bytes = bytes;
    text->room = room;
    return true;
}

static void text_add(Text *text, const void *bytes, size_t len) {
    if (len == 0 || !text_reserve(text, len)) return;
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
}

static void text_put(Text *text, const char *words) { text_add(text, words, strlen(words)); }

static void text_byte(Text *text, char byte) { text_add(text, &byte, 1); }

/* A JSON string, quotes included. */
static void text_json(Text *text, const char *bytes, size_t len) {
    text_byte(text, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        char escape[7];
        if (c == '"' || c == '\\') text_byte(text, '\\');
        if (c >= 0x20) {
            text_byte(text, (char)c);
        } else {
            snprintf(escape, sizeof escape, "\\u%04x", c);
            text_put(text, escape);
        }
    }
    text_byte(text, '"');
}

/* ---- errors ------------------------------------------------------------------------------------------------------- */

static void release_error(RvError *err) {
    free(err->private_data);
    err->release = NULL;
}

/* Fills `err` with a message and, unless NULL, a hint of what to do next. The host reads the detail first. */
__attribute__((format(printf, 4, 5))) static int32_t fail(RvError *err, uint32_t category, const char *hint, const char *format, ...) {
    static const struct { uint32_t code; const char *name; } names[] = {
        {RV_AUTH, "auth"},     {RV_PERMANENT, "permanent"}, {RV_CANCELLED, "cancelled"},     {RV_NOT_FOUND, "not_found"},
        {RV_DATA, "data"},     {RV_CONFIG, "config"},       {RV_UNSUPPORTED, "unsupported"}, {RV_CAPACITY, "capacity"},
        {RV_INTERNAL, "internal"},
    };
    const char *name = "permanent";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == category) name = names[i].name;
    char message[1024];
    va_list words;
    va_start(words, format);
    int written = vsnprintf(message, sizeof message, format, words);
    va_end(words);
    size_t len = written < 0 ? 0 : (size_t)written;
    if (len >= sizeof message) len = sizeof message - 1;
    /* A message that was cut must not end in the middle of a character. */
    while (len > 0 && len == sizeof message - 1 && (message[len] & 0xC0) == 0x80) len--;

    Text detail = {0};
    text_put(&detail, "{\"category\":\"");
    text_put(&detail, name);
    text_put(&detail, "\",\"message\":");
    text_json(&detail, message, len);
    if (hint != NULL) {
        text_put(&detail, ",\"hint\":");
        text_json(&detail, hint, strlen(hint));
    }
    text_byte(&detail, '}');
    size_t json = detail.len;
    text_add(&detail, message, len);
    err->category = category;
    if (detail.failed) {
        free(detail.bytes);
        err->message = TEXT("out of memory");
        return RV_ERR;
    }
    err->detail_json = (RvStr){(const uint8_t *)detail.bytes, json};
    err->message = (RvStr){(const uint8_t *)detail.bytes + json, len};
    err->private_data = detail.bytes;
    err->release = release_error;
    return RV_ERR;
}

static int32_t no_memory(RvError *err) {
    err->category = RV_CAPACITY;
    err->message = TEXT("out of memory");
    return RV_ERR;
}

static int32_t failed_file(RvError *err, const char *doing, const char *path, int number) {
    uint32_t category = number == ENOENT ? RV_NOT_FOUND : number == EACCES ? RV_AUTH : RV_PERMANENT;
    return fail(err, category, NULL, "could not %s \"%s\": %s", doing, path, strerror(number));
}

/* ---- the host's log ----------------------------------------------------------------------------------------------- */

static const RvHost *host_table; /* lives as long as the process */

/* Shown with RUST_LOG=debug. */
static void log_debug(const char *message) {
    const uint32_t level = 4;
    const RvStr target = TEXT("rivet_csv");
    if (host_table == NULL || host_table->log == NULL || host_table->max_level < level) return;
    if (host_table->log_enabled != NULL && !host_table->log_enabled(host_table->ctx, level, target)) return;
    RvLog event = {.struct_size = sizeof event, .level = level, .target = target};
    event.message = (RvStr){(const uint8_t *)message, strlen(message)};
    host_table->log(host_table->ctx, &event);
}

/* ---- JSON, as far as requests need it ----------------------------------------------------------------------------- */

/* The rest of a JSON text. */
typedef struct Json {
    const char *at, *end;
} Json;

static void json_space(Json *json) {
    while (json->at < json->end && strchr(" \t\r\n", *json->at) != NULL && *json->at != '\0') json->at++;
}

static bool json_take(Json *json, char c) {
    json_space(json);
    if (json->at == json->end || *json->at != c) return false;
    json->at++;
    return true;
}

static bool json_hex(Json *json, uint32_t *code) {
    *code = 0;
    for (int i = 0; i < 4; i++, json->at++) {
        static const char digits[] = "0123456789abcdef";
        if (json->at == json->end || *json->at == '\0') return false;
        const char *digit = strchr(digits, *json->at | (*json->at > '9' ? 0x20 : 0));
        if (digit == NULL) return false;
        *code = *code * 16 + (uint32_t)(digit - digits);
    }
    return true;
}

static void text_utf8(Text *text, uint32_t code) {
    if (code < 0x80) {
        text_byte(text, (char)code);
    } else if (code < 0x800) {
        text_byte(text, (char)(0xC0 | code >> 6));
        text_byte(text, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        text_byte(text, (char)(0xE0 | code >> 12));
        text_byte(text, (char)(0x80 | (code >> 6 & 0x3F)));
        text_byte(text, (char)(0x80 | (code & 0x3F)));
    } else {
        text_byte(text, (char)(0xF0 | code >> 18));
        text_byte(text, (char)(0x80 | (code >> 12 & 0x3F)));
        text_byte(text, (char)(0x80 | (code >> 6 & 0x3F)));
        text_byte(text, (char)(0x80 | (code & 0x3F)));
    }
}

static bool json_escape(Json *json, Text *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (json->at == json->end || *json->at == '\0') return false;
    char c = *json->at++;
    const char *known = strchr(from, c);
    uint32_t code, low;
    if (known != NULL) {
        text_byte(out, to[known - from]);
        return true;
    }
    if (c != 'u' || !json_hex(json, &code)) return false;
    if (code >= 0xD800 && code < 0xDC00) {
        if (json->end - json->at < 6 || json->at[0] != '\\' || json->at[1] != 'u') return false;
        json->at += 2;
        if (!json_hex(json, &low) || low < 0xDC00 || low > 0xDFFF) return false;
        code = 0x10000 + ((code - 0xD800) << 10 | (low - 0xDC00));
    }
    text_utf8(out, code);
    return true;
}

/* A string, appended to `out` and ended by NUL there. */
static bool json_string(Json *json, Text *out) {
    if (!json_take(json, '"')) return false;
    while (json->at < json->end && *json->at != '"') {
        if (*json->at != '\\') {
            text_byte(out, *json->at++);
            continue;
        }
        json->at++;
        if (!json_escape(json, out)) return false;
    }
    text_byte(out, '\0');
    return json_take(json, '"') && !out->failed;
}

/* Moves behind one value. Numbers and words are what stands up to the next mark. */
static bool json_skip(Json *json) {
    size_t depth = 0;
    do {
        json_space(json);
        if (json->at == json->end) return false;
        char c = *json->at;
        if (c == '"') {
            for (json->at++; json->at < json->end && *json->at != '"'; json->at++)
                if (*json->at == '\\' && ++json->at == json->end) return false;
            if (json->at++ == json->end) return false;
        } else if (c == '{' || c == '[') {
            depth++;
            json->at++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) return false;
            depth--;
            json->at++;
        } else if (depth > 0 && (c == ',' || c == ':')) {
            json->at++;
        } else {
            const char *start = json->at;
            while (json->at < json->end && strchr(",:{}[]\" \t\r\n", *json->at) == NULL) json->at++;
            if (json->at == start) return false;
        }
    } while (depth > 0);
    return true;
}

/* The next member of the object that `json` is in: its key into `key`, its text into `value`. */
static bool json_next(Json *json, Text *key, Json *value) {
    json_take(json, ',');
    key->len = 0;
    if (!json_string(json, key) || !json_take(json, ':')) return false;
    json_space(json);
    value->at = json->at;
    bool ok = json_skip(json);
    value->end = json->at;
    return ok;
}

/* The member called `name`; absent and null are the same. */
static bool json_member(Json object, const char *name, Json *value) {
    Text key = {0};
    bool found = false;
    if (json_take(&object, '{'))
        while (!found && json_next(&object, &key, value)) found = strcmp(key.bytes, name) == 0;
    free(key.bytes);
    return found && !(value->end - value->at == 4 && memcmp(value->at, "null", 4) == 0);
}

/* A text member that is ended by NUL; NULL when there is none. */
static char *json_text(Json object, const char *name) {
    Json value;
    Text text = {0};
    if (json_member(object, name, &value) && json_string(&value, &text)) return text.bytes;
    free(text.bytes);
    return NULL;
}

static bool json_is(Json object, const char *name, const char *word) {
    Json value;
    return json_member(object, name, &value) && (size_t)(value.end - value.at) == strlen(word) &&
           memcmp(value.at, word, strlen(word)) == 0;
}

/* A whole number of at most 64 bits, with or without a sign. */
static bool json_integer(Json value, bool *negative, uint64_t *magnitude) {
    *negative = json_take(&value, '-');
    *magnitude = 0;
    if (value.at == value.end) return false;
    for (; value.at < value.end && *value.at >= '0' && *value.at <= '9'; value.at++) {
        uint64_t digit = (uint64_t)(*value.at - '0');
        if (*magnitude > (UINT64_MAX - digit) / 10) return false;
        *magnitude = *magnitude * 10 + digit;
    }
    return value.at == value.end;
}

static uint64_t json_size(Json object, const char *name, uint64_t otherwise) {
    Json value;
    bool negative;
    uint64_t size;
    if (!json_member(object, name, &value) || !json_integer(value, &negative, &size) || negative) return otherwise;
    return size == 0 ? 1 : size;
}

static Json json_of(RvStr text) { return (Json){(const char *)text.ptr, (const char *)text.ptr + text.len}; }

/* ---- the file ----------------------------------------------------------------------------------------------------- */

/* The longest record, in bytes. */
#define MAX_RECORD ((size_t)64 << 20)

typedef struct Cell {
    size_t at, len; /* in the record's text, which has a NUL behind each cell */
    bool quoted;
} Cell;

/* One file, read record by record. */
typedef struct Scanner {
    FILE *file;
    char *path;
    char delimiter;
    const RvCancel *cancel;
    uint64_t line, next_line; /* where the record begins and where the next one does */
    Text text;
    Cell *cells;
    size_t n_cells, room;
    char buffer[1 << 16];
    size_t at, filled;
} Scanner;

static bool is_cancelled(const RvCancel *cancel) {
    return cancel != NULL && cancel->flag != NULL && __atomic_load_n(cancel->flag, __ATOMIC_SEQ_CST) != 0;
}

static int32_t check_cancel(const RvCancel *cancel, RvError *err) {
    return is_cancelled(cancel) ? fail(err, RV_CANCELLED, NULL, "stopped on request") : RV_OK;
}

static void scanner_close(Scanner *scanner) {
    if (scanner == NULL) return;
    if (scanner->file != NULL) fclose(scanner->file);
    free(scanner->path);
    free(scanner->text.bytes);
    free(scanner->cells);
    free(scanner);
}

/* The next byte, or EOF: behind the last one, after an error of the file, or when the host wants to stop. */
static int next_byte(Scanner *scanner) {
    if (scanner->at == scanner->filled) {
        scanner->at = 0;
        scanner->filled = 0;
        if (is_cancelled(scanner->cancel)) return EOF;
        scanner->filled = fread(scanner->buffer, 1, sizeof scanner->buffer, scanner->file);
        if (scanner->filled == 0) return EOF;
    }
    return (unsigned char)scanner->buffer[scanner->at++];
}

static void put_back(Scanner *scanner) { scanner->at--; }

/* Why there is no next byte: RV_OK when the file is over. */
static int32_t why_ended(Scanner *scanner, RvError *err) {
    if (ferror(scanner->file)) return failed_file(err, "read", scanner->path, errno);
    return check_cancel(scanner->cancel, err);
}

static bool end_cell(Scanner *scanner, size_t start, bool quoted) {
    if (scanner->n_cells == scanner->room) {
        size_t room = scanner->room == 0 ? 16 : scanner->room * 2;
        Cell *cells = realloc(scanner->cells, room * sizeof *cells);
        if (cells == NULL) return false;
        scanner->cells = cells;
        scanner->room = room;
    }
    scanner->cells[scanner->n_cells++] = (Cell){start, scanner->text.len - start, quoted};
    text_byte(&scanner->text, '\0');
    return !scanner->text.failed;
}

static int32_t malformed(Scanner *scanner, RvError *err, const char *what) {
    return fail(err, RV_DATA, "RFC 4180: a cell with a quote, delimiter or line break stands in quotes, its own quotes doubled",
                "\"%s\", line %llu, cell %zu: %s", scanner->path, (unsigned long long)scanner->next_line,
                scanner->n_cells + 1, what);
}

/* Adds a byte to the record. A quote that is never closed would otherwise take the rest of the file into memory. */
static int32_t add_byte(Scanner *scanner, int c, RvError *err) {
    if (scanner->text.len >= MAX_RECORD) return malformed(scanner, err, "a line of more than 64 MiB; is a quote missing?");
    text_byte(&scanner->text, (char)c);
    return scanner->text.failed ? no_memory(err) : RV_OK;
}

/* The inside of a quoted cell, up to its last quote. */
static int32_t scan_quoted(Scanner *scanner, RvError *err) {
    for (;;) {
        int c = next_byte(scanner);
        if (c == EOF && why_ended(scanner, err) != RV_OK) return RV_ERR;
        if (c == EOF) return malformed(scanner, err, "the quoted cell does not end");
        if (c == '"') {
            if (next_byte(scanner) != '"') {
                if (scanner->filled > 0) put_back(scanner);
                return RV_OK;
            }
        } else if (c == '\n') {
            scanner->next_line++;
        }
        if (add_byte(scanner, c, err) != RV_OK) return RV_ERR;
    }
}

/* Reads one record into `cells`. RV_END behind the last one. */
static int32_t scan_record(Scanner *scanner, RvError *err) {
    scanner->n_cells = scanner->text.len = 0;
    scanner->line = scanner->next_line;
    size_t start = 0;
    bool quoted = false, any = false;
    for (;;) {
        int c = next_byte(scanner);
        if (c == EOF && why_ended(scanner, err) != RV_OK) return RV_ERR;
        if (c == EOF && !any) return RV_END;
        any = true;
        if (c == '"' && scanner->text.len == start && !quoted) {
            quoted = true;
            if (scan_quoted(scanner, err) != RV_OK) return RV_ERR;
            continue;
        }
        if (c == '\r' && next_byte(scanner) != '\n') return malformed(scanner, err, "a carriage return without a line feed");
        if (c == EOF || c == '\r' || c == '\n' || c == scanner->delimiter) {
            if (!end_cell(scanner, start, quoted)) return no_memory(err);
            start = scanner->text.len;
            quoted = false;
            if (c == scanner->delimiter) continue;
            scanner->next_line++;
            return RV_OK;
        }
        if (quoted) return malformed(scanner, err, "something follows the closing quote");
        if (c == '"') return malformed(scanner, err, "a quote in a cell that does not begin with one");
        if (add_byte(scanner, c, err) != RV_OK) return RV_ERR;
    }
}

/* ---- columns ------------------------------------------------------------------------------------------------------ */

typedef enum Type { T_TEXT, T_INT64, T_FLOAT64, T_BOOL, T_DATE } Type;

static const struct { const char *name, *format, *arrow; } types[] = {
    {"text", "u", "Utf8"}, {"int64", "l", "Int64"}, {"float64", "g", "Float64"}, {"bool", "b", "Boolean"}, {"date", "tdD", "Date32"},
};
#define N_TYPES (sizeof types / sizeof *types)
#define TYPE_HINT "the types are text, int64, float64, bool and date"

typedef struct Column {
    char *name;
    Type type;
} Column;

typedef struct Columns {
    Column *list;
    size_t count;
} Columns;

static void columns_free(Columns *columns) {
    for (size_t i = 0; i < columns->count; i++) free(columns->list[i].name);
    free(columns->list);
    *columns = (Columns){0};
}

static Column *find_column(const Columns *columns, const char *name) {
    for (size_t i = 0; i < columns->count; i++)
        if (strcmp(columns->list[i].name, name) == 0) return &columns->list[i];
    return NULL;
}

static int32_t set_type(Columns *columns, const char *name, const char *type, const char *path, RvError *err) {
    Column *column = find_column(columns, name);
    if (column == NULL) return fail(err, RV_CONFIG, NULL, "\"%s\" has no column \"%s\" to give a type", path, name);
    for (size_t i = 0; i < N_TYPES; i++)
        if (strcmp(types[i].name, type) == 0) {
            column->type = (Type)i;
            return RV_OK;
        }
    return fail(err, RV_CONFIG, TYPE_HINT, "column \"%s\" cannot have the type \"%s\"", name, type);
}

/* `id=int64, price=float64`. */
static int32_t set_types(Columns *columns, const char *list, const char *path, RvError *err) {
    char *copy = strdup(list), *rest = copy;
    int32_t code = copy == NULL ? no_memory(err) : RV_OK;
    for (char *entry; code == RV_OK && (entry = strtok_r(NULL, ",", &rest)) != NULL;) {
        entry += strspn(entry, " \t\n");
        for (size_t end = strlen(entry); end > 0 && strchr(" \t\n", entry[end - 1]) != NULL;) entry[--end] = '\0';
        if (*entry == '\0') continue;
        char *equals = strrchr(entry, '=');
        if (equals == NULL) {
            code = fail(err, RV_CONFIG, "write name=type, with commas between", "\"column_types\" holds \"%s\"", entry);
            break;
        }
        *equals = '\0';
        code = set_type(columns, entry, equals + 1, path, err);
    }
    free(copy);
    return code;
}

/* The host's own key `columns`, which is in each request. */
static int32_t set_mapping(Columns *columns, Json request, const char *path, RvError *err) {
    Json mapping, of_types, of_columns, value;
    Text name = {0}, type = {0};
    int32_t code = RV_OK;
    if (!json_member(request, "mapping", &mapping)) return RV_OK;
    if (json_member(mapping, "types", &of_types) && json_take(&of_types, '{') && !json_take(&of_types, '}'))
        return fail(err, RV_UNSUPPORTED, "use `columns`", "a CSV file has no types that `types` could replace");
    if (json_member(mapping, "columns", &of_columns) && json_take(&of_columns, '{'))
        while (code == RV_OK && json_next(&of_columns, &name, &value)) {
            type.len = 0;
            bool is_text = json_string(&value, &type);
            code = is_text ? set_type(columns, name.bytes, type.bytes, path, err) : no_memory(err);
        }
    free(name.bytes);
    free(type.bytes);
    return code;
}

/* ---- cells to values ---------------------------------------------------------------------------------------------- */

typedef struct Value {
    bool is_null;
    int64_t integer; /* int64, date, and bool as 0 or 1 */
    double real;
    const char *text;
    size_t len;
} Value;

static locale_t c_locale; /* numbers are written with a point, whatever the host's locale */

static bool is_utf8(const char *bytes, size_t len) {
    const unsigned char *s = (const unsigned char *)bytes, *end = s + len;
    while (s < end) {
        size_t more = *s < 0x80 ? 0 : *s >= 0xC2 && *s < 0xE0 ? 1 : (*s & 0xF0) == 0xE0 ? 2 : *s >= 0xF0 && *s < 0xF5 ? 3 : 4;
        if (more == 4 || (size_t)(end - s) <= more) return false;
        if ((*s == 0xE0 && s[1] < 0xA0) || (*s == 0xED && s[1] > 0x9F)) return false;
        if ((*s == 0xF0 && s[1] < 0x90) || (*s == 0xF4 && s[1] > 0x8F)) return false;
        for (size_t i = 1; i <= more; i++)
            if ((s[i] & 0xC0) != 0x80) return false;
        s += more + 1;
    }
    return true;
}

static bool parse_int64(const char *text, size_t len, int64_t *out) {
    bool negative = len > 0 && text[0] == '-';
    size_t i = len > 0 && (text[0] == '-' || text[0] == '+');
    if (i == len) return false;
    uint64_t magnitude = 0, limit = (uint64_t)INT64_MAX + negative;
    for (; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (magnitude > (limit - digit) / 10) return false;
        magnitude = magnitude * 10 + digit;
    }
    *out = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}

static bool parse_float64(const char *text, size_t len, double *out) {
    /* strtod takes blanks and hexadecimal digits too, which are no numbers in a CSV file; nan and inf are. */
    if (len == 0 || strspn(text, "0123456789+-.eEnNaAiIfFtTyY") != len) return false;
    char *end;
    errno = 0;
    locale_t before = uselocale(c_locale);
    *out = strtod(text, &end);
    uselocale(before);
    bool overflows = errno == ERANGE && fabs(*out) == HUGE_VAL;
    return end == text + len && !overflows;
}

static bool parse_bool(const char *text, size_t len, int64_t *out) {
    static const char words[][6] = {"false", "true", "False", "True", "FALSE", "TRUE"};
    for (size_t i = 0; i < 6; i++)
        if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0) {
            *out = i % 2;
            return true;
        }
    return false;
}

static bool parse_date(const char *text, size_t len, int64_t *out) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (len != 10 || text[4] != '-' || text[7] != '-' || strchr("+-", text[0]) || strchr("+-", text[5]) || strchr("+-", text[8]))
        return false;
    if (!parse_int64(text, 4, &year) || !parse_int64(text + 5, 2, &month) || !parse_int64(text + 8, 2, &day)) return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (month < 1 || month > 12 || day < 1 || day > days[month - 1] + (leap && month == 2)) return false;
    /* Days from 1970-01-01, with years that begin in March. */
    int64_t y = year - (month <= 2), m = (month + 9) % 12;
    *out = 365 * y + (y < 0 ? y - 3 : y) / 4 - (y < 0 ? y - 99 : y) / 100 + (y < 0 ? y - 399 : y) / 400 +
           (m * 153 + 2) / 5 + day - 1 - 719468;
    return true;
}

/* What the cell of column `i` of the record holds. An empty cell is NULL; `""` is an empty text. */
static int32_t read_cell(const Scanner *scanner, const Columns *columns, size_t i, Value *value, RvError *err) {
    const Column *column = &columns->list[i];
    const Cell *cell = &scanner->cells[i];
    const char *text = scanner->text.bytes + cell->at;
    *value = (Value){.is_null = cell->len == 0 && !cell->quoted, .text = text, .len = cell->len};
    if (value->is_null) return RV_OK;
    bool ok = false;
    switch (column->type) {
    case T_TEXT: ok = is_utf8(text, cell->len); break;
    case T_INT64: ok = parse_int64(text, cell->len, &value->integer); break;
    case T_FLOAT64: ok = parse_float64(text, cell->len, &value->real); break;
    case T_BOOL: ok = parse_bool(text, cell->len, &value->integer); break;
    case T_DATE: ok = parse_date(text, cell->len, &value->integer); break;
    }
    if (ok) return RV_OK;
    const char *shown = is_utf8(text, cell->len) ? text : "?";
    const char *wanted = column->type == T_TEXT ? "UTF-8 text" : types[column->type].name;
    return fail(err, RV_DATA, column->type == T_TEXT ? "convert the file to UTF-8" : "mend the cell, or read the column as text",
                "\"%s\", line %llu, column \"%s\": \"%.100s\" is not %s", scanner->path,
                (unsigned long long)scanner->line, column->name, shown, wanted);
}

static int compare(Type type, const Value *a, const Value *b) {
    if (type == T_FLOAT64) return (a->real > b->real) - (a->real < b->real);
    if (type != T_TEXT) return (a->integer > b->integer) - (a->integer < b->integer);
    size_t len = a->len < b->len ? a->len : b->len;
    int order = len == 0 ? 0 : memcmp(a->text, b->text, len);
    return order != 0 ? order : (a->len > b->len) - (a->len < b->len);
}

/* ---- cursor values ------------------------------------------------------------------------------------------------ */

/* A value of the host, whose text it owns. */
typedef struct Bound {
    bool present;
    Value value;
    char *text;
} Bound;

static const char *const cursor_kinds[] = {"text", "int", "float", NULL, "date"};

/* The CursorValue called `name`: {"t":"int","v":5}. A float is exchanged as its bits. */
static int32_t read_bound(Json object, const char *name, const Column *column, Bound *bound, RvError *err) {
    Json value, content;
    if (!json_member(object, name, &value)) return RV_OK;
    const char *expected = cursor_kinds[column->type];
    char *kind = json_text(value, "t");
    bool ok = kind != NULL && expected != NULL && strcmp(kind, expected) == 0 && json_member(value, "v", &content);
    free(kind);
    bound->present = true;
    if (ok && column->type == T_TEXT) {
        Text text = {0};
        ok = json_string(&content, &text);
        bound->text = text.bytes;
        bound->value.text = text.bytes;
        bound->value.len = ok ? text.len - 1 : 0;
    } else if (ok) {
        bool negative;
        uint64_t magnitude;
        ok = json_integer(content, &negative, &magnitude);
        bound->value.integer = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
        if (column->type == T_FLOAT64) memcpy(&bound->value.real, &magnitude, sizeof magnitude);
    }
    if (ok) return RV_OK;
    return fail(err, RV_CONFIG, "reset the export's state when its type was changed",
                "a bound of column \"%s\" is not of its type %s", column->name, types[column->type].name);
}

static void put_bound(Text *out, const Column *column, const Value *value) {
    char number[32];
    uint64_t bits;
    text_put(out, "{\"t\":\"");
    text_put(out, cursor_kinds[column->type]);
    text_put(out, "\",\"v\":");
    if (column->type == T_TEXT) {
        text_json(out, value->text, value->len);
    } else if (column->type == T_FLOAT64) {
        memcpy(&bits, &value->real, sizeof bits);
        snprintf(number, sizeof number, "%llu", (unsigned long long)bits);
        text_put(out, number);
    } else {
        snprintf(number, sizeof number, "%lld", (long long)value->integer);
        text_put(out, number);
    }
    text_byte(out, '}');
}

/* ---- filters ------------------------------------------------------------------------------------------------------ */

/* `lower` is exclusive and `upper` inclusive for a window, the other way round for a range. */
typedef struct Filter {
    bool present, is_window, include_null;
    size_t column;
    Bound lower, upper;
} Filter;

static int32_t column_number(const Columns *columns, Json object, const char *key, size_t *number, RvError *err) {
    char *name = json_text(object, key);
    Column *column = name == NULL ? NULL : find_column(columns, name);
    int32_t code = column == NULL
        ? fail(err, RV_CONFIG, "names are those of the header line", "the file has no column \"%s\"", name == NULL ? "" : name)
        : RV_OK;
    free(name);
    if (code == RV_OK) *number = (size_t)(column - columns->list);
    return code;
}

static int32_t read_filter(const Columns *columns, Json request, Filter *filter, RvError *err) {
    Json object;
    if (!json_member(request, "filter", &object) || json_is(object, "kind", "\"all\"")) return RV_OK;
    filter->present = true;
    filter->is_window = json_is(object, "kind", "\"window\"");
    if (!filter->is_window && !json_is(object, "kind", "\"range\""))
        return fail(err, RV_UNSUPPORTED, "use mode full, incremental or chunked", "a CSV file has no such filter");
    if (column_number(columns, object, "column", &filter->column, err) != RV_OK) return RV_ERR;
    const Column *column = &columns->list[filter->column];
    if (cursor_kinds[column->type] == NULL)
        return fail(err, RV_UNSUPPORTED, NULL, "column \"%s\" of type bool cannot bound rows", column->name);
    filter->include_null = json_is(object, "include_null", "true");
    if (read_bound(object, filter->is_window ? "after" : "from", column, &filter->lower, err) != RV_OK) return RV_ERR;
    return read_bound(object, filter->is_window ? "upto" : "to", column, &filter->upper, err);
}

/* Whether a row with this value is wanted. NaN is in no interval, and so only where there are no bounds. */
static bool passes(const Filter *filter, Type type, const Value *value) {
    if (value->is_null) return filter->include_null;
    bool is_nan = type == T_FLOAT64 && value->real != value->real;
    if (is_nan && (filter->lower.present || filter->upper.present)) return false;
    int low = filter->lower.present ? compare(type, value, &filter->lower.value) : 1;
    int high = filter->upper.present ? compare(type, value, &filter->upper.value) : -1;
    return filter->is_window ? low > 0 && high <= 0 : low >= 0 && high < 0;
}

/* ---- one pass over the file --------------------------------------------------------------------------------------- */

typedef struct Source {
    char *path, *column_types;
    char delimiter;
} Source;

/* A file with its header read, and what of it is wanted. */
typedef struct Pass {
    Scanner *scanner;
    Columns columns;
    Filter filter;
} Pass;

static void pass_close(Pass *pass) {
    scanner_close(pass->scanner);
    columns_free(&pass->columns);
    free(pass->filter.lower.text);
    free(pass->filter.upper.text);
    *pass = (Pass){0};
}

static int32_t read_header(Scanner *scanner, Columns *columns, RvError *err) {
    int32_t code = scan_record(scanner, err);
    if (code == RV_END) return fail(err, RV_DATA, "its first line names the columns", "\"%s\" is empty", scanner->path);
    if (code != RV_OK) return code;
    columns->list = calloc(scanner->n_cells, sizeof *columns->list);
    if (columns->list == NULL) return no_memory(err);
    for (size_t i = 0; i < scanner->n_cells; i++) {
        char *name = scanner->text.bytes + scanner->cells[i].at;
        size_t len = scanner->cells[i].len;
        if (i == 0 && len >= 3 && memcmp(name, "\xEF\xBB\xBF", 3) == 0) name += 3, len -= 3;
        if (len == 0 || strlen(name) != len || !is_utf8(name, len))
            return fail(err, RV_DATA, NULL, "\"%s\": the name of column %zu is empty or not UTF-8", scanner->path, i + 1);
        if (find_column(columns, name) != NULL)
            return fail(err, RV_DATA, NULL, "\"%s\": two columns are called \"%s\"", scanner->path, name);
        if ((columns->list[i].name = strdup(name)) == NULL) return no_memory(err);
        columns->count++;
    }
    return RV_OK;
}

static int32_t pass_open(Pass *pass, const Source *source, Json request, const RvCancel *cancel, RvError *err) {
    char *query = json_text(request, "query");
    bool is_star = query != NULL && strspn(query, " \t\r\n*") == strlen(query) && strchr(query, '*') == strrchr(query, '*') &&
                   strchr(query, '*') != NULL;
    free(query);
    if (!is_star) return fail(err, RV_PERMANENT, "write query: \"*\"", "a CSV file knows no query but *");
    Scanner *scanner = pass->scanner = calloc(1, sizeof *scanner);
    if (scanner == NULL || (scanner->path = strdup(source->path)) == NULL) return no_memory(err);
    scanner->delimiter = source->delimiter;
    scanner->cancel = cancel;
    scanner->next_line = 1;
    if ((scanner->file = fopen(source->path, "rbe")) == NULL) return failed_file(err, "open", source->path, errno);
    if (read_header(scanner, &pass->columns, err) != RV_OK) return RV_ERR;
    if (source->column_types != NULL && set_types(&pass->columns, source->column_types, source->path, err) != RV_OK)
        return RV_ERR;
    if (set_mapping(&pass->columns, request, source->path, err) != RV_OK) return RV_ERR;
    return read_filter(&pass->columns, request, &pass->filter, err);
}

/* The next record that the filter lets through. */
static int32_t pass_next(Pass *pass, RvError *err) {
    Scanner *scanner = pass->scanner;
    for (;;) {
        int32_t code = scan_record(scanner, err);
        if (code != RV_OK) return code;
        bool is_blank = scanner->n_cells == 1 && scanner->cells[0].len == 0 && !scanner->cells[0].quoted;
        if (is_blank && pass->columns.count > 1) continue;
        if (scanner->n_cells != pass->columns.count)
            return fail(err, RV_DATA, "every line has a cell for each column of the header line",
                        "\"%s\", line %llu: %zu cells, but %zu columns", scanner->path, (unsigned long long)scanner->line,
                        scanner->n_cells, pass->columns.count);
        if (!pass->filter.present) return RV_OK;
        Value value;
        if (read_cell(scanner, &pass->columns, pass->filter.column, &value, err) != RV_OK) return RV_ERR;
        if (passes(&pass->filter, pass->columns.list[pass->filter.column].type, &value)) return RV_OK;
    }
}

/* ---- Arrow -------------------------------------------------------------------------------------------------------- */

static void release_schema(RvArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++) {
        RvArrowSchema *child = schema->children[i];
        if (child != NULL && child->release != NULL) child->release(child);
        free(child);
    }
    free(schema->children);
    free(schema->private_data);
    schema->release = NULL;
}

static int32_t make_schema(const Columns *columns, const size_t *wanted, size_t count, RvArrowSchema *out, RvError *err) {
    *out = (RvArrowSchema){.format = "+s", .name = "", .release = release_schema};
    out->children = calloc(count + 1, sizeof *out->children);
    if (out->children == NULL) return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        RvArrowSchema *child = calloc(1, sizeof *child);
        char *name = strdup(columns->list[wanted[i]].name);
        if (child == NULL || name == NULL) {
            free(child);
            free(name);
            out->release(out);
            return no_memory(err);
        }
        /* Flag 2: nullable. */
        *child = (RvArrowSchema){.format = types[columns->list[wanted[i]].type].format, .name = name, .flags = 2,
                                 .release = release_schema, .private_data = name};
        out->children[out->n_children++] = child;
    }
    return RV_OK;
}

/* What becomes one Arrow column. Buffers go over to the batch. */
typedef struct Builder {
    Text validity, values, offsets;
    int64_t rows, nulls;
    const void *buffers[3];
} Builder;

static void builder_free(Builder *builder) {
    free(builder->validity.bytes);
    free(builder->values.bytes);
    free(builder->offsets.bytes);
    free(builder);
}

/* Adds one bit to a bitmap of `row` bits. */
static void put_bit(Text *bitmap, int64_t row, bool bit) {
    if (row % 8 == 0) text_byte(bitmap, 0);
    if (!bitmap->failed && bit) bitmap->bytes[row / 8] |= (char)(1 << row % 8);
}

static void put_offset(Builder *builder) {
    int32_t offset = (int32_t)builder->values.len;
    text_add(&builder->offsets, &offset, sizeof offset);
}

/* Appends a value; the bytes that it takes in Arrow. False when memory ran out or the column's text exceeds 2 GiB. */
static bool builder_add(Builder *builder, Type type, const Value *value, size_t *bytes) {
    int32_t days = (int32_t)value->integer;
    if (type == T_TEXT && value->len > (size_t)INT32_MAX - builder->values.len) return false;
    put_bit(&builder->validity, builder->rows, !value->is_null);
    switch (type) {
    case T_TEXT:
        if (builder->rows == 0) put_offset(builder);
        if (!value->is_null) text_add(&builder->values, value->text, value->len);
        put_offset(builder);
        *bytes += 4 + value->len;
        break;
    case T_INT64: text_add(&builder->values, &value->integer, 8), *bytes += 8; break;
    case T_FLOAT64: text_add(&builder->values, &value->real, 8), *bytes += 8; break;
    case T_DATE: text_add(&builder->values, &days, 4), *bytes += 4; break;
    case T_BOOL: put_bit(&builder->values, builder->rows, value->integer != 0); break;
    }
    builder->rows++;
    builder->nulls += value->is_null;
    return !builder->validity.failed && !builder->values.failed && !builder->offsets.failed;
}

static void release_column(RvArrowArray *array) {
    builder_free(array->private_data);
    array->release = NULL;
}

static void release_batch(RvArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++) {
        RvArrowArray *child = array->children[i];
        if (child->release != NULL) child->release(child);
        free(child);
    }
    free(array->children);
    free(array->buffers);
    array->release = NULL;
}

static int32_t begin_batch(size_t count, RvArrowArray *out, RvError *err) {
    *out = (RvArrowArray){.n_buffers = 1, .release = release_batch};
    out->buffers = calloc(1, sizeof *out->buffers);
    out->children = calloc(count + 1, sizeof *out->children);
    for (size_t i = 0; out->buffers != NULL && out->children != NULL && i < count; i++) {
        RvArrowArray *child = calloc(1, sizeof *child);
        Builder *builder = calloc(1, sizeof *builder);
        if (child == NULL || builder == NULL) {
            free(child);
            free(builder);
            break;
        }
        *child = (RvArrowArray){.release = release_column, .private_data = builder};
        out->children[out->n_children++] = child;
    }
    if (out->buffers != NULL && out->children != NULL && (size_t)out->n_children == count) return RV_OK;
    out->release(out);
    return no_memory(err);
}

static void end_batch(RvArrowArray *batch, const Columns *columns, const size_t *wanted, uint64_t rows) {
    static const uint64_t nothing = 0; /* what a buffer without bytes points to */
    batch->length = (int64_t)rows;
    for (int64_t i = 0; i < batch->n_children; i++) {
        RvArrowArray *child = batch->children[i];
        Builder *builder = child->private_data;
        bool is_text = columns->list[wanted[i]].type == T_TEXT;
        const void *values = builder->values.bytes == NULL ? (const void *)&nothing : builder->values.bytes;
        builder->buffers[0] = builder->nulls == 0 ? NULL : builder->validity.bytes;
        builder->buffers[1] = is_text ? builder->offsets.bytes : values;
        builder->buffers[2] = is_text ? values : NULL;
        child->length = builder->rows;
        child->null_count = builder->nulls;
        child->n_buffers = is_text ? 3 : 2;
        child->buffers = builder->buffers;
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

typedef struct Reader {
    Pass pass;
    size_t *wanted, n_wanted;
    uint64_t rows, bytes;
    /* A file has no index: an order is promised only where the file has it already, which each row proves. */
    bool is_ordered, has_last;
    size_t order;
    Text last_text;
    Value last;
} Reader;

static int32_t close_reader(void *handle, RvError *err) {
    (void)err;
    Reader *reader = handle;
    pass_close(&reader->pass);
    free(reader->wanted);
    free(reader->last_text.bytes);
    free(reader);
    return RV_OK;
}

/* The columns asked for, or all. */
static int32_t choose_columns(Reader *reader, Json request, RvError *err) {
    const Columns *columns = &reader->pass.columns;
    Json list;
    Text name = {0};
    int32_t code = RV_OK;
    bool is_chosen = json_member(request, "columns", &list) && json_take(&list, '[');
    if ((reader->wanted = calloc(columns->count + 1, sizeof *reader->wanted)) == NULL) return no_memory(err);
    for (size_t i = 0; !is_chosen && i < columns->count; i++) reader->wanted[reader->n_wanted++] = i;
    while (is_chosen && code == RV_OK && json_string(&list, &name)) {
        Column *column = find_column(columns, name.bytes);
        if (column == NULL || reader->n_wanted == columns->count)
            code = fail(err, RV_CONFIG, NULL, "the file has no column \"%s\", or it is wanted twice", name.bytes);
        else
            reader->wanted[reader->n_wanted++] = (size_t)(column - columns->list);
        name.len = 0;
        json_take(&list, ',');
    }
    free(name.bytes);
    return code;
}

static int32_t read_order(Reader *reader, Json request, RvError *err) {
    Json list;
    Text name = {0};
    if (!json_member(request, "order_by", &list) || !json_take(&list, '[') || json_take(&list, ']')) return RV_OK;
    bool is_text = json_string(&list, &name);
    Column *column = is_text ? find_column(&reader->pass.columns, name.bytes) : NULL;
    int32_t code = RV_OK;
    if (column == NULL || !json_take(&list, ']'))
        code = fail(err, RV_UNSUPPORTED, NULL, "rows of a CSV file are ordered by one of its columns, or not at all");
    reader->is_ordered = true;
    reader->order = column == NULL ? 0 : (size_t)(column - reader->pass.columns.list);
    free(name.bytes);
    return code;
}

static int32_t check_order(Reader *reader, RvError *err) {
    Value value;
    const Column *column = &reader->pass.columns.list[reader->order];
    if (read_cell(reader->pass.scanner, &reader->pass.columns, reader->order, &value, err) != RV_OK) return RV_ERR;
    if (reader->has_last && !reader->last.is_null && (value.is_null || compare(column->type, &value, &reader->last) < 0))
        return fail(err, RV_UNSUPPORTED, "sort the file, NULLs first", "\"%s\", line %llu: the file is not sorted by \"%s\"",
                    reader->pass.scanner->path, (unsigned long long)reader->pass.scanner->line, column->name);
    reader->last_text.len = 0;
    text_add(&reader->last_text, value.text, value.len);
    if (reader->last_text.failed) return no_memory(err);
    reader->last = value;
    reader->last.text = reader->last_text.bytes;
    reader->has_last = true;
    return RV_OK;
}

static int32_t start_read(void *handle, RvStr text, const RvCancel *cancel, void **out, RvArrowSchema *schema, RvError *err) {
    Json request = json_of(text), batch = {0};
    Reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL) return no_memory(err);
    json_member(request, "batch", &batch);
    reader->rows = json_size(batch, "rows", 10000);
    reader->bytes = json_size(batch, "bytes", 16 << 20);
    int32_t code = check_cancel(cancel, err);
    if (code == RV_OK) code = pass_open(&reader->pass, handle, request, cancel, err);
    if (code == RV_OK) code = choose_columns(reader, request, err);
    if (code == RV_OK) code = read_order(reader, request, err);
    if (code == RV_OK) code = make_schema(&reader->pass.columns, reader->wanted, reader->n_wanted, schema, err);
    if (code == RV_OK) {
        log_debug("a read of the file begins");
        *out = reader;
    } else {
        close_reader(reader, err);
    }
    return code;
}

static int32_t add_row(Reader *reader, RvArrowArray *batch, size_t *bytes, RvError *err) {
    const Scanner *scanner = reader->pass.scanner;
    if (reader->is_ordered && check_order(reader, err) != RV_OK) return RV_ERR;
    for (size_t i = 0; i < reader->n_wanted; i++) {
        Value value;
        size_t number = reader->wanted[i];
        const Column *column = &reader->pass.columns.list[number];
        if (read_cell(scanner, &reader->pass.columns, number, &value, err) != RV_OK) return RV_ERR;
        if (!builder_add(batch->children[i]->private_data, column->type, &value, bytes)) return no_memory(err);
    }
    return RV_OK;
}

static int32_t next_batch(void *handle, RvArrowArray *out, RvError *err) {
    Reader *reader = handle;
    size_t bytes = 0;
    uint64_t rows = 0;
    int32_t code = begin_batch(reader->n_wanted, out, err);
    if (code != RV_OK) return code;
    while (rows < reader->rows && bytes < reader->bytes && (code = pass_next(&reader->pass, err)) == RV_OK) {
        if ((code = add_row(reader, out, &bytes, err)) != RV_OK) break;
        rows++;
    }
    if (code == RV_ERR || rows == 0) {
        out->release(out);
        return code;
    }
    end_batch(out, &reader->pass.columns, reader->wanted, rows);
    return RV_OK;
}

/* ---- the other calls ---------------------------------------------------------------------------------------------- */

static void release_text(RvBuf *buf) {
    free(buf->private_data);
    buf->release = NULL;
}

static int32_t answer(Text *text, RvBuf *out, RvError *err) {
    if (text->failed) {
        free(text->bytes);
        return no_memory(err);
    }
    out->text = (RvStr){(const uint8_t *)text->bytes, text->len};
    out->private_data = text->bytes;
    out->release = release_text;
    return RV_OK;
}

static int32_t close_source(void *handle, RvError *err) {
    (void)err;
    Source *source = handle;
    free(source->path);
    free(source->column_types);
    free(source);
    return RV_OK;
}

/* The host has checked the options against the schema, but other hosts may not. */
static int32_t check_options(Json options, RvError *err) {
    static const char *const known[] = {"path", "column_types", "delimiter"};
    Json value;
    Text key = {0};
    int32_t code = RV_OK;
    json_take(&options, '{');
    while (code == RV_OK && json_next(&options, &key, &value)) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) is_known |= strcmp(key.bytes, known[i]) == 0;
        if (!is_known) code = fail(err, RV_CONFIG, NULL, "there is no option \"%s\"", key.bytes);
        else if (*value.at != '"' && *value.at != 'n') code = fail(err, RV_CONFIG, NULL, "option \"%s\" is not a text", key.bytes);
    }
    free(key.bytes);
    return code;
}

static int32_t open_source(RvStr text, const RvCancel *cancel, void **out, RvError *err) {
    (void)cancel;
    Json options = json_of(text);
    if (check_options(options, err) != RV_OK) return RV_ERR;
    Source *source = calloc(1, sizeof *source);
    if (source == NULL) return no_memory(err);
    char *delimiter = json_text(options, "delimiter");
    source->path = json_text(options, "path");
    source->column_types = json_text(options, "column_types");
    source->delimiter = delimiter == NULL ? ',' : delimiter[0];
    bool is_plain = delimiter == NULL || (strlen(delimiter) == 1 && strchr("\"\r\n", delimiter[0]) == NULL);
    free(delimiter);
    int32_t code = RV_OK;
    if (source->path == NULL || source->path[0] == '\0')
        code = fail(err, RV_CONFIG, "name the file, as in path: orders.csv", "\"path\" is not set");
    else if (!is_plain)
        code = fail(err, RV_CONFIG, "such as \",\" or \";\" or \"\\t\"", "\"delimiter\" is not one plain character");
    if (code == RV_OK)
        *out = source;
    else
        close_source(source, err);
    return code;
}

static int32_t probe(void *handle, RvStr request, RvBuf *out, RvError *err) {
    const Source *source = handle;
    Pass pass = {0};
    Text text = {0};
    (void)request;
    int32_t code = pass_open(&pass, source, json_of(TEXT("{\"query\":\"*\"}")), NULL, err);
    pass_close(&pass);
    if (code != RV_OK) return code;
    text_put(&text, "{\"server\":\"CSV\",\"version\":\"" VERSION "\",\"database\":");
    text_json(&text, source->path, strlen(source->path));
    text_byte(&text, '}');
    return answer(&text, out, err);
}

static int32_t describe(void *handle, RvStr request, RvBuf *out, RvError *err) {
    Pass pass = {0};
    Text text = {0};
    int32_t code = pass_open(&pass, handle, json_of(request), NULL, err);
    text_put(&text, "{\"columns\":[");
    for (size_t i = 0; code == RV_OK && i < pass.columns.count; i++) {
        const Column *column = &pass.columns.list[i];
        text_put(&text, i == 0 ? "{\"name\":" : ",{\"name\":");
        text_json(&text, column->name, strlen(column->name));
        text_put(&text, ",\"native_type\":\"text\",\"nullable\":true,\"arrow_type\":\"");
        text_put(&text, types[column->type].arrow);
        text_put(&text, column->type == T_TEXT ? "\",\"rule\":\"text as it is\"}" : "\",\"rule\":\"by configuration\"}");
    }
    text_put(&text, "]}");
    pass_close(&pass);
    if (code == RV_OK) return answer(&text, out, err);
    free(text.bytes);
    return code;
}

static int32_t count(void *handle, RvStr request, RvBuf *out, RvError *err) {
    Pass pass = {0};
    Text text = {0};
    char number[32];
    uint64_t rows = 0;
    int32_t code = pass_open(&pass, handle, json_of(request), NULL, err);
    while (code == RV_OK && (code = pass_next(&pass, err)) == RV_OK) rows++;
    pass_close(&pass);
    if (code != RV_END) return code;
    snprintf(number, sizeof number, "%llu", (unsigned long long)rows);
    text_put(&text, number);
    return answer(&text, out, err);
}

/* Replaces `extreme` by a copy of `value`. */
static bool keep(Bound *extreme, const Value *value) {
    Text copy = {0};
    text_add(&copy, value->text, value->len);
    if (copy.failed) return false;
    free(extreme->text);
    *extreme = (Bound){.present = true, .value = *value, .text = copy.bytes};
    extreme->value.text = copy.bytes;
    return true;
}

static int32_t find_bounds(Pass *pass, size_t number, const Bound *above, Bound *min, Bound *max, RvError *err) {
    Type type = pass->columns.list[number].type;
    int32_t code;
    while ((code = pass_next(pass, err)) == RV_OK) {
        Value value;
        if (read_cell(pass->scanner, &pass->columns, number, &value, err) != RV_OK) return RV_ERR;
        bool is_nan = type == T_FLOAT64 && value.real != value.real;
        if (value.is_null || is_nan || (above->present && compare(type, &value, &above->value) <= 0)) continue;
        if (!min->present || compare(type, &value, &min->value) < 0)
            if (!keep(min, &value)) return no_memory(err);
        if (!max->present || compare(type, &value, &max->value) > 0)
            if (!keep(max, &value)) return no_memory(err);
    }
    return code;
}

static int32_t bounds(void *handle, RvStr text, RvBuf *out, RvError *err) {
    Json request = json_of(text);
    Pass pass = {0};
    Bound above = {0}, min = {0}, max = {0};
    Text found = {0};
    size_t number = 0;
    int32_t code = pass_open(&pass, handle, request, NULL, err);
    if (code == RV_OK) code = column_number(&pass.columns, request, "column", &number, err);
    const Column *column = code == RV_OK ? &pass.columns.list[number] : NULL;
    if (code == RV_OK && cursor_kinds[column->type] == NULL)
        code = fail(err, RV_UNSUPPORTED, NULL, "column \"%s\" of type bool has no bounds", column->name);
    if (code == RV_OK) code = read_bound(request, "above", column, &above, err);
    if (code == RV_OK) code = find_bounds(&pass, number, &above, &min, &max, err);
    if (code == RV_END) {
        text_byte(&found, '{');
        if (min.present) {
            text_put(&found, "\"min\":");
            put_bound(&found, column, &min.value);
            text_put(&found, ",\"max\":");
            put_bound(&found, column, &max.value);
        }
        text_byte(&found, '}');
    }
    free(above.text);
    free(min.text);
    free(max.text);
    pass_close(&pass);
    return code == RV_END ? answer(&found, out, err) : code;
}

/* ---- the plug-in -------------------------------------------------------------------------------------------------- */

static int32_t init(const RvHost *host, RvError *err) {
    host_table = host;
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return c_locale == (locale_t)0 ? no_memory(err) : RV_OK;
}

static int32_t spec(RvBuf *out, RvError *err) {
    (void)err;
    out->text = TEXT(
        "{\"name\":\"" NAME "\",\"version\":\"" VERSION "\",\"license\":\"MIT\",\"description\":\"Rows of a CSV file\","
        "\"source\":{\"title\":\"CSV\",\"options\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"path\"],"
        "\"properties\":{"
        "\"path\":{\"type\":\"string\",\"description\":\"The file, which has a header line. Relative to the working directory.\"},"
        "\"column_types\":{\"type\":\"string\",\"description\":\"What columns hold other than text: `id=int64, at=date`.\"},"
        "\"delimiter\":{\"type\":\"string\",\"description\":\"The character between cells; a comma when absent.\"}}},"
        "\"capabilities\":{\"bounds\":true,\"count\":true,\"window\":true,\"range\":true,\"concurrent_readers\":true}}}");
    return RV_OK;
}

static const RvSource source_calls = {
    .struct_size = sizeof(RvSource),
    .open = open_source,
    .probe = probe,
    .describe = describe,
    .bounds = bounds,
    .count = count,
    .read = start_read,
    .next_batch = next_batch,
    .close_reader = close_reader,
    .close = close_source,
};

const RvPlugin *rivet_plugin_entry(void) {
    static RvPlugin plugin = {
        .struct_size = sizeof(RvPlugin),
        .abi_major = RV_ABI_MAJOR,
        .abi_minor = RV_ABI_MINOR,
        .init = init,
        .spec = spec,
        .source = &source_calls,
        .marker = (const uint8_t *)rivet_plugin_marker,
    };
    plugin.name = TEXT(NAME);
    plugin.version = TEXT(VERSION);
    return &plugin;
}
