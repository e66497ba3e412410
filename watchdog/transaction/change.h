#pragma once

/* Pure: what kind of change a new version is, by its numbers (Semantic Versioning 2.0.0, as far as labels
 * follow it). */

/* "patch", "minor" or "major" by the numbers of two versions ("v1.2.3", "1.2"), "digest" where they do not
 * say, "none" for the same. A literal. */
const char *change_class(const char *from, const char *to);
