#pragma once

/* Inside this directory only: JSON objects that come one a line, in any portions (pull, load, events). Pure.
 */

#include <stdbool.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

struct json_lines {
    struct buffer rest;
    size_t used;
};

/* Adds what came. */
void json_lines_add(struct json_lines *lines, const char *data, size_t size);
/* Takes the next whole line that is not empty: returns 1 with @ret a new reference, 0 when there is none yet,
 * -EBADMSG when it is no JSON, -EFBIG when it is longer than 1 MiB. @last: the end of the stream ends a line
 * too. */
int json_lines_next(struct json_lines *lines, bool last, json_t **ret, struct error *err);
void json_lines_done(struct json_lines *lines);
#define _cleanup_json_lines_ __attribute__((cleanup(json_lines_done)))
