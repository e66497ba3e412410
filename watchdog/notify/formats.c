/* Formats of services. See formats.h. */

#include "watchdog/notify/formats.h"

#include <stddef.h>

#include "watchdog/base/memory.h"

#define CUT(limit) "def cut: if length > " #limit " then .[:" #limit " - 1] + \"…\" else . end; "

const struct format formats[] = {
    { "ntfy", 1,
      "{topic, title: .subject[:250], message: .text,"
      " priority: {info: 3, warning: 4, urgent: 5}[.urgency],"
      " tags: [{info: \"white_check_mark\", warning: \"warning\", urgent: \"rotating_light\"}[.urgency]]}",
      "https://docs.ntfy.sh/publish/#publish-as-json" },
    { "slack", 0,
      CUT(3900) "def plain: gsub(\"&\"; \"&amp;\") | gsub(\"<\"; \"&lt;\") | gsub(\">\"; \"&gt;\");"
                "{text: (\"*\" + (.subject | plain) + \"*\\n\" + (.text | cut | plain)), unfurl_links: "
                "false}",
      "https://api.slack.com/reference/surfaces/formatting#escaping" },
    /* a message has 2000 characters; nobody is named by what an application's answer holds */
    { "discord", 0,
      CUT(1600) "{content: (\"**\" + .subject[:300] + \"**\\n\" + (.text | cut)), allowed_mentions: {parse: "
                "[]}}",
      "https://discord.com/developers/docs/resources/webhook#execute-webhook" },
    { "gotify", 0, "{title: .subject, message: .text, priority: {info: 2, warning: 6, urgent: 10}[.urgency]}",
      "https://gotify.net/docs/pushmsg" },
    { 0 },
};

const struct format *format_find(const char *name) {
    for (const struct format *format = formats; format->name; format++)
        if (string_equal(format->name, name))
            return format;
    return NULL;
}
