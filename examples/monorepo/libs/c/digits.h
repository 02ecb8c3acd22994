/* Numbers as text, shared by the C members. */
#ifndef DIGITS_H
#define DIGITS_H

#include <stdio.h>

static inline const char *digits(unsigned long value) {
    static char text[24];
    snprintf(text, sizeof text, "%lu", value);
    return text;
}

#endif
