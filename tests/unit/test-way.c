/* Whether the probes' way leads to the gate's twin. */

#include "tests/unit/unit.h"

#include <string.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/transaction/way.h"

static void the_port_of_base_url_is_one_that_the_gate_publishes(void **state) {
    (void)state;
    static const char gate[] = "{\"HostConfig\": {\"PortBindings\": {\"80/tcp\": [{\"HostIp\": "
                               "\"127.0.0.1\", \"HostPort\": \"8090\"}],"
                               " \"443/tcp\": [{\"HostIp\": \"\", \"HostPort\": \"443\"}], \"443/udp\": "
                               "[{\"HostPort\": \"8443\"}]}}}";
    static const struct {
        const char *url, *gate, *words; /* NULL: no problem */
    } cases[] = {
        { "http://127.0.0.1:8090", gate, NULL },
        { "http://127.0.0.1:8090/redmine", gate, NULL },
        { "https://redmine.example.org", gate, NULL },
        { "http://redmine.example.org", gate, "port 80, and the gate \"caddy\" publishes 8090, 443:" },
        { "https://127.0.0.1:8443", gate, "port 8443" },
        { "http://[::1]:8091", gate, "port 8091" },
        { "http://127.0.0.1", "{\"HostConfig\": {\"PortBindings\": {}}}", "publishes none" },
        { "http://127.0.0.1", "{}", "publishes none" },
    };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_json_ json_t *inspect = json_loads(cases[i].gate, 0, NULL);
        _cleanup_free_ char *problem = way_problem(cases[i].url, "caddy", inspect);
        if (cases[i].words ? !problem || !strstr(problem, cases[i].words) : problem != NULL)
            fail_msg("%s: %s", cases[i].url, problem ? problem : "no problem");
    }
}

static void the_host_is_told_from_the_url(void **state) {
    (void)state;
    static const struct {
        const char *url, *host;
    } cases[] = { { "http://caddy:80/x", "caddy" }, { "https://[::1]", "[::1]" }, { "nothing", NULL } };
    for (size_t i = 0; i < ELEMENTS(cases); i++) {
        _cleanup_free_ char *host = way_host(cases[i].url);
        if (!string_equal(host, cases[i].host))
            fail_msg("%s: %s", cases[i].url, host ? host : "none");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_of_base_url_is_one_that_the_gate_publishes),
        cmocka_unit_test(the_host_is_told_from_the_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
