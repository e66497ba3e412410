#pragma once

/* The contents of a regular file: copied with its holes, and hashed, in one reading. */

#include <stdint.h>

#include "watchdog/base/error.h"
#include "watchdog/snapshot/manifest.h"
#include "watchdog/snapshot/work.h"

/* Copies @from into the empty file @to: a reflink where the file system can, else data between holes. At most
 * what is there when it begins is copied, so that a log that grows all the time has an end; a file that
 * shrinks meanwhile ends earlier. @ret_size: bytes of the copy, @digest: SHA-256 of the copy's bytes. Errors
 * say "cannot read" or "cannot write" without a name. */
int contents_copy(int from, int to, struct work *work, uint64_t *ret_size, char digest[MANIFEST_DIGEST_SIZE],
                  struct error *err);

/* SHA-256 of a file that is open. */
int contents_digest(int fd, struct work *work, char digest[MANIFEST_DIGEST_SIZE], struct error *err);
