/* Whether a text is UTF-8 as Python takes it: no surrogates, nothing longer than it need be. */

#ifndef BQSYNC_UTF8_H
#define BQSYNC_UTF8_H

#include <stdint.h>
#include <string.h>

static inline int is_continued(const uint8_t *at, const uint8_t *end, int count)
{
    if (end - at <= count)
        return 0;
    for (int byte = 1; byte <= count; byte++)
        if ((at[byte] & 0xC0) != 0x80)
            return 0;
    return 1;
}

/* Source: table 3-7 of https://www.unicode.org/versions/Unicode15.0.0/ch03.pdf */
static inline int is_utf8(const uint8_t *at, uint64_t size)
{
    const uint8_t *end = at + size;
    while (at < end) {
        uint64_t eight;
        if (end - at >= 8 && (memcpy(&eight, at, 8), !(eight & 0x8080808080808080u))) {
            at += 8;
        } else if (*at < 0x80) {
            at += 1;
        } else if (*at >= 0xC2 && *at <= 0xDF && is_continued(at, end, 1)) {
            at += 2;
        } else if ((*at & 0xF0) == 0xE0 && is_continued(at, end, 2)) {
            if ((*at == 0xE0 && at[1] < 0xA0) || (*at == 0xED && at[1] > 0x9F))
                return 0;
            at += 3;
        } else if (*at >= 0xF0 && *at <= 0xF4 && is_continued(at, end, 3)) {
            if ((*at == 0xF0 && at[1] < 0x90) || (*at == 0xF4 && at[1] > 0x8F))
                return 0;
            at += 4;
        } else {
            return 0;
        }
    }
    return 1;
}

#endif
