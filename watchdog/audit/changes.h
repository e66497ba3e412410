#pragma once

/* What a transaction changes, in one line. */

#include <jansson.h>
#include <stdbool.h>

/* "qaid-server 1.2.4 → 1.3.0, frontend 1.2.4 → 1.3.0" of a transaction's public JSON (record_public()), with
 * the digest's beginning where an image does not say a version; with @classes " (minor)" behind each; ""
 * where nothing changes. Owned by the caller. */
char *changes_text(const json_t *transaction, bool classes);

/* Whose rows an entry of "lost" counts: "public.users", with " of DATABASE" where there are several. Owned by
 * the caller. */
char *changes_table(const json_t *lost);

/* The version of "from" or "to", or the digest's beginning. Owned by the caller. */
char *changes_release(const json_t *release);
