#include "kernels.h"

#include <stdio.h>
#include <time.h>

int main(int count, char **arguments) {
    const char *kernel = count > 2 ? arguments[1] : "";
    long size = count > 2 ? atol(arguments[2]) : 0;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    double result = kernel[0] == 'n' ? nbody(size) : kernel[0] == 's' ? sha256(size) : heapsort_numbers(size);
    clock_gettime(CLOCK_MONOTONIC, &after);
    double seconds = (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    printf("{\"seconds\": %.9f, \"result\": %.17g}\n", seconds, result);
    return 0;
}
