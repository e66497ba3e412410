#pragma once

/* JSON over jansson: reading with an error that names the place and what was expected there. */

#include <jansson.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

void cleanup_json(json_t **value);
#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

/* Parses @size bytes; @what names them in the error ("the answer of Docker to GET /info"). Depth is bounded
 * by jansson, duplicate keys are an error. @ret is a new reference. */
int json_parse(const char *text, size_t size, const char *what, json_t **ret, struct error *err);

/* Compact text, keys in the order in which they were set. Owned by the caller. */
char *json_text(const json_t *value);

/* The member, or a fallback where it is missing, null or of another type. The string is valid as long as
 * @object. */
const char *json_get_string(const json_t *object, const char *key, const char *fallback);
json_int_t json_get_integer(const json_t *object, const char *key, json_int_t fallback);
int json_get_boolean(const json_t *object, const char *key, int fallback);
json_t *json_get_object(const json_t *object, const char *key); /* borrowed, NULL when it is none */
json_t *json_get_array(const json_t *object, const char *key);

/* Walks "a.b.c" of objects. Borrowed, NULL when something is missing. */
json_t *json_path(const json_t *value, const char *path);

/* A JSON string that is valid UTF-8 whatever @text is: bad bytes become U+FFFD. New reference. */
json_t *json_text_string(const char *text);
