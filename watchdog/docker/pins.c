/* Pins in the text of a Compose file. See pins.h. */

#include "watchdog/docker/pins.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "watchdog/base/memory.h"
#include "watchdog/docker/pins-scan.h"
#include "watchdog/docker/reference.h"

static const char comment_begin[] = " # upgrade-watchdog ";
static const char comment_was[] = ": was ";
static const char local_tag[] = "upgrade-watchdog-";
static const char word_end[] = " \t\r\n";
static const char id_characters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";

/* A comment of ours, and where the text goes on after it. */
struct comment {
    char *transaction, *was;
    bool stale; /* the scalar is not what we wrote beside it */
    size_t end;
};

void pin_done(struct pin *pin) {
    free(pin->image);
    free(pin->transaction);
    free(pin->was);
    strings_free(pin->sharers);
    *pin = (struct pin){ 0 };
}

static void comment_done(struct comment *comment) {
    free(comment->transaction);
    free(comment->was);
}

static bool starts_at(const char *text, size_t size, size_t at, const char *what) {
    size_t length = strlen(what);
    return size - at >= length && memcmp(text + at, what, length) == 0;
}

char *pin_local_name(const struct reference *reference, const char *digest) {
    return xasprintf("%s:%s%s", reference->written, local_tag, digest + strlen("sha256:"));
}

char *pin_local_digest(const struct reference *reference) {
    const char *hex = string_starts_with(reference->tag, local_tag) ? reference->tag + strlen(local_tag) : "";
    _cleanup_free_ char *digest = xasprintf("sha256:%s", hex);
    return reference_digest_valid(digest) ? take_ptr(digest) : NULL;
}

/* A pin is the image that it stands for, with a digest. Anything else was written by somebody later, who let
 * our comment stand. */
static bool is_pin_of(const char *value, const char *was) {
    _cleanup_reference_ struct reference pin = { 0 }, original = { 0 };
    if (reference_parse(value, &pin, NULL) < 0)
        return false;
    _cleanup_free_ char *local = pin_local_digest(&pin);
    size_t fixed = strcspn(was, "$");
    if (was[fixed]) /* what the variables were then is not known any more: what comes before them stands */
        return (local || *pin.digest) && strncmp(value, was, fixed) == 0;
    if (reference_parse(was, &original, NULL) < 0 || !string_equal(pin.host, original.host) ||
        !string_equal(pin.path, original.path))
        return false;
    return local || (*pin.digest && string_equal(pin.tag, original.tag));
}

/* Reads the comment directly behind a scalar. Without one of ours *ret is empty, and ends where it begins. */
static void comment_read(const char *text, size_t size, const struct image_scalar *scalar,
                         struct comment *ret) {
    size_t at = scalar->end;
    *ret = (struct comment){ .end = at };
    if (!starts_at(text, size, at, comment_begin))
        return;
    size_t id = at + strlen(comment_begin), id_end = id;
    while (id_end < size && strchr(id_characters, text[id_end]) && text[id_end])
        id_end++;
    if (id_end == id || !starts_at(text, size, id_end, comment_was))
        return;
    size_t was = id_end + strlen(comment_was), was_end = was;
    while (was_end < size && text[was_end] && !strchr(word_end, text[was_end]))
        was_end++;
    _cleanup_free_ char *image = xstrndup(text + was, was_end - was);
    if (!image_is_template(image))
        return;
    ret->transaction = xstrndup(text + id, id_end - id);
    ret->stale = !is_pin_of(scalar->value, image);
    ret->was = take_ptr(image);
    ret->end = was_end;
}

/* Whether a comment of ours can be put at @at: only blanks come before the end of the line. */
static bool line_is_free(const char *text, size_t size, size_t at) {
    while (at < size && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at == size || text[at] == '\n' || text[at] == '\r';
}

int pins_read(const char *text, size_t size, const char *service, struct pin *ret, struct error *err) {
    struct image_scalar scalar;
    int r = image_scalar_find(text, size, service, &scalar, err);
    if (r < 0)
        return r;
    struct comment comment;
    comment_read(text, size, &scalar, &comment);
    *ret = (struct pin){ .image = scalar.value, .sharers = scalar.sharers };
    if (comment.stale) {
        comment_done(&comment);
        return 0;
    }
    ret->transaction = comment.transaction;
    ret->was = comment.was;
    return 0;
}

/* The text with the scalar's value replaced, @comment behind it, and what stands from @rest on after that. */
static int splice(const char *text, size_t size, const struct image_scalar *scalar, const char *image,
                  const char *comment, size_t rest, char **ret, size_t *ret_size, struct error *err) {
    size_t quote = scalar->style == IMAGE_PLAIN ? 0 : 1;
    _cleanup_buffer_ struct buffer result = { 0 };
    buffer_append(&result, text, scalar->start + quote);
    buffer_append(&result, image, strlen(image));
    buffer_append(&result, text + scalar->end - quote, quote);
    buffer_append(&result, comment, strlen(comment));
    buffer_append(&result, text + rest, size - rest);
    int r = image_scalar_check(text, size, scalar, result.text, result.size, image, err);
    if (r < 0)
        return r;
    *ret_size = result.size;
    *ret = buffer_take(&result);
    return 0;
}

int pins_edit(const char *text, size_t size, const char *service, const char *image, const char *transaction,
              char **ret, size_t *ret_size, struct error *err) {
    if (!image_is_reference(image))
        return error_set(err, EINVAL, "\"%s\" is no image reference", image);
    if (!*transaction || transaction[strspn(transaction, id_characters)])
        return error_set(err, EINVAL, "\"%s\" is no transaction's id", transaction);
    struct image_scalar scalar;
    int r = image_scalar_find(text, size, service, &scalar, err);
    if (r < 0)
        return r;
    struct comment old;
    comment_read(text, size, &scalar, &old);
    _cleanup_free_ char *comment = NULL;
    /* Written a second time, the value is no new one. */
    bool leads_back = old.was && (!old.stale || string_equal(scalar.value, image));
    if (old.was || line_is_free(text, size, scalar.end))
        comment = xasprintf("%s%s%s%s", comment_begin, transaction, comment_was,
                            leads_back ? old.was : scalar.value);
    r = splice(text, size, &scalar, image, comment ? comment : "", old.end, ret, ret_size, err);
    comment_done(&old);
    image_scalar_done(&scalar);
    return r;
}

int pins_remove(const char *text, size_t size, const char *service, const char *image, char **ret,
                size_t *ret_size, struct error *err) {
    if (image && !image_is_template(image))
        return error_set(err, EINVAL, "\"%s\" is no image reference", image);
    struct image_scalar scalar;
    int r = image_scalar_find(text, size, service, &scalar, err);
    if (r < 0)
        return r;
    struct comment old;
    comment_read(text, size, &scalar, &old);
    const char *value = old.was && !old.stale ? old.was : image ? image : scalar.value;
    /* Somebody may have written on behind our words: that stays, as a comment. */
    const char *comment = old.was && !line_is_free(text, size, old.end) ? " #" : "";
    r = splice(text, size, &scalar, value, comment, old.end, ret, ret_size, err);
    comment_done(&old);
    image_scalar_done(&scalar);
    return r;
}
