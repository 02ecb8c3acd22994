#include "../../libs/c/digits.h"
#include <capsule.h>

#define LIMIT 1000000

CAPSULE_TASK(main, "compute=HIGH", "timeout=10s") {
    static unsigned char composite[LIMIT + 1];
    unsigned long count = 0;
    for (unsigned long number = 2; number <= LIMIT; number++) {
        if (composite[number]) continue;
        count++;
        if (number > LIMIT / number) continue;  /* its square would not fit into 32 bits */
        for (unsigned long multiple = number * number; multiple <= LIMIT; multiple += number) composite[multiple] = 1;
    }
    return capsule_return(digits(count));
}
