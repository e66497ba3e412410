#pragma once

/* One request to somebody outside, by libcurl: with the system's certificates and the environment's proxy,
 * following no redirect. */

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

/*
 * POSTs @body as JSON to @url with the @headers ("Name: value", may be NULL), or GETs it where @body is NULL.
 * Returns 0 when it was answered with 200 to 299. The error names the host alone, since an address may be a
 * secret, and holds nothing of the answer: -EACCES for another status, -ETIME, or -EIO in libcurl's words.
 */
int post(const char *url, char *const *headers, const char *body, usec_t deadline, struct error *err);
