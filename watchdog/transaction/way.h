#pragma once

/*
 * Whether the probes' way leads to the gate. While it is shut they are sent to its twin, and the port of
 * BaseUrl= says which one of the twin's is meant. A proxy on the host, before the gate, has another port: its
 * answers pass at the baseline, and nobody could look after the switch.
 */

#include <jansson.h>

/* What is wrong with BaseUrl= @url, whose host is no service's name, for the service @gate; @inspect is its
 * container's, of the Engine. A sentence, owned by the caller; NULL: nothing. */
char *way_problem(const char *url, const char *gate, const json_t *inspect);
/* The host of a URL, owned by the caller; NULL: it is no URL. */
char *way_host(const char *url);
