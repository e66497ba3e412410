#pragma once

/* snapshot.json: its text with the checksum that says it is what was written. */

#include <jansson.h>

#include "watchdog/base/error.h"

/* Text of the document, the last member being the checksum of what stands before it. Owned by the caller. */
char *document_text(const json_t *document);

/* Back. -ENOENT, -EBADMSG, -ENOTSUP for a newer format. @ret is a new reference, without the checksum. */
int document_read(const char *path, json_t **ret, struct error *err);

/* Writes it durably. */
int document_write(const json_t *document, const char *path, struct error *err);
