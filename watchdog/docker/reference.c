/* Image references. See reference.h. */

#include "watchdog/docker/reference.h"

#include <errno.h>
#include <string.h>

#include "watchdog/base/digest.h"
#include "watchdog/base/memory.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_LIMIT 255
#define TAG_LIMIT 128

static const char expected[] = "[HOST[:PORT]/]NAME[:TAG][@sha256:64 hex digits], in lower case";

bool reference_digest_valid(const char *text) {
    return string_starts_with(text, "sha256:") && digest_valid(text + strlen("sha256:"));
}

void reference_done(struct reference *reference) {
    free(reference->written);
    free(reference->host);
    free(reference->path);
    free(reference->tag);
    free(reference->digest);
    *reference = (struct reference){ 0 };
}

/* [a-z0-9]+ ( [._] | __ | -+ ) [a-z0-9]+ …, @size bytes of it. */
static bool component_valid(const char *text, size_t size) {
    for (size_t at = 0;;) {
        size_t run = strspn(text + at, LOWER);
        run = run < size - at ? run : size - at;
        at += run;
        if (run == 0 || at == size)
            return run > 0;
        size_t dashes = strspn(text + at, "-");
        at += dashes ? dashes : strncmp(text + at, "__", 2) == 0 ? 2 : strchr("._", text[at]) ? 1 : 0;
        if (at >= size)
            return false;
    }
}

static bool path_valid(const char *text) {
    for (;;) {
        size_t size = strcspn(text, "/");
        if (size == 0 || !component_valid(text, size))
            return false;
        if (!text[size])
            return true;
        text += size + 1;
    }
}

static bool host_valid(const char *host) {
    size_t size =
        host[0] == '[' ? strspn(host + 1, "0123456789abcdefABCDEF:.") + 1 : strspn(host, LOWER UPPER ".-");
    if (host[0] == '[') {
        if (host[size] != ']' || size == 1)
            return false;
        size++;
    }
    if (size == 0 || strchr("-.", host[0]))
        return false;
    if (!host[size])
        return true;
    size_t digits = strspn(host + size + 1, "0123456789");
    return host[size] == ':' && digits > 0 && !host[size + 1 + digits];
}

/* The first component is a host when it cannot be a part of a name on Docker Hub. */
static bool is_host(const char *name, size_t size) {
    return memchr(name, '.', size) || memchr(name, ':', size) ||
           (size == strlen("localhost") && strncmp(name, "localhost", size) == 0) ||
           strcspn(name, UPPER) < size;
}

static void split_name(struct reference *reference) {
    const char *slash = strchr(reference->written, '/');
    size_t size = slash ? (size_t)(slash - reference->written) : 0;
    if (slash && is_host(reference->written, size)) {
        reference->host = xstrndup(reference->written, size);
        reference->path = xstrdup(slash + 1);
        if (string_equal(reference->host, "index.docker.io"))
            replace_string(reference->host, xstrdup("docker.io"));
    } else {
        reference->host = xstrdup("docker.io");
        reference->path = xstrdup(reference->written);
    }
    if (string_equal(reference->host, "docker.io") && !strchr(reference->path, '/'))
        replace_string(reference->path, xasprintf("library/%s", reference->path));
}

static bool tag_valid(const char *tag) {
    size_t size = strlen(tag);
    return size > 0 && size <= TAG_LIMIT && !strchr(".-", tag[0]) && strspn(tag, LOWER UPPER "_.-") == size;
}

int reference_parse(const char *text, struct reference *ret, struct error *err) {
    if (reference_digest_valid(text) || digest_valid(text))
        return error_set(err, EINVAL, "\"%s\" is an image ID, expected a name: %s", text, expected);
    _cleanup_reference_ struct reference reference = { 0 };
    const char *at = strchr(text, '@');
    size_t size = at ? (size_t)(at - text) : strlen(text);
    reference.digest = xstrdup(at ? at + 1 : "");
    _cleanup_free_ char *name = xstrndup(text, size);
    const char *slash = strrchr(name, '/');
    char *colon = strchr(slash ? slash : name, ':');
    reference.tag = xstrdup(colon ? colon + 1 : "");
    if (colon)
        *colon = '\0';
    reference.written = xstrdup(name);
    split_name(&reference);
    if (at && !reference_digest_valid(reference.digest))
        return error_set(err, EINVAL, "\"%s\" is no image reference: its digest is no SHA-256, expected %s",
                         text, expected);
    if (colon && !tag_valid(reference.tag))
        return error_set(err, EINVAL, "\"%s\" is no image reference: its tag is not valid, expected %s", text,
                         expected);
    if (!host_valid(reference.host) || !path_valid(reference.path) ||
        strlen(reference.host) + strlen(reference.path) + 1 > NAME_LIMIT)
        return error_set(err, EINVAL, "\"%s\" is no image reference: its name is not valid, expected %s",
                         text, expected);
    *ret = reference;
    reference = (struct reference){ 0 };
    return 0;
}

const char *reference_tag(const struct reference *reference) {
    return !*reference->tag && !*reference->digest ? "latest" : reference->tag;
}

char *reference_name(const struct reference *reference) {
    return xasprintf("%s/%s", reference->host, reference->path);
}

char *reference_familiar(const struct reference *reference) {
    static const char official[] = "library/";
    if (!string_equal(reference->host, "docker.io"))
        return reference_name(reference);
    bool is_official =
        string_starts_with(reference->path, official) && !strchr(reference->path + strlen(official), '/');
    return xstrdup(reference->path + (is_official ? strlen(official) : 0));
}

bool reference_same(const char *a, const char *b) {
    _cleanup_reference_ struct reference left = { 0 }, right = { 0 };
    if (reference_parse(a, &left, NULL) < 0 || reference_parse(b, &right, NULL) < 0)
        return string_equal(a, b);
    return string_equal(left.host, right.host) && string_equal(left.path, right.path) &&
           string_equal(reference_tag(&left), reference_tag(&right));
}

char *reference_with_digest(const struct reference *reference, const char *digest) {
    return *reference->tag ? xasprintf("%s:%s@%s", reference->written, reference->tag, digest)
                           : xasprintf("%s@%s", reference->written, digest);
}
