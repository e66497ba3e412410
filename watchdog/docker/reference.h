#pragma once

/*
 * Image references, "host:port/name:tag@sha256:…". Pure. The grammar is that of the distribution project
 * (reference/reference.go); what is familiar ("postgres:15") stands for docker.io/library/postgres:15.
 */

#include <stdbool.h>

#include "watchdog/base/error.h"

struct reference {
    char *written; /* name as written, without tag and digest: "qaid/server" */
    char *host;    /* "docker.io", "127.0.0.1:5000" */
    char *path;    /* within the registry: "library/postgres" */
    char *tag;     /* "" when neither tag nor digest is written: see reference_tag() */
    char *digest;  /* "sha256:…" or "" */
};

/* Returns 0 or -EINVAL with what was expected. An image ID ("sha256:…" or 64 hex digits) is none. */
int reference_parse(const char *text, struct reference *ret, struct error *err);
void reference_done(struct reference *reference);
#define _cleanup_reference_ __attribute__((cleanup(reference_done)))

/* The tag that is meant: as written, "latest" when there is neither tag nor digest, else "". */
const char *reference_tag(const struct reference *reference);
/* "host/path", as one name for all ways of writing it. Owned by the caller. */
char *reference_name(const struct reference *reference);
/* As Docker shows it: without docker.io/ and library/. Owned by the caller. */
char *reference_familiar(const struct reference *reference);
/* The same image name and tag, whatever the way of writing; digests are not looked at. */
bool reference_same(const char *a, const char *b);
/* Is it "sha256:" and 64 lower-case hex digits? */
bool reference_digest_valid(const char *text);
/* "written:tag@digest" from a reference (its own digest is replaced); without a tag "written@digest". Owned
 * by the caller. */
char *reference_with_digest(const struct reference *reference, const char *digest);
