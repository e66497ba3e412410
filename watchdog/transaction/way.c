/* The probes' way to the gate. See way.h. */

#include "watchdog/transaction/way.h"

#include <curl/curl.h>
#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"

/* Owned by the caller; NULL: @url is none, which the configuration has looked at. */
static char *port_of(const char *url) {
    CURLU *parts = curl_url();
    char *port = NULL, *copy = NULL;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
        copy = xstrdup(port);
    curl_free(port);
    curl_url_cleanup(parts);
    return copy;
}

char *way_host(const char *url) {
    CURLU *parts = curl_url();
    char *host = NULL, *copy = NULL;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
        copy = xstrdup(host);
    curl_free(host);
    curl_url_cleanup(parts);
    return copy;
}

char *way_problem(const char *url, const char *gate, const json_t *inspect) {
    _cleanup_free_ char *port = port_of(url);
    _cleanup_buffer_ struct buffer published = { 0 };
    const json_t *list, *binding;
    const char *name;
    size_t i;
    json_object_foreach((json_t *)json_path(inspect, "HostConfig.PortBindings"), name, list) {
        json_array_foreach(list, i, binding) {
            const char *host_port = json_get_string(binding, "HostPort", "");
            if (!string_ends_with(name, "/tcp") || !*host_port)
                continue;
            if (string_equal(host_port, port))
                return NULL;
            buffer_printf(&published, "%s%s", published.size ? ", " : "", host_port);
        }
    }
    return port ? xasprintf(
                      "BaseUrl= leads to port %s, and the gate \"%s\" publishes %s: while it is shut, no "
                      "probe could look",
                      port, gate, published.size ? published.text : "none")
                : NULL;
}
