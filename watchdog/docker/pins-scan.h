#pragma once

/* Finds the bytes of services.SERVICE.image in a Compose file, for pins.c. */

#include <stdbool.h>
#include <stddef.h>

#include "watchdog/base/error.h"

enum image_style { IMAGE_PLAIN, IMAGE_SINGLE_QUOTED, IMAGE_DOUBLE_QUOTED };

struct image_scalar {
    char *value;
    enum image_style style;
    size_t start, end; /* byte offsets in the text, quotes included, an anchor before it not */
    char **sharers; /* other services of the text that take their image from this very scalar; NULL: none */
};
void image_scalar_done(struct image_scalar *scalar);

/* Returns 0 or an error as pins_read(). The scalar's bytes are exactly its value in its quotes. */
int image_scalar_find(const char *text, size_t size, const char *service, struct image_scalar *ret,
                      struct error *err);

/* 0 when @after is @before in all that YAML sees, but for the scalar at @scalar, which has the value @image
 * in it; else -ENOTSUP. */
int image_scalar_check(const char *before, size_t before_size, const struct image_scalar *scalar,
                       const char *after, size_t after_size, const char *image, struct error *err);

/* Whether it may be written as an image: a reference, or one with variables of Compose in it, without blanks.
 */
bool image_is_template(const char *image);
/* Whether @image is made of the characters that image references are made of (the grammar of
 * distribution/reference, and brackets for an IPv6 address). */
bool image_is_reference(const char *image);
