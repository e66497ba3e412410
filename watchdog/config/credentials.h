#pragma once

/* Secrets: a systemd credential, or a file that only root (or the caller) can read. Never a key of the
 * configuration, never a part of an error. */

#include <stddef.h>

#include "watchdog/base/error.h"
#include "watchdog/config/settings.h"

#define CREDENTIAL_LIMIT (64 * 1024) /* bytes */

/* Reads $CREDENTIALS_DIRECTORY/NAME (systemd.exec(5)), else CONFIG_DIR/credentials/APP/NAME: a regular file,
 * owned by root or the caller, without permissions for group or others, at most CREDENTIAL_LIMIT bytes and no
 * NUL; one trailing newline is taken off. In CONFIG_DIR no directory above it may be one that another user
 * could write to. Relative directories are checked as far as they are written. Returns 0, -ENOENT where there
 * is none (with both places named), -EPERM where it is not kept secret, -EINVAL for a name or contents that
 * cannot be one. @ret is freed with credential_free(). */
int credential_read(const struct settings *settings, const char *name, char **ret, struct error *err);

/* Those that one process is handed, in its memory: their files can then be closed to it. Zero-initialised is
 * empty. */
struct credentials {
    struct credential {
        char *name, *value;
        struct error error; /* why there is no value */
    } * list;
    size_t count;
};
/* Reads it, once; what cannot be read is kept as the error that credentials_get() returns. */
void credentials_add(struct credentials *credentials, const struct settings *settings, const char *name);
/* As credential_read(), from memory; -ENOENT for one that was not added. */
int credentials_get(const struct credentials *credentials, const char *name, char **ret, struct error *err);
void credentials_done(struct credentials *credentials); /* wipes */

/* Overwrites the secret, then frees it. NULL is nothing. */
void credential_free(char *secret);
void cleanup_credential(char **secret);
#define _cleanup_credential_ __attribute__((cleanup(cleanup_credential)))
