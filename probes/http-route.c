/*
 * Where a probe's connections really go. While the gate is shut its twin answers for it: the request keeps
 * host name, path and SNI, and only the TCP connection leads to the twin's address and the port that the gate
 * publishes.
 */

#include "probes/http.h"

#include <errno.h>
#include <string.h>

#include "probes/docker.h"
#include "watchdog/base/json.h"
#include "watchdog/config/settings.h"

static void cleanup_url(CURLU **url) {
    curl_url_cleanup(*url);
}
static void cleanup_curl_text(char **text) {
    curl_free(*text);
}
#define _cleanup_url_ __attribute__((cleanup(cleanup_url)))
#define _cleanup_curl_text_ __attribute__((cleanup(cleanup_curl_text)))

/* Host (IPv6 in brackets, as CURLOPT_CONNECT_TO wants it) and port. */
static int split_url(const char *text, char **ret_host, char **ret_port, struct error *err) {
    _cleanup_url_ CURLU *url = curl_url();
    _cleanup_curl_text_ char *host = NULL, *port = NULL;
    if (!url || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return error_set(err, EINVAL, "the request's URL is not one");
    *ret_host = xstrdup(host);
    *ret_port = xstrdup(port);
    return 0;
}

int http_url(struct http_look *http, struct error *err) {
    const char *target = http->settings->target, *base = http->look->view->settings->application.base_url;
    _cleanup_free_ char *filled = NULL;
    int r = placeholders_fill(&http->secrets, target, PLACE_URL, &filled, err);
    if (r < 0)
        return r;
    replace_string(http->url, *target == '/' ? xasprintf("%s%s", base ? base : "", filled) : xstrdup(filled));
    return 0;
}

static bool is_loopback(const char *host) {
    return string_equal(host, "localhost") || string_starts_with(host, "127.") || string_equal(host, "[::1]");
}

static const struct container *running(const struct probe_view *view, const struct container *containers,
                                       size_t count, const char *service) {
    for (size_t i = 0; i < count; i++)
        if (probe_docker_counts(view, &containers[i], service) && container_runs(&containers[i]))
            return &containers[i];
    return NULL;
}

static bool is_service(const struct container *containers, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (string_equal(containers[i].service, name))
            return true;
    return false;
}

/* "80/tcp": [{"HostIp": "", "HostPort": "8080"}] of HostConfig.PortBindings, which a container has before it
 * is started, too. Adds an entry per published port; returns whether @port was among them. */
static bool add_published(struct http_look *http, const struct container *gate, const char *host,
                          const char *port, const char *address) {
    const json_t *bindings = json_path(gate->inspect, "HostConfig.PortBindings"), *list, *binding;
    const char *container_port;
    bool found = false;
    size_t i;
    json_object_foreach((json_t *)bindings, container_port, list) {
        if (!string_ends_with(container_port, "/tcp"))
            continue;
        json_array_foreach(list, i, binding) {
            const char *host_port = json_get_string(binding, "HostPort", "");
            if (!*host_port)
                continue;
            strings_appendf(&http->connect_to, "%s:%s:%s:%.*s", host, host_port, address,
                            (int)strcspn(container_port, "/"), container_port);
            found = found || string_equal(host_port, port);
        }
    }
    return found;
}

static enum http_fault route_to_twin(struct http_look *http, const struct container *containers, size_t count,
                                     const char *host, const char *port, struct error *err) {
    const struct probe_view *view = http->look->view;
    const struct container *twin = running(view, containers, count, view->gate), *gate = NULL;
    _cleanup_free_ char *address = NULL;
    for (size_t i = 0; i < count; i++)
        if (string_equal(containers[i].service, view->gate) && !containers[i].one_off)
            gate = &containers[i];
    if (!twin || container_address(twin, &address, NULL) < 0) {
        error_set(err, ECONNREFUSED, "the gate's twin \"%s\" does not run", view->twin);
        return HTTP_FAULT_APPLICATION;
    }
    if (!gate || !add_published(http, gate, host, port, address)) {
        error_set(err, EADDRNOTAVAIL,
                  "the gate \"%s\" publishes no port %s, so its twin cannot be asked for it", view->gate,
                  port);
        return HTTP_FAULT_UNKNOWN;
    }
    return HTTP_NO_FAULT;
}

static enum http_fault route_to_service(struct http_look *http, const struct container *containers,
                                        size_t count, const char *host, const char *port, struct error *err) {
    const struct container *container = running(http->look->view, containers, count, host);
    _cleanup_free_ char *address = NULL;
    if (!container || container_address(container, &address, NULL) < 0) {
        error_set(err, ECONNREFUSED, "service \"%s\" does not run", host);
        return HTTP_FAULT_APPLICATION;
    }
    strings_appendf(&http->connect_to, "%s:%s:%s:%s", host, port, address, port);
    return HTTP_NO_FAULT;
}

enum http_fault http_route(struct http_look *http, struct error *err) {
    const struct probe_view *view = http->look->view;
    const char *base = view->settings->application.base_url;
    _cleanup_free_ char *host = NULL, *port = NULL, *base_host = NULL, *base_port = NULL;
    if (split_url(http->url, &host, &port, err) < 0 ||
        (base && split_url(base, &base_host, &base_port, err) < 0))
        return HTTP_FAULT_UNKNOWN;
    bool is_base = base && strcasecmp(host, base_host) == 0;
    if (is_base || is_loopback(host))
        strings_append(&http->own_hosts, host);
    /* An address or a loopback name is no service: Docker need not be asked. */
    if (!(is_base && view->twin) && (is_loopback(host) || host[strspn(host, "0123456789.")] == '\0'))
        return HTTP_NO_FAULT;
    const struct container *containers;
    size_t count;
    if (probe_docker_containers(http->look, &containers, &count, err) < 0) {
        error_prefix(err, "Docker cannot be asked where to connect to");
        return HTTP_FAULT_UNKNOWN;
    }
    if (is_service(containers, count, host)) {
        strings_append(&http->own_hosts, host);
        return route_to_service(http, containers, count, host, port, err);
    }
    return is_base && view->twin ? route_to_twin(http, containers, count, host, port, err) : HTTP_NO_FAULT;
}

char *http_way(const struct probe_look *look) {
    const char *base = look->view->settings->application.base_url;
    struct http_look http = { .look = look, .url = base ? xstrdup(base) : NULL };
    _cleanup_free_ char *host = NULL, *port = NULL;
    char *way = NULL;
    if (base && http_route(&http, NULL) == HTTP_NO_FAULT && split_url(base, &host, &port, NULL) == 0) {
        _cleanup_free_ char *prefix = xasprintf("%s:%s:", host, port);
        for (char **entry = http.connect_to; entry && *entry && !way; entry++)
            if (string_starts_with(*entry, prefix))
                way = xstrdup(*entry);
    }
    free(http.url);
    strings_free(http.connect_to);
    strings_free(http.own_hosts);
    return way ? way : xstrdup("");
}
