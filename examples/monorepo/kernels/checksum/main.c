#include "../../libs/c/digits.h"
#include <capsule.h>
#include <stdint.h>
#include <string.h>

CAPSULE_TASK(main, "compute=LOW") {
    const char *text = "The quick brown fox jumps over the lazy dog";
    uint32_t first = 1, second = 0;
    for (size_t index = 0; index < strlen(text); index++) {
        first = (first + (unsigned char)text[index]) % 65521;
        second = (second + first) % 65521;
    }
    return capsule_return(digits((second << 16) | first));
}
