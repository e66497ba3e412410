#pragma once

/*
 * Pins: which image a Compose file names for a service, and the change of that one scalar.
 *
 * Nothing but the scalar's bytes changes: comments, quotes, line ends, byte order mark and layout stay. Where
 * nothing but blanks follows the scalar on its line, ` # upgrade-watchdog ID: was IMAGE` is put directly
 * after it, before those blanks; where a comment or a bracket follows, there is none. pins_remove() takes
 * both back, so that the file is byte for byte what it was. These functions know one text; what Compose makes
 * of all files together is checked by the caller with `docker compose config`.
 *
 * A scalar with variables ("app:${TAG:-1}") is pinned as a whole, and comes back as a whole: what it stands
 * for is Compose's to say (compose_interpolate()).
 *
 * The scalar that decides may stand elsewhere in the text: behind an alias, in a mapping that is merged in,
 * at a service that is extended. It is changed there, for whoever shares it: see struct pin.
 *
 * -ENOTSUP with the reason: it comes from another file, other values than images are made from it, or it is
 * spelled in a way that could not be put back byte for byte.
 */

#include <stddef.h>

#include "watchdog/base/error.h"
#include "watchdog/docker/reference.h"

/* What a text says about one service. */
struct pin {
    char *image; /* the value of services.SERVICE.image, as it is written */
    /* Of the comment of ours behind it; NULL without one, and where the value is no longer that image with a
     * digest, or its local name: somebody has written another one beside our comment. */
    char *transaction; /* its id */
    char *was;         /* the image that the comment names */
    char **sharers; /* other services of the text that take their image from this very scalar; NULL: none */
};
void pin_done(struct pin *pin);
#define _cleanup_pin_ __attribute__((cleanup(pin_done)))

/* Reads the image of @service out of a Compose file's text of @size bytes. Returns 0; -ENOENT when the file
 * has no such service, or the service no image of its own; -ENOTSUP with the reason where the value cannot be
 * edited in place; -EBADMSG when it is not YAML, with line and column; -EFBIG over 1 MiB. */
int pins_read(const char *text, size_t size, const char *service, struct pin *ret, struct error *err);

/* The text with @image as the image of @service. @transaction is named in the comment; where there is one of
 * ours already, its transaction is replaced and the image that it says `was` stays (unless it speaks of
 * another value, see struct pin), so that pins_remove() leads back to what the user wrote. The same image
 * again is no error and writes the comment too. @ret is owned by the caller, NUL-ended, the NUL not counted.
 * Errors as pins_read(); -EINVAL when @image or
 * @transaction cannot stand there. The result has been parsed again and differs from @text in nothing but
 * this scalar's value. */
int pins_edit(const char *text, size_t size, const char *service, const char *image, const char *transaction,
              char **ret, size_t *ret_size, struct error *err);

/* The text without our pin: the image that our comment names, or @image where there is no comment of ours or
 * it speaks of another value, see struct pin (NULL: then the value stays as it is), and the comment gone.
 * Errors as pins_edit(). */
int pins_remove(const char *text, size_t size, const char *service, const char *image, char **ret,
                size_t *ret_size, struct error *err);

/* The local name of an image that its registry knows by @digest and Docker does not any more:
 * "name:upgrade-watchdog-HEX". Owned by the caller. */
char *pin_local_name(const struct reference *reference, const char *digest);
/* "sha256:HEX" of such a name, NULL where it is none. Owned by the caller. */
char *pin_local_digest(const struct reference *reference);

/* Replaces the contents of the file that @path leads to, durably: a reader sees the old or the new ones,
 * never a part. A symbolic link stays and its target is replaced; owner, mode, ACL and other extended
 * attributes are kept, the inode is not (a file that is overwritten in place is half a file after a power
 * cut). Returns 0 or -errno; then the file is as before. */
int pins_write(const char *path, const char *text, size_t size, struct error *err);

/* pins_edit() on a file: reads it now, so that what the user has edited meanwhile stays, edits, writes.
 * Returns 1 when it was written, 0 when it was so already. */
int pins_file_edit(const char *path, const char *service, const char *image, const char *transaction,
                   struct error *err);
/* The same for pins_remove(). */
int pins_file_remove(const char *path, const char *service, const char *image, struct error *err);
