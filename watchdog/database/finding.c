/* Findings. See finding.h. */

#include "watchdog/database/finding.h"

#include "watchdog/base/memory.h"

void findings_free(struct finding *findings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(findings[i].name);
        free(findings[i].sentence);
        free(findings[i].cure);
    }
    free(findings);
}

void findings_add(struct finding **findings, size_t *count, const char *name, bool ok, bool advisory,
                  const char *cure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    *findings = xrealloc(*findings, *count + 1, sizeof(**findings));
    (*findings)[(*count)++] = (struct finding){
        .name = xstrdup(name),
        .ok = ok,
        .advisory = advisory && !ok,
        .sentence = xvasprintf(format, arguments),
        .cure = xstrdup(ok ? "" : cure),
    };
    va_end(arguments);
}
