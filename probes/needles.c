/* Many strings at once. See needles.h. */

#include "probes/needles.h"

#include <string.h>

#include "watchdog/base/memory.h"

struct state {
    struct needles_found ends; /* the needles that end here */
    uint16_t falls;            /* the longest other beginning that it ends with */
    bool any;
};

struct needles {
    uint8_t class_of[256]; /* 0: in no needle */
    size_t classes, count;
    struct state *states;
    uint16_t *next; /* states by classes; 0 is the beginning */
};

static void add(struct needles *needles, const char *text, size_t index) {
    size_t at = 0;
    for (; *text; text++) {
        uint16_t *next = &needles->next[at * needles->classes + needles->class_of[(unsigned char)*text]];
        if (*next == 0)
            *next = (uint16_t)needles->count++;
        at = *next;
    }
    needles->states[at].ends.bits[index / 64] |= UINT64_C(1) << index % 64;
    needles->states[at].any = true;
}

/* What does not go on falls back to the longest beginning that fits, breadth first. */
static void complete(struct needles *needles) {
    uint16_t *queue = xcalloc(needles->count, sizeof(*queue));
    size_t head = 0, tail = 0;
    for (size_t class = 0; class < needles->classes; class ++)
        if (needles->next[class])
            queue[tail++] = needles->next[class];
    while (head < tail) {
        size_t at = queue[head++];
        struct state *state = &needles->states[at];
        const struct state *falls = &needles->states[state->falls];
        for (size_t i = 0; i < ELEMENTS(state->ends.bits); i++)
            state->ends.bits[i] |= falls->ends.bits[i];
        state->any = state->any || falls->any;
        for (size_t class = 0; class < needles->classes; class ++) {
            uint16_t *next = &needles->next[at * needles->classes + class];
            uint16_t other = needles->next[state->falls * needles->classes + class];
            if (*next) {
                needles->states[*next].falls = other;
                queue[tail++] = *next;
            } else {
                *next = other;
            }
        }
    }
    free(queue);
}

struct needles *needles_new(const char *const *list, size_t count) {
    struct needles *needles = xcalloc(1, sizeof(*needles));
    size_t states = 1;
    needles->classes = 1;
    for (size_t i = 0; i < count; i++) {
        states += strlen(list[i]);
        for (const char *at = list[i]; *at; at++)
            if (!needles->class_of[(unsigned char)*at])
                needles->class_of[(unsigned char)*at] = (uint8_t)needles->classes++;
    }
    if (count > NEEDLES_MOST || states > UINT16_MAX)
        abort();
    needles->states = xcalloc(states, sizeof(*needles->states));
    needles->next = xcalloc(states * needles->classes, sizeof(*needles->next));
    needles->count = 1;
    for (size_t i = 0; i < count; i++)
        add(needles, list[i], i);
    complete(needles);
    return needles;
}

void needles_free(struct needles *needles) {
    if (!needles)
        return;
    free(needles->states);
    free(needles->next);
    free(needles);
}

bool needles_find(const struct needles *needles, const char *text, size_t size, struct needles_found *ret) {
    bool any = false;
    size_t at = 0;
    for (size_t i = 0; i < size; i++) {
        at = needles->next[at * needles->classes + needles->class_of[(unsigned char)text[i]]];
        const struct state *state = &needles->states[at];
        if (!state->any)
            continue;
        any = true;
        for (size_t n = 0; n < ELEMENTS(ret->bits); n++)
            ret->bits[n] |= state->ends.bits[n];
    }
    return any;
}
