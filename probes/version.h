#pragma once

/*
 * Version=: which version it is that answers. An old container answers just as happily as the new one, so:
 *
 * | at the baseline the application says             | from then on | | a version that the label of a
 * service's image has | what the label of the image says that should run now   | | anything else | anything:
 * labels are often the base image's or not there |
 *
 * In both cases it must be there and not empty, and must not change from look to look while one release runs:
 * two containers that answer in turns are seen. "Has" is: as a word of its own, so that "v1.3.0" and "1.3.0
 * (4f2c1e)" both have "1.3.0".
 *
 * Where several services had the label that the application told, and not all of them change, any of their
 * new labels will do; VersionOf= says which one it is.
 */

#include "probes/answer.h"

/* Whether @label, without a leading "v", is a word of @said. Pure. */
bool version_has(const char *said, const char *label);

/* Judges by the rules above. Returns false when the report says what is wrong. */
bool version_judge(struct judgement *judgement);
