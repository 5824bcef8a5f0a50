/* Lines of JSON. ---------------------------------------------------------------------------------------------------- */

#include <math.h>

/* Text that grows. */
typedef struct Text {
    char *at;
    size_t length, size;
    int failed; /* there was no memory for some of it */
} Text;

static void add(Text *text, const char *what, size_t length) {
    if (text->failed) return;
    if (text->size - text->length < length) {
        size_t size = 2 * (text->length + length) + 256;
        char *grown = realloc(text->at, size);
        if (grown == NULL) {
            text->failed = 1;
            return;
        }
        text->at = grown;
        text->size = size;
    }
    memcpy(text->at + text->length, what, length);
    text->length += length;
}

static void addf(Text *text, const char *format, ...) {
    char buffer[128];
    va_list args;
    va_start(args, format);
    add(text, buffer, (size_t)vsnprintf(buffer, sizeof buffer, format, args));
    va_end(args);
}

static void add_json(Text *text, const char *from, size_t length) {
    add(text, "\"", 1);
    for (size_t start = 0, i = 0; i <= length; i++) {
        unsigned char c = i < length ? (unsigned char)from[i] : '"';
        if (c >= ' ' && c != '"' && c != '\\') continue;
        add(text, from + start, i - start);
        if (i < length) addf(text, c < ' ' ? "\\u%04x" : "\\%c", c);
        start = i + 1;
    }
    add(text, "\"", 1);
}

/* What `add_cell` can write, by Arrow's letters: dates are D, times T, and those of a zone Z. */
static char kind_of(const char *format) {
    if (strlen(format) == 1 && strchr("bcCsSiIlLfgu", *format) != NULL) return *format;
    if (strcmp(format, "tdD") == 0) return 'D';
    return strncmp(format, "tsu:", 4) != 0 ? 0 : format[4] == '\0' ? 'T' : 'Z';
}

/* A day in the calendar; 0 when its year has not four digits. */
static int add_day(Text *out, int64_t day) {
    int64_t shifted = day + 719468, era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    int64_t of_era = shifted - era * 146097;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    year += era * 400 + (month >= 10);
    addf(out, "%04d-%02d-%02d", (int)year, (int)(month < 10 ? month + 3 : month - 9),
         (int)(of_year - (153 * month + 2) / 5 + 1));
    return year >= 0 && year <= 9999;
}

static int add_time(Text *out, int64_t microseconds, int of_zone) {
    const int64_t of_day = 86400000000;
    int64_t day = microseconds / of_day - (microseconds % of_day < 0), rest = microseconds - day * of_day;
    add(out, "\"", 1);
    int known = add_day(out, day);
    addf(out, "T%02d:%02d:%02d.%06d%s\"", (int)(rest / 3600000000), (int)(rest / 60000000 % 60), (int)(rest / 1000000 % 60),
         (int)(rest % 1000000), of_zone ? "Z" : "");
    return known;
}

/* One value; 0 when JSON, or the calendar, has no form for it. Nothing is rounded or left out. */
static int add_cell(Text *out, char kind, const RvArrowArray *array, int64_t row) {
    row += array->offset;
    const uint8_t *valid = array->buffers[0];
    if (valid != NULL && !(valid[row / 8] >> row % 8 & 1)) return add(out, "null", 4), 1;
    union {
        const void *any;
        const uint8_t *u8;
        const int8_t *i8;
        const uint16_t *u16;
        const int16_t *i16;
        const uint32_t *u32;
        const int32_t *i32;
        const uint64_t *u64;
        const int64_t *i64;
        const float *f32;
        const double *f64;
    } values = {array->buffers[1]};
    switch (kind) {
    case 'b': return values.u8[row / 8] >> row % 8 & 1 ? add(out, "true", 4) : add(out, "false", 5), 1;
    case 'c': return addf(out, "%d", values.i8[row]), 1;
    case 'C': return addf(out, "%d", values.u8[row]), 1;
    case 's': return addf(out, "%d", values.i16[row]), 1;
    case 'S': return addf(out, "%d", values.u16[row]), 1;
    case 'i': return addf(out, "%ld", (long)values.i32[row]), 1;
    case 'I': return addf(out, "%lu", (unsigned long)values.u32[row]), 1;
    case 'l': return addf(out, "%lld", (long long)values.i64[row]), 1;
    case 'L': return addf(out, "%llu", (unsigned long long)values.u64[row]), 1;
    case 'f': return addf(out, "%.9g", (double)values.f32[row]), isfinite(values.f32[row]) != 0;
    case 'g': return addf(out, "%.17g", values.f64[row]), isfinite(values.f64[row]) != 0;
    case 'T': return add_time(out, values.i64[row], 0);
    case 'Z': return add_time(out, values.i64[row], 1);
    case 'D':
        add(out, "\"", 1);
        int known = add_day(out, values.i32[row]);
        return add(out, "\"", 1), known;
    default:
        add_json(out, (const char *)array->buffers[2] + values.i32[row], (size_t)(values.i32[row + 1] - values.i32[row]));
        return 1;
    }
}

