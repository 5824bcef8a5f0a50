/* __DESCRIPTION__: a whole __KIND__ in one file. Keep its shape, and replace what it does.
 * rivet_plugin.h says when each call is made, on which thread, and who frees what. */
#define _POSIX_C_SOURCE 200809L

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rivet_plugin.h"

#define NAME "__NAME__"
#define VERSION "0.1.0"
#define TEXT(s) ((RvStr){(const uint8_t *)(s), sizeof(s) - 1})

RV_MARKER("{\"name\":\"" NAME "\",\"version\":\"" VERSION "\",\"kinds\":\"__KIND__\","
          "\"abi\":\"" RV_ABI_VERSION "\",\"needs\":\"1.0\",\"panic\":\"unwind\"}");

/* Requests and options: just enough JSON to find the members of an object. ------------------------------------------ */

typedef struct Json {
    const char *at, *end;
} Json;

/* The value that begins at `at`: up to the comma, colon or bracket behind it. */
static Json value_at(const char *at, const char *end) {
    Json json;
    int depth = 0;
    while (at < end && strchr(" \t\r\n", *at) != NULL) at++;
    json.at = at;
    for (; at < end; at++) {
        if (*at == '"') {
            for (at++; at < end && *at != '"'; at++) at += *at == '\\';
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (depth == 0 && strchr(",:]}", *at) != NULL) {
            break;
        } else if (*at == ']' || *at == '}') {
            depth--;
        }
    }
    json.end = at < end ? at : end;
    return json;
}

/* The next member of an object that `rest` has entered. */
static int next_member(Json *rest, Json *key, Json *value) {
    *key = value_at(rest->at, rest->end);
    if (key->at == key->end || *key->at != '"') return 0;
    *value = value_at(key->end + 1, rest->end);
    rest->at = value->end + 1;
    return 1;
}

static Json members(Json object) { return (Json){object.at + 1, object.end}; }

static int is(Json json, const char *text) {
    return (size_t)(json.end - json.at) == strlen(text) && memcmp(json.at, text, strlen(text)) == 0;
}

/* The member called `key`, which is written with its quotes; an empty text when there is none. */
static Json member(Json object, const char *key) {
    Json rest = members(object), name, value;
    while (object.at < object.end && next_member(&rest, &name, &value))
        if (is(name, key)) return value;
    return (Json){"", ""};
}

static Json json_of(RvStr text) { return value_at((const char *)text.ptr, (const char *)text.ptr + text.len); }

/* Errors and answers: our own memory, freed by the function that goes with it. --------------------------------------- */

static void free_error(RvError *err) { free(err->private_data); }
static void free_text(RvBuf *out) { free(out->private_data); }

static int32_t fail(RvError *err, uint32_t category, const char *format, ...) {
    va_list args;
    char *text = malloc(512);
    err->category = category;
    if (text == NULL) return RV_ERR;
    va_start(args, format);
    vsnprintf(text, 512, format, args);
    va_end(args);
    err->message = (RvStr){(const uint8_t *)text, strlen(text)};
    err->private_data = text;
    err->release = free_error;
    return RV_ERR;
}

