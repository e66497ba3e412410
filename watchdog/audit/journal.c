/* Records to journald. See journal.h. */

#include "watchdog/audit/journal.h"

#define SD_JOURNAL_SUPPRESS_LOCATION /* where in the source says nothing to who reads the journal */

#include <linux/sockios.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "watchdog/base/memory.h"
#include "watchdog/base/text.h"

#define SOCKET "/run/systemd/journal/socket"
#define PATIENCE_MSEC 500
#define SETTLE_TIME (5 * USEC_PER_SEC)
#define SETTLE_PAUSE (2 * USEC_PER_MSEC)
#define IDENTIFIER "upgrade-watchdog"

static int connect_socket(void) {
    static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SOCKET };
    _cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -1;
    return take_fd(fd);
}

/* A datagram socket is writable when its peer has room: asked before, since sd_journal_sendv() waits without
 * end for a journald that does not read. */
int journal_available(void) {
    _cleanup_close_ int fd = connect_socket();
    if (fd < 0)
        return 0;
    struct pollfd ready = { .fd = fd, .events = POLLOUT };
    return poll(&ready, 1, PATIENCE_MSEC) == 1 && (ready.revents & POLLOUT);
}

/* An empty datagram, which journald passes over, stands behind all that was sent before: when it has been
 * read, so has the rest. What is unread of it, the sender's socket says (unix(7), SIOCOUTQ). */
void journal_settle(void) {
    _cleanup_close_ int fd = connect_socket();
    int left = 0;
    if (fd < 0 || send(fd, "", 0, MSG_NOSIGNAL) < 0)
        return;
    for (usec_t deadline = deadline_in(SETTLE_TIME); ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0;)
        if (!deadline_sleep(deadline, SETTLE_PAUSE))
            return;
}

static void add(char ***record, const char *name, const char *value) {
    if (value && *value)
        strings_appendf(record, "%s=%s", name, value);
}

char **journal_record(const struct journal *journal, enum event event, const struct journal_fields *fields,
                      const char *message) {
    static const struct journal_fields none = { 0 };
    char **record = NULL;
    const struct journal_fields *of = fields ? fields : &none;
    _cleanup_free_ char *harmless = text_harmless(message, 0),
                        *reason = text_harmless(of->reason ? of->reason : "", 0);
    strings_appendf(&record, "MESSAGE=%s", harmless);
    strings_appendf(&record, "MESSAGE_ID=%s", events[event].message_id);
    strings_appendf(&record, "PRIORITY=%d", events[event].priority);
    strings_append(&record, "SYSLOG_IDENTIFIER=" IDENTIFIER);
    add(&record, "UPGRADE_APP", journal->app);
    add(&record, "UPGRADE_ID", journal->id);
    add(&record, "UPGRADE_PHASE", of->phase);
    add(&record, "UPGRADE_OUTCOME", of->outcome);
    add(&record, "UPGRADE_REASON", reason);
    add(&record, "UPGRADE_FROM", of->from);
    add(&record, "UPGRADE_TO", of->to);
    add(&record, "UPGRADE_PROBE", of->probe);
    add(&record, "UPGRADE_PROBE_RESULT", of->probe_result);
    if (of->seconds)
        strings_appendf(&record, "UPGRADE_SECONDS=%.3f", (double)of->seconds / (double)USEC_PER_SEC);
    return record;
}

static int send_record(char *const *record) {
    size_t count = strings_count(record);
    struct iovec *vector = xcalloc(count, sizeof(struct iovec));
    for (size_t i = 0; i < count; i++)
        vector[i] = (struct iovec){ record[i], strlen(record[i]) };
    int r = journal_available() ? sd_journal_sendv(vector, (int)count) : -1;
    free(vector);
    return r;
}

void journal_send(const struct journal *journal, enum event event, const struct journal_fields *fields,
                  const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *message = xvasprintf(format, arguments);
    va_end(arguments);
    _cleanup_strings_ char **record = journal_record(journal, event, fields, message);
    if (send_record(record) >= 0)
        return;
    const char *line = record[0] + strlen("MESSAGE=");
    if (journal->plain)
        journal->plain(journal->userdata, events[event].priority, line);
    else
        fprintf(stderr, "%s%s%s\n", journal->app ? journal->app : "", journal->app ? ": " : "", line);
}

void journal_status(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    _cleanup_free_ char *text = xvasprintf(format, arguments);
    va_end(arguments);
    _cleanup_free_ char *harmless = text_harmless(text, 0);
    (void)sd_notifyf(0, "STATUS=%s", harmless);
}

char *journal_catalog(void) {
    struct buffer catalog = { 0 };
    buffer_printf(&catalog,
                  "# Explanations for `journalctl -x`, in the format of systemd's message catalog.\n"
                  "# Made from watchdog/audit/events.c: a unit test compares the two.\n");
    for (size_t i = 0; i < EVENT_COUNT; i++)
        buffer_printf(&catalog,
                      "\n-- %s\nSubject: %s\nDefined-By: upgrade-watchdog\n"
                      "Documentation: man:upgrade-watchdog(8)\n\n%s",
                      events[i].message_id, events[i].subject, events[i].text);
    return buffer_take(&catalog);
}
