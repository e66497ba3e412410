/* A message as mail. See mail.h. */

#include "watchdog/notify/mail.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "watchdog/base/json.h"
#include "watchdog/base/memory.h"
#include "watchdog/notify/program.h"

#define WORD_BYTES                                                                                           \
    42 /* of a subject in one encoded word: 56 characters of base64, under the 75 of RFC 2047 */
#define LINE_BYTES 54 /* of a body in one line: 72 characters */

static void base64(struct buffer *text, const char *data, size_t size) {
    unsigned char encoded[4 * ((LINE_BYTES + 2) / 3) + 1];
    int length = EVP_EncodeBlock(encoded, (const unsigned char *)data, (int)size);
    buffer_append(text, encoded, (size_t)length);
}

/* Encoded words of whole characters, each on a line of its own. */
static void add_subject(struct buffer *mail, const char *subject) {
    buffer_printf(mail, "Subject:");
    for (size_t size; *subject; subject += size) {
        size = strnlen(subject, WORD_BYTES);
        while (subject[size] && size > 1 && ((unsigned char)subject[size] & 0xC0) == 0x80)
            size--;
        buffer_printf(mail, " =?UTF-8?B?");
        base64(mail, subject, size);
        buffer_printf(mail, "?=%s", subject[size] ? "\n" : "");
    }
    buffer_printf(mail, "\n");
}

/* RFC 5322, section 3.3, in UTC. */
static void add_date(struct buffer *mail, usec_t created) {
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t seconds = (time_t)(created / USEC_PER_SEC);
    struct tm at;
    if (gmtime_r(&seconds, &at))
        buffer_printf(mail, "Date: %s, %d %s %d %02d:%02d:%02d +0000\n", days[at.tm_wday], at.tm_mday,
                      months[at.tm_mon], at.tm_year + 1900, at.tm_hour, at.tm_min, at.tm_sec);
}

char *mail_text(const json_t *said, const char *to, usec_t created) {
    struct buffer mail = { 0 };
    const char *text = json_get_string(said, "text", "");
    buffer_printf(&mail, "To: %s\n", to);
    add_subject(&mail, json_get_string(said, "subject", "upgrade-watchdog"));
    add_date(&mail, created);
    if (string_equal(json_get_string(said, "urgency", ""), "urgent"))
        buffer_printf(&mail, "Importance: high\n");
    buffer_printf(
        &mail, "Auto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n"
               "Content-Transfer-Encoding: base64\n\n");
    for (size_t size; *text; text += size) {
        size = strnlen(text, LINE_BYTES);
        base64(&mail, text, size);
        buffer_printf(&mail, "\n");
    }
    return buffer_take(&mail);
}

int mail_send(const json_t *said, const char *to, usec_t created, usec_t deadline, struct error *err) {
    static const char *const places[] = { "/usr/sbin/sendmail", "/usr/lib/sendmail", "/usr/bin/sendmail" };
    _cleanup_free_ char *mail = mail_text(said, to, created);
    for (size_t i = 0; i < ELEMENTS(places); i++)
        if (access(places[i], X_OK) == 0)
            /* -i: a line with a dot alone does not end it */
            return program_run(
                (char *const[]){ (char *)places[i], (char *)"-i", (char *)"--", (char *)to, NULL }, NULL,
                mail, deadline, err);
    return error_set(err, ENOENT, "there is no \"%s\" on this host, expected a mail server's sendmail(8)",
                     places[0]);
}
