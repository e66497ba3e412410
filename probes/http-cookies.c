/*
 * Secure cookies of an application whose TLS somebody else ends. A probe that comes by http and says
 * X-Forwarded-Proto: https stands in that proxy's place: what the proxy would get, it gets. libcurl knows of
 * no proxy, and neither takes nor sends a Secure cookie by http but to loopback names (RFC 6265bis, section
 * 5.6), so such a cookie goes into its store as one that is not Secure.
 */

#include "probes/http.h"

#include <string.h>
#include <strings.h>

#define SESSION "0"
#define PAST "1"

static bool has_value(const char *header, const char *name, const char *value) {
    size_t size = strlen(name);
    const char *at = header + size + 1;
    if (strncasecmp(header, name, size) != 0 || header[size] != ':')
        return false;
    at += strspn(at, " \t");
    return strncasecmp(at, value, strlen(value)) == 0;
}

bool http_is_behind_tls(char *const *headers) {
    for (; headers && *headers; headers++)
        if (has_value(*headers, "X-Forwarded-Proto", "https") ||
            has_value(*headers, "X-Forwarded-Ssl", "on") ||
            (has_value(*headers, "Forwarded", "") && strcasestr(*headers, "proto=https")))
            return true;
    return false;
}

/* The attribute's value behind "; NAME=", "" where it has none, owned by the caller; NULL: it is not there.
 */
static char *attribute_of(const char *attributes, const char *name) {
    size_t length = strlen(name);
    for (const char *at = attributes; *at; at += strcspn(at, ";")) {
        at += strspn(at, "; \t");
        size_t size = strcspn(at, "=; \t");
        if (size != length || strncasecmp(at, name, size) != 0)
            continue;
        const char *value = at + size + strspn(at + size, " \t");
        if (*value != '=')
            return xstrdup("");
        value += 1 + strspn(value + 1, " \t");
        return xstrndup(value, strcspn(value, "; \t"));
    }
    return NULL;
}

char *http_secure_cookie(const char *header, size_t size, const char *host) {
    static const char name[] = "Set-Cookie:";
    if (size < strlen(name) || strncasecmp(header, name, strlen(name)) != 0)
        return NULL;
    const char *begin = header + strlen(name) + strspn(header + strlen(name), " \t");
    _cleanup_free_ char *text = xstrndup(begin, size - (size_t)(begin - header));
    text[strcspn(text, "\r\n")] = '\0';
    size_t pair = strcspn(text, ";"), length = strcspn(text, "=;");
    _cleanup_free_ char *secure = attribute_of(text + pair, "Secure");
    if (!secure || length == 0 || text[length] != '=' || memchr(text, '\t', pair))
        return NULL;
    _cleanup_free_ char *path = attribute_of(text + pair, "Path"),
                        *age = attribute_of(text + pair, "Max-Age");
    while (pair > length + 1 && text[pair - 1] == ' ')
        pair--;
    return xasprintf("%s\tFALSE\t%s\tFALSE\t%s\t%.*s\t%.*s", host, path && *path == '/' ? path : "/",
                     age && (*age == '0' || *age == '-') ? PAST : SESSION, (int)length, text,
                     (int)(pair - length - 1), text + length + 1);
}
