#pragma once

/* Whether what a link leads to is what it should be, by its status, type and bytes. Pure. */

#include <stdbool.h>
#include <stddef.h>

enum asset_kind {
    ASSET_IMAGE,
    ASSET_SCRIPT,
    ASSET_STYLESHEET,
    ASSET_OTHER, /* a document, a font, a video: anything but a page */
};

/* "image", "script", "stylesheet", "file". */
const char *asset_kind_name(enum asset_kind kind);
/* By the ending of the URL's path; an image where it has none. */
enum asset_kind asset_kind_of(const char *url);

/*
 * Why it is not what it should be, owned by the caller; NULL: it is. @type is the Content-Type.
 *
 * @ret_odd: it is, but for something that programs get wrong without any harm: a type that says nothing
 * (application/octet-stream, none), or bytes that are not, or not wholly, an image of that type. Owned by the
 * caller, NULL: none. What was odd at the baseline may stay so.
 */
char *asset_complaint(enum asset_kind kind, const char *type, const char *data, size_t size, char **ret_odd);
