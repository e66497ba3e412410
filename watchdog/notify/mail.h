#pragma once

/* A message as mail. */

#include <jansson.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/error.h"

/* The whole mail (RFC 5322, 7-bit clean by RFC 2047 and a base64 body of RFC 2045), of @said (wording.h).
 * Without From: and Message-ID:, which sendmail adds. Owned by the caller. */
char *mail_text(const json_t *said, const char *to, usec_t created);

/* Gives it to sendmail(8). -ENOENT: there is none on this host. */
int mail_send(const json_t *said, const char *to, usec_t created, usec_t deadline, struct error *err);
