#pragma once

/*
 * `%{name}` in a probe stands for a captured value or a credential, and is put in safely for where it stands;
 * `%%{` stands for `%{`. And the other direction: whatever a person or a file may see has these values
 * masked.
 */

#include <jansson.h>
#include <stddef.h>

#include "watchdog/base/error.h"

struct credentials;

enum place {
    PLACE_JSON,   /* inside a string of JSON text */
    PLACE_URL,    /* percent-encoded: in a path, a query, or a form's value */
    PLACE_HEADER, /* as it is; a control character is an error */
    PLACE_TEXT,   /* as it is */
};

/* Whether every `%{` begins a placeholder whose name is letters, digits, '_', '.' or '-'. 0 or -EINVAL. */
int placeholders_check(const char *text, struct error *err);
/* The same for JSON: it must parse with its placeholders, so each stands inside a string. 0 or -EINVAL. */
int placeholders_check_json(const char *text, struct error *err);
/* Appends the names in @text to @names, each once. */
void placeholders_names(const char *text, char ***names);

/* Secrets of one look: what to put in and what to mask. Zero-initialised is empty. */
struct secrets {
    const struct credentials *credentials; /* those of the probe; NULL: there are none */
    const json_t *captures;                /* object name → string, come first; NULL: there are none */
    char **masked;                         /* every value that was put in or added */
};
void secrets_done(struct secrets *secrets);
/* @value is masked from now on: also percent-encoded, and escaped as in JSON and HTML. Values under four
 * characters are not: masking each "1" hides everything and protects nothing. */
void secrets_add(struct secrets *secrets, const char *value);

/* Puts values in. Returns 0, -ENOENT when no such value or credential is there, -EINVAL when the value cannot
 * stand there, or what credentials_get() returned. @ret is owned by the caller. */
int placeholders_fill(struct secrets *secrets, const char *text, enum place place, char **ret,
                      struct error *err);

/* @text with each secret as "***". Owned by the caller. */
char *secrets_mask(const struct secrets *secrets, const char *text, size_t size);
/* The first @limit bytes of it masked, control characters escaped ("\n", "\x1b"), bad UTF-8 replaced, "…"
 * where it was cut. Owned by the caller. */
char *secrets_excerpt(const struct secrets *secrets, const char *text, size_t size, size_t limit);
