/* Warnings. See notices.h. */

#include "watchdog/database/notices.h"

#include <string.h>

#include <libpq-events.h>

#include "watchdog/database/query.h"

#define NOTICES_LIMIT ((size_t)4096)

/* libpq's instance data is tied to the event procedure, and dies with the connection. */
static int notices_event(PGEventId event, void *info, void *userdata) {
    (void)userdata;
    if (event == PGEVT_CONNDESTROY) {
        PGconn *connection = ((PGEventConnDestroy *)info)->conn;
        struct buffer *notices = PQinstanceData(connection, notices_event);
        if (notices)
            buffer_done(notices);
        free(notices);
    }
    return 1;
}

static void notices_receive(void *userdata, const char *message) {
    struct buffer *notices = userdata;
    buffer_append(notices, message, strlen(message));
    if (notices->size > NOTICES_LIMIT) {
        memmove(notices->text, notices->text + notices->size - NOTICES_LIMIT, NOTICES_LIMIT + 1);
        notices->size = NOTICES_LIMIT;
    }
}

void notices_attach(PGconn *connection) {
    struct buffer *notices = xcalloc(1, sizeof(*notices));
    if (!PQregisterEventProc(connection, notices_event, "notices", NULL) ||
        !PQsetInstanceData(connection, notices_event, notices))
        abort();
    PQsetNoticeProcessor(connection, notices_receive, notices);
}

const char *server_notices(PGconn *connection) {
    const struct buffer *notices = PQinstanceData(connection, notices_event);
    return notices && notices->text ? notices->text : "";
}
