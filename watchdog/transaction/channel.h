#pragma once

/*
 * What a worker and its supervisor say to each other over a socketpair: JSON objects, each after its length
 * in four bytes, little-endian. A worker that babbles breaks its channel, nothing else.
 */

#include <jansson.h>

#include "watchdog/base/clock.h"
#include "watchdog/base/memory.h"

#define CHANNEL_FD 3 /* in the worker */
#define CHANNEL_LIMIT ((size_t)64 * 1024 * 1024)

/* Sends one message, waiting until the deadline for room. Returns 0 or -errno (-EPIPE: nobody reads any
 * more). */
int channel_send(int fd, const json_t *message, usec_t deadline, struct error *err);

/* Takes the next whole message out of @received, into which channel_read() has put what came. Returns 1 with
 * a new reference, 0 when there is none yet, -EBADMSG. */
int channel_next(struct buffer *received, json_t **ret, struct error *err);

/* Reads what is there without waiting. Returns 1 when something was read, 0 when there is nothing now, -EPIPE
 * at the end. */
int channel_read(int fd, struct buffer *received, struct error *err);

/* Waits for one message. -ETIME, -EPIPE. */
int channel_receive(int fd, struct buffer *received, usec_t deadline, json_t **ret, struct error *err);
