#pragma once

/*
 * What probes want from HTML: the value of a form's field, and what a page links to. Tags are found by a
 * tolerant pattern, as browsers meet them: attributes in any order, in either kind of quotes or in none;
 * comments and the text of scripts and styles are stepped over. It is no parser: what a browser's recovery
 * makes of broken nesting does not matter here.
 */

#include <jansson.h>
#include <stddef.h>

#include "watchdog/base/error.h"

/* Character references decoded (HTML Standard, 13.2.5.72 and following): numeric ones, and the named ones
 * that servers write. Owned by the caller. */
char *html_decode(const char *text, size_t size);

/* The value of the form field @name: of an <input>, <button> or <textarea> with that name, or the content of
 * a <meta> with it, as some frameworks put their CSRF token. Returns 1 with @ret, decoded and owned by the
 * caller, 0 when there is none, -ELOOP when a limit stopped the search. */
int html_field(const char *text, size_t size, const char *name, char **ret, struct error *err);

/* What the page links to and a browser loads: [{"url": as written, decoded; "kind": "image", "script" or
 * "stylesheet"}], each URL once; and the href of its <base>, "" none. New reference, and owned by the caller.
 * As html_field(). */
int html_links(const char *text, size_t size, json_t **ret, char **ret_base, struct error *err);
