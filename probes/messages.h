#pragma once

/*
 * What a structured line says: its messages, apart from its data. In {"level": "error", "query": "P3018",
 * "msg": "request"} only "request" was said.
 */

#include "probes/lines.h"

/* Whether it is one JSON object or logfmt, which is then for line_messages(). */
enum line_format { LINE_PLAIN = 0, LINE_LOGFMT, LINE_JSON };

/*
 * Calls @function (with no time) for each message of the line: of a JSON object the strings under names such
 * as "message", "msg", "error" or "stack", also of the objects under "error", "err", "exception", "cause" and
 * the like, at most 6 levels deep; of logfmt (key=value, https://brandur.org/logfmt) the values of "msg",
 * "message", "error" and "err". A message may have several lines. Sets @ret_format. Returns 0 or what
 * @function returned.
 */
int line_messages(const char *text, size_t size, line_function *function, void *userdata,
                  enum line_format *ret_format);
