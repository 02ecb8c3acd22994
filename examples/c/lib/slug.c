#include "slug.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

char *slug(const char *title) {
    char *made = malloc(strlen(title) + 1), *to = made;
    for (; *title != '\0'; title++) {
        if (isalnum((unsigned char)*title)) {
            *to++ = (char)tolower((unsigned char)*title);
        } else if (to > made && to[-1] != '-') {
            *to++ = '-';
        }
    }
    while (to > made && to[-1] == '-') {
        to--;
    }
    *to = '\0';
    return made;
}
